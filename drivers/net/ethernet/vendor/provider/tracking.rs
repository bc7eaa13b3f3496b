// SPDX-License-Identifier: GPL-2.0

//! What a VF writes to its guest's memory, while that is logged.
//!
//! Documentation/dirty-tracking.rst says why none of it is missed.

use super::{
    logic::{
        contexts::Descriptor,
        scan::{
            Guest,
            RxRing,
            RxScan, //
        },
        shape::Shape,
        state::QUEUES,
        window::{
            words,
            Page,
            Place,
            RxRegister,
            TxRegister, //
        }, //
    },
    platform::{
        Fault,
        Platform, //
    },
    registers::{
        position,
        queue,
        read_rx, //
    },
    rings::read_descriptors,
    tracking_tx::{
        Transmit,
        TxLog, //
    },
    windows, //
};
use crate::regs::{
    mac::RCTL,
    rx::{
        RDH,
        RDT,
        RXDCTL, //
    },
    Registers, //
};
use core::ops::DerefMut;
use kernel::{
    io::{
        register::Array,
        Io, //
    },
    prelude::*, //
};

/// The guest's memory, for a scan.
struct Memory<'p, P>(&'p P);

impl<'a, P: Platform<'a>> Guest for Memory<'_, P> {
    type Error = Error;

    fn read(&mut self, iova: u64, room: &mut [Descriptor]) -> Result<bool> {
        match read_descriptors(self.0, iova, room) {
            Ok(()) => Ok(true),
            Err(errno) if errno == EFAULT => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    fn mark(&mut self, iova: u64, len: u64) {
        self.0.mark_dirty(iova, len);
    }
}

/// Where the head of receive queue `q` of the device is.
fn rx_head<'a>(io: impl Registers<'a>, q: usize) -> Result<u16> {
    let head = io.try_read(RDH::try_at(q).ok_or(EINVAL)?)?;
    Ok(position(head.index().get()))
}

/// Whether receive queue `q` of the device is on.
fn rx_is_on<'a>(io: impl Registers<'a>, q: usize) -> Result<bool> {
    Ok(io.try_read(RXDCTL::try_at(q).ok_or(EINVAL)?)?.enable())
}

/// A receive queue that is logged.
struct RxLog<S> {
    /// Which one of the VF's.
    index: usize,
    /// Its number in the device.
    q: usize,
    /// What was harvested.
    slots: S,
    scan: RxScan,
    /// It may be that it runs.
    runs: bool,
    /// It was last told to run. The device may not yet have done what it was told.
    told: bool,
    /// It was told to run, and was seen to do so since.
    on: bool,
}

impl<S: DerefMut<Target = [Descriptor]>> RxLog<S> {
    fn new(vf: usize, index: usize, slots: S) -> Result<Self> {
        Ok(Self {
            index,
            q: queue(vf, index)?,
            slots,
            scan: RxScan::default(),
            runs: false,
            told: false,
            on: false,
        })
    }

    /// Begins with what registers say. Errors: the ring is too long, or cannot be read.
    fn take_up<'a, P: Platform<'a>>(&mut self, platform: &P) -> Result<(), Fault> {
        self.scan = RxScan::default();
        let io = platform.io();
        let now = read_rx(io, self.q)?;
        let shape = Shape::new(now.shape, io.read(RCTL).bsize().get());
        let ring = RxRing::new(now.ring.base, now.ring.length, shape)
            .map_err(|_| Fault::TooLong(self.index))?;
        let (head, tail) = (now.ring.head, now.ring.tail);
        let memory = &mut Memory(platform);
        self.scan = RxScan::take_up(ring, head, tail, &mut self.slots, memory)?;
        Ok(())
    }

    /// Begins with what registers say, if the queue is on. What it uses meanwhile is left
    /// out.
    fn start<'a, P: Platform<'a>>(&mut self, platform: &P) -> Result<(), Fault> {
        let is_on = rx_is_on(platform.io(), self.q)?;
        (self.runs, self.told, self.on) = (is_on, is_on, is_on);
        if is_on {
            self.take_up(platform)?;
            self.scan.skip_to(rx_head(platform.io(), self.q)?);
        }
        Ok(())
    }

    /// Tells what the queue has written.
    fn look<'a, P: Platform<'a>>(&mut self, platform: &P) -> Result<(), Fault> {
        // In this order, so that the head is the last if the queue is off.
        let is_on = rx_is_on(platform.io(), self.q)?;
        if self.runs {
            self.retire(platform)?;
        } else if is_on {
            // It was told to run before this was logged, and took its time.
            self.take_up(platform)?;
        }
        self.runs = is_on || self.told;
        self.on = is_on && self.told;
        Ok(())
    }

    fn retire<'a, P: Platform<'a>>(&mut self, platform: &P) -> Result {
        let head = rx_head(platform.io(), self.q)?;
        self.scan.retire(head, &self.slots, &mut Memory(platform));
        Ok(())
    }

    /// The guest is about to write `value` to `register`.
    fn before<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        register: RxRegister,
        value: u32,
    ) -> Result<(), Fault> {
        if self.on && register == RxRegister::Tail {
            // A doorbell like most. Each register that is read costs as much as the harvest.
            self.retire(platform)?;
        } else {
            self.look(platform)?;
        }
        let memory = &mut Memory(platform);
        match register {
            RxRegister::Tail if self.runs => {
                let tail = position(RDT::from_raw(value).index().get());
                self.scan.post(tail, &mut self.slots, memory)?;
            }
            RxRegister::Head if self.runs => {
                let head = position(RDH::from_raw(value).index().get());
                self.scan.reach_back(head, &mut self.slots, memory)?;
            }
            RxRegister::Control => {
                let on = RXDCTL::from_raw(value).enable();
                // Of one that is on the device has all already.
                if on && !rx_is_on(platform.io(), self.q)? {
                    self.runs = true;
                    self.take_up(platform)?;
                }
            }
            RxRegister::Tail
            | RxRegister::Head
            | RxRegister::BaseLow
            | RxRegister::BaseHigh
            | RxRegister::Length
            | RxRegister::Shape
            | RxRegister::Hints
            | RxRegister::Dropped => {}
        }
        Ok(())
    }

    /// The guest has written `value` to `register`.
    fn after<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        register: RxRegister,
        value: u32,
    ) -> Result<(), Fault> {
        if register == RxRegister::Control {
            self.told = RXDCTL::from_raw(value).enable();
            return self.look(platform);
        }
        if !self.runs {
            return Ok(());
        }
        match register {
            // It has taken it.
            RxRegister::Tail if self.on => {}
            RxRegister::Tail => {
                let tail = platform.io().try_read(RDT::try_at(self.q).ok_or(EINVAL)?)?;
                self.scan.set_tail(position(tail.index().get()));
            }
            RxRegister::Head => {
                let head = rx_head(platform.io(), self.q)?;
                self.scan
                    .rewound(head, &mut self.slots, &mut Memory(platform));
            }
            RxRegister::BaseLow | RxRegister::BaseHigh | RxRegister::Length | RxRegister::Shape => {
                self.retire(platform)?;
                self.take_up(platform)?;
            }
            RxRegister::Control | RxRegister::Hints | RxRegister::Dropped => {}
        }
        Ok(())
    }

    /// Shows the guest what has changed by a write of the tail, if that is known without a look
    /// at the device; whether it is.
    fn show_tail<'a, P: Platform<'a>>(&self, platform: &P) -> bool {
        if self.on {
            let (head, tail) = self.scan.positions();
            for (register, value) in [(RxRegister::Tail, tail), (RxRegister::Head, head)] {
                let place = Place::Rx(self.index, register);
                platform.show(place.page(), place.offset(), value.into());
            }
        }
        self.on
    }
}

/// What is known of a VF that is logged.
struct Log<S> {
    rx: [RxLog<S>; QUEUES],
    tx: TxLog,
    /// Why it no longer is, in truth.
    lost: Option<Fault>,
}

/// What a VF writes to its guest's memory. The caller serializes.
pub(crate) struct Tracking<S> {
    vf: usize,
    log: Option<Log<S>>,
}

impl<S: DerefMut<Target = [Descriptor]>> Tracking<S> {
    /// Of VF `vf`, which is not logged.
    pub(crate) fn new(vf: usize) -> Self {
        Self { vf, log: None }
    }

    /// From now on it is logged. `slots` are room for as many descriptors as the longest
    /// ring has, for each receive queue. Errors: a ring is too long, or cannot be read.
    pub(crate) fn start<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        slots: [S; QUEUES],
    ) -> Result<(), Fault> {
        let [first, second] = slots;
        let mut log = Log {
            rx: [
                RxLog::new(self.vf, 0, first)?,
                RxLog::new(self.vf, 1, second)?,
            ],
            tx: TxLog::new(platform, self.vf)?,
            lost: None,
        };
        for queue in &mut log.rx {
            queue.start(platform)?;
        }
        windows::show_all(platform, self.vf)?;
        self.log = Some(log);
        Ok(())
    }

    /// It is no longer logged.
    pub(crate) fn stop(&mut self) {
        self.log = None;
    }

    /// Tells what the VF has written, if it is logged. Errors: that is not known; nor will
    /// it be, until it is logged anew.
    pub(crate) fn sync<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        how: Transmit,
    ) -> Result<(), Fault> {
        self.with_log(|vf, log| {
            for queue in &mut log.rx {
                queue.look(platform)?;
            }
            log.tx.look(platform, vf, how)?;
            Ok(windows::show_all(platform, vf)?)
        })
    }

    /// Something other than the guest has set up queues, and may have undone what the guest
    /// has written meanwhile: begins with what registers say. They must not write yet.
    /// Errors: as of [`sync`](Self::sync).
    pub(crate) fn renew<'a, P: Platform<'a>>(&mut self, platform: &P) -> Result<(), Fault> {
        self.sync(platform, Transmit::Always)?;
        self.with_log(|_, log| {
            for queue in &mut log.rx {
                queue.start(platform)?;
            }
            Ok(())
        })
    }

    /// Does something with the log, if there is one. What fails once is lost.
    fn with_log(
        &mut self,
        f: impl FnOnce(usize, &mut Log<S>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        if let Some(fault) = log.lost {
            return Err(fault);
        }
        let result = f(self.vf, log);
        log.lost = result.err();
        result
    }

    /// The guest writes `bytes` at `offset` of `page`, naturally aligned: it is logged what
    /// comes of it, and the device gets them. Errors: none that can happen.
    pub(crate) fn write<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        page: Page,
        offset: u32,
        bytes: &[u8],
    ) -> Result {
        for (at, value) in words(offset, bytes).into_iter().flatten() {
            match Place::at(page, at) {
                Some(Place::Rx(index, register)) => {
                    self.write_rx(platform, index, register, value)?;
                }
                Some(Place::Tx(index, register)) => {
                    self.write_tx(platform, index, register, value)?;
                }
                // The device drops it.
                None => {}
            }
        }
        Ok(())
    }

    fn write_rx<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        index: usize,
        register: RxRegister,
        value: u32,
    ) -> Result {
        // What goes wrong is told by the next sync.
        let _ = self.with_log(|_, log| match log.rx.get_mut(index) {
            Some(queue) => queue.before(platform, register, value),
            None => Ok(()),
        });
        windows::write_rx(platform.io(), queue(self.vf, index)?, register, value)?;
        let _ = self.with_log(|_, log| match log.rx.get_mut(index) {
            Some(queue) => queue.after(platform, register, value),
            None => Ok(()),
        });
        Ok(())
    }

    fn write_tx<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        index: usize,
        register: TxRegister,
        value: u32,
    ) -> Result {
        let q = queue(self.vf, index)?;
        match &mut self.log {
            Some(log) => log.tx.write(platform, (index, q), register, value),
            None => windows::write_tx(platform.io(), q, register, value),
        }
    }

    /// As [`RxLog::show_tail`], for queue `index`.
    fn show_tail<'a, P: Platform<'a>>(&self, platform: &P, index: usize) -> bool {
        let queue = self.log.as_ref().filter(|log| log.lost.is_none());
        queue
            .and_then(|log| log.rx.get(index))
            .is_some_and(|queue| queue.show_tail(platform))
    }

    /// Shows the guest what has changed by a write of `bytes` at `offset` of `page`. Errors:
    /// none that can happen.
    pub(crate) fn show<'a, P: Platform<'a>>(
        &self,
        platform: &P,
        page: Page,
        offset: u32,
        bytes: &[u8],
    ) -> Result {
        for (at, _) in words(offset, bytes).into_iter().flatten() {
            match Place::at(page, at) {
                Some(Place::Rx(index, RxRegister::Tail)) if self.show_tail(platform, index) => {}
                Some(place) => windows::show_changes(platform, self.vf, place)?,
                None => platform.show(page, at, 0),
            }
        }
        Ok(())
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A VF that goes on before its guest's memory is there: what would have the device use memory
//! that is missing is refused, and what was posted elsewhere held back.
//!
//! Documentation/trap-region.rst says how a VMM makes use of it.

use super::{
    logic::{
        contexts::Descriptor,
        posted::{
            Gap,
            Kind,
            Memory,
            Posted, //
        },
        queues::{
            Ring,
            RxQueue,
            TxQueue,
            DESCRIPTOR,
            ENABLE, //
        },
        shape::Shape,
        state::{
            Device,
            Stopped,
            QUEUES, //
        },
        window::{
            words,
            Page,
            Place,
            RxRegister,
            TxRegister, //
        }, //
    },
    platform::Platform,
    registers::{
        position,
        queue,
        read_rx,
        read_tx, //
    },
    rings::read_descriptors, //
};
use crate::regs::{
    mac::RCTL,
    rx::{
        RDH,
        RDLEN,
        RDT, //
    },
    tx::{
        TDH,
        TDLEN,
        TDT, //
    }, //
};
use kernel::{
    io::Io,
    prelude::*, //
};

/// The guest's memory, for a search.
struct Guest<'p, P>(&'p P);

impl<'a, P: Platform<'a>> Memory for Guest<'_, P> {
    type Error = Error;

    fn has(&mut self, iova: u64) -> Result<bool> {
        found(self.0.read(iova, &mut [0]))
    }

    fn read(&mut self, iova: u64, room: &mut [Descriptor]) -> Result<bool> {
        found(read_descriptors(self.0, iova, room))
    }
}

fn found(read: Result) -> Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(errno) if errno == EFAULT => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn low(old: u64, value: u32) -> u64 {
    old & !u64::from(u32::MAX) | u64::from(value)
}

fn high(old: u64, value: u32) -> u64 {
    old & u64::from(u32::MAX) | u64::from(value) << u32::BITS
}

/// `queue` once `value` is in `register`.
fn with_rx(mut queue: RxQueue, register: RxRegister, value: u32) -> RxQueue {
    let ring = &mut queue.ring;
    match register {
        RxRegister::BaseLow => ring.base = low(ring.base, value),
        RxRegister::BaseHigh => ring.base = high(ring.base, value),
        RxRegister::Length => ring.length = RDLEN::from_raw(value).bytes().get(),
        RxRegister::Head => ring.head = position(RDH::from_raw(value).index().get()),
        RxRegister::Tail => ring.tail = position(RDT::from_raw(value).index().get()),
        RxRegister::Shape => queue.shape = value,
        RxRegister::Control => queue.control = value,
        RxRegister::Hints | RxRegister::Dropped => {}
    }
    queue
}

/// The same of a transmit queue.
fn with_tx(mut queue: TxQueue, register: TxRegister, value: u32) -> TxQueue {
    let ring = &mut queue.ring;
    match register {
        TxRegister::BaseLow => ring.base = low(ring.base, value),
        TxRegister::BaseHigh => ring.base = high(ring.base, value),
        TxRegister::Length => ring.length = TDLEN::from_raw(value).bytes().get(),
        TxRegister::Head => ring.head = position(TDH::from_raw(value).index().get()),
        TxRegister::Tail => ring.tail = position(TDT::from_raw(value).index().get()),
        TxRegister::Control => queue.control = value,
        TxRegister::WriteBackLow => queue.write_back = low(queue.write_back, value),
        TxRegister::WriteBackHigh => queue.write_back = high(queue.write_back, value),
        TxRegister::Hints => {}
    }
    queue
}

/// From which descriptor on the device gets any by a write that made `now` of `before`, each a
/// ring and whether the queue is on.
fn first_given(before: (&Ring, bool), now: (&Ring, bool)) -> Option<u16> {
    match (before, now) {
        (_, (_, false)) => None,
        // Only more of them.
        ((was, true), (is, true))
            if Ring {
                tail: was.tail,
                ..*is
            } == *was =>
        {
            Some(was.tail)
        }
        (_, (is, true)) => Some(is.head),
    }
}

/// What is held back of one VF. The caller serializes.
pub(crate) struct Prefault {
    vf: usize,
    on: bool,
    /// Tails of receive and of transmit queues that the device was not given: it has their
    /// heads.
    rx: [Option<u16>; QUEUES],
    tx: [Option<u16>; QUEUES],
}

impl Prefault {
    /// Of VF `vf`, for which nothing is held back.
    pub(crate) fn new(vf: usize) -> Self {
        Self {
            vf,
            on: false,
            rx: [None; QUEUES],
            tx: [None; QUEUES],
        }
    }

    /// Whether anything is to be held back.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// From now on, or no longer.
    pub(crate) fn set(&mut self, on: bool) {
        self.on = on;
        self.forget();
    }

    /// The VF is reset: nothing is posted any more.
    pub(crate) fn forget(&mut self) {
        self.rx = [None; QUEUES];
        self.tx = [None; QUEUES];
    }

    /// What is missing for the VF's queues to be put up from `stopped`: the places of the
    /// rings in which contexts are put before the device.
    pub(crate) fn gap_before_start<'a, P: Platform<'a>>(
        &self,
        platform: &P,
        stopped: &Stopped,
    ) -> Result<Option<Gap>> {
        for (queue, contexts) in stopped.device.tx.iter().zip(&stopped.contexts.0) {
            let ring = &queue.ring;
            let offset = u64::from(ring.tail) * u64::from(DESCRIPTOR);
            if queue.control & ENABLE == 0 || contexts.iter().all(Option::is_none) {
                continue;
            }
            let iova = ring.base.checked_add(offset).ok_or(EOVERFLOW)?;
            if !found(platform.read(iova, &mut [0]))? {
                return Ok(Some(Gap::of_page(iova)));
            }
        }
        Ok(None)
    }

    /// Holds back all that was posted to the queues of `device`, which are being put up.
    pub(crate) fn hold(&mut self, device: &Device) {
        let tail = |ring: &Ring, control| {
            (control & ENABLE != 0 && ring.head != ring.tail).then_some(ring.tail)
        };
        for (held, queue) in self.rx.iter_mut().zip(&device.rx) {
            *held = tail(&queue.ring, queue.control);
        }
        for (held, queue) in self.tx.iter_mut().zip(&device.tx) {
            *held = tail(&queue.ring, queue.control);
        }
    }

    /// The queues have been taken down as `device`, where what was held back was posted.
    pub(crate) fn put_back(&mut self, device: &mut Device) {
        for (held, queue) in self.rx.iter_mut().zip(&mut device.rx) {
            queue.ring.tail = held.take().unwrap_or(queue.ring.tail);
        }
        for (held, queue) in self.tx.iter_mut().zip(&mut device.tx) {
            queue.ring.tail = held.take().unwrap_or(queue.ring.tail);
        }
    }

    fn rx_gap<'a, P: Platform<'a>>(
        &self,
        platform: &P,
        queue: &RxQueue,
        from: u16,
    ) -> Result<Option<Gap>> {
        let shape = Shape::new(queue.shape, platform.io().read(RCTL).bsize().get());
        let posted = Posted {
            ring: queue.ring,
            from,
            to: queue.ring.tail,
            kind: Kind::Receive(shape),
        };
        posted.gap(&mut Guest(platform))
    }

    fn tx_gap<'a, P: Platform<'a>>(
        &self,
        platform: &P,
        queue: &TxQueue,
        from: u16,
    ) -> Result<Option<Gap>> {
        let posted = Posted {
            ring: queue.ring,
            from,
            to: queue.ring.tail,
            kind: Kind::Transmit(queue.write_back),
        };
        posted.gap(&mut Guest(platform))
    }

    /// The first memory that is missing for what a write of `bytes` at `offset` of `page` has
    /// the device do. Errors: it is not known.
    pub(crate) fn gap<'a, P: Platform<'a>>(
        &self,
        platform: &P,
        page: Page,
        offset: u32,
        bytes: &[u8],
    ) -> Result<Option<Gap>> {
        let is_on = |control: u32| control & ENABLE != 0;
        for (at, value) in words(offset, bytes).into_iter().flatten() {
            let gap = match Place::at(page, at) {
                Some(Place::Rx(index, register)) => {
                    let was = read_rx(platform.io(), queue(self.vf, index)?)?;
                    let now = with_rx(was, register, value);
                    let first = first_given(
                        (&was.ring, is_on(was.control) && was.shape == now.shape),
                        (&now.ring, is_on(now.control)),
                    );
                    first.map(|from| self.rx_gap(platform, &now, from))
                }
                Some(Place::Tx(index, register)) => {
                    let was = read_tx(platform.io(), queue(self.vf, index)?)?;
                    let now = with_tx(was, register, value);
                    let first = first_given(
                        (
                            &was.ring,
                            is_on(was.control) && was.write_back == now.write_back,
                        ),
                        (&now.ring, is_on(now.control)),
                    );
                    first.map(|from| self.tx_gap(platform, &now, from))
                }
                None => None,
            };
            if let Some(gap) = gap.transpose()?.flatten() {
                return Ok(Some(gap));
            }
        }
        Ok(None)
    }

    /// The guest has written `bytes` at `offset` of `page`: what is held back of a queue
    /// that has a new tail, or is off, is none of it any more.
    pub(crate) fn wrote(&mut self, page: Page, offset: u32, bytes: &[u8]) {
        for (at, value) in words(offset, bytes).into_iter().flatten() {
            let held = match Place::at(page, at) {
                Some(Place::Rx(queue, RxRegister::Tail)) => self.rx.get_mut(queue),
                Some(Place::Rx(queue, RxRegister::Control)) if value & ENABLE == 0 => {
                    self.rx.get_mut(queue)
                }
                Some(Place::Tx(queue, TxRegister::Tail)) => self.tx.get_mut(queue),
                Some(Place::Tx(queue, TxRegister::Control)) if value & ENABLE == 0 => {
                    self.tx.get_mut(queue)
                }
                _ => None,
            };
            if let Some(held) = held {
                *held = None;
            }
        }
    }

    /// Gives to the device, by `give` with a place and its value, the tail of each queue for
    /// which all memory is there. Answers the first that is missing for another. Errors: it
    /// is not known.
    pub(crate) fn retry<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        mut give: impl FnMut(Place, u32),
    ) -> Result<Option<Gap>> {
        let mut missing = None;
        for index in 0..QUEUES {
            let q = queue(self.vf, index)?;
            if let Some(tail) = self.rx.get(index).copied().flatten() {
                let mut queue = read_rx(platform.io(), q)?;
                let from = queue.ring.tail;
                queue.ring.tail = tail;
                match self.rx_gap(platform, &queue, from)? {
                    Some(gap) => missing = missing.or(Some(gap)),
                    None => {
                        give(Place::Rx(index, RxRegister::Tail), tail.into());
                        self.rx.get_mut(index).map(Option::take);
                    }
                }
            }
            if let Some(tail) = self.tx.get(index).copied().flatten() {
                let mut queue = read_tx(platform.io(), q)?;
                let from = queue.ring.tail;
                queue.ring.tail = tail;
                match self.tx_gap(platform, &queue, from)? {
                    Some(gap) => missing = missing.or(Some(gap)),
                    None => {
                        give(Place::Tx(index, TxRegister::Tail), tail.into());
                        self.tx.get_mut(index).map(Option::take);
                    }
                }
            }
        }
        Ok(missing)
    }
}

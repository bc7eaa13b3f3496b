// SPDX-License-Identifier: GPL-2.0

//! The mediate ops of this driver: what it takes part in of a VF's life.
//!
//! Without a transport every access passes through and the VF is exactly as under
//! vfio-pci, and cannot be moved.

use super::{
    arrival,
    explain::explain,
    image,
    levels::{
        Level,
        Machine,
        Resumed, //
    },
    logic::{
        contexts::Descriptor,
        posted::Gap,
        scan::{
            MAX_DESCRIPTORS,
            NULL, //
        },
        state::QUEUES,
        statistics::Statistics,
        window::{
            self,
            Page, //
        }, //
    },
    page0,
    platform::{
        Fault,
        Platform, //
    },
    prefault::Prefault,
    tracking::Tracking,
    tracking_tx::Transmit, //
};
use crate::{
    abi::host::{
        Host,
        Transport, //
    },
    pf::port::Port,
    regs::Bar0,
    vf::vfs::Vfs, //
};
use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        Mutex,
        SpinLock, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// The provider's name in logs and debugfs.
pub(crate) const NAME: &CStr = c"igb_rs";

/// Vendor and device ids of the VFs.
pub(crate) const VF_IDS: [(u32, u32); 1] = [(0x8086, 0x10ca)];

/// A range of a VF's BAR.
pub(crate) struct Window {
    /// BAR index.
    pub(crate) region: u32,
    /// First byte.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// What the VF writes is known without it, if less exactly.
    pub(crate) optional: bool,
}

/// What can be trapped: BAR0's page of all RX and its page of all TX registers.
pub(crate) const WINDOWS: [Window; 2] = [
    Window {
        region: REGISTERS,
        offset: Page::Receive.offset(),
        size: window::SIZE,
        optional: false,
    },
    Window {
        region: REGISTERS,
        offset: Page::Transmit.offset(),
        size: window::SIZE,
        optional: true,
    },
];

/// The BAR of all registers.
const REGISTERS: u32 = 0;

/// A part of a BAR that may be mapped.
pub(crate) struct Area {
    /// First byte.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) size: u64,
}

/// All but the first page.
const MAPPABLE: [Area; 1] = [Area {
    offset: page0::SIZE,
    size: Page::Transmit.offset() + window::SIZE - page0::SIZE,
}];

/// All but the first page and that of the receive queues.
const MAPPABLE_IF_FIXED: [Area; 2] = [
    Area {
        offset: page0::SIZE,
        size: Page::Receive.offset() - page0::SIZE,
    },
    Area {
        offset: Page::Transmit.offset(),
        size: window::SIZE,
    },
];

/// What a hook answers.
pub(crate) enum Answer {
    /// vfio-pci's behaviour applies.
    Pass,
    /// It is done.
    Done,
}

/// Which state is meant.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// What a destination compares with itself.
    Known,
    /// All of it.
    Whole,
}

/// A VF that is open through vfio.
#[pin_data(PinnedDrop)]
pub(crate) struct MediatedVf {
    vf: usize,
    port: Arc<Port<'static>>,
    host: Host,
    /// Where the VF is on its way. Held throughout a migration hook, which may sleep and
    /// reach into the guest's memory: the outermost of the driver's locks but the RTNL,
    /// which is never taken with it.
    #[pin]
    machine: Mutex<Machine>,
    /// What is held back until its memory is there. Taken with `machine` or alone; over
    /// `rings`.
    #[pin]
    prefault: Mutex<Prefault>,
    /// What the VF writes to the guest's memory: the ring lock. Taken with `machine` or
    /// alone, and never with the VFs' lock held; the guest's memory is reached with it.
    #[pin]
    rings: Mutex<Tracking<KVVec<Descriptor>>>,
    /// What is to be added to counters: of `machine`, for those who must not wait for it.
    /// A leaf.
    #[pin]
    ahead: SpinLock<Statistics>,
}

/// How the VF's machine reaches the device and the guest.
struct Reach<'a> {
    port: &'a Port<'static>,
    host: &'a Host,
}

impl<'a> Platform<'a> for Reach<'a> {
    type Io = &'a Bar0<'static>;

    fn io(&self) -> Self::Io {
        &self.port.bar
    }

    fn with_vfs<R>(&self, f: impl FnOnce(&mut Vfs, u64) -> R) -> R {
        self.port.vfs.with(f)
    }

    fn pause(&self, microseconds: u32) {
        fsleep(Delta::from_micros(microseconds.into()));
    }

    fn read(&self, iova: u64, bytes: &mut [u8]) -> Result {
        self.host.read(iova, bytes)
    }

    fn write(&self, iova: u64, bytes: &[u8]) -> Result {
        self.host.write(iova, bytes)
    }

    fn mark_dirty(&self, iova: u64, len: u64) {
        self.host.mark_dirty(iova, len);
    }

    fn show(&self, page: Page, offset: u32, value: u32) {
        self.host.show(page.index(), offset, value);
    }
}

impl MediatedVf {
    /// VF `index` of `port` is opened, which was reset. Errors: `EINVAL` if there is no such
    /// VF, `EBUSY` if queues of it run nevertheless.
    pub(crate) fn open(
        port: Arc<Port<'static>>,
        index: u16,
        host: Host,
    ) -> Result<impl PinInit<Self>> {
        if index >= u16::from(port.pool.index()) {
            return Err(EINVAL);
        }
        pr_debug!("VF {index} opened\n");
        let index = usize::from(index);
        let reach = Reach {
            port: &port,
            host: &host,
        };
        let scrubbed = Machine::new(index).scrub(&reach);
        scrubbed.map_err(|fault| fault.errno())?;
        Ok(pin_init!(Self {
            vf: index,
            port,
            host,
            machine <- new_mutex!(Machine::new(index), "igb_rs::machine"),
            prefault <- new_mutex!(Prefault::new(index), "igb_rs::prefault"),
            rings <- new_mutex!(Tracking::new(index), "igb_rs::rings"),
            ahead <- new_spinlock!(Statistics::default(), "igb_rs::ahead"),
        }))
    }

    fn reach(&self) -> Reach<'_> {
        Reach {
            port: &self.port,
            host: &self.host,
        }
    }

    fn is_mediated(&self) -> bool {
        match self.host.transport() {
            Transport::None => false,
            Transport::Fixed | Transport::Kvm | Transport::Region => true,
        }
    }

    /// A BAR is described to the VMM: answers what of it may be mapped, if that is not all.
    pub(crate) fn mappable(&self, bar: u32) -> Option<&'static [Area]> {
        if bar != REGISTERS {
            return None;
        }
        match self.host.transport() {
            Transport::None => None,
            Transport::Fixed => Some(&MAPPABLE_IF_FIXED),
            Transport::Kvm | Transport::Region => Some(&MAPPABLE),
        }
    }

    /// A register is read through the device's file.
    pub(crate) fn read(&self, bar: u32, offset: u64, bytes: &mut [u8]) -> Result<Answer> {
        if !self.is_page0(bar, offset) {
            return Ok(Answer::Pass);
        }
        let ahead = *self.ahead.lock();
        if page0::read(&self.reach(), self.vf, &ahead, offset, bytes)? {
            Ok(Answer::Done)
        } else {
            Ok(Answer::Pass)
        }
    }

    /// A register is written through the device's file. Errors: `EFAULT` if the device would
    /// need memory that is missing, while that is held back; it does not get to know then.
    pub(crate) fn write(&self, bar: u32, offset: u64, bytes: &[u8]) -> Result<Answer> {
        if let Some((page, offset)) = self.window_offset(bar, offset) {
            let mut prefault = self.prefault.lock();
            if prefault.is_on() {
                let gap = prefault.gap(&self.reach(), page, offset, bytes)?;
                self.refuse_missing(gap)?;
                prefault.wrote(page, offset, bytes);
            } else if page == Page::Transmit {
                return Ok(Answer::Pass);
            }
            // Logged or not: one that passes while logging begins would not be seen. It
            // cannot fail: the registers of a VF that there is do exist.
            let _ = self.write_window(page, offset, bytes);
            return Ok(Answer::Done);
        }
        if !self.is_page0(bar, offset) {
            return Ok(Answer::Pass);
        }
        if page0::resets(offset, bytes) {
            // A driver that resets may move its rings next. What is not known now is not
            // known by the next sync either.
            let _ = self.rings.lock().sync(&self.reach(), Transmit::Always);
            self.prefault.lock().forget();
        }
        if page0::write(&self.reach(), self.vf, offset, bytes) {
            Ok(Answer::Done)
        } else {
            Ok(Answer::Pass)
        }
    }

    /// In which page of queues a register is that is mediated, and where.
    fn window_offset(&self, bar: u32, offset: u64) -> Option<(Page, u32)> {
        if bar != REGISTERS || !self.is_mediated() {
            return None;
        }
        Page::ALL.into_iter().find_map(|page| {
            let within = offset.checked_sub(page.offset())?;
            let within = u32::try_from(within)
                .ok()
                .filter(|_| within < window::SIZE)?;
            Some((page, within))
        })
    }

    /// Tells the VMM what is missing. Errors: `Missing` if anything is.
    fn missing(&self, gap: Option<Gap>) -> Result<(), Fault> {
        match gap {
            None => Ok(()),
            Some(Gap { iova, len }) => {
                self.host.missing(iova, len);
                Err(Fault::Missing)
            }
        }
    }

    fn refuse_missing(&self, gap: Option<Gap>) -> Result {
        self.missing(gap).map_err(|fault| fault.errno())
    }

    /// Gives to the device what was held back of queues whose memory is all there.
    fn give(&self, prefault: &mut Prefault) -> Result {
        let reach = self.reach();
        let gap = prefault.retry(&reach, |place, value| {
            // As above.
            let _ = self.write_window(place.page(), place.offset(), &value.to_le_bytes());
        })?;
        self.refuse_missing(gap)
    }

    /// What would need memory that is missing is refused from now on. Errors: `EBUSY` if the
    /// VF is not stopped.
    pub(crate) fn start_prefault(&self) -> Result {
        let mut machine = self.machine.lock();
        if machine.level() != Level::Stopped {
            return Err(EBUSY);
        }
        machine.hold(true);
        self.prefault.lock().set(true);
        Ok(())
    }

    /// Gives to the device what was held back. Errors: `EFAULT` if memory of it is missing.
    pub(crate) fn retry_prefault(&self) -> Result {
        self.give(&mut self.prefault.lock())
    }

    /// The same; then nothing is refused any more.
    pub(crate) fn stop_prefault(&self) -> Result {
        let mut machine = self.machine.lock();
        let mut prefault = self.prefault.lock();
        self.give(&mut prefault)?;
        prefault.set(false);
        machine.hold(false);
        Ok(())
    }

    /// The guest writes to a register of a queue.
    fn write_window(&self, page: Page, offset: u32, bytes: &[u8]) -> Result {
        let reach = self.reach();
        let mut rings = self.rings.lock();
        rings.write(&reach, page, offset, bytes)?;
        match self.host.transport() {
            // It reads from the device.
            Transport::None | Transport::Fixed | Transport::Region => Ok(()),
            Transport::Kvm => rings.show(&reach, page, offset, bytes),
        }
    }

    /// The guest writes to window `window`, which is trapped.
    pub(crate) fn trap_write(&self, window: u32, offset: u32, bytes: &[u8]) {
        if let Some(page) = Page::from_index(window) {
            // It cannot fail: the registers of a VF that there is do exist.
            let _ = self.write_window(page, offset, bytes);
        }
    }

    /// From now on it is logged what the VF writes. Errors: `ENOMEM`; what a guest can have
    /// set that cannot be logged.
    pub(crate) fn start_log(&self) -> Result {
        let slots = || KVVec::from_elem(NULL, MAX_DESCRIPTORS, GFP_KERNEL);
        let slots: [_; QUEUES] = [slots()?, slots()?];
        let started = self.rings.lock().start(&self.reach(), slots);
        self.explained(started)
    }

    /// Tells what the VF has written. Errors: it is not known.
    pub(crate) fn sync_log(&self) -> Result {
        let synced = self.rings.lock().sync(&self.reach(), Transmit::IfActive);
        self.explained(synced)
    }

    /// It is no longer logged what the VF writes.
    pub(crate) fn stop_log(&self) {
        self.rings.lock().stop();
    }

    fn is_page0(&self, bar: u32, offset: u64) -> bool {
        bar == REGISTERS && offset < page0::SIZE && self.is_mediated()
    }

    /// A BAR is mapped.
    pub(crate) fn map(&self, _bar: u32, _offset: u64) -> Result<Answer> {
        Ok(Answer::Pass)
    }

    /// Most bytes of a state. Errors: `EOPNOTSUPP` if the VF cannot be moved.
    pub(crate) fn state_size(&self, _kind: Kind) -> Result<usize> {
        if self.port.heads_writable {
            Ok(image::MAX_SIZE)
        } else {
            Err(EOPNOTSUPP)
        }
    }

    /// Runs a migration hook, and tells the operator why if it fails.
    fn hook<R>(&self, f: impl FnOnce(&mut Machine, &Reach<'_>) -> Result<R, Fault>) -> Result<R> {
        let mut machine = self.machine.lock();
        let result = f(&mut machine, &self.reach());
        *self.ahead.lock() = machine.ahead();
        drop(machine);
        self.explained(result)
    }

    /// Tells the operator why a hook fails.
    fn explained<R>(&self, result: Result<R, Fault>) -> Result<R> {
        result.map_err(|fault| {
            // What is missing is no failure. Without memory for the reason there is still
            // the errno.
            if fault == Fault::Missing {
                return fault.errno();
            }
            if let Ok(why) = explain(&fault, &self.port.netdev, self.vf) {
                self.host.refuse(&why);
            }
            fault.errno()
        })
    }

    /// Writes a state to `bytes`; answers the bytes used.
    pub(crate) fn save(&self, kind: Kind, bytes: &mut [u8]) -> Result<usize> {
        self.hook(|machine, reach| match kind {
            Kind::Known => machine.save_known(reach, bytes),
            Kind::Whole => machine.save(reach, bytes),
        })
    }

    /// Compares with, or puts down, a state that anybody may have made up.
    pub(crate) fn load(&self, kind: Kind, bytes: &[u8]) -> Result {
        self.hook(|machine, reach| match kind {
            Kind::Known => machine.check_known(reach, bytes),
            Kind::Whole => machine.load(reach, bytes),
        })
    }

    /// Quiesces as far as `level`.
    pub(crate) fn quiesce(&self, level: Level) -> Result {
        self.hook(|machine, reach| {
            if machine.level() == Level::Runs && level != Level::Runs {
                // Once more before the queues are off, and registers no longer tell which
                // of them were on.
                machine.quiesce(reach, Level::Quiet)?;
                self.tell(reach);
            }
            let before = machine.level();
            let mut prefault = self.prefault.lock();
            if prefault.is_on() && (before, level) == (Level::Stopped, Level::Quiet) {
                let gap = prefault.gap_before_start(reach, machine.stopped())?;
                self.missing(gap)?;
            }
            machine.quiesce(reach, level)?;
            if prefault.is_on() && before != level {
                let device = &mut machine.stopped().device;
                match level {
                    Level::Stopped => prefault.put_back(device),
                    Level::Quiet if before == Level::Stopped => prefault.hold(device),
                    Level::Quiet | Level::Runs => {}
                }
            }
            drop(prefault);
            match (before, level) {
                (Level::Stopped, Level::Quiet) => {
                    // As below.
                    let _ = self.rings.lock().renew(reach);
                }
                _ => self.tell(reach),
            }
            Ok(())
        })
    }

    /// Tells what the VF has written. What is not known is no reason to leave it between
    /// levels: the next hook of the log says so.
    fn tell(&self, reach: &Reach<'_>) {
        let _ = self.rings.lock().sync(reach, Transmit::Always);
    }

    /// Goes on with everything.
    pub(crate) fn resume(&self) -> Result {
        if self.hook(|machine, reach| machine.resume(reach))? == Resumed::FromElsewhere {
            arrival::announce(&self.port, self.vf);
        }
        // The VMM is told what is missing.
        let _ = self.retry_prefault();
        Ok(())
    }

    /// The bus has reset the VF.
    pub(crate) fn reset(&self) {
        // It cannot fail: the registers of a VF that there is do exist.
        let _ = self.hook(|machine, reach| Ok(machine.reset(reach)?));
        self.prefault.lock().forget();
        // Registers but those that let queues run survive it, and so does what is logged.
        // What is not known now is not known by the next sync either.
        let _ = self.rings.lock().sync(&self.reach(), Transmit::Always);
    }
}

#[pinned_drop]
impl PinnedDrop for MediatedVf {
    fn drop(self: Pin<&mut Self>) {
        self.prefault.lock().set(false);
        // A VMM that has died in the midst of a move leaves the VF as it was then.
        self.stop_log();
        self.reset();
        // A queue that still runs is the next user's to be refused.
        let _ = self.hook(|machine, reach| machine.scrub(reach));
        pr_debug!("VF {} closed\n", self.vf);
    }
}

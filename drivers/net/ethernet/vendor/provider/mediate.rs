// SPDX-License-Identifier: GPL-2.0

//! The mediate ops of this driver: what it takes part in of a VF's life.
//!
//! Without a transport every access passes through and the VF is exactly as under
//! vfio-pci, and cannot be moved.

use super::{
    explain::explain,
    image,
    levels::{
        Level,
        Machine,
        Resumed, //
    },
    logic::{
        announce,
        statistics::Statistics, //
    },
    page0,
    platform::{
        Fault,
        Platform, //
    }, //
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
}

/// What can be trapped: BAR0's page of all RX and its page of all TX registers.
pub(crate) const WINDOWS: [Window; 2] = [
    Window {
        region: 0,
        offset: 0x2000,
        size: 0x1000,
    },
    Window {
        region: 0,
        offset: 0x3000,
        size: 0x1000,
    },
];

/// The BAR of all registers.
const REGISTERS: u32 = 0;

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
}

impl MediatedVf {
    /// VF `index` of `port` is opened. Errors: `EINVAL` if there is no such VF.
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
        Ok(pin_init!(Self {
            vf: index,
            port,
            host,
            machine <- new_mutex!(Machine::new(index), "igb_rs::machine"),
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
            Transport::Fixed => true,
        }
    }

    /// A BAR is described to the VMM: answers the first byte from which on it may be
    /// mapped, if that is not the first of all.
    pub(crate) fn mappable_from(&self, bar: u32) -> Option<u64> {
        (bar == REGISTERS && self.is_mediated()).then_some(page0::SIZE)
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

    /// A register is written through the device's file.
    pub(crate) fn write(&self, bar: u32, offset: u64, bytes: &[u8]) -> Answer {
        if self.is_page0(bar, offset) && page0::write(&self.reach(), self.vf, offset, bytes) {
            Answer::Done
        } else {
            Answer::Pass
        }
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
        if self.port.heads_writable && self.is_mediated() {
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
        result.map_err(|fault| {
            // Without memory for the reason there is still the errno.
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
        self.hook(|machine, reach| machine.quiesce(reach, level))
    }

    /// Goes on with everything.
    pub(crate) fn resume(&self) -> Result {
        if self.hook(|machine, reach| machine.resume(reach))? == Resumed::FromElsewhere {
            self.announce();
        }
        Ok(())
    }

    /// The bus has reset the VF.
    pub(crate) fn reset(&self) {
        // It cannot fail: the registers of a VF that there is do exist.
        let _ = self.hook(|machine, reach| Ok(machine.reset(reach)?));
    }

    /// Tells the network where the VF's addresses are now. It learns by itself as soon as
    /// the guest sends, so what cannot be sent is left out.
    fn announce(&self) {
        let state = self
            .port
            .vfs
            .with(|vfs, _| vfs.states().get(self.vf).copied());
        if let Some(state) = state {
            for frame in announce::frames(&state) {
                self.port.netdev.broadcast(frame.bytes());
            }
        }
    }
}

#[pinned_drop]
impl PinnedDrop for MediatedVf {
    fn drop(self: Pin<&mut Self>) {
        // A VMM that has died in the midst of a move leaves the VF as it was then.
        self.reset();
        pr_debug!("VF {} closed\n", self.vf);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The PF's control of its VFs, behind one lock: what interrupts, `sriov_numvfs`
//! and `ip link` call.
//!
//! None of it sleeps and all of it may be called from any context, the hard
//! interrupt included, and should be for the mailbox: igbvf waits for an answer
//! spinning, for a second, with bottom halves off. On the CPU where it does no
//! thread, no worker and no timer runs, and if that is the CPU of the interrupt
//! then only the interrupt itself can answer.
//!
//! The lock is the innermost of the driver's: nothing is called with it held but
//! register accesses and the log.

use super::{
    logic::{
        admin::{
            AdminFault,
            Setting, //
        },
        mac::Mac,
        policy::Denial,
        state::{
            LinkPolicy,
            PfLink,
            PfState, //
        },
        stats::VfStats, //
    },
    vfs::{
        Note,
        Vfs, //
    }, //
};
use crate::{
    abi::{
        errno,
        init::copy_of, //
    },
    regs::Bar0, //
};
use kernel::{
    device::Device,
    prelude::*,
    sync::{
        new_spinlock_irq,
        SpinLockIrq, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// What `ip link show` says of a VF.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VfConfig {
    /// Its address; zero if it has none.
    pub(crate) mac: [u8; 6],
    /// The VLAN it is kept in, or 0.
    pub(crate) vlan: u16,
    /// That VLAN's priority.
    pub(crate) qos: u8,
    /// Most Mbit/s it sends; 0 for no limit.
    pub(crate) max_tx_rate: u16,
    /// Its sources are checked.
    pub(crate) spoofchk: bool,
    /// It is trusted.
    pub(crate) trusted: bool,
    /// What it is told of the link.
    pub(crate) link: LinkPolicy,
}

/// What a PF starts with.
static INITIAL: Vfs = Vfs::new();

/// The control of the VFs of one PF.
#[pin_data]
pub(crate) struct VfControl {
    #[pin]
    vfs: SpinLockIrq<Vfs>,
    /// Where time begins.
    start: Instant<Monotonic>,
}

impl VfControl {
    /// Without VFs.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            vfs <- new_spinlock_irq!(copy_of(&INITIAL)),
            start: Instant::now(),
        })
    }

    /// Nanoseconds since the driver took the device.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(0)
    }

    /// Prepares the device for `num` VFs; see [`Vfs::enable`].
    pub(crate) fn enable(&self, bar: &Bar0<'_>, num: u16) -> Result {
        self.vfs.lock().enable(bar, usize::from(num))
    }

    /// Takes the device back when the VFs are gone.
    pub(crate) fn disable(&self, bar: &Bar0<'_>) -> Result {
        self.vfs.lock().disable(bar)
    }

    /// Puts everything in place again after a reset of the PF.
    pub(crate) fn restore(&self, bar: &Bar0<'_>) -> Result {
        self.vfs.lock().restore(bar)
    }

    /// To be called when the cause VMMB is raised, and again after the time it
    /// answers, if it does.
    pub(crate) fn handle_mailbox_interrupt(&self, dev: &Device, bar: &Bar0<'_>) -> Option<Delta> {
        let now = self.now();
        let mut log = |vf, note| log_note(dev, vf, note);
        let later = self.vfs.lock().serve(bar, now, &mut log);
        match later {
            Ok(later) => later
                .0
                .map(|wait| Delta::from_nanos(i64::try_from(wait).unwrap_or(i64::MAX))),
            Err(errno) => {
                dev_err!(dev, "the VFs' mailboxes cannot be served: {errno:?}\n");
                None
            }
        }
    }

    /// The PF's part of the filters. Errors: `EADDRINUSE` if its address is new and a VF's;
    /// those of [`Vfs::set_pf`].
    pub(crate) fn set_pf(&self, bar: &Bar0<'_>, pf: &PfState) -> Result {
        let mut vfs = self.vfs.lock();
        if vfs.is_robbed_by(pf) {
            return Err(errno::address_in_use());
        }
        vfs.set_pf(bar, pf)
    }

    /// The PF's link, or whether its netdev is up, has changed.
    pub(crate) fn set_link(&self, bar: &Bar0<'_>, link: PfLink) -> Result {
        let now = self.now();
        self.vfs.lock().set_link(bar, link, now)
    }

    /// One setting. Errors: `EINVAL` for a VF or a value that does not exist,
    /// `EADDRINUSE`, `EPROTONOSUPPORT`, `EOPNOTSUPP` by [`AdminFault`].
    fn set(&self, dev: &Device, bar: &Bar0<'_>, vf: usize, setting: Setting) -> Result {
        let now = self.now();
        let fault = match self.vfs.lock().set(bar, vf, setting, now)? {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        let (errno, why) = match fault {
            AdminFault::NoSuchVf => (EINVAL, "there is no such VF"),
            AdminFault::InvalidMac => (EINVAL, "that is a group's address"),
            AdminFault::MacInUse => (
                errno::address_in_use(),
                "the PF or another VF has that address",
            ),
            AdminFault::InvalidVlan => (EINVAL, "VLANs go up to 4094, priorities to 7"),
            AdminFault::VlanProtocol => (
                errno::protocol_not_supported(),
                "the device tags by 802.1Q alone",
            ),
            AdminFault::MinRate => (EINVAL, "the device has no least rate, only a largest"),
            AdminFault::RateTooHigh => (EINVAL, "no link is that fast"),
        };
        dev_warn!(dev, "VF {vf} is left as it is: {why}\n");
        Err(errno)
    }

    /// `ip link set DEV vf N mac`: zero lets the VF choose again.
    pub(crate) fn set_mac(&self, dev: &Device, bar: &Bar0<'_>, vf: usize, mac: [u8; 6]) -> Result {
        self.set(dev, bar, vf, Setting::Mac(Mac(mac)))
    }

    /// `ip link set DEV vf N vlan … qos … proto …`; `protocol` is an EtherType in
    /// the CPU's byte order.
    pub(crate) fn set_vlan(
        &self,
        dev: &Device,
        bar: &Bar0<'_>,
        vf: usize,
        vid: u16,
        qos: u8,
        protocol: u16,
    ) -> Result {
        self.set(dev, bar, vf, Setting::Vlan { vid, qos, protocol })
    }

    /// `ip link set DEV vf N min_tx_rate … max_tx_rate …`, in Mbit/s.
    pub(crate) fn set_rate(
        &self,
        dev: &Device,
        bar: &Bar0<'_>,
        vf: usize,
        min: u32,
        max: u32,
    ) -> Result {
        self.set(dev, bar, vf, Setting::Rate { min, max })
    }

    /// `ip link set DEV vf N spoofchk`.
    pub(crate) fn set_spoofchk(&self, dev: &Device, bar: &Bar0<'_>, vf: usize, on: bool) -> Result {
        self.set(dev, bar, vf, Setting::Spoofchk(on))
    }

    /// `ip link set DEV vf N trust`.
    pub(crate) fn set_trust(&self, dev: &Device, bar: &Bar0<'_>, vf: usize, on: bool) -> Result {
        self.set(dev, bar, vf, Setting::Trust(on))
    }

    /// `ip link set DEV vf N state`.
    pub(crate) fn set_link_state(
        &self,
        dev: &Device,
        bar: &Bar0<'_>,
        vf: usize,
        link: LinkPolicy,
    ) -> Result {
        self.set(dev, bar, vf, Setting::Link(link))
    }

    /// What is set for a VF. Errors: `EINVAL` if there is no such VF.
    pub(crate) fn get_config(&self, vf: usize) -> Result<VfConfig> {
        let vfs = self.vfs.lock();
        let state = vfs.states().get(vf).ok_or(EINVAL)?;
        let admin = &state.admin;
        Ok(VfConfig {
            mac: state.mac().unwrap_or(Mac::ZERO).0,
            vlan: admin.port_vlan.map_or(0, |port| port.vid),
            qos: admin.port_vlan.map_or(0, |port| port.qos),
            max_tx_rate: admin.max_tx_rate,
            spoofchk: admin.spoofchk,
            trusted: admin.trusted,
            link: admin.link,
        })
    }

    /// Runs `f` on the VFs, with the lock held and the time in nanoseconds: it must not
    /// sleep.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Vfs, u64) -> R) -> R {
        let now = self.now();
        f(&mut self.vfs.lock(), now)
    }

    /// What a VF has received and sent. To be called at least every 30 s while VFs
    /// are on, or bytes are lost. Errors: `EINVAL` if there is no such VF.
    pub(crate) fn get_stats(&self, bar: &Bar0<'_>, vf: usize) -> Result<VfStats> {
        self.vfs.lock().stats(bar, vf)
    }
}

/// One line for the operator; each kind comes once for each VF.
fn log_note(dev: &Device, vf: usize, note: Note) {
    match note {
        Note::Denied(denial) => {
            let why = match denial {
                Denial::NotReady => "it has not told of its reset",
                Denial::AdminMac => "the administrator has set its address",
                Denial::InvalidMac => "a group's address, or none, is not a station's",
                Denial::MacTaken => "the address is another function's, and it is not trusted",
                Denial::FiltersFull => "no receive address is left for it",
                Denial::PortVlan => "the administrator keeps it in a VLAN",
                Denial::VlansFull => "no VLAN filter is left for it",
                Denial::FrameTooSmall => "no frame is that small",
                Denial::Untrusted => "to receive all unicast it must be trusted",
            };
            dev_warn!(dev, "VF {vf} was refused a request: {why}\n");
        }
        Note::Unknown(head) => {
            dev_warn!(dev, "VF {vf} sent the unknown message {head:08x}\n");
        }
        Note::Malformed(head) => {
            dev_warn!(dev, "VF {vf} sent a malformed message {head:08x}\n");
        }
        Note::Flood => {
            dev_warn!(
                dev,
                "VF {vf} floods its mailbox: it is served once per millisecond from now on\n"
            );
        }
        Note::MailboxHeld => {
            dev_warn!(
                dev,
                "VF {vf} keeps its mailbox locked; its request is dropped\n"
            );
        }
        Note::TableFull => {
            dev_err!(dev, "a filter of VF {vf} did not fit: this is a bug\n");
        }
    }
}

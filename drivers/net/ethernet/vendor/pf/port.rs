// SPDX-License-Identifier: GPL-2.0

//! The port: what all parts of the driver share of one device.

use crate::{
    abi::{
        netdev::NetDevice,
        power,
        xdp::ProgramSlot, //
    },
    netdev::{
        counters::Totals,
        filter_table::{
            self,
            Mac, //
        }, //
    },
    pf::{
        diagnose,
        filters::Wanted,
        interrupt,
        link::Link,
        nvm::Version,
        phy::Phy,
        pool::Pool,
        reset,
        wake::{
            self,
            Wake, //
        }, //
    },
    provider::probe,
    regs::{
        filter::{
            RAH,
            RAL, //
        },
        mac::{
            CTRL,
            RCTL,
            STATUS,
            TCTL, //
        },
        Bar0, //
    },
    vf::control::VfControl, //
};
use kernel::{
    device::Bound,
    io::{
        register::Array,
        Io, //
    },
    new_mutex, new_spinlock, pci,
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc,
        Mutex,
        SpinLock, //
    },
};

/// One port of a bound device.
///
/// Locks, in the order in which they are taken: the RTNL; the interface's state
/// (`netdev/interface.rs`); `wanted`; `link`; the core's transmit queue; the transmit ring (`netdev/queue.rs`);
/// `totals`; that of `vfs`, which is taken in hard interrupts.
#[pin_data]
pub(crate) struct Port<'bound> {
    /// The device.
    pub(crate) pdev: &'bound pci::Device<Bound>,
    /// The registers.
    pub(crate) bar: Bar0<'bound>,
    /// The interface.
    pub(crate) netdev: NetDevice,
    /// The XDP program that sees what the interface receives.
    pub(crate) program: ProgramSlot,
    /// The pool that the PF's own queue is in.
    pub(crate) pool: Pool,
    /// The VFs, and the filters that the PF shares with them.
    #[pin]
    pub(crate) vfs: VfControl,
    /// Whether rings can begin in the middle, without which VFs cannot be moved.
    pub(crate) heads_writable: bool,
    /// What the NVM says that it is.
    pub(crate) firmware: Option<Version>,
    /// Whether the port can wake the host.
    pub(crate) can_wake: bool,
    /// Queues that were caught at spoofing and have been named in the log, a bit each.
    pub(crate) spoofers: Atomic<u32>,
    /// How often the device stopped a queue, or dropped what it sent, for a fault of the sender's.
    pub(crate) out_of_sync: Atomic<u64>,
    /// What the PF wants to receive. Protects the switches of promiscuity too.
    #[pin]
    pub(crate) wanted: Mutex<Wanted>,
    /// The PHY, which answers one question at a time, and what it last said of the link.
    #[pin]
    pub(crate) link: Mutex<Link>,
    /// Counters of the hardware, which forget what they counted when they are read.
    #[pin]
    pub(crate) totals: SpinLock<Totals>,
}

impl<'bound> Port<'bound> {
    /// Resets the device and reads its address. Sleeps for some milliseconds. Errors:
    /// `ENODEV` or `ETIMEDOUT` if the device does not answer, `EADDRNOTAVAIL` if it has no address,
    /// `ENOMEM`.
    pub(crate) fn new(pdev: &'bound pci::Device<Bound>, bar: Bar0<'bound>) -> Result<Arc<Self>> {
        // What is not there reads as all ones.
        if bar.read(STATUS).into_raw() == u32::MAX {
            dev_err!(pdev, "the device does not answer\n");
            return Err(ENODEV);
        }
        reset::reset(pdev.as_ref(), &bar)?;
        let heads_writable = probe::heads_can_be_written(&bar)?;
        if !heads_writable {
            dev_warn!(
                pdev,
                "this device does not let heads of rings be written: its VFs cannot be migrated\n"
            );
        }
        let mac = address(&bar)?;
        if !filter_table::is_valid(&mac) {
            dev_err!(pdev, "no valid MAC address in the NVM: program one\n");
            return Err(EADDRNOTAVAIL);
        }
        // Tools show them; what cannot be read does not keep the device from working.
        let firmware = Version::find(|at| diagnose::nvm_word(&bar, at)).ok();
        let can_wake = power::can_wake(pdev) && may_wake(&bar);
        power::set_wake(pdev, can_wake);
        let netdev = NetDevice::new(pdev)?;
        netdev.set_mac(&mac);
        netdev.set_carrier(false);
        let phy = Phy::new(&bar);
        Arc::pin_init(
            try_pin_init!(Self {
                pdev,
                bar,
                netdev,
                program: ProgramSlot::new(),
                pool: Pool::new(),
                vfs <- VfControl::new(),
                heads_writable,
                firmware,
                can_wake,
                spoofers: Atomic::new(0),
                out_of_sync: Atomic::new(0),
                wanted <- new_mutex!(Wanted::new(&mac), "igb_rs::wanted"),
                link <- new_mutex!(Link::new(phy), "igb_rs::link"),
                totals <- new_spinlock!(Totals::new(), "igb_rs::totals"),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Sets up, after a reset, all that does not belong to the PF's queue: interrupts,
    /// filters, the pool, and the link. The port receives and sends from here on, its VFs
    /// too, whether the interface is up or not. Sleeps. Errors: `EIO` or `ETIMEDOUT` if the
    /// device does not answer.
    pub(crate) fn set_up(&self) -> Result {
        let bar = &self.bar;
        interrupt::set_up(bar);
        self.vfs.restore(bar)?;
        self.write_frame_size()?;
        bar.update(CTRL, |r| r.with_slu(true));
        bar.update(TCTL, |r| {
            r.with_psp(true)
                .with_const_ct::<0xf>()
                .with_rtlc(true)
                .with_txen(true)
        });
        bar.update(RCTL, |r| {
            r.with_const_mo::<0>()
                .with_bam(true)
                .with_secrc(true)
                .with_lpe(true)
                .with_rxen(true)
        });
        self.restore_strip();
        self.start_link()?;
        // What was counted up to here is not this driver's.
        self.totals.lock().forget(bar);
        Ok(())
    }

    /// Lets the causes that are no queue's interrupt, once their handler is there.
    pub(crate) fn unmask(&self) {
        interrupt::unmask_other(&self.bar);
    }

    /// Makes the device quiet for the host's sleep; answers whether it is to wake the host.
    /// Sleeps. The interface must be closed.
    pub(crate) fn sleep(&self, wake: Wake) -> bool {
        let bar = &self.bar;
        self.totals.lock().update(bar);
        let wake = wake.with_link(self.link.lock().up().is_some());
        if wake == Wake::NONE {
            // Nobody is to hear anything, and the PHY need not either.
            if let Err(errno) = self.end_link() {
                dev_warn!(self.pdev, "the PHY does not go to sleep: {errno:?}\n");
            }
            reset::release(self.pdev.as_ref(), bar);
        } else {
            reset::pause(self.pdev.as_ref(), bar);
        }
        wake::arm(bar, wake);
        wake != Wake::NONE
    }

    /// Resets a device that runs, and sets it up again but for the queue. Sleeps. The
    /// interface must be closed. Errors: as for [`set_up`](Self::set_up).
    pub(crate) fn restart(&self) -> Result {
        self.totals.lock().update(&self.bar);
        reset::reset(self.pdev.as_ref(), &self.bar)?;
        self.set_up()?;
        self.unmask();
        Ok(())
    }
}

/// Where the NVM says whether the second port may wake the host, and how.
const INIT_CONTROL_3: u16 = 0x14;
const INIT_CONTROL_3_APM: u16 = 1 << 10;

/// Whether the board lets the port wake the host: the first one always.
fn may_wake(bar: &Bar0<'_>) -> bool {
    bar.read(STATUS).lan_id().get() == 0
        || diagnose::nvm_word(bar, INIT_CONTROL_3).is_ok_and(|word| word & INIT_CONTROL_3_APM != 0)
}

/// The address that the device has loaded from its NVM.
fn address(bar: &Bar0<'_>) -> Result<Mac> {
    let low = bar.read(RAL::try_at(0).ok_or(EINVAL)?);
    let high = bar.read(RAH::try_at(0).ok_or(EINVAL)?);
    let high = u16::try_from(high.octets().get())?;
    Ok(filter_table::join(low.octets().get(), high))
}

/// Makes the device quiet when it is dropped, after all that uses it.
pub(crate) struct Quiet<'bound>(Arc<Port<'bound>>);

impl<'bound> Quiet<'bound> {
    /// Makes `port` quiet in the end.
    pub(crate) fn new(port: Arc<Port<'bound>>) -> Self {
        Self(port)
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        reset::release(self.0.pdev.as_ref(), &self.0.bar);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Probe and unbind of a PF.

use crate::{
    abi::{
        devlink,
        dma,
        irq::{
            Allocated,
            Vectors, //
        },
        netdev::{
            Abilities,
            Registration, //
        },
        pci::{
            self as igb_pci,
            SriovDriver, //
        },
        pci_errors::Recoverable,
        power::Sleeper,
        provider::AttachedPf, //
    },
    netdev::{
        frame,
        interface::{
            Interface,
            LENT, //
        },
        ops::Netdev,
        queue::{
            QueueInterrupt,
            QueuePair, //
        }, //
    },
    pf::{
        diagnose,
        interrupt::OtherCauses,
        nvm::Board,
        pool::MAX_QUEUES,
        port::{
            Port,
            Quiet, //
        }, //
    },
    regs::BAR_SIZE,
    vf::sriov,
};
use kernel::{
    device::Core,
    pci,
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// The driver as the PCI core sees it.
pub(crate) struct IgbDriver;

/// A bound PF. Dropped from first to last field, after `unbind` has removed the VFs: `devlink`
/// and the provider let go of the PF, the interface disappears, interrupts end, the device is made
/// quiet and then disabled.
pub(crate) struct Pf<'bound> {
    _shown: Option<devlink::Registration>,
    _attached: AttachedPf,
    _registration: Registration<'bound, Netdev<'bound>>,
    _vectors: Vectors<'bound, QueueInterrupt<'bound>, OtherCauses<'bound>>,
    /// The interface.
    pub(crate) interface: Arc<Interface<'bound>>,
    _quiet: Quiet<'bound>,
    _enabled: igb_pci::Enabled<'bound>,
}

const ABILITIES: Abilities = Abilities {
    min_mtu: frame::MIN_MTU,
    max_mtu: frame::MAX_MTU,
};

kernel::pci_device_table!(
    PCI_TABLE,
    <IgbDriver as pci::Driver>::IdInfo,
    [(pci::DeviceId::from_id(pci::Vendor::INTEL, 0x10c9), ())]
);

/// What is known of the device of `port`. Errors: `ENOMEM`.
fn identity(port: &Port<'_>) -> Result<devlink::Identity> {
    let board = Board::find(|at| diagnose::nvm_word(&port.bar, at)).ok();
    Ok(devlink::Identity {
        firmware: port
            .firmware
            .map(|version| CString::try_from_fmt(format_args!("{version}")))
            .transpose()?,
        bundle: port
            .firmware
            .and_then(|version| version.etrack)
            .map(|number| CString::try_from_fmt(format_args!("{number:#010x}")))
            .transpose()?,
        board: board
            .map(|board| CString::try_from_fmt(format_args!("{board}")))
            .transpose()?,
        serial: devlink::serial_number(port.pdev)
            .map(|serial| CString::try_from_fmt(format_args!("{serial:016x}")))
            .transpose()?,
    })
}

impl pci::Driver for IgbDriver {
    type IdInfo = ();
    type Data<'bound> = Pf<'bound>;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        // Each local undoes on drop what it stands for, latest first, as the fields do.
        let enabled = igb_pci::Enabled::new(pdev)?;
        dma::set_mask(pdev)?;
        sriov::limit_vfs(pdev)?;
        let bar = pdev.iomap_region_sized::<BAR_SIZE>(0, c"igb_rs")?;
        let port = Port::new(pdev, bar)?;
        let quiet = Quiet::new(port.clone());
        port.set_up()?;
        let allocated = Allocated::new(pdev, MAX_QUEUES).inspect_err(|errno| {
            dev_err!(pdev, "cannot get two MSI-X vectors: {errno:?}\n");
        })?;
        let mut queues = KVec::new();
        let mut handlers = KVec::new();
        for index in 0..allocated.queues() {
            let queue = QueuePair::new(port.clone(), index)?;
            queue.set_irq(allocated.irq(index)?);
            let borrower = index
                .checked_sub(LENT)
                .and_then(|index| queues.get(usize::from(index)).cloned());
            handlers.push(QueueInterrupt::new(queue.clone(), borrower), GFP_KERNEL)?;
            queues.push(queue, GFP_KERNEL)?;
        }
        let interface = Interface::new(port.clone(), queues)?;
        let netdev = Netdev::new(interface.clone())?;
        let other_causes = OtherCauses::new(port.clone())?;
        let vectors = Vectors::new(allocated, handlers, other_causes)?;
        port.unmask();
        let registration = Registration::new(netdev, &ABILITIES)?;
        let attached = AttachedPf::new(pdev)?;
        let shown = devlink::Registration::new(pdev, identity(&port)?)?;
        let [a, b, c, d, e, f] = port.netdev.mac();
        dev_info!(
            pdev,
            "{}: Intel 82576 PF {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}, provider of \
             its VFs\n",
            port.netdev.name()
        );
        Ok(Pf {
            _shown: shown,
            _attached: attached,
            _registration: registration,
            _vectors: vectors,
            interface,
            _quiet: quiet,
            _enabled: enabled,
        })
    }

    fn unbind<'bound>(pdev: &'bound pci::Device<Core<'_>>, _this: Pin<&Self::Data<'bound>>) {
        sriov::disable_at_unbind(pdev);
    }
}

impl Recoverable for IgbDriver {
    fn quiesce(pf: &Pf<'_>) {
        pf.interface.quiesce();
    }

    fn recover(pf: &Pf<'_>) -> Result {
        pf.interface.recover()
    }

    fn resume(pf: &Pf<'_>) {
        pf.interface.resume();
    }
}

impl Sleeper for IgbDriver {
    fn sleep(pf: &Pf<'_>) -> bool {
        pf.interface.sleep()
    }

    fn wake(pf: &Pf<'_>) -> Result {
        pf.interface.wake()
    }
}

impl SriovDriver for IgbDriver {
    fn sriov_configure(pdev: &pci::Device<Core<'_>>, pf: &Pf<'_>, num_vfs: u16) -> Result<u16> {
        sriov::configure(pdev, pf, num_vfs)
    }
}

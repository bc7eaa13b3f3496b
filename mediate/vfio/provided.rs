// SPDX-License-Identifier: GPL-2.0

//! What an open VF's provider gives: its transport, its view of the BARs, whether it can be
//! moved.

use super::{
    dirty_log::DirtyLog,
    migration::Sizes,
    tracking::Tracking,
    trap_region::TrapRegion, //
};
use crate::{
    abi::{
        binding::{
            Binding,
            ViewError, //
        },
        host::Transport,
        vfio_core::Core, //
    },
    logic::{
        region::{
            Region,
            BARS, //
        },
        span::Span,
        transport::Choice, //
    },
    trap::switch::Switch, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// An open VF's provider and its view of the BARs, fixed when it was opened.
pub(crate) struct Provided {
    pub(crate) binding: Arc<Binding>,
    pub(crate) transport: Transport,
    pub(crate) trap: Arc<dyn Switch>,
    /// Where the VMM learns what to trap, if it can.
    pub(crate) region: Option<Arc<TrapRegion>>,
    pub(crate) bars: [Region; BARS],
}

impl Provided {
    /// The view of BAR `index`; `None` for any other region.
    pub(super) fn bar(&self, index: u32) -> Option<&Region> {
        self.bars.get(usize::try_from(index).ok()?)
    }

    /// Whether faults in mappings of `span` of BAR `region` are ours: it may be trapped, or
    /// the VMM may yet opt in.
    pub(super) fn owns(&self, region: u32, span: Span) -> bool {
        self.region.is_some() || self.trap.concerns(region, span)
    }

    /// What can be followed of what the VF writes.
    pub(super) fn tracking(&self, log: &Arc<DirtyLog>) -> Option<Tracking> {
        let new = || Tracking::new(self.binding.clone(), self.trap.clone(), log.clone());
        self.binding.can_log().then(new)
    }
}

/// The transport that an operator's choice means for a device. With `auto` it may become
/// `region` later, if the VMM opts in.
pub(super) fn transport(choice: Choice, dev: &Core<'_>) -> Transport {
    match choice {
        Choice::Fixed => Transport::Fixed,
        Choice::Region => Transport::Region,
        Choice::Auto | Choice::Kvm if dev.has_trackable_kvm() => Transport::Kvm,
        Choice::Auto | Choice::Kvm | Choice::None => Transport::None,
    }
}

/// Whether the VMM gets a region in which it learns what to trap.
pub(super) fn has_region(choice: Choice, transport: Transport) -> bool {
    match transport {
        Transport::Fixed | Transport::Region => true,
        Transport::Kvm => false,
        Transport::None => choice == Choice::Auto,
    }
}

/// The sizes of a VF's states if it can be moved; if not, says why.
pub(super) fn movable_sizes(
    dev: &Core<'_>,
    binding: &Binding,
    choice: Choice,
    transport: Transport,
) -> Option<Sizes> {
    let sizes = match Sizes::ask(binding) {
        Ok(sizes) => sizes,
        Err(errno) if errno == EOPNOTSUPP => {
            dev_info!(
                dev,
                "provider {:?} cannot move it: no migration is offered\n",
                binding.name()
            );
            return None;
        }
        Err(errno) => {
            dev_err!(
                dev,
                "provider {:?} fails with {errno:?} when asked for the size of its state: \
                 no migration is offered\n",
                binding.name()
            );
            return None;
        }
    };
    match (transport, choice) {
        (Transport::Fixed | Transport::Kvm | Transport::Region, _) => return Some(sizes),
        (Transport::None, Choice::Auto | Choice::Kvm) => dev_info!(
            dev,
            "passed through as by vfio-pci, no migration is offered, as there is no KVM guest \
             whose writes can be tracked: for a migration load vfio_pci_mediate with \
             transport=fixed, which costs an exit to the VMM for each access to registers that \
             are mediated\n"
        ),
        (Transport::None, _) => (),
    }
    None
}

/// The provider's view of each BAR, checked.
pub(super) fn view(dev: &Core<'_>, binding: &Binding) -> Result<[Region; BARS]> {
    let mut bars = [Region::whole(0, 0); BARS];
    for (index, bar) in (0..).zip(&mut bars) {
        let (flags, size) = dev.bar(index);
        let default = Region::whole(flags, size);
        if size == 0 {
            continue;
        }
        *bar = binding
            .region(index, default)
            .map_err(|error| match error {
                ViewError::Hook(errno) => {
                    dev_err!(
                        dev,
                        "provider {:?} fails for BAR{index} with {errno:?}: not opened\n",
                        binding.name()
                    );
                    errno
                }
                ViewError::Fault(fault) => {
                    dev_err!(
                        dev,
                        "provider {:?} has no usable view of BAR{index}: {}: not opened\n",
                        binding.name(),
                        format_args!("{fault}")
                    );
                    EINVAL
                }
            })?;
    }
    Ok(bars)
}

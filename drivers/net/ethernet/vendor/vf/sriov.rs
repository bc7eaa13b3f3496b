// SPDX-License-Identifier: GPL-2.0

//! Switching VFs on and off.

use crate::{
    abi::pci as igb_pci,
    pf::driver::Pf, //
};
use kernel::{
    device::Core,
    pci,
    prelude::*, //
};

/// Most VFs: an eighth would leave no pool of queues for the PF.
const MAX_VFS: u16 = 7;

/// Tells the PCI core how many VFs there may be. Errors: `EBUSY` if VFs are
/// there already, left by another driver.
pub(crate) fn limit_vfs(pdev: &pci::Device<Core<'_>>) -> Result {
    let left = igb_pci::num_vfs(pdev);
    if left != 0 {
        dev_err!(
            pdev,
            "{left} VFs are left from another driver: bind that again, write 0 to \
             sriov_numvfs, then come back\n"
        );
        return Err(EBUSY);
    }
    igb_pci::set_total_vfs(pdev, MAX_VFS)
}

/// A write to `sriov_numvfs`: the PCI core has checked the range and that VFs
/// go from none to some or from some to none.
pub(crate) fn configure(pdev: &pci::Device<Core<'_>>, pf: &Pf<'_>, num_vfs: u16) -> Result<u16> {
    if num_vfs == 0 {
        dev_info!(pdev, "removing its VFs\n");
        igb_pci::disable_sriov(pdev);
        pf.interface.set_num_vfs(0)?;
        return Ok(0);
    }
    // The VFs' drivers bind before `enable_sriov` returns, and talk to us: be ready.
    pf.interface.set_num_vfs(u8::try_from(num_vfs)?)?;
    igb_pci::enable_sriov(pdev, num_vfs).inspect_err(|errno| {
        dev_err!(
            pdev,
            "cannot enable {num_vfs} VFs: {errno:?}; is there an IOMMU and bus space for them?\n"
        );
        let _ = pf.interface.set_num_vfs(0);
    })?;
    dev_info!(pdev, "{num_vfs} VFs\n");
    Ok(num_vfs)
}

/// Removes the VFs, if there are any, because the driver is being unbound; waits
/// for their users.
pub(crate) fn disable_at_unbind(pdev: &pci::Device<Core<'_>>) {
    let num_vfs = igb_pci::num_vfs(pdev);
    if num_vfs == 0 {
        return;
    }
    // vfio names the users of those that are open, each in a line of its own.
    dev_info!(pdev, "removing {num_vfs} VFs\n");
    igb_pci::disable_sriov_at_unbind(pdev);
}

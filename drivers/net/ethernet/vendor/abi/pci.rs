// SPDX-License-Identifier: GPL-2.0

//! What a PF driver needs of PCI beyond the kernel crate: SR-IOV and the end of
//! `enable_device`.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    pci_errors::{
        Handlers,
        Recoverable, //
    },
    power::{
        self,
        Sleeper, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    bindings as kernel_bindings,
    device::{
        Core,
        CoreInternal, //
    },
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    error::{
        from_result,
        to_result, //
    },
    pci,
    prelude::*,
    types::Opaque, //
};

/// A PCI driver that can switch VFs on and off.
pub(crate) trait SriovDriver: pci::Driver {
    /// A write of `num_vfs` to sysfs `sriov_numvfs`; answers how many VFs there
    /// are now. The device is locked and bound. May sleep, and waits for users.
    fn sriov_configure(
        pdev: &pci::Device<Core<'_>>,
        data: &Self::Data<'_>,
        num_vfs: u16,
    ) -> Result<u16>;
}

/// The kernel crate's PCI adapter with SR-IOV, error handlers and power management added.
pub(crate) struct Adapter<T>(PhantomData<T>);

// SAFETY: As for `pci::Adapter<T>`, to which registration is delegated.
unsafe impl<T: SriovDriver + Recoverable + Sleeper> DriverLayout for Adapter<T> {
    type DriverType = kernel_bindings::pci_driver;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(Self::DriverType, driver);
}

// SAFETY: Delegates to `pci::Adapter<T>`.
unsafe impl<T: SriovDriver + Recoverable + Sleeper> RegistrationOps for Adapter<T> {
    unsafe fn register(
        pdrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The fields may be set before registration.
        unsafe {
            (*pdrv.get()).sriov_configure = Some(Self::sriov_configure);
            (*pdrv.get()).err_handler = Handlers::<T>::TABLE;
            (*pdrv.get()).shutdown = Some(power::Table::<T>::shutdown);
            (*pdrv.get()).driver.pm = power::Table::<T>::OPS;
        }
        // SAFETY: By the contract of this function.
        unsafe { <pci::Adapter<T> as RegistrationOps>::register(pdrv, name, module) }
    }

    unsafe fn unregister(pdrv: &Opaque<Self::DriverType>) {
        // SAFETY: By the contract of this function.
        unsafe { <pci::Adapter<T> as RegistrationOps>::unregister(pdrv) }
    }
}

impl<T: SriovDriver> Adapter<T> {
    extern "C" fn sriov_configure(pdev: *mut kernel_bindings::pci_dev, num_vfs: c_int) -> c_int {
        // SAFETY: The PCI core hands in a valid device, locked and bound.
        let pdev = unsafe { &*pdev.cast::<pci::Device<CoreInternal<'_>>>() };
        // SAFETY: `T` is the driver of `pdev`, and its probe has succeeded.
        let data = unsafe { pdev.as_ref().drvdata_borrow::<T::Data<'_>>() };
        from_result(|| {
            let num_vfs = u16::try_from(num_vfs)?;
            Ok(c_int::from(T::sriov_configure(pdev, &data, num_vfs)?))
        })
    }
}

/// The raw device, for this layer.
pub(super) fn as_raw<Ctx: kernel::device::DeviceContext>(
    pdev: &pci::Device<Ctx>,
) -> *mut kernel_bindings::pci_dev {
    // CAST: `pci::Device` is a transparent wrapper of `struct pci_dev`.
    core::ptr::from_ref(pdev).cast_mut().cast()
}

/// A device that decodes memory and may master the bus, until this is dropped.
pub(crate) struct Enabled<'bound>(&'bound pci::Device<kernel::device::Bound>);

impl<'bound> Enabled<'bound> {
    /// Enables memory decoding and bus mastering.
    pub(crate) fn new(pdev: &'bound pci::Device<Core<'_>>) -> Result<Self> {
        pdev.enable_device_mem()?;
        let enabled = Self(pdev);
        pdev.set_master();
        // For the time after a reset of the slot.
        // SAFETY: The device is valid by its type.
        to_result(unsafe { kernel_bindings::pci_save_state(as_raw(pdev)) })?;
        Ok(enabled)
    }
}

impl Drop for Enabled<'_> {
    fn drop(&mut self) {
        // SAFETY: Enabled by `new`; the device is valid by its type. Also ends
        // bus mastering.
        unsafe { kernel_bindings::pci_disable_device(as_raw(self.0)) };
    }
}

/// Limits what `sriov_numvfs` accepts.
pub(crate) fn set_total_vfs(pdev: &pci::Device<Core<'_>>, max: u16) -> Result {
    // SAFETY: The device is valid by its type.
    to_result(unsafe { kernel_bindings::pci_sriov_set_totalvfs(as_raw(pdev), max) })
}

/// Number of VFs that are enabled.
pub(crate) fn num_vfs(pdev: &pci::Device<Core<'_>>) -> u16 {
    // SAFETY: The device is valid by its type.
    u16::try_from(unsafe { kernel_bindings::pci_num_vf(as_raw(pdev)) }).unwrap_or(0)
}

/// Adds `num_vfs` VFs and lets drivers bind them. May sleep.
pub(crate) fn enable_sriov(pdev: &pci::Device<Core<'_>>, num_vfs: u16) -> Result {
    // SAFETY: The device is valid by its type, and locked.
    to_result(unsafe { kernel_bindings::pci_enable_sriov(as_raw(pdev), c_int::from(num_vfs)) })
}

/// Removes all VFs, from `sriov_configure`. Sleeps until nobody uses them.
pub(crate) fn disable_sriov(pdev: &pci::Device<Core<'_>>) {
    // SAFETY: The device is valid by its type, and locked. sysfs, the one caller
    // of `sriov_configure`, holds the PCI rescan lock.
    unsafe { kernel_bindings::pci_disable_sriov(as_raw(pdev)) };
}

/// Removes all VFs, from `unbind`. Sleeps until nobody uses them.
///
/// VFs may be removed under the PCI rescan lock only. Whoever removes the PF
/// itself (hot-unplug, sysfs `remove`) holds it around unbind; who merely
/// unbinds the driver (sysfs `unbind`, rmmod) does not. The PCI core tells the
/// two apart by a flag that a removal clears before it unbinds. In-tree drivers
/// do not look, and lockdep complains when they are unbound with VFs.
///
/// The order is device lock, then rescan lock, as for sysfs `sriov_numvfs`.
pub(crate) fn disable_sriov_at_unbind(pdev: &pci::Device<Core<'_>>) {
    /// `PCI_DEV_ADDED` of drivers/pci/pci.h, a bit number of `priv_flags`.
    const PCI_DEV_ADDED: u32 = 0;
    let raw = as_raw(pdev);
    // SAFETY: The device is valid by its type; other bits may change meanwhile.
    let flags = unsafe { (&raw const (*raw).priv_flags).read_volatile() };
    let only_unbound = flags & (1 << PCI_DEV_ADDED) != 0;
    if only_unbound {
        // SAFETY: Not held by this task, see above.
        unsafe { kernel_bindings::pci_lock_rescan_remove() };
    }
    // SAFETY: The device is valid by its type, and locked.
    unsafe { kernel_bindings::pci_disable_sriov(raw) };
    if only_unbound {
        // SAFETY: Taken above.
        unsafe { kernel_bindings::pci_unlock_rescan_remove() };
    }
}

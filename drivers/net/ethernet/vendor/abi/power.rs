// SPDX-License-Identifier: GPL-2.0

//! Sleep of the host, and its end: `struct dev_pm_ops` and `shutdown` over safe Rust.
//!
//! C headers: [`include/linux/pm.h`](srctree/include/linux/pm.h),
//! [`include/linux/pm_wakeup.h`](srctree/include/linux/pm_wakeup.h)

use super::{
    bindings,
    pci::as_raw,
    pci_errors::data, //
};
use core::marker::PhantomData;
use kernel::{
    bindings as kernel_bindings,
    container_of,
    device::Bound,
    error::from_result,
    pci,
    prelude::*, //
};

/// A driver whose device sleeps when the host does. Both with the device locked and bound, in
/// process context; may sleep. The PCI core keeps its configuration space, and changes its
/// power state.
pub(crate) trait Sleeper: pci::Driver {
    /// The host is about to sleep, or to end: make the device quiet. Answers whether it is to
    /// wake the host.
    fn sleep(data: &Self::Data<'_>) -> bool;

    /// The host is awake again, and the device in any state.
    fn wake(data: &Self::Data<'_>) -> Result;
}

/// Holder of the operations of `T`.
pub(super) struct Table<T>(PhantomData<T>);

impl<T: Sleeper> Table<T> {
    /// The operations; those for hibernation are the same, for the image that is read then may
    /// be another kernel's.
    pub(super) const OPS: &'static kernel_bindings::dev_pm_ops = {
        // SAFETY: All members are optional functions, for which zero is none.
        const NONE: kernel_bindings::dev_pm_ops = unsafe { core::mem::zeroed() };
        &kernel_bindings::dev_pm_ops {
            suspend: Some(Self::suspend),
            resume: Some(Self::resume),
            freeze: Some(Self::suspend),
            thaw: Some(Self::resume),
            poweroff: Some(Self::suspend),
            restore: Some(Self::resume),
            ..NONE
        }
    };

    /// # Safety
    ///
    /// `dev` must be a PCI device's, locked, and bound to `T`.
    unsafe extern "C" fn suspend(dev: *mut kernel_bindings::device) -> c_int {
        // SAFETY: By contract.
        let pdev = unsafe { container_of!(dev, kernel_bindings::pci_dev, dev) };
        // SAFETY: The PM core holds the device's lock, and calls operations of its driver.
        // Whether the device may wake the host has been told by `set_wake`.
        T::sleep(unsafe { data::<T>(pdev) });
        0
    }

    /// # Safety
    ///
    /// `dev` must be a PCI device's, locked, and bound to `T`.
    unsafe extern "C" fn resume(dev: *mut kernel_bindings::device) -> c_int {
        // SAFETY: By contract.
        let pdev = unsafe { container_of!(dev, kernel_bindings::pci_dev, dev) };
        // SAFETY: As for `suspend`.
        from_result(|| T::wake(unsafe { data::<T>(pdev) }).map(|()| 0))
    }

    /// # Safety
    ///
    /// `pdev` must be locked, and bound to `T`.
    pub(super) unsafe extern "C" fn shutdown(pdev: *mut kernel_bindings::pci_dev) {
        // SAFETY: The driver core holds the device's lock, and calls operations of its driver.
        let wakes = T::sleep(unsafe { data::<T>(pdev) });
        // SAFETY: Valid by contract; the device is quiet.
        unsafe { bindings::igb_rs_power_off(pdev, wakes) };
    }
}

/// Whether the device has what it takes to wake the host.
pub(crate) fn can_wake(pdev: &pci::Device<Bound>) -> bool {
    // SAFETY: The device is valid by its type.
    unsafe { bindings::igb_rs_can_wake(as_raw(pdev)) }
}

/// Whether the device is to wake the host when that sleeps. May sleep.
pub(crate) fn set_wake(pdev: &pci::Device<Bound>, on: bool) {
    // SAFETY: The device is valid by its type.
    unsafe { bindings::igb_rs_set_wake(as_raw(pdev), on) };
}

// SPDX-License-Identifier: GPL-2.0

//! Errors of the bus, and resets of the function: `struct pci_error_handlers` over safe Rust.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use core::marker::PhantomData;
use kernel::{
    bindings as kernel_bindings,
    device::CoreInternal,
    pci,
    prelude::*, //
};

/// A driver whose device may be reset under it. All with the device locked and bound, in process
/// context; may sleep.
pub(crate) trait Recoverable: pci::Driver {
    /// The device does not answer, or is about to be reset: leave it alone.
    fn quiesce(data: &Self::Data<'_>);

    /// The device has been reset, and its configuration space restored: set it up again.
    fn recover(data: &Self::Data<'_>) -> Result;

    /// All functions of the device have recovered, or this was never quiesced: go on.
    fn resume(data: &Self::Data<'_>);
}

/// What `T` keeps for a device.
///
/// # Safety
///
/// `pdev` must be locked, and bound to `T`.
pub(super) unsafe fn data<'a, T: pci::Driver>(
    pdev: *mut kernel_bindings::pci_dev,
) -> &'a T::Data<'a> {
    // SAFETY: By contract; a bound device's probe has succeeded, and the lock keeps it from
    // being unbound.
    let pdev = unsafe { &*pdev.cast::<pci::Device<CoreInternal<'_>>>() };
    // SAFETY: As above.
    unsafe { pdev.as_ref().drvdata_borrow::<T::Data<'_>>() }.get_ref()
}

/// Holder of the handlers of `T`.
pub(super) struct Handlers<T>(PhantomData<T>);

impl<T: Recoverable> Handlers<T> {
    /// The handlers.
    pub(super) const TABLE: &'static kernel_bindings::pci_error_handlers =
        &kernel_bindings::pci_error_handlers {
            error_detected: Some(Self::error_detected),
            mmio_enabled: None,
            slot_reset: Some(Self::slot_reset),
            reset_prepare: Some(Self::reset_prepare),
            reset_done: Some(Self::reset_done),
            resume: Some(Self::resume),
            cor_error_detected: None,
        };

    /// # Safety
    ///
    /// `pdev` must be locked, and bound to `T`.
    unsafe extern "C" fn error_detected(
        pdev: *mut kernel_bindings::pci_dev,
        state: kernel_bindings::pci_channel_state_t,
    ) -> kernel_bindings::pci_ers_result_t {
        if state == kernel_bindings::pci_channel_io_normal {
            return kernel_bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER;
        }
        // SAFETY: The PCI core holds the device's lock, and calls handlers of its driver.
        T::quiesce(unsafe { data::<T>(pdev) });
        if state == kernel_bindings::pci_channel_io_perm_failure {
            kernel_bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT
        } else {
            kernel_bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET
        }
    }

    /// # Safety
    ///
    /// `pdev` must be locked, and bound to `T`.
    unsafe extern "C" fn slot_reset(
        pdev: *mut kernel_bindings::pci_dev,
    ) -> kernel_bindings::pci_ers_result_t {
        // SAFETY: The device is valid. What is restored was saved in probe, and is saved again
        // for the next time.
        unsafe {
            kernel_bindings::pci_restore_state(pdev);
            kernel_bindings::pci_save_state(pdev);
        }
        // SAFETY: As for `error_detected`.
        match T::recover(unsafe { data::<T>(pdev) }) {
            Ok(()) => kernel_bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED,
            Err(_) => kernel_bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT,
        }
    }

    /// # Safety
    ///
    /// `pdev` must be locked, and bound to `T`.
    unsafe extern "C" fn resume(pdev: *mut kernel_bindings::pci_dev) {
        // SAFETY: As for `error_detected`.
        T::resume(unsafe { data::<T>(pdev) });
    }

    /// # Safety
    ///
    /// `pdev` must be locked, and bound to `T`.
    unsafe extern "C" fn reset_prepare(pdev: *mut kernel_bindings::pci_dev) {
        // SAFETY: As for `error_detected`.
        T::quiesce(unsafe { data::<T>(pdev) });
    }

    /// # Safety
    ///
    /// `pdev` must be locked, and bound to `T`.
    unsafe extern "C" fn reset_done(pdev: *mut kernel_bindings::pci_dev) {
        // SAFETY: As for `error_detected`.
        let data = unsafe { data::<T>(pdev) };
        // A device that does not recover has said so, and stays detached.
        if T::recover(data).is_ok() {
            T::resume(data);
        }
    }
}

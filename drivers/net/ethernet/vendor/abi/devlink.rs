// SPDX-License-Identifier: GPL-2.0

//! What `devlink dev info` shows of a device.
//!
//! C header: [`include/net/devlink.h`](srctree/include/net/devlink.h)

use super::{
    bindings,
    dma,
    pci::as_raw, //
};
use core::ptr::NonNull;
use kernel::{
    bindings as kernel_bindings,
    device::Bound,
    error::from_err_ptr,
    pci,
    prelude::*,
    str::CString, //
};

/// What is known of a device.
pub(crate) struct Identity {
    /// Version of its NVM's image.
    pub(crate) firmware: Option<CString>,
    /// Number of that image.
    pub(crate) bundle: Option<CString>,
    /// Number of the board.
    pub(crate) board: Option<CString>,
    /// Serial number of the device.
    pub(crate) serial: Option<CString>,
}

/// The serial number in the device's configuration space, if it has one.
pub(crate) fn serial_number(pdev: &pci::Device<Bound>) -> Option<u64> {
    // SAFETY: The device is valid by its type.
    match unsafe { kernel_bindings::pci_get_dsn(as_raw(pdev)) } {
        0 => None,
        serial => Some(serial),
    }
}

/// A device that `devlink` shows, until this is dropped.
pub(crate) struct Registration {
    devlink: NonNull<bindings::devlink>,
    /// What `devlink` points to.
    _identity: Identity,
}

// SAFETY: A registration may be ended from any thread.
unsafe impl Send for Registration {}
// SAFETY: Nothing can be done with it but to end it.
unsafe impl Sync for Registration {}

impl Registration {
    /// Shows `identity` of `pdev`. May sleep. `None` on a kernel without devlink. Errors:
    /// `ENOMEM`.
    pub(crate) fn new(pdev: &pci::Device<Bound>, identity: Identity) -> Result<Option<Self>> {
        let text = |text: &Option<CString>| {
            text.as_ref()
                .map_or(core::ptr::null(), |text| text.as_char_ptr())
        };
        let shown = bindings::igb_rs_identity {
            firmware: text(&identity.firmware),
            bundle: text(&identity.bundle),
            board: text(&identity.board),
            serial: text(&identity.serial),
        };
        // SAFETY: The device is valid by its type. `shown` is copied, and what it points to is
        // on the heap and owned by the registration.
        let devlink =
            unsafe { bindings::igb_rs_devlink_register(dma::raw(pdev.as_ref()), &raw const shown) };
        match from_err_ptr(devlink) {
            Err(errno) if errno == EOPNOTSUPP => Ok(None),
            Err(errno) => Err(errno),
            Ok(devlink) => Ok(Some(Self {
                devlink: NonNull::new(devlink).ok_or(ENOMEM)?,
                _identity: identity,
            })),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered by `new`. Waits until nobody is shown anything.
        unsafe { bindings::igb_rs_devlink_unregister(self.devlink.as_ptr()) };
    }
}

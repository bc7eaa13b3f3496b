// SPDX-License-Identifier: GPL-2.0

//! Errors that the kernel crate has no names for.

use kernel::{
    bindings,
    prelude::*, //
};

/// `EADDRINUSE`: another function has the address.
pub(crate) fn address_in_use() -> Error {
    // CAST: errnos are small.
    Error::from_errno(-(bindings::EADDRINUSE as c_int))
}

/// `EPROTONOSUPPORT`: the device does not speak that.
pub(crate) fn protocol_not_supported() -> Error {
    // CAST: errnos are small.
    Error::from_errno(-(bindings::EPROTONOSUPPORT as c_int))
}

// SPDX-License-Identifier: GPL-2.0

//! All `unsafe` code: ioctls and mappings of device memory.

pub(crate) mod ioctl;
pub(crate) mod mapping;

/// The constants and structures of `<linux/vfio.h>`.
pub(crate) mod uapi {
    pub(crate) use vfio_bindings::bindings::vfio::*;
}

// SPDX-License-Identifier: GPL-2.0

//! All `unsafe` code: ioctls, mappings of device memory, KVM, pages that come later.

pub(crate) mod dirty;
pub(crate) mod ioctl;
pub(crate) mod kvm;
pub(crate) mod mapping;
pub(crate) mod poll;
pub(crate) mod uffd;

/// The constants and structures of `<linux/vfio.h>`.
pub(crate) mod uapi {
    pub(crate) use vfio_bindings::bindings::vfio::*;
}

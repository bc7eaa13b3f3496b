// SPDX-License-Identifier: GPL-2.0

//! All `unsafe` code: ioctls and mappings of device memory.

pub(crate) mod ioctl;
pub(crate) mod mapping;

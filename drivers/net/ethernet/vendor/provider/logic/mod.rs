// SPDX-License-Identifier: GPL-2.0

//! What of a VF is moved, and how it is written down. Pure: plain values in, plain
//! values out; no kernel crate, no register, no allocation.

pub(crate) mod announce;
pub(crate) mod codec;
#[cfg(any(test, kunit_module))]
mod codec_tests;
pub(crate) mod compare;
pub(crate) mod contexts;
#[cfg(any(test, vfm_faults))]
mod faults;
pub(crate) mod fields;
pub(crate) mod guest;
mod marks;
pub(crate) mod posted;
pub(crate) mod queues;
pub(crate) mod scan;
#[cfg(any(test, kunit_module))]
mod scan_tests;
pub(crate) mod shape;
pub(crate) mod state;
pub(crate) mod statistics;
pub(crate) mod window;

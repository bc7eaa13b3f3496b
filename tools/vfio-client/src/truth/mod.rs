// SPDX-License-Identifier: GPL-2.0

//! What a device really wrote, held against what the kernel reports.

pub mod compare;
pub mod packet;
pub mod port;
pub mod rings;
pub mod seed;
pub mod shape;
pub mod watched;

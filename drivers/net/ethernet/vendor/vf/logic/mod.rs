// SPDX-License-Identifier: GPL-2.0

//! What VFs are allowed and what the registers hold because of it. Pure: plain
//! values in, plain values out; no kernel crate, no register, no allocation.
//!
//! [`state`] is the only source of truth. [`policy`] changes it at a VF's
//! request, [`admin`] at the administrator's, and [`tables`] computes every
//! register from it.

pub(crate) mod admin;
pub(crate) mod bucket;
pub(crate) mod exchange;
pub(crate) mod install;
pub(crate) mod list;
pub(crate) mod mac;
pub(crate) mod message;
pub(crate) mod policy;
pub(crate) mod rate;
pub(crate) mod share;
pub(crate) mod slots;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod tables;

// SPDX-License-Identifier: GPL-2.0

//! The targets.

pub(crate) mod mailbox;
pub(crate) mod record;
pub(crate) mod state;
pub(crate) mod stream;

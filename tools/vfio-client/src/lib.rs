// SPDX-License-Identifier: GPL-2.0

//! VMM and guest at once, on a VF, through the kernel's raw uAPI: what a VMM
//! does with vfio's files, and what a guest's driver does with the registers and
//! rings behind them.

mod abi;
pub mod bench;
pub mod commands;
pub mod crooked;
pub mod descriptor;
pub mod device;
pub mod dirty;
pub mod driver;
pub mod error;
pub mod frame;
pub mod iommu;
pub mod ledger;
pub mod mailbox;
pub mod memory;
pub mod migration;
pub mod mutate;
pub mod postcopy;
mod queue;
pub mod region;
pub mod registers;
pub mod ring;
pub mod snapshot;
pub mod trap_region;
pub mod trapped;
pub mod truth;
pub mod vm;

pub use error::{Error, Result};

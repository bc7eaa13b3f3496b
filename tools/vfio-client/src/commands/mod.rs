// SPDX-License-Identifier: GPL-2.0

//! What `vfclient` can do; each command answers with JSON.

pub mod forged;
pub mod info;
pub mod roundtrip;
pub mod traffic;

use crate::{driver::Kind, iommu::Backend, ledger::Balance};
use serde_json::{json, Value};

/// What several commands take.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Common {
    /// Whose register sequences the guest uses
    #[arg(long, value_enum, default_value = "dpdk")]
    pub driver: Kind,
    /// How devices get memory
    #[arg(long, value_enum, default_value = "container")]
    pub backend: Backend,
    /// Where random numbers begin
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// A balance for people and tests.
fn balance(balance: &Balance) -> Value {
    json!({
        "sent": balance.sent,
        "came": balance.came,
        "lost": balance.lost,
        "wrong": balance.wrong,
    })
}

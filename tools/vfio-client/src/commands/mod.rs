// SPDX-License-Identifier: GPL-2.0

//! What `vfclient` can do; each command answers with JSON.

pub mod doorbells;
pub mod forged;
pub mod hostile;
pub mod info;
mod neighbour;
pub mod postcopy;
pub mod rates;
pub mod reports;
pub mod roundtrip;
pub mod switch;
pub mod traffic;
pub mod truth;

use crate::{
    bench::{open, Guest},
    driver::Kind,
    error::Result,
    frame::Mac,
    iommu::Backend,
    ledger::Balance,
};
use rand::rngs::SmallRng;
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

/// A guest's VF, and who is at the other end of its traffic.
#[derive(Clone, Debug, clap::Args)]
pub struct Pair {
    /// The guest's VF, which the mediator has
    pub device: String,
    /// A VF of the same NIC that it exchanges packets with, bound to any vfio driver
    #[arg(long)]
    pub peer: String,
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

/// An address of the test's.
fn mac(last: u8) -> Mac {
    [2, 0, 0, 0, 0xff, last]
}

/// A guest to talk to, if a VF is named for it.
fn start_peer(peer: Option<&str>, common: Common, rng: &mut SmallRng) -> Result<Option<Guest>> {
    let start = |address: &str| {
        let bar = open(address, common.backend)?;
        Guest::start(bar, Kind::Igbvf, mac(2), rng)
    };
    peer.map(start).transpose()
}

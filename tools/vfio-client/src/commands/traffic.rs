// SPDX-License-Identifier: GPL-2.0

//! Packets to and from a VF, without any migration.

use super::{balance, mac, start_peer, Common};
use crate::{
    bench::{open, Bench, Guest},
    error::Result,
    snapshot::Snapshot,
};
use rand::{rngs::SmallRng, SeedableRng};
use serde_json::{json, Value};

/// `vfclient traffic`
pub fn run(guest: &str, peer: Option<&str>, rounds: u32, common: Common) -> Result<Value> {
    let mut rng = SmallRng::seed_from_u64(common.seed);
    let peer = start_peer(peer, common, &mut rng)?;
    let guest = Guest::start(
        open(guest, common.backend)?,
        common.driver,
        mac(1),
        &mut rng,
    )?;
    let mut bench = Bench::new(guest, peer, rng);
    bench.traffic(rounds)?;
    let registers = Snapshot::take(bench.guest.driver.registers())?;
    bench.guest.driver.close()?;
    let (there, back) = (bench.there.balance(), bench.back.balance());
    Ok(json!({
        "passed": there.wrong.is_empty() && back.wrong.is_empty(),
        "there": balance(&there),
        "back": balance(&back),
        "foreign": bench.guest.foreign,
        "registers": registers.to_json(),
    }))
}

// SPDX-License-Identifier: GPL-2.0

//! Packets between two VFs, without any migration.

use super::{balance, Common};
use crate::{
    bench::{open, Bench, Guest},
    driver::Kind,
    error::Result,
    snapshot::Snapshot,
};
use rand::{rngs::SmallRng, SeedableRng};
use serde_json::{json, Value};

/// `vfclient traffic`
pub fn run(guest: &str, peer: &str, rounds: u32, common: Common) -> Result<Value> {
    let mut rng = SmallRng::seed_from_u64(common.seed);
    let [guest_mac, peer_mac] = [1, 2].map(|last| [2, 0, 0, 0, 0xff, last]);
    let peer = Guest::start(open(peer, common.backend)?, Kind::Igbvf, peer_mac, &mut rng)?;
    let guest = Guest::start(
        open(guest, common.backend)?,
        common.driver,
        guest_mac,
        &mut rng,
    )?;
    let mut bench = Bench::new(guest, Some(peer), rng);
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

// SPDX-License-Identifier: GPL-2.0

//! Forged streams into the kernel's loader: an error each time, or a valid load.

use super::{mac, neighbour::Neighbour, roundtrip::require_migration, Common};
use crate::{
    bench::{open, Bench, Guest},
    device::Device,
    error::{Error, Result},
    migration::{self, Saving, State},
    mutate::{self, CLAIMS},
    registers::{reg, Bar, Registers},
};
use rand::{rngs::SmallRng, SeedableRng};
use serde_json::{json, Value};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Longest time of one load; the emulated host is slow, and a reset takes 100 ms.
const LIMIT: Duration = Duration::from_secs(20);

/// Where the guest of no VF has memory, within what the IOMMU can map.
const ELSEWHERE: u64 = 0x40_0000_0000;

/// Loads between two looks at the neighbour.
const LOOK: u64 = 50;

/// A valid stream of a guest that has sent packets, which then goes on.
fn valid_stream(from: &str, common: Common) -> Result<(Vec<u8>, Guest)> {
    let mut rng = SmallRng::seed_from_u64(common.seed);
    let bar = open(from, common.backend)?;
    require_migration(bar.device())?;
    let guest = Guest::start(bar, common.driver, mac(1), &mut rng)?;
    let mut bench = Bench::new(guest, None, rng);
    bench.traffic(5)?;
    let device = bench.guest.device().clone();
    let saving = Saving::begin(&device, &mut bench.rng)?;
    let stream = saving.finish(&device, &mut bench.rng)?;
    migration::set_state(&device, State::Running)?;
    bench.traffic(5)?;
    Ok((stream, bench.guest))
}

/// How the kernel took a stream.
enum Outcome {
    /// Refused, with an errno.
    Refused(i32),
    /// Taken; the VF has run with it.
    Loaded,
}

/// Heads and tails are inside their rings.
fn judge_rings(bar: &Bar) -> Result<()> {
    for queue in 0..2 {
        for (length, head, tail) in [
            (reg::RDLEN, reg::RDH, reg::RDT),
            (reg::TDLEN, reg::TDH, reg::TDT),
        ] {
            let [length, head, tail] =
                [length, head, tail].map(|register| bar.read(register + queue * reg::QUEUE_STRIDE));
            let (length, head, tail) = (length? / 16, head?, tail?);
            if head > length.saturating_sub(1) || tail > length.saturating_sub(1) {
                return Err(Error::Wrong(format!(
                    "loaded head {head} and tail {tail} in a ring of {length}"
                )));
            }
        }
    }
    Ok(())
}

/// Loads a stream, and has the VF run with it.
fn run_with(bar: &Bar, stream: &[u8], rng: &mut SmallRng) -> Result<()> {
    let device = bar.device();
    migration::load(device, stream, rng)?;
    migration::set_state(device, State::RunningP2p)?;
    judge_rings(bar)?;
    migration::set_state(device, State::Running)?;
    Ok(())
}

/// One load, and the device as before.
fn try_load(bar: &Bar, stream: &[u8], rng: &mut SmallRng) -> Result<Outcome> {
    let outcome = match run_with(bar, stream, rng) {
        Ok(()) => Outcome::Loaded,
        Err(error) => Outcome::Refused(error.errno().ok_or(error)?),
    };
    recover(bar.device())?;
    Ok(outcome)
}

/// Resets the device; it must run then.
fn recover(device: &Device) -> Result<()> {
    device.reset()?;
    match migration::state(device)? {
        State::Running => Ok(()),
        state => Err(Error::Wrong(format!("{state:?} after a reset"))),
    }
}

/// Rings where no memory is mapped are as valid as what a guest may write to its VF's registers:
/// they are loaded, and the IOMMU keeps the NIC from following them when packets come, which its
/// log tells.
fn rings_elsewhere(
    bar: &Bar,
    stream: &[u8],
    neighbour: &mut Neighbour,
    rng: &mut SmallRng,
) -> Result<()> {
    run_with(bar, &mutate::receive_rings_at(stream, ELSEWHERE), rng)?;
    neighbour.send(mac(1))?;
    recover(bar.device())?;
    neighbour.judge()
}

/// `vfclient forged`
pub fn run(
    from: &str,
    to: &str,
    neighbour: Option<&str>,
    count: u64,
    elsewhere: bool,
    common: Common,
) -> Result<Value> {
    let (stream, guest) = valid_stream(from, common)?;
    let mut neighbour = neighbour
        .map(|address| Neighbour::start(address, common.backend, common.seed))
        .transpose()?;
    let bar = open(to, common.backend)?;
    bar.device().map(&guest.memory)?;
    let mut rng = SmallRng::seed_from_u64(common.seed);

    // The stream itself is taken, before and after.
    let mut valid = 0;
    let mut load_valid = |rng: &mut SmallRng| match try_load(&bar, &stream, rng)? {
        Outcome::Loaded => {
            valid += 1;
            Ok(())
        }
        Outcome::Refused(errno) => Err(Error::Wrong(format!(
            "the stream that is not forged is refused: errno {errno}"
        ))),
    };
    load_valid(&mut rng)?;
    let mut claims = BTreeMap::new();
    for kind in CLAIMS {
        let forged = mutate::claim(&stream, kind, mac(2));
        // Without a neighbour its address is anybody's.
        if neighbour.is_none() && kind == mutate::Claim::NeighbourMac {
            continue;
        }
        let refused = matches!(try_load(&bar, &forged, &mut rng)?, Outcome::Refused(_));
        claims.insert(format!("{kind:?}"), refused);
    }
    if let Some(neighbour) = neighbour.as_mut().filter(|_| elsewhere) {
        rings_elsewhere(&bar, &stream, neighbour, &mut rng)?;
    }
    let (mut loaded, mut refused, mut slowest) = (0u64, BTreeMap::new(), Duration::ZERO);
    for number in 0..count {
        let forged = mutate::random(&stream, &mut rng);
        let started = Instant::now();
        match try_load(&bar, &forged, &mut rng) {
            Ok(Outcome::Loaded) => loaded += 1,
            Ok(Outcome::Refused(errno)) => *refused.entry(errno.to_string()).or_insert(0u64) += 1,
            Err(error) => {
                return Err(Error::Wrong(format!(
                    "stream {number} of seed {}: {error}",
                    common.seed
                )));
            }
        }
        slowest = slowest.max(started.elapsed());
        if number % LOOK == 0 || number + 1 == count {
            if let Some(neighbour) = &mut neighbour {
                neighbour.judge()?;
            }
        }
    }
    load_valid(&mut rng)?;
    guest.driver.close()?;
    let passed = claims.values().all(|&refused| refused) && slowest < LIMIT;
    Ok(json!({
        "passed": passed,
        "count": count,
        "loaded": loaded,
        "refused": refused,
        "claims_refused": claims,
        "valid_loads": valid,
        "neighbour_watched": neighbour.is_some(),
        "slowest_ms": slowest.as_millis(),
    }))
}

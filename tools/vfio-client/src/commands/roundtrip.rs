// SPDX-License-Identifier: GPL-2.0

//! A running guest from one VF to another, with packets on their way.

use super::{balance, mac, start_peer, Common};
use crate::{
    bench::{open, Bench, Guest},
    device::Device,
    error::{Context, Error, Result},
    migration::{self, Saving, State},
    registers::Bar,
    snapshot::Snapshot,
};
use rand::{rngs::SmallRng, Rng, SeedableRng};
use serde_json::{json, Value};
use std::{
    fs,
    path::Path,
    sync::Barrier,
    thread::{scope, sleep},
    time::{Duration, Instant},
};
use vmm_sys_util::eventfd::{EventFd, EFD_NONBLOCK};

/// Vectors of a VF.
const VECTORS: usize = 3;

/// How long an interrupt that must not come is waited for.
const QUIET: Duration = Duration::from_millis(100);

fn events() -> Result<Vec<EventFd>> {
    (0..VECTORS)
        .map(|_| EventFd::new(EFD_NONBLOCK).context("an eventfd"))
        .collect()
}

/// Whether each eventfd is signalled in time.
fn all_signalled(events: &[EventFd], limit: Duration) -> bool {
    let end = Instant::now() + limit;
    events.iter().all(|event| loop {
        if event.read().is_ok() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        sleep(Duration::from_millis(1));
    })
}

/// What a move showed.
pub struct Move {
    /// The stream.
    pub stream: Vec<u8>,
    /// What is to be told of it.
    pub report: Value,
    /// Whether everything was as it must be.
    pub passed: bool,
}

/// Sends on both sides of the stop, moves the guest to `to`, and goes on sending
/// there. `from` is closed on the way, as a source VMM ends.
fn carry(bench: &mut Bench, to: Bar, rounds: u32, at_once: Option<&Barrier>) -> Result<Move> {
    bench.traffic(rounds / 2)?;
    let source = bench.guest.device().clone();
    let precopy_v2 = migration::use_precopy_v2(&source)?;
    to.device().map(&bench.guest.memory)?;
    let vectors = events()?;
    to.device().set_msix(&vectors)?;
    if let Some(barrier) = at_once {
        barrier.wait();
    }

    let started = Instant::now();
    let estimate = migration::data_size(&source)?;
    let mut saving = Saving::begin(&source, &mut bench.rng)?;
    let precopy_bytes = saving.stream.len();
    bench.traffic(3)?;
    saving.pre_copy(&mut bench.rng)?;
    // Received, and not yet taken by the guest.
    let waiting = bench.rng.random_range(1..=10);
    bench.send_back(waiting, false)?;
    sleep(Duration::from_millis(50));
    let stopped = Instant::now();
    saving.quiesce(&source)?;
    // Tails are accepted, and nothing moves; what comes now may be lost.
    let held = bench.rng.random_range(1..=10);
    let held = bench.send_there(held, false)?;
    let lost = bench.rng.random_range(0..=5);
    bench.send_back(lost, true)?;
    sleep(Duration::from_millis(50));
    if let Some(peer) = &mut bench.peer {
        if let Some(arrival) = peer.receive()?.first() {
            return Err(Error::Wrong(format!("{arrival:?} was sent in P2P")));
        }
    }
    let before = Snapshot::take(bench.guest.driver.registers())?;
    let stream = saving.finish(&source, &mut bench.rng)?;

    let target = to.device().clone();
    migration::load(&target, &stream, &mut bench.rng)?;
    migration::set_state(&target, State::RunningP2p)?;
    let after = Snapshot::take(&to)?;
    let mut differences = before.differences(&after);
    migration::set_state(&target, State::Running)?;
    drop((bench.guest.driver.move_to(to), source));
    bench.settle()?;
    let downtime = stopped.elapsed();
    // The queues' are raised on resume, and the mailbox's if it does not rest: it may not yet,
    // as little time has passed since the guest came up.
    let used = &vectors[..bench.guest.driver.vectors()];
    let (queues, mailbox) = used.split_at(bench.guest.driver.mailbox_vector());
    let raised = all_signalled(queues, Duration::from_secs(5));
    let quiet = !all_signalled(mailbox, QUIET);
    bench.traffic(rounds - rounds / 2)?;
    let registers = Snapshot::take(bench.guest.driver.registers())?;
    differences.extend(before.backwards(&registers));
    bench.guest.driver.raise(7)?;
    let still_raised = all_signalled(
        &vectors[..bench.guest.driver.vectors()],
        Duration::from_secs(5),
    );

    let (there, back) = (bench.there.balance(), bench.back.balance());
    let shown = vfstate::show::stream(&stream);
    let whole = vfstate::show::is_whole(&shown);
    let passed = differences.is_empty()
        && raised
        && still_raised
        && whole
        && there.wrong.is_empty()
        && back.wrong.is_empty();
    let report = json!({
        "passed": passed,
        "differences": differences,
        "registers_compared": before.len(),
        "stream_bytes": stream.len(),
        "precopy_bytes": precopy_bytes,
        "data_size": estimate,
        "precopy_v2": precopy_v2,
        "stream_whole": whole,
        "vectors_raised": raised,
        "mailbox_quiet": quiet,
        "vectors_work": still_raised,
        "held_in_p2p": held,
        "there": balance(&there),
        "back": balance(&back),
        "total_ms": started.elapsed().as_millis(),
        "stopped_ms": downtime.as_millis(),
        "registers": before.to_json(),
    });
    Ok(Move {
        stream,
        report,
        passed,
    })
}

/// Fails with what an operator would look at, if the device offers no migration.
pub(super) fn require_migration(device: &Device) -> Result<()> {
    match migration::flags(device) {
        Ok(flags) if flags & 7 == 7 => Ok(()),
        Ok(flags) => Err(Error::Wrong(format!(
            "{}: migration flags are {flags:#x}, not 0x7: load vfio_pci_mediate with transport=fixed",
            device.address()
        ))),
        Err(error) => Err(error),
    }
}

/// `vfclient roundtrip`
pub fn run(
    from: &str,
    to: &str,
    peer: Option<&str>,
    rounds: u32,
    save: Option<&Path>,
    common: Common,
) -> Result<Value> {
    let mut rng = SmallRng::seed_from_u64(common.seed);
    let from = open(from, common.backend)?;
    require_migration(from.device())?;
    let peer = start_peer(peer, common, &mut rng)?;
    let guest = Guest::start(from, common.driver, mac(1), &mut rng)?;
    let mut bench = Bench::new(guest, peer, rng);
    let to = open(to, common.backend)?;
    let moved = carry(&mut bench, to, rounds, None)?;
    if let Some(path) = save {
        fs::write(path, &moved.stream).context(path.display().to_string())?;
    }
    bench.guest.driver.close()?;
    Ok(moved.report)
}

/// `vfclient many`
pub fn many(pairs: &[(String, String)], rounds: u32, common: Common) -> Result<Value> {
    let barrier = Barrier::new(pairs.len());
    let one = |index: usize, from: &str, to: &str| -> Result<Value> {
        let mut rng = SmallRng::seed_from_u64(common.seed + index as u64);
        // Whoever fails must not keep the others waiting.
        let prepared = (|| {
            let from = open(from, common.backend)?;
            require_migration(from.device())?;
            let to = open(to, common.backend)?;
            let last = 0x10 + index as u8;
            Ok((Guest::start(from, common.driver, mac(last), &mut rng)?, to))
        })();
        let (guest, to) = prepared.inspect_err(|_: &Error| {
            barrier.wait();
        })?;
        let mut bench = Bench::new(guest, None, rng);
        let moved = carry(&mut bench, to, rounds, Some(&barrier))?;
        bench.guest.driver.close()?;
        Ok(moved.report)
    };
    let reports: Vec<Value> = scope(|scope| {
        let one = &one;
        let threads: Vec<_> = pairs
            .iter()
            .enumerate()
            .map(|(index, (from, to))| scope.spawn(move || one(index, from, to)))
            .collect();
        let report = |thread: std::thread::ScopedJoinHandle<'_, Result<Value>>| match thread.join()
        {
            Ok(Ok(report)) => report,
            Ok(Err(error)) => json!({"passed": false, "error": error.to_string()}),
            Err(_) => json!({"passed": false, "error": "it panicked"}),
        };
        threads.into_iter().map(report).collect()
    });
    let passed = reports.iter().all(|report| report["passed"] == json!(true));
    Ok(json!({"passed": passed, "moves": reports}))
}

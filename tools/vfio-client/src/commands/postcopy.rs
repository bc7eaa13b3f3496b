// SPDX-License-Identifier: GPL-2.0

//! A running guest from one VF to another, with its memory coming after it.

use super::{mac, roundtrip::require_migration};
use crate::{
    bench::{self, open, Bench, Guest, VLANS},
    device::Device,
    driver::Kind,
    error::{Error, Result},
    iommu::Backend,
    memory::{Memory, PAGE},
    migration::{self, Saving, State},
    postcopy::Fetch,
    registers::Bar,
    trap_region::{obey, open_bar, TrapRegion},
};
use rand::{rngs::SmallRng, seq::SliceRandom, Rng, SeedableRng};
use serde_json::{json, Value};
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread::{scope, sleep, ScopedJoinHandle},
    time::Duration,
};

/// What is to be moved.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where the guest is
    #[arg(long)]
    pub from: String,
    /// Where it goes, on another NIC of the same wire
    #[arg(long)]
    pub to: String,
    /// A VF to talk to, bound to any vfio driver
    #[arg(long)]
    pub peer: String,
    /// How many moves
    #[arg(long, default_value_t = 10)]
    pub seeds: u64,
    /// The first one's seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Bursts each way before the move, and after all memory has come.
const BURSTS: u32 = 4;
/// What a PF says at most when a VF has come: where it is, untagged and in each VLAN.
const ANNOUNCEMENTS: u32 = 1 + VLANS.len() as u32;
/// Seeds that may come to nothing before all is given up.
const MOST_FAILURES: usize = 5;
const BACKEND: Backend = Backend::Container;

/// What a move showed.
struct Outcome {
    prefaults: u64,
    wrong_bytes: u64,
    packets: usize,
    wrong: Vec<String>,
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Wrong("a thread panicked".into())))
}

/// Ends what runs beside, however the move ends.
struct End<'f>(&'f Fetch);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// How many bytes of memory that nobody uses differ.
fn compare(source: &Memory, target: &Memory, cold: u64) -> Result<u64> {
    let mut wrong = 0;
    let mut pages = [[0; PAGE as usize]; 2];
    for iova in (cold..source.iova() + source.size()).step_by(PAGE as usize) {
        let [there, here] = &mut pages;
        source.read(iova, there)?;
        target.read(iova, here)?;
        wrong += there.iter().zip(here).filter(|(a, b)| a != b).count() as u64;
    }
    Ok(wrong)
}

/// Unmaps all that may be trapped.
fn unmap_windows(region: &TrapRegion, bar: &Bar) -> Result<()> {
    let view = region.view()?;
    let mut mapped = view.windows.iter().filter(|window| window.mappable);
    mapped.try_for_each(|window| bar.set_mapped(window.area, false))
}

fn carry(options: &Options, seed: u64) -> Result<Outcome> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let source = Arc::new(Device::open(&options.from, BACKEND)?);
    let (source_region, from) = open_bar(&source)?;
    require_migration(&source)?;
    let peer = Guest::start(open(&options.peer, BACKEND)?, Kind::Igbvf, mac(2), &mut rng)?;
    let kind = [Kind::Igbvf, Kind::Dpdk][usize::from(rng.random_bool(0.5))];
    let guest = Guest::start(from, kind, mac(1), &mut rng)?;
    let cold = guest.memory.unused().iova;
    let mut filling = [0; PAGE as usize];
    for iova in (cold..guest.memory.iova() + guest.memory.size()).step_by(PAGE as usize) {
        rng.fill(&mut filling[..]);
        guest.memory.write(iova, &filling)?;
    }
    let rings = guest.driver.rings();
    let mut bench = Bench::new(guest, Some(peer), rng);
    bench.traffic(BURSTS)?;

    let device = Arc::new(Device::open(&options.to, BACKEND)?);
    let (region, bar) = open_bar(&device)?;
    let region = Arc::new(region);
    // A VMM of one thread: it unmaps first, and is not waited for.
    unmap_windows(&source_region, bench.guest.driver.registers())?;
    let mut saving = Saving::begin(&source, &mut bench.rng)?;
    bench.traffic(1)?;
    // Received, and not yet taken by the guest.
    let waiting = bench.rng.random_range(1..=10);
    bench.send_back(waiting, false)?;
    sleep(Duration::from_millis(20));
    saving.quiesce(&source)?;
    // Posted, and not yet sent.
    let held = bench.rng.random_range(1..=10);
    bench.send_there(held, false)?;
    let stream = saving.finish(&source, &mut bench.rng)?;

    let target = Arc::new(Memory::new(bench::MEMORY, bench::IOVA)?);
    let source_memory = std::mem::replace(&mut bench.guest.memory, target);
    let fetch = Fetch::new(source_memory, &bench.guest.memory, device.clone())?;
    let fetch = Arc::new(fetch);
    // Mostly. Without them it does not even get as far as P2P.
    if bench.rng.random_bool(0.75) {
        for ring in rings {
            fetch.map_piece(ring)?;
        }
    }
    unmap_windows(&region, &bar)?;
    migration::load(&device, &stream, &mut bench.rng)?;
    region.set_prefault(true)?;
    bar.on_missing({
        let (fetch, region) = (fetch.clone(), region.clone());
        move || fetch.resolve(&region)
    });
    let mut order: Vec<_> = (0..fetch.count()).collect();
    order.shuffle(&mut bench.rng);
    let pause = bench.rng.random_range(0..500);
    let all_here = AtomicBool::new(false);

    scope(|threads| -> Result<()> {
        let _end = End(&fetch);
        let server = threads.spawn(|| fetch.serve());
        fetch.until_there(&region, || migration::set_state(&device, State::RunningP2p))?;
        migration::set_state(&device, State::Running)?;
        drop((bench.guest.driver.move_to(bar), source_region, source));
        // What was posted before, then everything else, in the background.
        let background = threads.spawn(|| -> Result<()> {
            let result = fetch
                .until_there(&region, || region.retry())
                .and_then(|()| {
                    for page in order {
                        fetch.map(page)?;
                        sleep(Duration::from_micros(pause));
                    }
                    Ok(())
                });
            all_here.store(true, Ordering::Relaxed);
            result
        });
        while !all_here.load(Ordering::Relaxed) {
            // The guest has no room to receive in until what it had posted is there.
            let [there, back] = [(); 2].map(|()| bench.rng.random_range(1..=20));
            let room = bench.room_there(ANNOUNCEMENTS)?;
            bench.send_there(there.min(room), false)?;
            bench.send_back(back, true)?;
            bench.receive()?;
        }
        join(background)?;
        region.set_prefault(false)?;
        // All passes through again.
        obey(&region, bench.guest.driver.registers())?;
        bench.settle()?;
        bench.traffic(BURSTS)?;
        fetch.end();
        join(server)
    })?;

    let mut wrong = Vec::new();
    if region.view()?.trapped & !never(&region.view()?) != 0 {
        wrong.push("a window is trapped after pre-fault".into());
    }
    let balances = [bench.there.balance(), bench.back.balance()];
    for of in &balances {
        wrong.extend(of.wrong.iter().cloned());
    }
    let wrong_bytes = compare(fetch.source(), &bench.guest.memory, cold)?;
    bench.guest.driver.close()?;
    if let Some(peer) = &bench.peer {
        peer.driver.close()?;
    }
    Ok(Outcome {
        prefaults: fetch.prefaults.load(Ordering::Relaxed),
        wrong_bytes,
        packets: balances.iter().map(|of| of.came).sum(),
        wrong,
    })
}

/// The windows that can never be mapped.
fn never(view: &crate::trap_region::View) -> u32 {
    let windows = view.windows.iter().enumerate();
    windows
        .filter(|(_, window)| !window.mappable)
        .fold(0, |bits, (index, _)| bits | 1 << index)
}

/// `vfclient postcopy`
pub fn run(options: &Options) -> Result<Value> {
    let (mut seeds, mut prefaults, mut wrong_bytes, mut packets) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    let mut failures = 0;
    for seed in options.seed..options.seed.saturating_add(options.seeds) {
        match carry(options, seed) {
            Ok(outcome) => {
                seeds += 1;
                prefaults += outcome.prefaults;
                wrong_bytes += outcome.wrong_bytes;
                packets += outcome.packets;
                wrong.extend(
                    outcome
                        .wrong
                        .iter()
                        .map(|line| format!("seed {seed}: {line}")),
                );
                if outcome.prefaults == 0 {
                    wrong.push(format!("seed {seed}: nothing was missing"));
                }
            }
            Err(error) => {
                wrong.push(format!("seed {seed}: {error}"));
                failures += 1;
            }
        }
        if let Some(line) = wrong.last() {
            eprintln!("vfclient: {line}");
        }
        if failures > MOST_FAILURES {
            break;
        }
    }
    Ok(json!({
        "seeds": seeds,
        "seed": options.seed,
        "prefaults": prefaults,
        "wrong_bytes": wrong_bytes,
        "packets": packets,
        "wrong": wrong,
        "passed": seeds == options.seeds && wrong.is_empty() && wrong_bytes == 0,
    }))
}

// SPDX-License-Identifier: GPL-2.0

//! What a doorbell costs, passed through and trapped; and the least that anything costs that
//! leaves the guest.

use super::roundtrip::require_migration;
use crate::{
    descriptor,
    dirty::Channel,
    error::{Error, Result},
    iommu::Backend,
    memory::Memory,
    registers::{reg, Registers},
    trapped::{self, Log, Shared},
    truth::seed::Transport,
    vm::{Sink, Store, MOST_STORES},
};
use rand::{rngs::SmallRng, SeedableRng};
use serde_json::{json, Value};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What is to be rung.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The VF, which the mediator has
    pub device: String,
    /// How pages are reported
    #[arg(long, value_enum, default_value = "scope")]
    pub channel: Channel,
    /// How the device gets memory
    #[arg(long, value_enum, default_value = "container")]
    pub backend: Backend,
    /// Doorbells of each sample: fewer than the ring has descriptors
    #[arg(long, default_value_t = 2000)]
    pub count: u32,
    /// Samples
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
}

/// Descriptors of the ring: the most that the mediator follows.
const RING: u32 = 4096;
const PROCESSORS: usize = 1;
/// The ring, and behind it one buffer, which all descriptors name: nothing comes.
const RING_BYTES: u64 = RING as u64 * descriptor::SIZE as u64;
const MEMORY: usize = RING_BYTES as usize + 0x1000;
const OFF: Duration = Duration::from_secs(10);

/// Nanoseconds of one of these stores of a processor's.
fn time(bar: &Shared, stores: &[Store]) -> Result<f64> {
    let began = Instant::now();
    for batch in stores.chunks(MOST_STORES) {
        bar.stores(0, batch)?;
    }
    Ok(began.elapsed().as_nanos() as f64 / stores.len() as f64)
}

/// A receive queue with a driver that gives it one descriptor with each doorbell.
struct Queue {
    bar: Shared,
    memory: Arc<Memory>,
}

impl Queue {
    /// Switches the queue off and on: an empty ring.
    fn restart(&self) -> Result<()> {
        let bar = &self.bar;
        bar.write(reg::RXDCTL, 0)?;
        bar.poll(reg::RXDCTL, OFF, "a queue that is switched off", |value| {
            value & reg::QUEUE_ENABLE == 0
        })?;
        let ring = self.memory.iova();
        for index in 0..u64::from(RING) {
            let at = ring + index * u64::from(descriptor::SIZE);
            let words = descriptor::receive(ring + RING_BYTES);
            self.memory.write_descriptor(at, words)?;
        }
        bar.write(reg::RDBAL, ring as u32)?;
        bar.write(reg::RDBAH, (ring >> 32) as u32)?;
        bar.write(reg::RDLEN, RING * descriptor::SIZE)?;
        bar.write(reg::RDH, 0)?;
        bar.write(reg::RDT, 0)?;
        bar.write(reg::RXDCTL, reg::QUEUE_ENABLE)
    }

    /// Nanoseconds of one doorbell, of so many.
    fn ring(&self, count: u32) -> Result<f64> {
        self.restart()?;
        let stores: Vec<_> = (1..=count)
            .map(|tail| Store::word(reg::RDT, tail))
            .collect();
        let took = time(&self.bar, &stores)?;
        let tail = self.bar.read(reg::RDT)?;
        if tail != count {
            return Err(Error::Wrong(format!("the tail is {tail}, not {count}")));
        }
        Ok(took)
    }
}

/// `vfclient doorbells`
pub fn run(options: &Options) -> Result<Value> {
    if options.count >= RING {
        return Err(Error::Wrong(format!("--count: at most {}", RING - 1)));
    }
    let (bar, memory) = trapped::open(
        &options.device,
        options.backend,
        Transport::Kvm,
        PROCESSORS,
        MEMORY,
    )?;
    let device = bar.device().clone();
    require_migration(&device)?;
    let vm = bar
        .vm()
        .ok_or_else(|| Error::Wrong("there is no VM".into()))?;
    for sink in [Sink::Port, Sink::Memory] {
        vm.open_sink(sink)?;
    }
    let queue = Queue { bar, memory };
    let mut rng = SmallRng::seed_from_u64(1);
    let (mut running, mut tracked) = (Vec::new(), Vec::new());
    let (mut port, mut emulated) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        for (sink, found) in [(Sink::Port, &mut port), (Sink::Memory, &mut emulated)] {
            let stores = vec![sink.store(); options.count as usize];
            found.push(time(&queue.bar, &stores)?);
        }
        running.push(queue.ring(options.count)?);
        let log = Log::begin(&device, options.channel, &queue.memory, &mut rng)?;
        tracked.push(queue.ring(options.count)?);
        log.end(&device)?;
    }
    Ok(json!({
        "running_ns": running,
        "tracked_ns": tracked,
        "port_ns": port,
        "emulated_ns": emulated,
        "doorbells": options.count,
    }))
}

// SPDX-License-Identifier: GPL-2.0

//! Which pages a VF really wrote, against what the kernel reports.

use super::{roundtrip::require_migration, Pair};
use crate::{
    dirty::Channel,
    error::{Error, Result},
    iommu::Backend,
    truth::{
        compare::Tally,
        seed::{self, Guest, Outcome, Peer, Transport},
    },
};
use rand::{rngs::SmallRng, SeedableRng};
use serde_json::{json, Value};
use std::fs;

/// What is to be compared.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where packets go between
    #[command(flatten)]
    pub vfs: Pair,
    /// How doorbells are trapped
    #[arg(long, value_enum)]
    pub transport: Transport,
    /// How pages are reported
    #[arg(long, value_enum)]
    pub channel: Channel,
    /// How devices get memory; of several, the next one each time the device is opened
    #[arg(long, value_enum, value_delimiter = ',', default_value = "container")]
    pub backend: Vec<Backend>,
    /// How many logs
    #[arg(long, default_value_t = 10)]
    pub seeds: u64,
    /// The first one's seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// After so many seeds, or sooner for each way to have its turn, the device is opened anew.
const REOPEN: u64 = 10;
/// Lines about what is wrong that are kept.
const MOST_WRONG: usize = 40;
/// Seeds that may come to nothing before all is given up.
const MOST_FAILURES: usize = 5;
/// The part of reported pages that must have changed, if buffers keep to pages.
const PRECISION: f64 = 0.99;

/// What the mediator says of a device.
fn debugfs(device: &str, file: &str) -> Option<String> {
    let path = format!("/sys/kernel/debug/vfio_pci_mediate/{device}/{file}");
    fs::read_to_string(path).ok().map(|text| text.trim().into())
}

/// Sums over seeds.
#[derive(Default)]
struct Sums {
    all: Tally,
    narrow: Tally,
    wide: Tally,
    seeds: u64,
    failures: usize,
    received: u64,
    rings: u64,
    wrong: Vec<String>,
}

impl Sums {
    fn say(&mut self, seed: u64, line: &str) {
        eprintln!("vfclient: seed {seed}: {line}");
        if self.wrong.len() < MOST_WRONG {
            self.wrong.push(format!("seed {seed}: {line}"));
        }
    }

    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        self.all.add(outcome.tally);
        match outcome.plan.wide {
            true => self.wide.add(outcome.tally),
            false => self.narrow.add(outcome.tally),
        }
        self.received += outcome.received;
        self.rings += outcome.resets;
        for line in &outcome.wrong {
            self.say(seed, line);
        }
        if outcome.tally.changed == 0 {
            self.say(seed, "the device wrote nothing");
        }
    }

    fn report(&self, options: &Options) -> Value {
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| value.get_name().to_string())
        };
        let passed = self.seeds == options.seeds
            && self.wrong.is_empty()
            && self.all.missed == 0
            && self.all.stray == 0
            && self.narrow.precision() >= PRECISION;
        json!({
            "transport": name(clap::ValueEnum::to_possible_value(&options.transport)),
            "channel": name(clap::ValueEnum::to_possible_value(&options.channel)),
            "backends": options.backend.iter().map(|backend| {
                name(clap::ValueEnum::to_possible_value(backend))
            }).collect::<Vec<_>>(),
            "seeds": self.seeds,
            "seed": options.seed,
            "pages_changed": self.all.changed,
            "pages_reported": self.all.reported,
            "missed": self.all.missed,
            "stray": self.all.stray,
            "recall": self.all.recall(),
            "pages_narrow": self.narrow.reported,
            "precision": self.narrow.precision(),
            "precision_wide": self.wide.precision(),
            "descriptors": self.received,
            "rings": self.rings,
            "trapped_writes": debugfs(&options.vfs.device, "trapped_writes"),
            "wrong": self.wrong,
            "passed": passed,
        })
    }
}

/// The guest, and that the kernel does what is to be tried.
fn open(options: &Options, backend: Backend) -> Result<Guest> {
    let guest = Guest::open(&options.vfs.device, backend, options.transport)?;
    require_migration(guest.device())?;
    let wanted = match options.transport {
        Transport::Kvm => "kvm",
        Transport::Region => "region",
        Transport::Fixed => "fixed",
    };
    match debugfs(&options.vfs.device, "transport") {
        Some(transport) if transport != wanted => Err(Error::Wrong(format!(
            "{}: its transport is {transport}, not {wanted}",
            options.vfs.device
        ))),
        _ => Ok(guest),
    }
}

/// `vfclient truth`
pub fn run(options: &Options) -> Result<Value> {
    let mut rng = SmallRng::seed_from_u64(options.seed);
    let mut backends = options.backend.iter().copied().cycle();
    let mut backend = || {
        let next = backends.next();
        next.ok_or_else(|| Error::Wrong("no --backend".into()))
    };
    let mut peer = Peer::open(&options.vfs.peer, backend()?, &mut rng)?;
    let mut sums = Sums::default();
    let mut guest = None;
    let ways = options.backend.len() as u64;
    let reopen = REOPEN.min(options.seeds.div_ceil(ways)).max(1);
    for number in 0..options.seeds {
        if number % reopen == 0 {
            guest = None;
        }
        let open = match guest.take() {
            Some(guest) => guest,
            None => open(options, backend()?)?,
        };
        let seed = options.seed + number;
        match seed::run(&open, &mut peer, options.channel, seed) {
            Ok(outcome) => {
                sums.add(seed, &outcome);
                guest = Some(open);
            }
            Err(error) => {
                sums.say(seed, &error.to_string());
                sums.failures += 1;
                if sums.failures > MOST_FAILURES {
                    break;
                }
            }
        }
    }
    if let Some(guest) = guest {
        guest.close()?;
    }
    peer.close()?;
    Ok(sums.report(options))
}

// SPDX-License-Identifier: GPL-2.0

//! What a report of written pages costs: by how many there are, and by how much is logged.

use super::{mac, roundtrip::require_migration, start_peer, Common, Pair};
use crate::{
    bench::{open, Guest},
    descriptor,
    dirty::{Channel, Pages},
    driver::Kind,
    error::{Error, Result},
    iommu::Backend,
    ledger::Ledger,
    mailbox::Mailbox,
    memory::{Memory, PAGE},
    migration::{set_state, Saving, State},
    registers::{reg, Bar, Registers},
};
use rand::{rngs::SmallRng, SeedableRng};
use serde_json::{json, Value};
use std::time::{Duration, Instant};

/// What is to be reported.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where packets go between
    #[command(flatten)]
    pub vfs: Pair,
    /// How pages are reported
    #[arg(long, value_enum)]
    pub channel: Channel,
    /// How devices get memory
    #[arg(long, value_enum, default_value = "container")]
    pub backend: Backend,
    /// MiB of memory that are mapped
    #[arg(long, default_value_t = 256)]
    pub mapped: u64,
    /// Numbers of pages that are written, each into a report of its own
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    pub pages: Vec<u64>,
    /// MiB of addresses that are logged, from the mapped ones on; default those alone
    #[arg(long)]
    pub logged: Option<u64>,
}

const IOVA: u64 = 0x1_0000_0000;
const MIB: u64 = 1 << 20;
/// Descriptors of the ring: the most that the mediator follows.
const RING: u32 = 4096;
const RING_PAGES: u64 = RING as u64 * descriptor::SIZE as u64 / PAGE;
/// One buffer of 2 KiB, advanced descriptors, and drop what finds none.
const SRRCTL: u32 = 2 | 1 << 25 | 1 << 31;
/// Buffers that are given with one doorbell.
const BATCH: u64 = 256;
const BURST: u32 = 64;
const PATIENCE: Duration = Duration::from_secs(120);

/// A driver that receives each packet into another page.
struct Receiver {
    bar: Bar,
    memory: Memory,
    /// Descriptors given to the device, and those it is done with, since the queue is on.
    given: u64,
    done: u64,
}

impl Receiver {
    fn open(options: &Options) -> Result<Self> {
        let bar = open(&options.vfs.device, options.backend)?;
        require_migration(bar.device())?;
        let size = usize::try_from(options.mapped * MIB)
            .map_err(|_| Error::Wrong("--mapped: too much".into()))?;
        let memory = Memory::new(size, IOVA)?;
        bar.device().map(&memory)?;
        let mailbox = Mailbox::new(&bar);
        mailbox.reset()?;
        mailbox.set_mac(mac(1))?;
        mailbox.clear_filters()?;
        mailbox.set_max_frame(1522)?;
        bar.write(reg::SRRCTL, SRRCTL)?;
        bar.write(reg::RDBAL, IOVA as u32)?;
        bar.write(reg::RDBAH, (IOVA >> 32) as u32)?;
        bar.write(reg::RDLEN, RING * descriptor::SIZE)?;
        bar.write(reg::RDH, 0)?;
        bar.write(reg::RDT, 0)?;
        bar.write(reg::RXDCTL, reg::QUEUE_ENABLE)?;
        Ok(Self {
            bar,
            memory,
            given: 0,
            done: 0,
        })
    }

    fn descriptor(number: u64) -> u64 {
        IOVA + number % u64::from(RING) * u64::from(descriptor::SIZE)
    }

    /// Gives buffers until so many were given in all, as far as there is room.
    fn give(&mut self, until: u64) -> Result<()> {
        let until = until.min(self.done + u64::from(RING) - 1);
        if self.given >= until {
            return Ok(());
        }
        for number in self.given..until {
            let pages = self.memory.size() / PAGE - RING_PAGES;
            let buffer = IOVA + (RING_PAGES + number % pages) * PAGE;
            self.memory
                .write_descriptor(Self::descriptor(number), descriptor::receive(buffer))?;
        }
        self.given = until;
        self.bar.write(reg::RDT, (until % u64::from(RING)) as u32)
    }

    /// Takes what came.
    fn take(&mut self) -> Result<()> {
        while self.done < self.given {
            let words = self.memory.read_descriptor(Self::descriptor(self.done))?;
            if descriptor::received(words).is_none() {
                break;
            }
            self.done += 1;
        }
        Ok(())
    }

    /// Receives into so many pages more.
    fn receive(&mut self, pages: u64, peer: &mut Guest, rng: &mut SmallRng) -> Result<()> {
        let (until, end) = (self.done + pages, Instant::now() + PATIENCE);
        let mut ledger = Ledger::new(1);
        while self.done < until {
            if Instant::now() > end {
                return Err(Error::Wrong(format!("{} pages more", until - self.done)));
            }
            if self.given < until && self.given - self.done < u64::from(RING) - BATCH {
                self.give(until)?;
            }
            peer.send(mac(1), BURST, &mut ledger, true, rng)?;
            peer.reclaim()?;
            self.take()?;
        }
        Ok(())
    }
}

/// `vfclient reports`
pub fn run(options: &Options) -> Result<Value> {
    let mut rng = SmallRng::seed_from_u64(1);
    let common = Common {
        driver: Kind::Igbvf,
        backend: options.backend,
        seed: 1,
    };
    let mut peer = start_peer(Some(&options.vfs.peer), common, &mut rng)?
        .ok_or_else(|| Error::Wrong("there is no peer".into()))?;
    let mut guest = Receiver::open(options)?;
    let device = guest.bar.device().clone();
    let size = options.logged.map_or(guest.memory.size(), |mib| mib * MIB);
    options.channel.start_range(&device, IOVA, size)?;
    let saving = Saving::begin(&device, &mut rng)?;
    let mut reports = Vec::new();
    let mut reported = Pages::none(size / PAGE);
    for &pages in &options.pages {
        let channel = options.channel;
        channel.report_into(&device, IOVA, size, &mut reported)?;
        guest.receive(pages, &mut peer, &mut rng)?;
        // By this all of the bitmap's memory is there, too: that is the VMM's, and not measured.
        reported.clear();
        let began = Instant::now();
        saving.info()?;
        let told = Instant::now();
        channel.report_into(&device, IOVA, size, &mut reported)?;
        let took = told.elapsed();
        reports.push(json!({
            "pages": pages,
            "reported": reported.len(),
            "sync_us": told.duration_since(began).as_nanos() as f64 / 1e3,
            "report_us": took.as_nanos() as f64 / 1e3,
        }));
    }
    set_state(&device, State::Running)?;
    drop(saving);
    options.channel.stop(&device)?;
    peer.driver.close()?;
    Ok(json!({ "logged_mib": size / MIB, "mapped_mib": options.mapped, "reports": reports }))
}

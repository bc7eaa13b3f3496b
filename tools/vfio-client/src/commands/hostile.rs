// SPDX-License-Identifier: GPL-2.0

//! A guest that sets its VF up as no driver would, while its doorbells are trapped: the
//! kernel goes on, in time, and a VF beside it does not notice.

use super::{mac, neighbour::Neighbour};
use crate::{
    bench::Bench,
    crooked::{Case, Ring, CASES, DESCRIPTOR},
    dirty::Channel,
    driver::Kind,
    error::{Error, Result},
    iommu::Backend,
    mailbox::Mailbox,
    memory::Memory,
    migration::{state, State},
    registers::{reg, Registers},
    trapped::{self, counter, is_trapped, Log, Shared},
    truth::seed::{Peer, Transport, GUEST},
    vm::{Store, MOST_STORES},
};
use rand::{rngs::SmallRng, Rng, SeedableRng};
use serde_json::{json, Value};
use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread::{self, sleep, ScopedJoinHandle},
    time::{Duration, Instant},
};

/// Who is hostile to whom, and how much.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The hostile guest's VF, which the mediator has
    device: String,
    /// A VF that sends it packets, bound to any vfio driver
    #[arg(long)]
    peer: String,
    /// A VF beside them, which must not notice
    #[arg(long)]
    neighbour: String,
    /// How doorbells are trapped
    #[arg(long, value_enum)]
    transport: Transport,
    /// How pages are reported
    #[arg(long, value_enum, default_value = "scope")]
    channel: Channel,
    /// How often each kind of ring is set up
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Random writes of registers
    #[arg(long, default_value_t = 10_000)]
    writes: usize,
    /// Where random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Bytes of the guest's memory.
const MEMORY: usize = 4 << 20;
const PROCESSORS: usize = 3;
/// The window of receive queues' registers.
const WINDOW: u32 = 0x2000;
const WINDOW_SIZE: u32 = 0x1000;
/// The longest that a doorbell may take. The emulated host is slow, and its processors are
/// taken away for a while now and then.
const LIMIT: Duration = Duration::from_secs(5);
/// Writes between two logs.
const WRITES: usize = 2000;
/// How long a thread changes a ring, for each round.
const CHANGING: Duration = Duration::from_millis(100);
/// So many packets are sent to a ring.
const PACKETS: u32 = 48;

/// The hostile guest.
struct Hostile<'o> {
    options: &'o Options,
    bar: Shared,
    memory: Arc<Memory>,
    peer: Peer,
    rng: SmallRng,
    slowest: BTreeMap<Case, Duration>,
    /// Where the kernel could not follow it, and why.
    lost: BTreeMap<String, String>,
    followed: u64,
    trapped: u64,
}

fn halves(address: u64) -> [u32; 2] {
    [address as u32, (address >> 32) as u32]
}

impl Hostile<'_> {
    fn new(options: &Options) -> Result<Hostile<'_>> {
        let mut rng = SmallRng::seed_from_u64(options.seed);
        let peer = Peer::open(&options.peer, Backend::Container, &mut rng)?;
        let (bar, memory) = trapped::open(
            &options.device,
            Backend::Container,
            options.transport,
            PROCESSORS,
            MEMORY,
        )?;
        Ok(Hostile {
            options,
            bar,
            memory,
            peer,
            rng,
            slowest: BTreeMap::new(),
            lost: BTreeMap::new(),
            followed: 0,
            trapped: 0,
        })
    }

    /// Resets the function, so that it may receive; queues are off then.
    fn reset(&self) -> Result<()> {
        let mailbox = Mailbox::new(&self.bar);
        mailbox.reset()?;
        mailbox.set_mac(GUEST)
    }

    /// Writes a register, and notes how long that took.
    fn write(&mut self, case: Case, offset: u32, value: u32) -> Result<()> {
        let start = Instant::now();
        self.bar.write(offset, value)?;
        let slowest = self.slowest.entry(case).or_default();
        *slowest = (*slowest).max(start.elapsed());
        Ok(())
    }

    fn fill(&mut self, case: Case, ring: Ring) -> Result<()> {
        for index in 0..u64::from(ring.bytes) / DESCRIPTOR {
            let at = ring.base.wrapping_add(index * DESCRIPTOR);
            let end = self.memory.iova() + self.memory.size() - DESCRIPTOR;
            if at >= self.memory.iova() && at <= end && at % DESCRIPTOR == 0 {
                let words = case.descriptor(ring, &self.memory, &mut self.rng);
                self.memory.write_descriptor(at, words)?;
            }
        }
        Ok(())
    }

    fn set_up(&mut self, case: Case, ring: Ring) -> Result<()> {
        let [low, high] = halves(ring.base);
        for (offset, value) in [
            (reg::RXDCTL, 0),
            (reg::RDBAL, low),
            (reg::RDBAH, high),
            (reg::RDLEN, ring.bytes),
            (reg::SRRCTL, ring.srrctl),
            (reg::RDH, ring.head),
            (reg::RXDCTL, reg::QUEUE_ENABLE | 1 << 16),
            (reg::RDT, ring.tail),
        ] {
            self.write(case, offset, value)?;
        }
        Ok(())
    }

    /// Packets to the ring, and doorbells between them.
    fn use_ring(&mut self, case: Case, ring: Ring) -> Result<()> {
        for _ in 0..4 {
            self.peer.send(PACKETS / 4, &mut self.rng)?;
            sleep(Duration::from_millis(1));
            let tail = match case {
                Case::TailBeyond | Case::TooLong => self.rng.random_range(0..=0xffff),
                _ => self.rng.random_range(0..=(ring.bytes / DESCRIPTOR as u32)),
            };
            self.write(case, reg::RDT, tail)?;
        }
        Ok(())
    }

    /// A thread rewrites descriptors, while processors ring and packets come.
    fn change_ring(&mut self, case: Case, ring: Ring) -> Result<()> {
        let end = AtomicBool::new(false);
        let (memory, bar) = (self.memory.clone(), self.bar.clone());
        let seeds: [u64; 2] = [self.rng.random(), self.rng.random()];
        let count = ring.bytes / DESCRIPTOR as u32;
        thread::scope(|scope| {
            let changer = scope.spawn(|| -> Result<()> {
                let mut rng = SmallRng::seed_from_u64(seeds[0]);
                while !end.load(Ordering::Relaxed) {
                    let at = ring.base + DESCRIPTOR * u64::from(rng.random_range(0..count));
                    memory.write_descriptor(at, case.descriptor(ring, &memory, &mut rng))?;
                }
                Ok(())
            });
            let ringer = scope.spawn(|| -> Result<()> {
                let mut rng = SmallRng::seed_from_u64(seeds[1]);
                while !end.load(Ordering::Relaxed) {
                    let store = Store::word(reg::RDT, rng.random_range(0..count));
                    bar.stores(1, &[store; 8])?;
                }
                Ok(())
            });
            let until = Instant::now() + CHANGING;
            let mut result = Ok(());
            while result.is_ok() && Instant::now() < until {
                let tail = self.rng.random_range(0..count);
                result = self
                    .peer
                    .send(PACKETS, &mut self.rng)
                    .and_then(|()| self.write(case, reg::RDT, tail));
            }
            end.store(true, Ordering::Relaxed);
            join(changer)?;
            join(ringer)?;
            result
        })
    }

    /// All descriptors are used, and refilled before the doorbell.
    fn use_all(&mut self, case: Case, ring: Ring) -> Result<()> {
        let count = ring.bytes / DESCRIPTOR as u32;
        let end = Instant::now() + LIMIT;
        while self.bar.read(reg::RDH)? != ring.tail && Instant::now() < end {
            self.peer.send(PACKETS, &mut self.rng)?;
        }
        self.fill(case, ring)?;
        self.write(case, reg::RDT, count - 2)
    }

    /// One ring, from the begin of a log to its end.
    fn case(&mut self, case: Case) -> Result<()> {
        self.reset()?;
        let name = &self.options.device;
        let before = counter(name, "trapped_writes")?;
        let log = self.begin()?;
        let ring = case.ring(&self.memory, &mut self.rng);
        self.fill(case, ring)?;
        self.set_up(case, ring)?;
        match case {
            Case::Changing => self.change_ring(case, ring)?,
            Case::Largest => self.use_all(case, ring)?,
            _ => self.use_ring(case, ring)?,
        }
        let start = Instant::now();
        let looked = log.look();
        let slowest = self.slowest.entry(case).or_default();
        *slowest = (*slowest).max(start.elapsed());
        self.note(&format!("{case:?}"), looked)?;
        self.trapped += counter(name, "trapped_writes")? - before;
        self.end(log)
    }

    fn begin(&mut self) -> Result<Log> {
        Log::begin(
            self.bar.device(),
            self.options.channel,
            &self.memory,
            &mut self.rng,
        )
    }

    /// Either the kernel knows what was written, or it says that it does not.
    fn note(&mut self, what: &str, looked: Result<()>) -> Result<()> {
        match looked {
            Ok(()) => self.followed += 1,
            Err(error) => {
                error.errno().ok_or(error)?;
                let why = trapped::debugfs(&self.options.device, "last_error")?;
                self.lost.insert(what.into(), why);
            }
        }
        Ok(())
    }

    fn end(&self, log: Log) -> Result<()> {
        let device = self.bar.device();
        log.end(device)?;
        if state(device)? != State::Running {
            return Err(Error::Wrong("the device does not run".into()));
        }
        if self.options.transport != Transport::Fixed && is_trapped(&self.options.device)? {
            return Err(Error::Wrong("it is still trapped".into()));
        }
        Ok(())
    }

    /// A store that no driver does: of any width, anywhere in the window and over its ends.
    fn random_store(rng: &mut SmallRng) -> Store {
        const REGISTERS: [u32; 9] = [
            reg::RDBAL,
            reg::RDBAH,
            reg::RDLEN,
            reg::SRRCTL,
            reg::RDH,
            reg::RDT,
            reg::RDT,
            reg::RXDCTL,
            0x2830,
        ];
        let offset = match rng.random_range(0..8) {
            0 => WINDOW - 8 + rng.random_range(0..WINDOW_SIZE + 8),
            1 => WINDOW + rng.random_range(0..WINDOW_SIZE / 4 - 2) * 4,
            kind => {
                let register = REGISTERS[rng.random_range(0..REGISTERS.len())];
                let queue = rng.random_range(0..2) * reg::QUEUE_STRIDE;
                // Now and then in its midst.
                register + queue + if kind == 2 { rng.random_range(0..4) } else { 0 }
            }
        };
        let value = match rng.random_range(0..4) {
            0 => rng.random(),
            1 => rng.random_range(0..0x1000),
            2 => u64::from(reg::QUEUE_ENABLE),
            _ => 0x1000_0000 + rng.random_range(0..MEMORY as u64),
        };
        Store {
            offset,
            width: [1, 2, 4, 4, 4, 8][rng.random_range(0..6)],
            value,
        }
    }

    /// Random writes by all processors at once, with packets; how many.
    fn random_writes(&mut self, count: usize) -> Result<usize> {
        self.reset()?;
        let name = &self.options.device;
        let before = counter(name, "trapped_writes")?;
        let log = self.begin()?;
        let share = count.div_ceil(PROCESSORS);
        let seeds: [u64; PROCESSORS] = std::array::from_fn(|_| self.rng.random());
        let bar = &self.bar;
        let (peer, rng) = (&mut self.peer, &mut self.rng);
        let done = thread::scope(|scope| {
            let threads: Vec<_> = (0..PROCESSORS)
                .map(|processor| {
                    let mut rng = SmallRng::seed_from_u64(seeds[processor]);
                    scope.spawn(move || -> Result<usize> {
                        let mut done = 0;
                        while done < share {
                            let most = MOST_STORES.min(share - done);
                            let stores: Vec<_> =
                                (0..most).map(|_| Self::random_store(&mut rng)).collect();
                            bar.stores(processor, &stores)?;
                            done += stores.len();
                        }
                        Ok(done)
                    })
                })
                .collect();
            let mut result = Ok(());
            while result.is_ok() && threads.iter().any(|thread| !thread.is_finished()) {
                result = peer.send(PACKETS, rng);
                sleep(Duration::from_millis(5));
            }
            let mut sum = 0;
            for thread in threads {
                sum += join(thread)?;
            }
            result.map(|()| sum)
        })?;
        let looked = log.look();
        self.note("writes", looked)?;
        self.trapped += counter(name, "trapped_writes")? - before;
        self.end(log)?;
        Ok(done)
    }

    /// After all that a driver makes the VF work again, trapped or not.
    fn works(self) -> Result<()> {
        self.bar.device().reset()?;
        let mut rng = self.rng;
        let memory = Arc::new(Memory::new(
            trapped::memory_for(Kind::Igbvf, 256),
            self.memory.iova() + self.memory.size(),
        )?);
        self.bar.device().map(&memory)?;
        let guest = trapped::start((self.bar, memory), Kind::Igbvf, mac(1), 256, &mut rng)?;
        let mut bench = Bench::new(guest, None, rng);
        bench.traffic(3)?;
        bench.guest.driver.close()
    }
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Wrong("a thread panicked".into())))
}

/// `vfclient hostile`
pub fn run(options: &Options) -> Result<Value> {
    let mut neighbour = Neighbour::start(&options.neighbour, Backend::Container, options.seed)?;
    let mut hostile = Hostile::new(options)?;
    for _ in 0..options.rounds {
        for case in CASES {
            hostile
                .case(case)
                .map_err(|error| Error::Wrong(format!("{case:?}: {error}")))?;
            neighbour.judge()?;
        }
    }
    let (mut writes, mut slowest_batch) = (0, Duration::ZERO);
    while writes < options.writes {
        let start = Instant::now();
        writes += hostile
            .random_writes(WRITES.min(options.writes - writes))
            .map_err(|error| Error::Wrong(format!("random writes from {writes} on: {error}")))?;
        slowest_batch = slowest_batch.max(start.elapsed());
        neighbour.judge()?;
    }
    let slowest: BTreeMap<String, u128> = hostile
        .slowest
        .iter()
        .map(|(case, time)| (format!("{case:?}"), time.as_micros()))
        .collect();
    let (lost, followed, trapped) = (hostile.lost.clone(), hostile.followed, hostile.trapped);
    let in_time = hostile.slowest.values().all(|&time| time < LIMIT);
    hostile.works()?;
    neighbour.judge()?;
    Ok(json!({
        "passed": in_time && trapped > 0,
        "transport": format!("{:?}", options.transport).to_lowercase(),
        "rings": options.rounds as usize * CASES.len(),
        "writes": writes,
        "trapped_writes": trapped,
        "followed": followed,
        "lost": lost,
        "slowest_us": slowest,
        "slowest_batch_ms": slowest_batch.as_millis(),
        "limit_ms": LIMIT.as_millis(),
    }))
}

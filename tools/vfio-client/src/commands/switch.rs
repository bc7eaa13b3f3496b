// SPDX-License-Identifier: GPL-2.0

//! The trap, on and off, again and again, while packets flow and processors ring.

use super::{balance, mac};
use crate::{
    bench::{self, Bench, Guest},
    device::Device,
    dirty::Channel,
    driver::Kind,
    error::{Error, Result},
    iommu::Backend,
    registers::{reg, Registers},
    trapped::{self, counter, is_trapped, Log, Shared},
    truth::seed::Transport,
    vm::Store,
};
use rand::{rngs::SmallRng, Rng, SeedableRng};
use serde_json::{json, Value};
use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Mutex, MutexGuard, PoisonError,
    },
    thread::{self, sleep, ScopedJoinHandle},
    time::{Duration, Instant},
};

/// What is switched, and how often.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The guest's VF, which the mediator has
    device: String,
    /// A VF that it exchanges packets with, bound to any vfio driver
    #[arg(long)]
    peer: String,
    /// How often the trap goes on and off
    #[arg(long, default_value_t = 50)]
    cycles: u32,
    /// How doorbells are trapped
    #[arg(long, value_enum, default_value = "kvm")]
    transport: Transport,
    /// How pages are reported
    #[arg(long, value_enum, default_value = "scope")]
    channel: Channel,
    /// Descriptors of each ring
    #[arg(long, default_value_t = 512)]
    ring: u32,
    /// Processors of the guest: the last one rings another doorbell all the time
    #[arg(long, default_value_t = 3)]
    processors: usize,
    /// Whose register sequences the guest uses
    #[arg(long, value_enum, default_value = "igbvf")]
    driver: Kind,
    /// While the trap is on, things happen to the guest and its VF, one in each cycle
    #[arg(long)]
    events: bool,
    /// Where random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Longest that bursts may keep one waiting.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two bursts, so that others get the guest.
const PAUSE: Duration = Duration::from_micros(200);
/// How long after an event doorbells are trapped again, at the latest: a tenth of a second,
/// and what else a busy machine with KASAN has to do.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a BAR is not decoded.
const BLINK: Duration = Duration::from_millis(3);
/// Bursts between two looks at who is on, and stores of the spare processor: those that were
/// under way, and others.
const BURSTS: u64 = 2;
const RINGS: u64 = 64;

/// What happens to a guest and its VF while doorbells are trapped.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A memory slot is deleted and added.
    Remap,
    /// A BAR moves in the guest.
    Move,
    /// Memory decode goes off and on.
    Blink,
    /// The guest resets the function by VTCTRL.
    Vtctrl,
    /// The VMM resets the function.
    FunctionReset,
}

const EVENTS: [Event; 5] = [
    Event::Remap,
    Event::Move,
    Event::Blink,
    Event::Vtctrl,
    Event::FunctionReset,
];

/// What threads share.
struct Stage {
    bench: Mutex<Bench<Shared>>,
    bar: Shared,
    end: AtomicBool,
    /// Bursts that came whole.
    bursts: AtomicU64,
    /// Stores of the processor that only rings.
    rings: AtomicU64,
}

/// Ends the threads, whatever has come.
struct End<'s>(&'s Stage);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::Relaxed);
    }
}

impl Stage {
    fn bench(&self) -> MutexGuard<'_, Bench<Shared>> {
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// Packets both ways until the end; all of a burst must come.
    fn exchange(&self) -> Result<()> {
        while !self.ended() {
            self.bench().traffic(1)?;
            self.bursts.fetch_add(1, Ordering::Relaxed);
            sleep(PAUSE);
        }
        Ok(())
    }

    /// The spare processor rings for a queue that is off, so that there is no moment without
    /// a store under way.
    fn ring(&self, value: u32) -> Result<()> {
        let Some((vm, spare)) = self.bar.vm().and_then(|vm| Some((vm, vm.spare()?))) else {
            return Ok(());
        };
        let stores = [Store::word(reg::RDT + reg::QUEUE_STRIDE, value); RINGS as usize / 2];
        while !self.ended() {
            vm.store_on(spare, &stores)?;
            self.rings.fetch_add(RINGS / 2, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Waits for bursts that begin after this.
    fn await_bursts(&self) -> Result<()> {
        let now = || [&self.bursts, &self.rings].map(|count| count.load(Ordering::Relaxed));
        let [bursts, rings] = now();
        let rings = rings + self.bar.vm().and_then(|vm| vm.spare()).map_or(0, |_| RINGS);
        let end = Instant::now() + PATIENCE;
        while !self.ended() && (now()[0] < bursts + BURSTS || now()[1] < rings) {
            if Instant::now() > end {
                return Err(Error::Wrong("packets no longer come".into()));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Has something happen to the guest, which does not ring its doorbells meanwhile. Whether
    /// the migration goes on; doorbells stay trapped until the VMM ends it in any case.
    fn happen(&self, event: Event) -> Result<bool> {
        let mut bench = self.bench();
        let vm = || {
            let none = || Error::Wrong("that happens to VMs only".into());
            self.bar.vm().ok_or_else(none)
        };
        match event {
            Event::Remap => vm()?.remap(false)?,
            Event::Move => vm()?.remap(true)?,
            Event::Blink => vm()?.blink(BLINK)?,
            Event::Vtctrl => self.bar.write(reg::CTRL, reg::CTRL_RST)?,
            Event::FunctionReset => self.bar.device().reset()?,
        }
        if matches!(event, Event::Vtctrl | Event::FunctionReset) {
            let guest = &mut bench.guest;
            guest.driver.restart();
            guest.driver.open(&guest.memory, &bench::VLANS)?;
            guest.driver.wait_link()?;
        }
        Ok(!matches!(event, Event::FunctionReset))
    }
}

/// What was measured.
#[derive(Default)]
struct Sums {
    trapped: u64,
    slowest_on: Duration,
    slowest_off: Duration,
    slowest_again: Duration,
    events: u32,
}

fn timed<T>(slowest: &mut Duration, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = f()?;
    *slowest = (*slowest).max(start.elapsed());
    Ok(result)
}

fn must(is_so: bool, words: &str) -> Result<()> {
    match is_so {
        true => Ok(()),
        false => Err(Error::Wrong(words.into())),
    }
}

fn cycle(
    stage: &Stage,
    device: &Device,
    options: &Options,
    number: u32,
    rng: &mut SmallRng,
    sums: &mut Sums,
) -> Result<()> {
    let name = &options.device;
    // With `fixed` they come here all the time.
    let switches = options.transport != Transport::Fixed;
    let memory = stage.bench().guest.memory.clone();
    if switches {
        must(!is_trapped(name)?, "it is trapped before it should")?;
        // A store that KVM gave to the VMM when the trap went off may still be on its way.
        stage.await_bursts()?;
    }
    let before = counter(name, "trapped_writes")?;
    if switches {
        stage.await_bursts()?;
        must(
            counter(name, "trapped_writes")? == before,
            "doorbells were trapped while nothing is logged",
        )?;
    }
    let log = timed(&mut sums.slowest_on, || {
        Log::begin(device, options.channel, &memory, rng)
    })?;
    must(!switches || is_trapped(name)?, "it is not trapped")?;
    stage.await_bursts()?;
    must(
        counter(name, "trapped_writes")? > before,
        "no doorbell was trapped",
    )?;
    let mut goes_on = true;
    if options.events {
        let kinds = match stage.bar.vm() {
            Some(_) => EVENTS.as_slice(),
            None => &[Event::Vtctrl, Event::FunctionReset],
        };
        if let Some(&event) = kinds.get(number as usize % kinds.len()) {
            goes_on = stage
                .happen(event)
                .map_err(|error| Error::Wrong(format!("{event:?}: {error}")))?;
            sums.events += 1;
            // The kernel is told of the first ones a little later: see trap/kvm.rs.
            let rung = counter(name, "trapped_writes")?;
            timed(&mut sums.slowest_again, || {
                let end = Instant::now() + AGAIN;
                stage.await_bursts()?;
                while counter(name, "trapped_writes")? == rung {
                    must(
                        Instant::now() < end,
                        &format!("no doorbell was trapped after {event:?}"),
                    )?;
                    stage.await_bursts()?;
                }
                Ok(())
            })?;
        }
    }
    if goes_on {
        log.look()?;
    }
    sleep(Duration::from_micros(rng.random_range(0..2000)));
    sums.trapped += counter(name, "trapped_writes")? - before;
    timed(&mut sums.slowest_off, || log.end(device))?;
    must(!switches || !is_trapped(name)?, "it is still trapped")
}

fn join(thread: ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Wrong("a thread panicked".into())))
}

/// `vfclient switch`
pub fn run(options: &Options) -> Result<Value> {
    let mut rng = SmallRng::seed_from_u64(options.seed);
    let peer = Guest::start(
        bench::open(&options.peer, Backend::Container)?,
        Kind::Igbvf,
        mac(2),
        &mut rng,
    )?;
    let size = trapped::memory_for(options.driver, options.ring);
    let open = trapped::open(
        &options.device,
        Backend::Container,
        options.transport,
        options.processors,
        size,
    )?;
    let bar = open.0.clone();
    let device = bar.device().clone();
    let guest = trapped::start(open, options.driver, mac(1), options.ring, &mut rng)?;
    let traffic = SmallRng::seed_from_u64(rng.random());
    let stage = Stage {
        bench: Mutex::new(Bench::new(guest, Some(peer), traffic)),
        bar,
        end: AtomicBool::new(false),
        bursts: AtomicU64::new(0),
        rings: AtomicU64::new(0),
    };
    let mut sums = Sums::default();
    let mut cycles = 0;
    thread::scope(|scope| {
        let exchange = scope.spawn(|| {
            let _end = End(&stage);
            stage.exchange()
        });
        let ring = scope.spawn(|| {
            let _end = End(&stage);
            stage.ring(options.ring - 1)
        });
        let result = {
            let _end = End(&stage);
            (0..options.cycles).try_for_each(|number| {
                cycles += 1;
                cycle(&stage, &device, options, number, &mut rng, &mut sums)
                    .map_err(|error| Error::Wrong(format!("cycle {number}: {error}")))
            })
        };
        // Why a thread ended is why a cycle came to nothing.
        join(exchange)?;
        join(ring)?;
        result
    })?;
    let bench = stage.bench();
    let (there, back) = (bench.there.balance(), bench.back.balance());
    bench.guest.driver.close()?;
    let memory = bench.guest.memory.clone();
    drop(bench);
    let rings = stage.rings.load(Ordering::Relaxed);
    if options.events && options.transport != Transport::Fixed {
        let log = Log::begin(&device, options.channel, &memory, &mut rng)?;
        // The VM ends before its device is closed.
        drop(stage);
        must(is_trapped(&options.device)?, "it is not trapped")?;
        log.end(&device)?;
        must(!is_trapped(&options.device)?, "it is still trapped")?;
    }
    Ok(json!({
        "passed": cycles == options.cycles && there.wrong.is_empty() && back.wrong.is_empty(),
        "cycles": cycles,
        "events": sums.events,
        "ring": options.ring,
        "there": balance(&there),
        "back": balance(&back),
        "trapped_writes": sums.trapped,
        "spare_rings": rings,
        "slowest_on_ms": sums.slowest_on.as_millis(),
        "slowest_off_ms": sums.slowest_off.as_millis(),
        "slowest_again_ms": sums.slowest_again.as_millis(),
    }))
}

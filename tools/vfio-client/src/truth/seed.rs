// SPDX-License-Identifier: GPL-2.0

//! One log from its start to its end, under traffic.

use crate::{
    device::Device,
    dirty::{Channel, Pages},
    error::{Error, Result},
    iommu::Backend,
    memory::Memory,
    migration::{set_state, Saving, State},
    registers::Bar,
    trap_region::Obedient,
    truth::{
        compare::{Comparer, Tally, Verdict},
        port::{Mode, Port},
        shape::Plan,
        watched::Watched,
    },
    vm::{GuestBar, Vm},
};
use rand::{rngs::SmallRng, Rng, SeedableRng};
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc, Mutex, MutexGuard, PoisonError,
    },
    thread::{scope, sleep, ScopedJoinHandle},
    time::{Duration, Instant},
};

/// How doorbells are to be trapped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Transport {
    /// A processor of a VM rings them; KVM traps it.
    Kvm,
    /// A region of the device that the VMM opts in to.
    Region,
    /// They are never mapped.
    Fixed,
}

/// A guest: its device, and its driver, which several threads look at.
pub struct Guest {
    device: Arc<Device>,
    watched: Arc<Watched>,
    port: Mutex<Port<GuestBar>>,
}

impl Guest {
    /// Opens a device and gives it a guest's memory.
    pub fn open(address: &str, backend: Backend, transport: Transport) -> Result<Self> {
        let watched = Arc::new(Watched::new(Port::<GuestBar>::memory()?)?);
        let memory = watched.memory().clone();
        let bar = match transport {
            Transport::Fixed => {
                GuestBar::Plain(Bar::new(Arc::new(Device::open(address, backend)?))?)
            }
            Transport::Kvm => {
                let vm = Vm::new()?;
                let bar = vm.open(address, backend)?;
                GuestBar::Vm(vm.start(bar, memory.clone())?)
            }
            Transport::Region => {
                GuestBar::Region(Obedient::new(&Arc::new(Device::open(address, backend)?))?)
            }
        };
        let device = bar.device().clone();
        device.map(&memory)?;
        let port = Port::new(bar, watched.clone(), GUEST, PEER);
        port.wait_link()?;
        Ok(Self {
            device,
            watched,
            port: Mutex::new(port),
        })
    }

    /// Its device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn port(&self) -> MutexGuard<'_, Port<GuestBar>> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> &Memory {
        self.watched.memory()
    }

    /// As a driver's close.
    pub fn close(&self) -> Result<()> {
        self.port().close()
    }
}

/// The address that a [`Peer`] sends to.
pub const GUEST: [u8; 6] = [2, 0, 0, 0, 0xfe, 1];
const PEER: [u8; 6] = [2, 0, 0, 0, 0xfe, 2];

/// Whom the packets come from.
pub struct Peer(Port<Bar>);

impl Peer {
    /// A driver of another VF of the same NIC, which only sends.
    pub fn open(address: &str, backend: Backend, rng: &mut SmallRng) -> Result<Self> {
        let bar = Bar::new(Arc::new(Device::open(address, backend)?))?;
        let memory = Port::<Bar>::memory()?;
        bar.device().map(&memory)?;
        let mut port = Port::new(bar, Arc::new(Watched::new(memory)?), PEER, GUEST);
        let plan = Plan {
            wide: true,
            jumbo: true,
            resets: false,
            queues: 1,
        };
        port.open(plan, false, rng)?;
        port.wait_link()?;
        Ok(Self(port))
    }

    /// Sends packets of any size to the guest, or as many as fit.
    pub fn send(&mut self, count: u32, rng: &mut SmallRng) -> Result<()> {
        self.0.send(count, rng)
    }

    /// As a driver's close.
    pub fn close(&self) -> Result<()> {
        self.0.close()
    }
}

/// What one seed showed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its rings.
    pub plan: Plan,
    /// Counts.
    pub tally: Tally,
    /// What is wrong, a line each.
    pub wrong: Vec<String>,
    /// Descriptors that the device was done with.
    pub received: u64,
    /// Rings that were made.
    pub resets: u64,
}

/// Pages that are named of each report.
const NAMED: usize = 4;
/// How many descriptors the device is to use while it is logged, and how many of them
/// for each further report: where the machine is slow, a log would tell little else,
/// and the pages that are reported once for each report would be most of it.
const LEAST: u64 = 300;
const EACH: u64 = 100;
/// How long traffic may stand still.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the threads of a seed are told.
struct Orders {
    guest: Mutex<Mode>,
    end: AtomicBool,
}

impl Orders {
    fn mode(&self) -> Mode {
        *self.guest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_mode(&self, mode: Mode) {
        *self.guest.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    fn ended(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }
}

/// Ends the threads however the seed ends.
struct End<'o>(&'o Orders);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::Relaxed);
    }
}

fn drive(guest: &Guest, orders: &Orders, mut rng: SmallRng) -> Result<()> {
    while !orders.ended() {
        {
            let mut port = guest.port();
            // Asked with the driver held: who has set it and had the driver since
            // knows that it is obeyed.
            port.step(orders.mode(), &mut rng)?;
        }
        sleep(Duration::from_micros(rng.random_range(0..500)));
    }
    Ok(())
}

fn flood(peer: &mut Peer, plan: Plan, orders: &Orders, mut rng: SmallRng) -> Result<()> {
    peer.0.set_jumbo(plan.jumbo);
    while !orders.ended() {
        let burst = rng.random_range(1..=32);
        peer.0.send(burst, &mut rng)?;
        if rng.random_ratio(1, 4) {
            sleep(Duration::from_micros(rng.random_range(0..3000)));
        }
    }
    Ok(())
}

/// A log that is being compared.
struct Log<'g> {
    guest: &'g Guest,
    channel: Channel,
    comparer: Comparer,
    saving: Option<Saving>,
    number: u32,
    wrong: Vec<String>,
}

impl<'g> Log<'g> {
    fn start(
        guest: &'g Guest,
        channel: Channel,
        pre_copy: bool,
        rng: &mut SmallRng,
    ) -> Result<Self> {
        guest.watched.scan()?;
        guest.port().forget()?;
        channel.start(&guest.device, guest.memory())?;
        let saving = pre_copy
            .then(|| Saving::begin(&guest.device, rng))
            .transpose()?;
        Ok(Self {
            guest,
            channel,
            comparer: Comparer::new(guest.watched.scan()?),
            saving,
            number: 0,
            wrong: Vec::new(),
        })
    }

    /// Takes a report, of a device that runs or not; what was found after it.
    fn report(&mut self, runs: bool) -> Result<Pages> {
        self.number += 1;
        let before = self.guest.watched.scan()?;
        // By this the mediator knows that it is to tell all: a stopped one has done so.
        if let Some(saving) = self.saving.as_ref().filter(|_| runs) {
            saving.info()?;
        }
        let reported = self
            .channel
            .report(&self.guest.device, self.guest.memory())?;
        let after = self.guest.watched.scan()?;
        let reasons = self.guest.port().reasons()?;
        let Verdict { missed, stray, .. } =
            self.comparer.report(&before, &reported, &after, &reasons);
        self.name("missed", &missed);
        self.name("stray", &stray);
        Ok(after)
    }

    fn name(&mut self, what: &str, pages: &Pages) {
        let count = pages.len();
        if count == 0 {
            return;
        }
        let port = self.guest.port();
        let named: Vec<_> = pages
            .iter()
            .take(NAMED)
            .map(|page| {
                let (first, last) = self.guest.watched.change(page);
                format!(
                    "{page:#x} ({first:#x} to {last:#x}; {})",
                    port.describe(page)
                )
            })
            .collect();
        self.wrong.push(format!(
            "report {}: {count} pages {what}: {}; rings: {}",
            self.number,
            named.join(", "),
            port.shapes()
        ));
    }
}

/// Waits until the driver has received more.
fn await_traffic(guest: &Guest, more: u64, limit: Duration) -> Result<u64> {
    let end = Instant::now() + limit;
    let first = guest.port().received;
    loop {
        let received = guest.port().received - first;
        if received >= more || Instant::now() > end {
            return Ok(received);
        }
        sleep(Duration::from_millis(1));
    }
}

fn join(thread: ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Wrong("a thread panicked".into())))
}

/// Runs one seed. The device is running again afterwards.
pub fn run(guest: &Guest, peer: &mut Peer, channel: Channel, seed: u64) -> Result<Outcome> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let plan = Plan::draw(&mut rng);
    let (received, resets) = {
        let mut port = guest.port();
        port.open(plan, true, &mut rng)?;
        (port.received, port.resets)
    };
    let orders = Orders {
        guest: Mutex::new(Mode::Run),
        end: AtomicBool::new(false),
    };
    let random = |rng: &mut SmallRng| SmallRng::seed_from_u64(rng.random());
    let (for_guest, for_peer) = (random(&mut rng), random(&mut rng));
    let (tally, wrong) = scope(|scope| {
        let driver = scope.spawn(|| drive(guest, &orders, for_guest));
        let sender = scope.spawn(|| flood(peer, plan, &orders, for_peer));
        let result = {
            let _end = End(&orders);
            log(guest, channel, &orders, &mut rng)
        };
        // Why a thread ended is why the log came to nothing.
        join(driver)?;
        join(sender)?;
        result
    })?;
    let port = guest.port();
    Ok(Outcome {
        plan,
        tally,
        wrong,
        received: port.received - received,
        resets: port.resets - resets,
    })
}

/// Starts a log, takes reports, stops the device as a VMM does at the end of a
/// migration, and lets it go on, as after one that was cancelled.
fn log(
    guest: &Guest,
    channel: Channel,
    orders: &Orders,
    rng: &mut SmallRng,
) -> Result<(Tally, Vec<String>)> {
    sleep(Duration::from_millis(rng.random_range(0..30)));
    let pre_copy = channel == Channel::Scope || rng.random();
    let mut log = Log::start(guest, channel, pre_copy, rng)?;
    let first = guest.port().received;
    // Until the mediator has told a page, a container takes all to be written. It tells a
    // guest's first page at once, at address 0, but this guest has none there.
    await_traffic(guest, 1, PATIENCE)?;
    for _ in 0..rng.random_range(2..=6) {
        let more = [0, 20, 300][rng.random_range(0..3)];
        await_traffic(guest, more, Duration::from_secs(2))?;
        log.report(true)?;
    }
    let end = Instant::now() + PATIENCE;
    while guest.port().received - first < LEAST && Instant::now() < end {
        await_traffic(guest, EACH, end.saturating_duration_since(Instant::now()))?;
        log.report(true)?;
    }

    // A VMM stops processors first; a device must also stand doorbells in P2P.
    let stop_guest = || {
        orders.set_mode(Mode::Stop);
        drop(guest.port());
    };
    orders.set_mode(Mode::Calm);
    drop(guest.port());
    let first = rng.random();
    if first {
        stop_guest();
    }
    let p2p = if pre_copy {
        State::PreCopyP2p
    } else {
        State::RunningP2p
    };
    set_state(&guest.device, p2p)?;
    sleep(Duration::from_millis(rng.random_range(0..10)));
    stop_guest();
    let stopped = if pre_copy {
        State::StopCopy
    } else {
        State::Stop
    };
    set_state(&guest.device, stopped)?;
    if !log.report(false)?.is_empty() {
        log.wrong
            .push("the device wrote after it was stopped".into());
    }
    let (tally, owed) = log.comparer.clone().finish();
    log.name("never reported", &owed);
    channel.stop(&guest.device)?;
    set_state(&guest.device, State::Running)?;
    orders.set_mode(Mode::Run);
    if await_traffic(guest, 20, PATIENCE)? == 0 {
        log.wrong.push("nothing is received after the log".into());
    }
    Ok((tally, log.wrong))
}

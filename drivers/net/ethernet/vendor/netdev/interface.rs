// SPDX-License-Identifier: GPL-2.0

//! The interface: whether it is open, and all that must happen while it is not.

use super::{
    layout::Layout,
    queue::{
        self,
        Queue, //
    },
    rss::Rss,
    settings::Settings, //
};
use crate::{
    abi::{
        irq,
        lock::Rtnl,
        netdev::random_key,
        work::Run,
        xdp::Program, //
    },
    pf::{
        interrupt::PairVectors,
        port::Port,
        wake::{
            self,
            Wake, //
        }, //
    }, //
};
use kernel::{
    cpu,
    io::poll::read_poll_timeout,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    time::{
        Delta,
        Msecs, //
    },
};

/// How long an interrupt that was asked for may take.
const INTERRUPT_TIMEOUT: Delta = Delta::from_secs(1);
const INTERRUPT_POLL: Delta = Delta::from_millis(1);

/// How long a queue that runs may send nothing of what it has before the port is restarted.
const TX_TIMEOUT: Msecs = 5_000;
/// How long the queues may be stopped for a change, while the carrier stays. Some milliseconds are
/// enough unless the host is short of processors, and that is not to be taken for a hang.
const CHANGE_TIMEOUT: Msecs = 60_000;

/// Queues from this one on lend their vectors while they do not run, the first one to queue 0.
pub(crate) const LENT: u8 = 4;

/// Whether the queues run, and what is set of them.
pub(crate) struct State {
    /// How many queues run; 0 while the interface is closed.
    running: u8,
    /// How the receive buffers lie that they had last.
    layout: Layout,
    /// What is set.
    pub(crate) settings: Settings,
}

/// The queues, and whether they run.
#[pin_data]
pub(crate) struct Interface<'bound> {
    /// The port.
    pub(crate) port: Arc<Port<'bound>>,
    /// All queues, of which the first ones run.
    pub(crate) queues: KVec<Arc<Queue<'bound>>>,
    /// Taken under the RTNL.
    #[pin]
    state: Mutex<State>,
}

impl<'bound> Interface<'bound> {
    /// The interface of `port`, with these queues, closed. Errors: `ENOMEM`.
    pub(crate) fn new(
        port: Arc<Port<'bound>>,
        queues: KVec<Arc<Queue<'bound>>>,
    ) -> Result<Arc<Self>> {
        let cpus = u8::try_from(cpu::nr_cpu_ids()).unwrap_or(u8::MAX);
        let count = u8::try_from(queues.len())?.min(cpus);
        port.netdev.set_queues(count)?;
        let mut settings = Settings::new(count, random_key());
        if port.can_wake {
            settings.wake = Wake::MAGIC;
        }
        let interface = pin_init!(Self {
            port,
            queues,
            state <- new_mutex!(
                State {
                    running: 0,
                    layout: Layout::Whole,
                    settings,
                },
                "igb_rs::state"
            ),
        });
        Arc::pin_init(interface, GFP_KERNEL)
    }

    /// How many pairs of queues there may be.
    pub(crate) fn most_queues(&self) -> u8 {
        let there = u8::try_from(self.queues.len()).unwrap_or(u8::MAX);
        there.min(self.port.pool.queues())
    }

    /// How many pairs of queues run, or would if the interface were up.
    pub(crate) fn count_queues(&self, settings: &Settings) -> u8 {
        settings.queues.min(self.most_queues()).max(1)
    }

    /// Shows what is set, with the RTNL held.
    pub(crate) fn with_settings<R>(&self, f: impl FnOnce(&mut Settings) -> R) -> R {
        f(&mut self.state.lock().settings)
    }

    /// Changes what is set, and lets the queues run by that if they run. If they do not
    /// start, all is as it was. With the RTNL held; sleeps. Errors: `ENOMEM`.
    pub(crate) fn change(&self, f: impl FnOnce(&mut Settings)) -> Result {
        let mut state = self.state.lock();
        let before = state.settings;
        f(&mut state.settings);
        if state.running == 0 {
            let count = self.count_queues(&state.settings);
            return self.port.netdev.set_queues(count);
        }
        self.stop(&mut state);
        self.start_or_undo(&mut state, Ok(()), |state| {
            state.settings = before;
            Ok(())
        })
    }

    /// Has `f` change which frames are received, whose buffers then lie as `layout` says. Unless
    /// they do so already the queues start anew; if they do not start, `undo` takes back
    /// what `f` did. With the RTNL held; sleeps. Errors: those of `f`, `ENOMEM`.
    pub(super) fn change_frames(
        &self,
        layout: Layout,
        f: impl FnOnce() -> Result,
        undo: impl FnOnce() -> Result,
    ) -> Result {
        let mut state = self.state.lock();
        if state.running == 0 || state.layout == layout {
            return f();
        }
        self.stop(&mut state);
        let changed = f();
        self.start_or_undo(&mut state, changed, |_| undo())
    }

    /// Lets frames be seen by `program`, or by none. If there was one, or is none, it is
    /// exchanged while the queues run; else they start anew, for their buffers are not the same.
    /// With the RTNL held; sleeps. Errors: `ENOMEM`, and all is as it was.
    pub(super) fn set_program(&self, program: Option<Program>) -> Result {
        let mut state = self.state.lock();
        let slot = &self.port.program;
        if state.running == 0 || slot.is_some() == program.is_some() {
            drop(slot.exchange(program));
            return Ok(());
        }
        self.stop(&mut state);
        let before = slot.exchange(program);
        self.start_or_undo(&mut state, Ok(()), |_| {
            drop(slot.exchange(before));
            Ok(())
        })
    }

    /// Changes the choice of receive queues, of which there are as many as the second
    /// argument of `f` says. With the RTNL held; sleeps. Errors: those of `f`, and nothing has
    /// changed then.
    pub(crate) fn change_hash(&self, f: impl FnOnce(&mut Rss, u8) -> Result) -> Result {
        let mut state = self.state.lock();
        let count = self.count_queues(&state.settings);
        let mut rss = state.settings.rss;
        rss.fit(count);
        f(&mut rss, count)?;
        state.settings.rss = rss;
        if state.running != 0 {
            self.port.set_rss(&rss, count)?;
        }
        Ok(())
    }

    /// Whether the vector of each queue fires when it is asked to. The queues must be
    /// stopped. Sleeps.
    pub(crate) fn interrupts_arrive(&self) -> bool {
        let port = &self.port;
        port.claim_vectors((0..self.most_queues()).map(PairVectors::one));
        self.queues
            .iter()
            .take(usize::from(self.most_queues()))
            .zip(0..)
            .all(|(queue, index)| {
                let before = queue.poller().interrupts();
                port.unmask_queue(PairVectors::one(index));
                port.raise_queue(index);
                let arrived = read_poll_timeout(
                    || Ok(queue.poller().interrupts()),
                    |now| *now != before,
                    INTERRUPT_POLL,
                    INTERRUPT_TIMEOUT,
                );
                port.mask_queue(PairVectors::one(index));
                arrived.is_ok()
            })
    }

    /// Lets the queues run, unless they do. With the RTNL held; sleeps. Errors: `ENOMEM`.
    pub(crate) fn open(&self) -> Result {
        let mut state = self.state.lock();
        if state.running != 0 {
            return Ok(());
        }
        self.start(&mut state).inspect_err(|errno| {
            dev_err!(self.port.pdev, "cannot open the queues: {errno:?}\n");
        })?;
        drop(state);
        self.port.check_link();
        Ok(())
    }

    /// Whether each pair of queues has one more vector for what it has sent, as with igb, or would if
    /// the interface were up: the end of a question's transmission begins no interval that the
    /// answer has to wait for.
    pub(crate) fn has_tx_vectors(&self, settings: &Settings) -> bool {
        let count = self.count_queues(settings);
        let there = usize::from(LENT.saturating_add(count)) <= self.queues.len();
        // With VFs most vectors are theirs.
        self.port.pool.index() == 0 && count <= LENT && there
    }

    /// Gives the first `count` queues, and no other, their vectors, which are two if `may_borrow`.
    fn claim_vectors(&self, count: u8, may_borrow: bool) {
        let port = &self.port;
        let lenders = self.queues.iter().skip(usize::from(LENT));
        for (queue, lender) in self.queues.iter().zip(lenders) {
            let (pair, own) = (queue.poller(), lender.poller().index);
            let borrows = may_borrow && pair.index < count;
            let vector = if borrows { own } else { pair.index };
            // Users may have moved it since.
            if pair.set_tx_vector(vector) != vector {
                let cpu = if borrows { pair.index } else { own };
                irq::move_to(port.pdev, lender.irq(), cpu);
            }
        }
        let running = self.queues.iter().take(usize::from(count));
        port.claim_vectors(running.map(|queue| queue.poller().vectors()));
    }

    fn start(&self, state: &mut State) -> Result {
        let port = &self.port;
        let count = self.count_queues(&state.settings);
        state.layout = port.layout();
        let layout = state.layout;
        let settings = &mut state.settings;
        settings.rss.fit(count);
        port.netdev.set_queues(count)?;
        port.set_rss(&settings.rss, count)?;
        self.claim_vectors(count, self.has_tx_vectors(settings));
        for queue in self.queues.iter().take(usize::from(count)) {
            if let Err(errno) = queue::open(queue, settings, layout) {
                self.stop(state);
                return Err(errno);
            }
            state.running += 1;
        }
        for index in 0..count {
            port.netdev.prefer_cpu(index);
        }
        port.netdev.start_queues(TX_TIMEOUT);
        Ok(())
    }

    /// Lets queues run that were stopped for what has `changed`. If that failed, or they do not
    /// start, `undo` takes it back, and they run as before.
    fn start_or_undo(
        &self,
        state: &mut State,
        changed: Result,
        undo: impl FnOnce(&mut State) -> Result,
    ) -> Result {
        changed.and_then(|()| self.start(state)).or_else(|errno| {
            undo(state)?;
            self.start(state)?;
            Err(errno)
        })
    }

    /// Stops the queues that run; the last one last, for the hash may still choose it.
    fn stop(&self, state: &mut State) {
        self.port.netdev.disable_tx(CHANGE_TIMEOUT);
        for queue in self.queues.iter().take(usize::from(state.running)) {
            queue::close(queue);
        }
        state.running = 0;
    }

    /// Stops the queues, if they run. With the RTNL held; sleeps.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        if state.running != 0 {
            self.stop(&mut state);
        }
    }

    /// Whether the queues run.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().running != 0
    }

    /// Runs `f` while the queues are stopped, and lets them run again if they did and `f`
    /// succeeds. With the RTNL held; sleeps.
    pub(crate) fn while_closed(&self, f: impl FnOnce() -> Result) -> Result {
        let was_open = self.is_open();
        self.close();
        f()?;
        if was_open {
            self.open()?;
        }
        Ok(())
    }

    /// Keeps everybody from a device that does not answer. Takes the RTNL; sleeps.
    pub(crate) fn quiesce(&self) {
        let _rtnl = Rtnl::lock();
        self.port.netdev.detach();
        self.close();
    }

    /// Sets up a device that was reset. Takes the RTNL; sleeps. Errors: `ETIMEDOUT` or `EIO` if
    /// it does not answer.
    pub(crate) fn recover(&self) -> Result {
        let _rtnl = Rtnl::lock();
        self.port.restart().inspect_err(|errno| {
            dev_err!(self.port.pdev, "the device does not come back: {errno:?}\n");
        })
    }

    /// Goes on after [`recover`](Self::recover). Takes the RTNL; sleeps.
    pub(crate) fn resume(&self) {
        let _rtnl = Rtnl::lock();
        let netdev = &self.port.netdev;
        // `open` has told why not, and the interface stays detached.
        if !netdev.is_running() || self.open().is_ok() {
            netdev.attach();
        }
    }

    /// Makes ready for the host's sleep; answers whether the device is to wake it. Takes the
    /// RTNL; sleeps.
    pub(crate) fn sleep(&self) -> bool {
        self.quiesce();
        let _rtnl = Rtnl::lock();
        self.port
            .sleep(self.with_settings(|settings| settings.wake))
    }

    /// Goes on after [`sleep`](Self::sleep). Takes the RTNL; sleeps. Errors: as for
    /// [`recover`](Self::recover).
    pub(crate) fn wake(&self) -> Result {
        wake::disarm(&self.port.bar);
        self.recover()?;
        self.resume();
        Ok(())
    }

    /// Moves the PF's queues to the pool after `num_vfs` VFs'. Takes the RTNL; sleeps. Errors:
    /// `ENOMEM`; the PF is then alone, and goes on if there is memory for that.
    pub(crate) fn set_num_vfs(&self, num_vfs: u8) -> Result {
        let _rtnl = Rtnl::lock();
        let was_open = self.is_open();
        let moved = self.while_closed(|| self.port.set_num_vfs(num_vfs));
        if moved.is_ok() {
            return Ok(());
        }
        let back = self.port.set_num_vfs(0);
        let open = if was_open { self.open() } else { Ok(()) };
        if num_vfs == 0 {
            back.and(open)
        } else {
            moved
        }
    }
}

/// Restarts a port whose transmit queue hangs.
pub(crate) struct Recovery<'bound>(Arc<Interface<'bound>>);

impl<'bound> Recovery<'bound> {
    /// Recovery of `interface`.
    pub(crate) fn new(interface: Arc<Interface<'bound>>) -> Self {
        Self(interface)
    }
}

impl Run for Recovery<'_> {
    fn run(&self) -> Option<Msecs> {
        let _rtnl = Rtnl::lock();
        let interface = &self.0;
        // It may have been taken down meanwhile, and is then sound.
        if interface.is_open() {
            let restarted = interface.while_closed(|| interface.port.restart());
            if let Err(errno) = restarted {
                dev_err!(
                    interface.port.pdev,
                    "the port does not restart: {errno:?}; bind the driver anew\n"
                );
            }
        }
        None
    }
}

/// Reads the device's counters before they overflow.
pub(crate) struct Watchdog<'bound>(Arc<Port<'bound>>);

/// A VF's bytes are counted in 32 bits, which takes 34 s to overflow at the wire's rate.
pub(crate) const WATCHDOG_INTERVAL: Msecs = 15_000;

impl<'bound> Watchdog<'bound> {
    /// The watchdog of `port`.
    pub(crate) fn new(port: Arc<Port<'bound>>) -> Self {
        Self(port)
    }
}

impl Run for Watchdog<'_> {
    fn run(&self) -> Option<Msecs> {
        let port = &self.0;
        {
            // Those who ask for the totals do so in softirqs, too.
            port.totals.lock().update(&port.bar);
        }
        for vf in 0..usize::from(port.pool.index()) {
            // A VF that has just gone has nothing to count.
            let _ = port.vfs.get_stats(&port.bar, vf);
        }
        Some(WATCHDOG_INTERVAL)
    }
}

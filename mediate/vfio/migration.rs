// SPDX-License-Identifier: GPL-2.0

//! The migration of one device: its state, and the session of its data file.
//!
//! Locks: `inner` is the state lock. All of a provider's migration hooks are
//! called under it, which is what makes them one at a time. Under it come the
//! provider's locks; the container's and the VMM's mmap_lock, by copies from and
//! to the user and the guest's memory; and vfio's memory_lock, by a fault of such
//! a copy in a mapped BAR. vfio holds memory_lock when it resets a device, so
//! [`Migration::reset_done`] takes neither the state lock nor, by calling it, any
//! of the provider's: it leaves the reset to whoever takes the state lock next.
//! `deferred_reset` and the locks of `last_error.rs` are leaves.

use super::{
    dirty_log::LogPages,
    resuming::Resuming,
    saving::Saving,
    session_file::SessionFile,
    tracking::Tracking, //
};
use crate::{
    abi::{
        binding::Binding,
        data_file::{
            Direction,
            NewFile, //
        },
        log_ops::UserBitmap, //
    },
    logic::{
        migration::{
            next,
            Action,
            Level,
            Next,
            State, //
        },
        stream::{
            frame_size,
            record_size, //
        },
        stream_parser::Kind,
        written::Extent, //
    },
    trap::region::Trap,
};
use kernel::{
    new_mutex, new_poll_condvar, new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        poll::PollCondVar,
        Arc,
        Mutex,
        MutexGuard,
        SpinLock, //
    },
};

/// Largest states of a VF, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Of what is compared.
    pub(crate) pre_copy: usize,
    /// Of everything else.
    pub(crate) state: usize,
}

impl Sizes {
    /// Asks the provider; `EOPNOTSUPP` if this VF cannot be moved. May sleep.
    pub(crate) fn ask(binding: &Binding) -> Result<Self> {
        Ok(Self {
            state: binding.state_size(Kind::State)?,
            pre_copy: binding.state_size(Kind::PreCopy)?,
        })
    }

    /// Bytes of a stream with one PRECOPY record, at most.
    pub(crate) fn stream(&self, provider: &[u8]) -> u64 {
        frame_size(provider)
            .saturating_add(record_size(self.pre_copy))
            .saturating_add(record_size(self.state))
    }
}

/// Runs a hook of the provider's; if it fails without having said why, so does
/// this, in general terms.
pub(crate) fn explained<T>(
    binding: &Binding,
    what: &str,
    hook: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let before = binding.failures();
    hook().inspect_err(|errno| {
        if binding.failures() == before {
            binding.explain(format_args!(
                "{what} failed with {errno:?}: see the lines of {:?} above; a reset of the VF helps",
                binding.name()
            ));
        }
    })
}

/// An open device that can be moved.
pub(super) struct Movable {
    pub(super) binding: Arc<Binding>,
    sizes: Sizes,
    /// `None` if nobody knows what the VF writes.
    pub(super) tracking: Option<Tracking>,
}

/// What the data file of a session does.
pub(super) enum Session {
    Saving(Saving),
    Resuming(Resuming),
}

pub(super) struct Inner {
    pub(super) state: State,
    /// `None`: closed, or open and not movable.
    pub(super) movable: Option<Movable>,
    /// The current session with its number.
    pub(super) session: Option<(u64, Session)>,
    /// How many sessions there were.
    sessions: u64,
    /// Whether the VF may go on before its guest's memory is there.
    prefault: bool,
}

impl Inner {
    fn tracking(&mut self) -> Option<&mut Tracking> {
        self.movable.as_mut()?.tracking.as_mut()
    }

    fn is_tracking(&mut self) -> bool {
        self.tracking().is_some_and(|tracking| tracking.is_on())
    }

    fn start_scope(&mut self) -> Result {
        self.tracking().map_or(Ok(()), Tracking::start_scope)
    }

    fn stop_scope(&mut self) {
        if let Some(tracking) = self.tracking() {
            tracking.stop_scope();
        }
    }

    /// Tells what the VF has written, if that is told at all. Errors: something could not be.
    pub(super) fn sync_tracking(&mut self) -> Result {
        self.tracking().map_or(Ok(()), Tracking::sync)
    }

    fn stop_tracking(&mut self) {
        if let Some(tracking) = self.tracking() {
            tracking.stop();
        }
    }
}

/// Why a step failed.
struct Failure {
    errno: Error,
    /// Whether the device is as it was before.
    undone: bool,
}

/// A failed step that has changed nothing.
fn undone(errno: Error) -> Failure {
    Failure {
        errno,
        undone: true,
    }
}

/// A failed step after which the device is in no known state.
fn lost(errno: Error) -> Failure {
    Failure {
        errno,
        undone: false,
    }
}

/// What `state` of [`Migration`] has for a device that is not movable.
const NOT_MOVABLE: u32 = u32::MAX;

/// The migration of one device.
#[pin_data]
pub(crate) struct Migration {
    #[pin]
    inner: Mutex<Inner>,
    /// Whether a reset is to be handled by whoever takes the state lock next.
    #[pin]
    deferred_reset: SpinLock<bool>,
    /// Notified when a data file may have become readable.
    #[pin]
    changed: PollCondVar,
    /// The state for onlookers, who must not have to wait for a VMM.
    state: Atomic<u32>,
    /// Bytes of the last stream.
    state_bytes: Atomic<u64>,
}

impl Migration {
    /// The migration of a closed device.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- new_mutex!(Inner {
                state: State::Running,
                movable: None,
                session: None,
                sessions: 0,
                prefault: false,
            }),
            deferred_reset <- new_spinlock!(false),
            changed <- new_poll_condvar!(),
            state: Atomic::new(NOT_MOVABLE),
            state_bytes: Atomic::new(0),
        })
    }

    /// Takes the state lock, and handles a reset that nobody has handled yet.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock();
        while self.take_reset() {
            self.reset(&mut inner);
        }
        inner
    }

    fn take_reset(&self) -> bool {
        core::mem::take(&mut *self.deferred_reset.lock())
    }

    /// Handles a reset that nobody has handled yet, before an access that the
    /// provider answers. Takes the state lock if there was one.
    pub(crate) fn settle(&self) {
        if *self.deferred_reset.lock() {
            drop(self.lock());
        }
    }

    /// Notified when a data file may have become readable.
    pub(super) fn changed(&self) -> &PollCondVar {
        &self.changed
    }

    /// The stream of the current session has so many bytes now.
    pub(super) fn note_bytes(&self, total: u64) {
        self.state_bytes.store(total, Relaxed);
    }

    /// The state, if the device is open and movable, for onlookers.
    pub(crate) fn seen_state(&self) -> Option<State> {
        State::from_raw(self.state.load(Relaxed))
    }

    /// Bytes of the current or last stream, for onlookers.
    pub(crate) fn seen_bytes(&self) -> u64 {
        self.state_bytes.load(Relaxed)
    }

    /// Goes to `state`, and ends a session that has no place there.
    fn enter(&self, inner: &mut Inner, state: State) {
        let keeps = match inner.session {
            Some((_, Session::Saving(_))) => state.is_pre_copy() || state == State::StopCopy,
            Some((_, Session::Resuming(_))) => state == State::Resuming,
            None => true,
        };
        if !keeps {
            inner.session = None;
        }
        inner.state = state;
        let seen = inner.movable.as_ref().map_or(NOT_MOVABLE, |_| state.raw());
        self.state.store(seen, Relaxed);
        self.changed.notify_all();
    }

    /// The device was opened, and can be moved if `movable`.
    pub(crate) fn open(&self, movable: Option<(Arc<Binding>, Sizes, Option<Tracking>)>) {
        let mut inner = self.lock();
        inner.movable = movable.map(|(binding, sizes, tracking)| Movable {
            binding,
            sizes,
            tracking,
        });
        self.enter(&mut inner, State::Running);
    }

    /// The device is closed: data files answer `ENODEV` from here on.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.stop_tracking();
        inner.prefault = false;
        let movable = inner.movable.take();
        self.enter(&mut inner, State::Running);
        drop(inner);
        // Not under the lock: this may be the provider's release.
        drop(movable);
    }

    /// The bus has reset the device. vfio holds memory_lock here, so this takes no
    /// lock that is held over a fault: whoever looks at the device next, through
    /// its files or its mediated registers, handles the reset first.
    pub(crate) fn reset_done(&self) {
        *self.deferred_reset.lock() = true;
        if self.seen_state().is_some() {
            self.state.store(State::Running.raw(), Relaxed);
        }
        // Who waits for a data file looks again, and finds that it has ended.
        self.changed.notify_all();
    }

    fn reset(&self, inner: &mut Inner) {
        let from = inner.state;
        self.enter(inner, State::Running);
        if let Some(movable) = &inner.movable {
            movable.binding.reset();
            let dev = movable.binding.dev();
            dev.trace_state(from.raw(), State::Running.raw(), Ok(()));
        }
    }

    /// Has doorbells refused whose memory is missing, or no longer.
    ///
    /// Errors: `EOPNOTSUPP`; `EBUSY` if the VF runs already, or what is to be trapped is
    /// mapped; `EFAULT` if what was held back is still missing; the provider's.
    pub(crate) fn set_prefault(&self, trap: &Trap, on: bool) -> Result {
        let mut inner = self.lock();
        let binding = inner.movable.as_ref().ok_or(EOPNOTSUPP)?.binding.clone();
        if on == inner.prefault {
            return Ok(());
        }
        let dev = binding.dev();
        if on {
            if !matches!(inner.state, State::Resuming | State::Stop) {
                return Err(EBUSY);
            }
            trap.set_prefault(&dev, true)?;
            if let Err(errno) = binding.prefault_start() {
                trap.set_prefault(&dev, false)?;
                return Err(errno);
            }
        } else {
            trap.forget_missing();
            binding.prefault_stop()?;
            trap.set_prefault(&dev, false)?;
        }
        inner.prefault = on;
        Ok(())
    }

    /// Gives to the device what was held back. Errors: `EINVAL` if nothing is; `EFAULT` if its
    /// memory is missing.
    pub(crate) fn retry(&self, trap: &Trap) -> Result {
        let inner = self.lock();
        let movable = inner.movable.as_ref().filter(|_| inner.prefault);
        let binding = &movable.ok_or(EINVAL)?.binding;
        trap.forget_missing();
        binding.prefault_retry()
    }

    /// The uAPI's number of the state. Errors: `EOPNOTSUPP`.
    pub(crate) fn state(&self) -> Result<u32> {
        let inner = self.lock();
        inner.movable.as_ref().ok_or(EOPNOTSUPP)?;
        Ok(inner.state.raw())
    }

    /// Most bytes that are left to be read. Errors: `EOPNOTSUPP`.
    pub(crate) fn data_size(&self) -> Result<u64> {
        let inner = self.lock();
        let movable = inner.movable.as_ref().ok_or(EOPNOTSUPP)?;
        Ok(match &inner.session {
            Some((_, Session::Saving(saving))) => saving.left(),
            _ => movable.sizes.stream(movable.binding.name().to_bytes()),
        })
    }

    /// Goes to the state of the uAPI's number `raw`; answers a data file, if a
    /// session begins on the way.
    ///
    /// Errors: `EOPNOTSUPP`, `EINVAL` if there is no way, or why a step failed.
    pub(crate) fn set_state(this: &Arc<Self>, raw: u32) -> Result<Option<NewFile>> {
        let inner = &mut *this.lock();
        let binding = inner.movable.as_ref().ok_or(EOPNOTSUPP)?.binding.clone();
        let requested = State::from_raw(raw).ok_or(EINVAL)?;
        let before = inner.state;
        let file = Self::walk(this, inner, &binding, requested);
        match inner.state {
            // It has been nowhere. A log of its own may have begun by now.
            State::Running if before == State::Running => inner.stop_scope(),
            State::Running | State::Resuming | State::Error => inner.stop_tracking(),
            State::Stop
            | State::StopCopy
            | State::RunningP2p
            | State::PreCopy
            | State::PreCopyP2p => (),
        }
        file
    }

    /// Begins the VF's own log, of `pages`. Must be called in a task of the VMM's. May sleep.
    ///
    /// Errors: `EOPNOTSUPP` if nobody knows what the VF writes; `EINVAL` if it was begun
    /// before, or the VF is loaded or in ERROR; others.
    pub(crate) fn start_log(&self, pages: LogPages) -> Result {
        let mut inner = self.lock();
        let state = inner.state;
        let tracking = inner.tracking().ok_or(EOPNOTSUPP)?;
        if matches!(state, State::Resuming | State::Error) {
            return Err(EINVAL);
        }
        tracking.start_log(pages)
    }

    /// Ends the VF's own log, if there is one. May sleep.
    pub(crate) fn stop_log(&self) {
        if let Some(tracking) = self.lock().tracking() {
            tracking.stop_log();
        }
    }

    /// Marks in `bitmap` what the VF has written of `asked` by its own log. May sleep. Errors:
    /// `EINVAL` if that is not logged; others.
    pub(crate) fn report_log(&self, asked: Extent, bitmap: &mut UserBitmap<'_>) -> Result {
        let mut inner = self.lock();
        let tracking = inner.tracking().ok_or(EINVAL)?;
        tracking.report(asked, bitmap)
    }

    /// Tells what the VF has written meanwhile; whether that is to be done again.
    pub(crate) fn refresh(&self) -> bool {
        let mut inner = self.lock();
        // What fails is said, and the migration will fail for it.
        inner.is_tracking() && inner.sync_tracking().is_ok()
    }

    /// Goes to a state step by step.
    fn walk(
        this: &Arc<Self>,
        inner: &mut Inner,
        binding: &Arc<Binding>,
        requested: State,
    ) -> Result<Option<NewFile>> {
        let mut file = None;
        loop {
            let from = inner.state;
            let step = match next(from, requested) {
                Next::Arrived => return Ok(file),
                Next::Refused => return Err(EINVAL),
                Next::Go(step) => step,
            };
            match Self::perform(this, inner, binding, step.action) {
                Ok(opened) => {
                    this.enter(inner, step.to);
                    binding.dev().trace_state(from.raw(), step.to.raw(), Ok(()));
                    file = opened;
                }
                Err(Failure { errno, undone }) => {
                    this.enter(inner, if undone { from } else { State::Error });
                    binding
                        .dev()
                        .trace_state(from.raw(), step.to.raw(), Err(errno));
                    return Err(errno);
                }
            }
        }
    }

    fn perform(
        this: &Arc<Self>,
        inner: &mut Inner,
        binding: &Binding,
        action: Action,
    ) -> Result<Option<NewFile>, Failure> {
        let level = |level| {
            explained(binding, "quiescing or resuming the VF", || {
                binding.set_level(level)
            })
        };
        match action {
            // What is missing the VMM is told, and tries again.
            Action::QuiesceP2p if inner.prefault => {
                binding.set_level(Level::P2p).map_err(|errno| match errno {
                    EFAULT => undone(errno),
                    _ => lost(errno),
                })?;
            }
            Action::QuiesceP2p => level(Level::P2p).map_err(lost)?,
            Action::QuiesceStop => {
                level(Level::Stop).map_err(lost)?;
                if let Err(errno) = inner.sync_tracking() {
                    level(Level::P2p).map_err(|_| lost(errno))?;
                    return Err(undone(errno));
                }
            }
            Action::Resume => level(Level::Run).map_err(lost)?,
            Action::OpenPreCopy => {
                let saving = Self::begin_saving(inner, binding).map_err(undone)?;
                // By now the VMM records what is written, and sends no memory before this
                // returns.
                inner.start_scope().map_err(undone)?;
                return Self::start(this, inner, Session::Saving(saving)).map_err(undone);
            }
            Action::OpenStopCopy => {
                let mut saving = Self::begin_saving(inner, binding).map_err(undone)?;
                saving.finish(binding).map_err(undone)?;
                return Self::start(this, inner, Session::Saving(saving)).map_err(undone);
            }
            Action::FinishPreCopy => {
                level(Level::Stop).map_err(lost)?;
                if let Err(errno) = Self::finish_saving(this, inner, binding) {
                    // Back to where it was.
                    level(Level::P2p).map_err(|_| lost(errno))?;
                    return Err(undone(errno));
                }
            }
            // The state that follows ends the session.
            Action::CloseSaving => (),
            Action::OpenResuming => {
                let resuming = Resuming::begin().map_err(undone)?;
                return Self::start(this, inner, Session::Resuming(resuming)).map_err(undone);
            }
            Action::FinishResuming => match &inner.session {
                Some((_, Session::Resuming(resuming))) => resuming.finish(binding).map_err(lost)?,
                _ => return Err(lost(EIO)),
            },
        }
        Ok(None)
    }

    fn begin_saving(inner: &Inner, binding: &Binding) -> Result<Saving> {
        let sizes = inner.movable.as_ref().ok_or(EOPNOTSUPP)?.sizes;
        Saving::begin(binding, sizes)
    }

    fn finish_saving(&self, inner: &mut Inner, binding: &Binding) -> Result {
        inner.sync_tracking()?;
        let Some((_, Session::Saving(saving))) = &mut inner.session else {
            return Err(EIO);
        };
        saving.finish(binding)?;
        self.note_bytes(saving.total());
        Ok(())
    }

    /// Begins a session with a file of its own.
    fn start(this: &Arc<Self>, inner: &mut Inner, session: Session) -> Result<Option<NewFile>> {
        let (direction, total) = match &session {
            Session::Saving(saving) => (Direction::Saving, saving.total()),
            Session::Resuming(_) => (Direction::Resuming, 0),
        };
        let number = inner.sessions + 1;
        let data = SessionFile::new(this.clone(), number);
        let file = NewFile::open(Arc::new(data, GFP_KERNEL)?, direction)?;
        inner.sessions = number;
        inner.session = Some((number, session));
        this.note_bytes(total);
        Ok(Some(file))
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The state machine of VFIO migration v2 with P2P and PRE_COPY. Pure: a table
//! of which step comes next, and what a step makes the mediator do.
//!
//! The table is that of `vfio_mig_get_next_state()` in the kernel for a device
//! with STOP_COPY, P2P and PRE_COPY; `include/uapi/linux/vfio.h` has the text.

/// A device's state, `enum vfio_device_mig_state` of the uAPI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// The device failed and must be reset.
    Error,
    /// It changes nothing by itself.
    Stop,
    /// It runs.
    Running,
    /// Stopped, and its state can be read.
    StopCopy,
    /// Stopped, and takes a state.
    Resuming,
    /// It runs, but starts no DMA.
    RunningP2p,
    /// It runs, and what a destination compares can be read.
    PreCopy,
    /// As `PreCopy`, but it starts no DMA.
    PreCopyP2p,
}

impl State {
    /// All states, in the order of the uAPI's numbers.
    pub(crate) const ALL: [Self; 8] = [
        Self::Error,
        Self::Stop,
        Self::Running,
        Self::StopCopy,
        Self::Resuming,
        Self::RunningP2p,
        Self::PreCopy,
        Self::PreCopyP2p,
    ];

    /// The state of a number of the uAPI; `None` if there is none.
    pub(crate) fn from_raw(raw: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(raw).ok()?).copied()
    }

    /// The uAPI's number.
    pub(crate) const fn raw(self) -> u32 {
        match self {
            Self::Error => 0,
            Self::Stop => 1,
            Self::Running => 2,
            Self::StopCopy => 3,
            Self::Resuming => 4,
            Self::RunningP2p => 5,
            Self::PreCopy => 6,
            Self::PreCopyP2p => 7,
        }
    }

    /// The uAPI's name without prefix, as vfio's debugfs has it, too.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Stop => "STOP",
            Self::Running => "RUNNING",
            Self::StopCopy => "STOP_COPY",
            Self::Resuming => "RESUMING",
            Self::RunningP2p => "RUNNING_P2P",
            Self::PreCopy => "PRE_COPY",
            Self::PreCopyP2p => "PRE_COPY_P2P",
        }
    }

    /// Whether a saving session is in its pre-copy phase.
    pub(crate) const fn is_pre_copy(self) -> bool {
        matches!(self, Self::PreCopy | Self::PreCopyP2p)
    }
}

/// How far a device is quiesced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    /// Not at all.
    Run,
    /// It starts no DMA, but takes doorbells.
    P2p,
    /// It does nothing.
    Stop,
}

/// What the mediator does on the way into a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Goes to [`Level::P2p`], from any other level.
    QuiesceP2p,
    /// Goes to [`Level::Stop`].
    QuiesceStop,
    /// Goes on with everything, from [`Level::P2p`].
    Resume,
    /// Opens a saving session with what a destination compares.
    OpenPreCopy,
    /// Opens a saving session with everything.
    OpenStopCopy,
    /// Goes to [`Level::Stop`] and adds what is left to the saving session.
    FinishPreCopy,
    /// Ends the saving session.
    CloseSaving,
    /// Opens a session that takes a state.
    OpenResuming,
    /// Ends the session that takes a state, and loads that.
    FinishResuming,
}

/// One arc of the state machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Step {
    /// Where it leads.
    pub(crate) to: State,
    /// What it does.
    pub(crate) action: Action,
}

/// What to do to get from one state to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// Nothing: it is there.
    Arrived,
    /// There is no way.
    Refused,
    /// This step, and then look again.
    Go(Step),
}

const fn go(to: State, action: Action) -> Next {
    Next::Go(Step { to, action })
}

/// The next step from `current` towards `requested`. The way is the shortest that
/// has no state of a saving session in between.
pub(crate) const fn next(current: State, requested: State) -> Next {
    use Action::*;
    use State::*;
    match (current, requested) {
        // Only a reset leads out of ERROR, and nobody may ask for it.
        (Error, _) | (_, Error) => Next::Refused,

        (Stop, Stop)
        | (Running, Running)
        | (StopCopy, StopCopy)
        | (Resuming, Resuming)
        | (RunningP2p, RunningP2p)
        | (PreCopy, PreCopy)
        | (PreCopyP2p, PreCopyP2p) => Next::Arrived,

        (Stop, Running | RunningP2p | PreCopy | PreCopyP2p) => go(RunningP2p, QuiesceP2p),
        (Stop, StopCopy) => go(StopCopy, OpenStopCopy),
        (Stop, Resuming) => go(Resuming, OpenResuming),

        (Running, PreCopy) => go(PreCopy, OpenPreCopy),
        (Running, Stop | StopCopy | Resuming | RunningP2p | PreCopyP2p) => {
            go(RunningP2p, QuiesceP2p)
        }

        (RunningP2p, Running | PreCopy) => go(Running, Resume),
        (RunningP2p, PreCopyP2p) => go(PreCopyP2p, OpenPreCopy),
        (RunningP2p, Stop | StopCopy | Resuming) => go(Stop, QuiesceStop),

        (PreCopy, PreCopyP2p | StopCopy) => go(PreCopyP2p, QuiesceP2p),
        (PreCopy, Running | RunningP2p | Stop | Resuming) => go(Running, CloseSaving),

        (PreCopyP2p, PreCopy) => go(PreCopy, Resume),
        (PreCopyP2p, StopCopy) => go(StopCopy, FinishPreCopy),
        (PreCopyP2p, Running | RunningP2p | Stop | Resuming) => go(RunningP2p, CloseSaving),

        (StopCopy, PreCopy | PreCopyP2p) => Next::Refused,
        (StopCopy, Stop | Running | RunningP2p | Resuming) => go(Stop, CloseSaving),

        (Resuming, Stop | Running | RunningP2p | StopCopy | PreCopy | PreCopyP2p) => {
            go(Stop, FinishResuming)
        }
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_migration))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::{Action::*, State::*, *};

    /// `vfio_from_fsm_table` of drivers/vfio/vfio_main.c: a row per current state,
    /// a column per requested one, both in the uAPI's order.
    const KERNEL: [[State; 8]; 8] = [
        [Error; 8],
        [
            Error, Stop, RunningP2p, StopCopy, Resuming, RunningP2p, RunningP2p, RunningP2p,
        ],
        [
            Error, RunningP2p, Running, RunningP2p, RunningP2p, RunningP2p, PreCopy, RunningP2p,
        ],
        [Error, Stop, Stop, StopCopy, Stop, Stop, Error, Error],
        [Error, Stop, Stop, Stop, Resuming, Stop, Stop, Stop],
        [
            Error, Stop, Running, Stop, Stop, RunningP2p, Running, PreCopyP2p,
        ],
        [
            Error, Running, Running, PreCopyP2p, Running, Running, PreCopy, PreCopyP2p,
        ],
        [
            Error, RunningP2p, RunningP2p, StopCopy, RunningP2p, RunningP2p, PreCopy, PreCopyP2p,
        ],
    ];

    /// What each arc that a driver implements does.
    const ARCS: [(State, State, Action); 15] = [
        (Running, RunningP2p, QuiesceP2p),
        (RunningP2p, Running, Resume),
        (RunningP2p, Stop, QuiesceStop),
        (Stop, RunningP2p, QuiesceP2p),
        (Stop, StopCopy, OpenStopCopy),
        (StopCopy, Stop, CloseSaving),
        (Stop, Resuming, OpenResuming),
        (Resuming, Stop, FinishResuming),
        (Running, PreCopy, OpenPreCopy),
        (RunningP2p, PreCopyP2p, OpenPreCopy),
        (PreCopy, Running, CloseSaving),
        (PreCopyP2p, RunningP2p, CloseSaving),
        (PreCopy, PreCopyP2p, QuiesceP2p),
        (PreCopyP2p, PreCopy, Resume),
        (PreCopyP2p, StopCopy, FinishPreCopy),
    ];

    /// How far a device is quiesced in a state; `None` if nothing is known.
    fn level(state: State) -> Option<Level> {
        match state {
            Error => None,
            Running | PreCopy => Some(Level::Run),
            RunningP2p | PreCopyP2p => Some(Level::P2p),
            Stop | StopCopy | Resuming => Some(Level::Stop),
        }
    }

    #[test]
    fn numbers_and_names_are_the_uapis() {
        for (raw, state) in (0..).zip(State::ALL) {
            assert_eq!(state.raw(), raw);
            assert_eq!(State::from_raw(raw), Some(state));
        }
        assert_eq!(State::from_raw(8), None);
        assert_eq!(State::from_raw(u32::MAX), None);
        assert_eq!(PreCopyP2p.name(), "PRE_COPY_P2P");
    }

    #[test]
    fn every_pair_of_states_goes_as_in_the_kernel() {
        for (current, row) in State::ALL.into_iter().zip(KERNEL) {
            for (requested, expected) in State::ALL.into_iter().zip(row) {
                let found = match next(current, requested) {
                    Next::Arrived => current,
                    Next::Refused => Error,
                    Next::Go(step) => step.to,
                };
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn every_step_is_an_arc_and_every_arc_is_used() {
        let mut used = [false; ARCS.len()];
        for current in State::ALL {
            for requested in State::ALL {
                if let Next::Go(step) = next(current, requested) {
                    let arc = (current, step.to, step.action);
                    let at = ARCS.iter().position(|a| *a == arc);
                    assert!(at.is_some());
                    used[at.unwrap_or(0)] = true;
                }
            }
        }
        assert_eq!(used, [true; ARCS.len()]);
    }

    #[test]
    fn every_way_arrives_and_passes_no_saving_state() {
        let saving = |s: State| s.is_pre_copy() || s == StopCopy;
        for start in State::ALL {
            for goal in State::ALL {
                let mut at = start;
                let mut steps = 0;
                while let Next::Go(step) = next(at, goal) {
                    at = step.to;
                    steps += 1;
                    assert!(steps <= 5);
                    // A session goes on within its own states only.
                    let inside = at == goal || !saving(at) || (saving(start) && saving(goal));
                    assert!(inside);
                }
                assert!(at == goal || next(at, goal) == Next::Refused);
            }
        }
    }

    #[test]
    fn actions_bring_about_the_level_of_the_state() {
        for (from, to, action) in ARCS {
            let after = match action {
                QuiesceP2p => Some(Level::P2p),
                QuiesceStop | FinishPreCopy => Some(Level::Stop),
                Resume => Some(Level::Run),
                _ => level(from),
            };
            assert_eq!(level(to), after);
        }
    }
}

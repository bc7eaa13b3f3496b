// SPDX-License-Identifier: GPL-2.0

//! Serving the mailboxes: for each VF its reset, then its request, then its
//! acknowledgement, as VF drivers are used to.
//!
//! A VF that asks for too much, or that keeps its mailbox locked, is not waited
//! for: its notice stays pending and is looked at again later.

use super::{
    logic::{
        bucket::Bucket,
        exchange::{
            Due,
            Notices, //
        },
        message::{
            Fault,
            Reply,
            Request, //
        },
        policy, //
    },
    mailbox,
    vfs::{
        Note,
        Vfs, //
    }, //
};
use crate::regs::Registers;
use kernel::prelude::*;

/// How long a VF may take to read what was said before it is said over.
pub(super) const READ_TIME_NS: u64 = 1_000_000_000;

/// How soon to look again at a mailbox that the VF holds or has not read.
const RETRY_NS: u64 = 1_000_000;

/// How often to look at a held mailbox before the request is dropped.
const LOCK_TRIES: u8 = 10;

/// How often a VF that must start anew is told so: VF drivers look every 2 s.
const RESTART_INTERVAL_NS: u64 = 2_000_000_000;

/// What is under way with one VF. Times are nanoseconds of a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    bucket: Bucket,
    /// Failed attempts at the lock.
    lock_tries: u8,
    /// Until when what was said last is left for the VF to read.
    pub(super) unread_until: Option<u64>,
    pub(super) due: Option<Due>,
    /// First word of what was said last, which is no message of the VF's.
    pub(super) said: u32,
    /// When it was last told to start anew.
    restart_told: Option<u64>,
    /// Kinds of notes that were made, a bit each: each is made once.
    noted: u16,
    /// It is stopped, and nothing happens to its mailbox.
    pub(super) stopped: bool,
    /// Notices that the registers do not hold: those that were read from them while the
    /// VF was stopped, or that it brought along.
    pub(super) held: Notices,
}

impl Service {
    /// Nothing is under way.
    pub(super) const fn new() -> Self {
        Self {
            bucket: Bucket::full(),
            lock_tries: 0,
            unread_until: None,
            due: None,
            said: 0,
            restart_told: None,
            noted: 0,
            stopped: false,
            held: Notices::NONE,
        }
    }

    /// Remembers to say `due`; to start anew outweighs the link.
    pub(super) fn put_off(&mut self, due: Due) {
        if self.due != Some(Due::Restart) {
            self.due = Some(due);
        }
    }

    /// Whether a note of this kind is made for the first time. A VF chooses when
    /// its notes are made, so it must not fill the log with them.
    fn first(&mut self, note: Note) -> bool {
        use policy::Denial;
        let kind = match note {
            Note::Denied(Denial::NotReady) => 0,
            Note::Denied(Denial::AdminMac) => 1,
            Note::Denied(Denial::InvalidMac) => 2,
            Note::Denied(Denial::MacTaken) => 3,
            Note::Denied(Denial::FiltersFull) => 4,
            Note::Denied(Denial::PortVlan) => 5,
            Note::Denied(Denial::VlansFull) => 6,
            Note::Denied(Denial::FrameTooSmall) => 7,
            Note::Denied(Denial::Untrusted) => 8,
            Note::Unknown(_) => 9,
            Note::Malformed(_) => 10,
            Note::Flood => 11,
            Note::MailboxHeld => 12,
            Note::TableFull => 13,
        };
        let before = self.noted;
        self.noted |= 1 << kind;
        self.noted != before
    }
}

/// What is left to do for a VF.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Later(
    /// In how many nanoseconds to serve again, though no interrupt comes.
    pub(crate) Option<u64>,
);

impl Later {
    fn sooner(&mut self, wait: u64) {
        self.0 = Some(self.0.map_or(wait, |other| other.min(wait)));
    }
}

impl Vfs {
    /// Serves all VFs that want something. `note` is called with what the
    /// operator should know, once for each kind and VF.
    ///
    /// `now` is in nanoseconds of a monotonic clock. Errors: none that can happen.
    pub(crate) fn serve<'a, I: Registers<'a>>(
        &mut self,
        io: I,
        now: u64,
        note: &mut impl FnMut(usize, Note),
    ) -> Result<Later> {
        let pending = mailbox::pending(io);
        let mut later = Later::default();
        for vf in 0..self.num() {
            let bit = mailbox::bit(vf)?;
            let reset = pending.resets & bit != 0;
            let service = self.services.get(vf).ok_or(EINVAL)?;
            if !reset && service.stopped {
                // It is served when it goes on, here or elsewhere.
                continue;
            }
            // What it brought along is older than a reset.
            let held = if reset { Notices::NONE } else { service.held };
            let request = pending.requests & bit != 0 || held.request;
            let mut note_once = |service: &mut Service, what: Note| {
                if service.first(what) {
                    note(vf, what);
                }
            };
            if reset || request {
                let service = self.services.get_mut(vf).ok_or(EINVAL)?;
                if let Err(wait) = service.bucket.take(now) {
                    note_once(service, Note::Flood);
                    later.sooner(wait);
                    continue;
                }
            }
            let ack = pending.acks & bit != 0 || held.read;
            if reset {
                self.function_reset(io, vf)?;
            }
            if ack {
                // It is older than a request seen with it: of what was said before.
                mailbox::clear_ack(io, vf)?;
                let service = self.services.get_mut(vf).ok_or(EINVAL)?;
                service.unread_until = None;
                service.held.read = false;
            }
            if request {
                if let Some(what) = self.request(io, vf, now, &mut later)? {
                    let service = self.services.get_mut(vf).ok_or(EINVAL)?;
                    note_once(service, what);
                }
            }
            if ack {
                self.acknowledged(vf, now)?;
            }
            if !self.say_what_is_due(io, vf, now)? {
                later.sooner(RETRY_NS);
            }
        }
        Ok(later)
    }

    /// The function was reset, by its driver or by the bus.
    pub(super) fn function_reset<'a, I: Registers<'a>>(&mut self, io: I, vf: usize) -> Result {
        mailbox::clear_reset(io, vf)?;
        if let Some(state) = self.states_mut().get_mut(vf) {
            state.function_reset();
        }
        if let Some(service) = self.services.get_mut(vf) {
            service.unread_until = None;
            service.due = None;
            service.lock_tries = 0;
            service.held.request = false;
            service.held.read = false;
        }
        self.update(io).map(drop)
    }

    /// The VF has a message.
    fn request<'a, I: Registers<'a>>(
        &mut self,
        io: I,
        vf: usize,
        now: u64,
        later: &mut Later,
    ) -> Result<Option<Note>> {
        let service = self.services.get_mut(vf).ok_or(EINVAL)?;
        if service.held.locked || !mailbox::lock(io, vf)? {
            service.lock_tries = service.lock_tries.saturating_add(1);
            if service.lock_tries < LOCK_TRIES {
                later.sooner(RETRY_NS);
                return Ok(None);
            }
            service.lock_tries = 0;
            service.held.request = false;
            service.held.locked = false;
            mailbox::clear_request(io, vf)?;
            if let Some(state) = self.states_mut().get_mut(vf) {
                state.guest.cts = false;
            }
            return Ok(Some(Note::MailboxHeld));
        }
        service.lock_tries = 0;
        service.held.request = false;
        // Before the message is read, so that a further one is seen again.
        mailbox::clear_request(io, vf)?;
        let words = mailbox::receive(io, vf)?;
        let (reply, mut note) = self.decide(vf, &words);
        let Some(reply) = reply else {
            mailbox::unlock(io, vf)?;
            return Ok(None);
        };
        // The VF may rely on what is granted once it has the answer.
        if !self.update(io)? {
            note = Some(Note::TableFull);
        }
        self.say(io, vf, reply, now)?;
        Ok(note)
    }

    /// Answers a message on the state alone; `None` if nothing was asked.
    fn decide(&mut self, vf: usize, words: &[u32]) -> (Option<Reply>, Option<Note>) {
        let head = words.first().copied().unwrap_or(0);
        let (granted, note) = match Request::parse(words) {
            Err(Fault::Answered) if self.services.get(vf).is_some_and(|s| s.said == head) => {
                return (None, None);
            }
            Err(Fault::Answered) => (false, Some(Note::Unknown(head))),
            Err(Fault::Unknown(head)) => (false, Some(Note::Unknown(head))),
            Err(Fault::Malformed(head)) => (false, Some(Note::Malformed(head))),
            Ok(request) => {
                let (states, pf) = self.parts();
                match policy::apply(states, pf, vf, &request) {
                    Ok(()) if request == Request::Reset => {
                        let mac = states.get(vf).and_then(|state| state.mac());
                        return (Some(Reply::Reset(mac)), None);
                    }
                    Ok(()) => (true, None),
                    Err(denial) => (false, Some(Note::Denied(denial))),
                }
            }
        };
        let ready = self.states().get(vf).is_some_and(|state| state.guest.cts);
        let cts = ready && self.link_up(vf);
        (Some(Reply::Answer { head, granted, cts }), note)
    }

    /// The VF has read what was said.
    fn acknowledged(&mut self, vf: usize, now: u64) -> Result {
        let ready = self.states().get(vf).is_some_and(|state| state.guest.cts);
        let service = self.services.get_mut(vf).ok_or(EINVAL)?;
        // One that must start anew should not be reading either.
        let told = service.restart_told;
        if !ready && told.is_none_or(|at| now.saturating_sub(at) > RESTART_INTERVAL_NS) {
            service.put_off(Due::Restart);
        }
        Ok(())
    }

    /// Says what is due, if the VF has read what was said before and is not
    /// asking; `false` if something is left to be said.
    pub(super) fn say_what_is_due<'a, I: Registers<'a>>(
        &mut self,
        io: I,
        vf: usize,
        now: u64,
    ) -> Result<bool> {
        let service = self.services.get_mut(vf).ok_or(EINVAL)?;
        let Some(due) = service.due.filter(|_| !service.stopped) else {
            return Ok(true);
        };
        let unread = service.unread_until.is_some_and(|until| now < until);
        if unread || service.held.locked || !mailbox::lock(io, vf)? {
            return Ok(false);
        }
        // Its memory holds a request that came meanwhile.
        let asks = mailbox::pending(io).requests & mailbox::bit(vf)? != 0;
        if asks || service.held.request {
            mailbox::unlock(io, vf)?;
            return Ok(false);
        }
        service.due = None;
        let reply = match due {
            Due::Link => Reply::Ping {
                cts: self.link_up(vf) && self.states().get(vf).is_some_and(|s| s.guest.cts),
            },
            Due::Restart => {
                service.restart_told = Some(now);
                Reply::Restart
            }
        };
        self.say(io, vf, reply, now)?;
        Ok(true)
    }

    /// Writes a message to a mailbox that is locked.
    fn say<'a, I: Registers<'a>>(&mut self, io: I, vf: usize, reply: Reply, now: u64) -> Result {
        let words = reply.encode();
        mailbox::send(io, vf, words.as_slice())?;
        if let Some(service) = self.services.get_mut(vf) {
            service.said = words.as_slice().first().copied().unwrap_or(0);
            service.unread_until = Some(now.saturating_add(READ_TIME_NS));
        }
        Ok(())
    }
}

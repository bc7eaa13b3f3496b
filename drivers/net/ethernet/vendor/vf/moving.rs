// SPDX-License-Identifier: GPL-2.0

//! VFs that are kept still, taken along, and put down again: what of that is the
//! state's and the mailbox's.

use super::{
    logic::{
        exchange::{
            Due,
            Mailbox,
            Notices, //
        },
        install,
        message,
        policy::Denial,
        state::{
            GuestState,
            PfState,
            VfState, //
        }, //
    },
    mailbox,
    service::READ_TIME_NS,
    vfs::Vfs, //
};
use crate::regs::{
    mailbox::V2PMAILBOX,
    Registers, //
};
use kernel::{
    io::register::Array,
    prelude::*, //
};

/// How still a VF is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stillness {
    /// Not at all.
    Free,
    /// It does not receive and send.
    Quiet,
    /// And its mailbox is left as it is.
    Stopped,
}

impl Vfs {
    /// Keeps VF `vf` still, or lets it go. Its mailbox is not looked at here: have it
    /// served after a VF was let go. Errors: `EINVAL` if there is no such VF.
    pub(crate) fn keep_still<'a, I: Registers<'a>>(
        &mut self,
        io: I,
        vf: usize,
        how: Stillness,
    ) -> Result {
        let state = self.states_mut().get_mut(vf).ok_or(EINVAL)?;
        state.quiesced = how != Stillness::Free;
        self.services.get_mut(vf).ok_or(EINVAL)?.stopped = how == Stillness::Stopped;
        self.update(io).map(drop)
    }

    /// Lets VF `vf` send, though it is kept still, or not. Only for what the driver itself
    /// puts before the device. Errors: `EINVAL` if there is no such VF.
    pub(crate) fn let_send<'a, I: Registers<'a>>(&mut self, io: I, vf: usize, on: bool) -> Result {
        use crate::regs::mailbox::VFTE;
        let bit = mailbox::bit(vf)?;
        let pools = io.read(VFTE).pools().get();
        let pools = if on { pools | bit } else { pools & !bit };
        io.write_reg(VFTE::zeroed().try_with_pools(pools)?);
        Ok(())
    }

    /// What is under way in the mailbox of VF `vf`, which is stopped. Its notices are
    /// read from the device, which forgets them, and held from then on. Errors: `EINVAL`
    /// if there is no such VF.
    pub(crate) fn mailbox<'a, I: Registers<'a>>(&mut self, io: I, vf: usize) -> Result<Mailbox> {
        let bit = mailbox::bit(vf)?;
        let place = V2PMAILBOX::try_at(vf).ok_or(EINVAL)?;
        let seen = io.try_read(place)?;
        let pending = mailbox::pending(io);
        let service = self.services.get_mut(vf).ok_or(EINVAL)?;
        let held = &mut service.held;
        held.message |= seen.pfsts();
        held.taken |= seen.pfack();
        // A reset of the PF does not outlast the move.
        held.reset_done |= seen.rstd() || seen.rsti();
        let notices = Notices {
            locked: held.locked || seen.vfu(),
            request: held.request || pending.requests & bit != 0,
            read: held.read || pending.acks & bit != 0,
            ..*held
        };
        Ok(Mailbox {
            memory: mailbox::words(io, vf)?,
            notices,
            unread: service.unread_until.is_some(),
            due: service.due,
        })
    }

    /// Gives VF `vf`, which is stopped, what the guest had set elsewhere, and the
    /// mailbox as it was there. `Err` inside if its mailbox would not grant it; nothing
    /// has changed then, but that a reset from before was served. Errors: `EINVAL` if there
    /// is no such VF.
    pub(crate) fn put_down<'a, I: Registers<'a>>(
        &mut self,
        io: I,
        vf: usize,
        guest: &GuestState,
        brought: &Mailbox,
        now: u64,
    ) -> Result<Result<(), Denial>> {
        if mailbox::pending(io).resets & mailbox::bit(vf)? != 0 {
            // It was reset before it is put down: not to be noticed after that.
            self.function_reset(io, vf)?;
        }
        let (states, pf) = self.parts();
        if let Err(denial) = install::install(states, pf, vf, guest) {
            return Ok(Err(denial));
        }
        self.update(io)?;
        // What the last user left behind is not this one's.
        mailbox::forget(io, vf)?;
        mailbox::put_words(io, vf, &brought.memory)?;
        let service = self.services.get_mut(vf).ok_or(EINVAL)?;
        service.held = brought.notices;
        service.due = brought.due;
        let head = brought.memory.first().copied().unwrap_or(0);
        service.unread_until = brought.unread.then(|| now.saturating_add(READ_TIME_NS));
        if !brought.notices.request {
            // The PF had the last word.
            service.said = head;
            // Its link was another one's.
            if guest.cts && message::says_link_up(head) != self.link_up(vf) {
                self.services.get_mut(vf).ok_or(EINVAL)?.put_off(Due::Link);
            }
        }
        Ok(Ok(()))
    }

    /// Runs `f` with the states of the VFs that are on, which it must leave as they are,
    /// and of the PF.
    pub(crate) fn look<R>(&mut self, f: impl FnOnce(&mut [VfState], &PfState) -> R) -> R {
        let (states, pf) = self.parts();
        f(states, pf)
    }

    /// What VF `vf` is to find in its mailbox register beside what the device says.
    pub(crate) fn held(&self, vf: usize) -> Notices {
        self.services.get(vf).map_or(Notices::NONE, |s| s.held)
    }

    /// Whether VF `vf` waits for nothing from its mailbox: it was set up, its link is up, all
    /// that was said has been read, and nothing is asked or to be said.
    pub(crate) fn mailbox_rests(&self, vf: usize) -> bool {
        let ready = self.states().get(vf).is_some_and(|state| state.guest.cts);
        ready
            && self.link_up(vf)
            && self.services.get(vf).is_some_and(|service| {
                service.held == Notices::NONE
                    && service.unread_until.is_none()
                    && service.due.is_none()
            })
    }

    /// VF `vf` has found its notices.
    pub(crate) fn found(&mut self, vf: usize) {
        if let Some(service) = self.services.get_mut(vf) {
            service.held.message = false;
            service.held.taken = false;
            service.held.reset_done = false;
        }
    }

    /// VF `vf` writes its mailbox register: `request` and `read` say what for, `locks`
    /// whether it keeps the memory. If it has brought along that it does, the device knows
    /// nothing of it, and all of this is held too; answers whether that is so.
    pub(crate) fn writes_mailbox(
        &mut self,
        vf: usize,
        request: bool,
        read: bool,
        locks: bool,
    ) -> bool {
        let Some(service) = self.services.get_mut(vf) else {
            return false;
        };
        let held = &mut service.held;
        if !held.locked {
            return false;
        }
        held.request |= request;
        held.read |= read;
        held.locked = locks;
        true
    }

    /// The bus has reset VF `vf`, or nobody uses it any more: nothing of what it brought
    /// along is left. Errors: `EINVAL` if there is no such VF.
    pub(crate) fn let_go<'a, I: Registers<'a>>(&mut self, io: I, vf: usize) -> Result {
        self.services.get_mut(vf).ok_or(EINVAL)?.held = Notices::NONE;
        self.keep_still(io, vf, Stillness::Free)
    }
}

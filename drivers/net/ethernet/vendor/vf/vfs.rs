// SPDX-License-Identifier: GPL-2.0

//! The VFs of one PF: their state, and the hardware that follows it.
//!
//! Nothing here sleeps or locks; [`super::control`] does.

use super::{
    filters,
    logic::{
        admin::{
            self,
            AdminFault,
            Notify,
            Setting, //
        },
        exchange::Due,
        policy::{
            self,
            Denial, //
        },
        state::{
            PfLink,
            PfState,
            VfState,
            MAX_VFS, //
        },
        stats::{
            Counters,
            RawStats,
            VfStats, //
        },
        tables::Tables, //
    },
    mailbox,
    service::Service, //
};
use crate::regs::{
    mac::CTRL_EXT,
    mailbox::MBVFIMR,
    vf::{
        PVFGORC,
        PVFGOTC,
        PVFGPRC,
        PVFGPTC,
        PVFMPRC, //
    },
    Registers, //
};
use kernel::{
    io::register::Array,
    prelude::*, //
};

/// Something the operator may want to know of a VF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Note {
    /// A request was refused.
    Denied(Denial),
    /// A message that is none, by its first word.
    Unknown(u32),
    /// A message that is out of bounds, by its first word.
    Malformed(u32),
    /// More messages than may be served.
    Flood,
    /// The VF holds its mailbox for itself.
    MailboxHeld,
    /// A filter did not fit, though it should have.
    TableFull,
}

/// What no register holds: nothing stays where it is.
static NOTHING: Tables = Tables::new();

/// The VFs of one PF. Large: to be made in place, never on a kernel stack.
#[derive(Clone, Copy)]
pub(crate) struct Vfs {
    /// How many are on.
    num: usize,
    states: [VfState; MAX_VFS],
    pub(super) services: [Service; MAX_VFS],
    counters: [Counters; MAX_VFS],
    pf: PfState,
    link: PfLink,
    /// What the registers hold, and room for what they shall hold.
    tables: [Tables; 2],
    /// Which of the two they hold.
    current: usize,
    /// Whether that is known.
    known: bool,
}

impl Vfs {
    /// No VFs, on a device in an unknown state.
    pub(crate) const fn new() -> Self {
        Self {
            num: 0,
            states: [VfState::new(); MAX_VFS],
            services: [Service::new(); MAX_VFS],
            counters: [Counters::new(); MAX_VFS],
            pf: PfState::new(),
            link: PfLink { up: false, mbps: 0 },
            tables: [Tables::new(); 2],
            current: 0,
            known: false,
        }
    }

    /// How many VFs are on.
    pub(crate) fn num(&self) -> usize {
        self.num
    }

    /// The VFs that are on.
    pub(crate) fn states(&self) -> &[VfState] {
        self.states.get(..self.num).unwrap_or(&[])
    }

    pub(super) fn states_mut(&mut self) -> &mut [VfState] {
        self.states.get_mut(..self.num).unwrap_or(&mut [])
    }

    /// The VFs that are on, to be changed, and the PF.
    pub(super) fn parts(&mut self) -> (&mut [VfState], &PfState) {
        (self.states.get_mut(..self.num).unwrap_or(&mut []), &self.pf)
    }

    /// Whether the link of VF `vf` is up.
    pub(super) fn link_up(&self, vf: usize) -> bool {
        self.states()
            .get(vf)
            .is_some_and(|state| state.link_up(&self.link))
    }

    /// Brings the registers in line with the state; `false` if a filter did not
    /// fit, which the policy rules out. Errors: none that can happen; all
    /// registers are then written anew the next time.
    pub(super) fn update<'a>(&mut self, io: impl Registers<'a>) -> Result<bool> {
        let [first, second] = &mut self.tables;
        let (old, next) = match self.current {
            0 => (&*first, second),
            _ => (&*second, first),
        };
        let states = self.states.get(..self.num).unwrap_or(&[]);
        let previous = self.known.then_some(old);
        let fits = next.compute(previous.unwrap_or(&NOTHING), states, &self.pf, &self.link);
        self.known = false;
        filters::write(io, previous, next)?;
        self.known = true;
        self.current ^= 1;
        Ok(fits.is_ok())
    }

    /// Prepares the device for `num` VFs: to be called before they appear, with
    /// the PF's queues stopped, which must be those of pool `num` from then on.
    /// Nothing is known of the VFs afterwards.
    ///
    /// Errors: `EBUSY` if VFs are on, `EINVAL` for a number that cannot be.
    pub(crate) fn enable<'a, I: Registers<'a>>(&mut self, io: I, num: usize) -> Result {
        if self.num != 0 {
            return Err(EBUSY);
        }
        if num == 0 || num > MAX_VFS {
            return Err(EINVAL);
        }
        for vf in 0..num {
            let raw = read_stats(io, vf)?;
            if let Some(counters) = self.counters.get_mut(vf) {
                *counters = Counters::starting_at(&raw);
            }
        }
        self.states.fill(VfState::new());
        self.services.fill(Service::new());
        self.num = num;
        self.known = false;
        self.start(io)
    }

    /// Takes the device back after the VFs are gone. Errors: none that can happen.
    pub(crate) fn disable<'a, I: Registers<'a>>(&mut self, io: I) -> Result {
        io.write_reg(MBVFIMR::zeroed());
        self.num = 0;
        self.known = false;
        self.update(io)?;
        mailbox::clear_all(io);
        Ok(())
    }

    /// Puts everything in place again after a reset of the PF, which has ended
    /// what the VFs did: they start anew. Errors: none that can happen.
    pub(crate) fn restore<'a, I: Registers<'a>>(&mut self, io: I) -> Result {
        self.known = false;
        for vf in 0..self.num {
            let raw = read_stats(io, vf)?;
            if let Some(counters) = self.counters.get_mut(vf) {
                counters.rebase(&raw);
            }
            if let Some(state) = self.states.get_mut(vf) {
                state.driver_reset();
            }
        }
        if self.num == 0 {
            return self.update(io).map(drop);
        }
        self.start(io)
    }

    /// Writes everything and lets the VFs go.
    fn start<'a, I: Registers<'a>>(&mut self, io: I) -> Result {
        mailbox::clear_all(io);
        self.update(io)?;
        let vfs = mailbox::bit(self.num)?.wrapping_sub(1);
        io.write_reg(MBVFIMR::zeroed().try_with_vfs(vfs)?);
        io.update(CTRL_EXT, |r| r.with_pfrstd(true));
        Ok(())
    }

    /// One setting of the administrator's for VF `vf`. `now` is in nanoseconds.
    pub(crate) fn set<'a, I: Registers<'a>>(
        &mut self,
        io: I,
        vf: usize,
        setting: Setting,
        now: u64,
    ) -> Result<Result<(), AdminFault>> {
        let (states, pf) = self.parts();
        let evicted: [bool; MAX_VFS] = core::array::from_fn(|other| match setting {
            Setting::Mac(mac) if other != vf => states
                .get(other)
                .is_some_and(|state| admin::squats(state, mac)),
            _ => false,
        });
        let notify = match admin::set(states, pf, vf, setting) {
            Ok(notify) => notify,
            Err(fault) => return Ok(Err(fault)),
        };
        self.update(io)?;
        match notify {
            Notify::Nothing => {}
            Notify::Link => self.announce(io, vf, Due::Link, now)?,
            Notify::Restart => self.restart(io, vf, now)?,
        }
        for (other, _) in evicted.iter().enumerate().filter(|(_, &is)| is) {
            self.restart(io, other, now)?;
        }
        Ok(Ok(()))
    }

    /// Has the driver of VF `vf` start anew.
    fn restart<'a, I: Registers<'a>>(&mut self, io: I, vf: usize, now: u64) -> Result {
        if let Some(state) = self.states_mut().get_mut(vf) {
            state.guest.cts = false;
        }
        self.announce(io, vf, Due::Restart, now)
    }

    /// Says `due` to VF `vf` now, or when it has read what was said before.
    fn announce<'a, I: Registers<'a>>(&mut self, io: I, vf: usize, due: Due, now: u64) -> Result {
        // Nobody listens there before the driver has told of its reset.
        if !self.states().get(vf).is_some_and(|vf| vf.guest.enabled) {
            return Ok(());
        }
        if let Some(service) = self.services.get_mut(vf) {
            service.put_off(due);
        }
        self.say_what_is_due(io, vf, now).map(drop)
    }

    /// Whether `pf` has an address that the PF did not have before, and that is a VF's. One
    /// that a trusted VF has taken from the PF stays the PF's as well.
    pub(crate) fn is_robbed_by(&self, pf: &PfState) -> bool {
        pf.mac != self.pf.mac && policy::is_vfs(self.states(), pf.mac)
    }

    /// Replaces the PF's part of the filters. Errors: `ENOSPC` if VFs leave no
    /// room for its further addresses; nothing has changed then.
    pub(crate) fn set_pf<'a, I: Registers<'a>>(&mut self, io: I, pf: &PfState) -> Result {
        let held = self.states().iter().map(|vf| vf.guest.filters.len());
        let held: usize = held.sum();
        let room = policy::shared_addresses(self.num).saturating_sub(held);
        if pf.filters.len() > room {
            return Err(ENOSPC);
        }
        self.pf = *pf;
        self.update(io).map(drop)
    }

    /// The PF's part of the filters.
    #[cfg(any(test, kunit_module))]
    pub(crate) fn pf(&self) -> &PfState {
        &self.pf
    }

    /// The PF's link has changed: rates follow it, and VFs are told.
    pub(crate) fn set_link<'a, I: Registers<'a>>(
        &mut self,
        io: I,
        link: PfLink,
        now: u64,
    ) -> Result {
        self.link = link;
        self.update(io)?;
        for vf in 0..self.num {
            self.announce(io, vf, Due::Link, now)?;
        }
        Ok(())
    }

    /// What VF `vf` has received and sent. Errors: `EINVAL` if there is no such VF.
    pub(crate) fn stats<'a>(&mut self, io: impl Registers<'a>, vf: usize) -> Result<VfStats> {
        if vf >= self.num {
            return Err(EINVAL);
        }
        let counters = self.counters.get_mut(vf).ok_or(EINVAL)?;
        counters.update(&read_stats(io, vf)?);
        Ok(counters.totals())
    }
}

/// Reads the counters of VF `vf`.
fn read_stats<'a, I: Registers<'a>>(io: I, vf: usize) -> Result<RawStats> {
    Ok(RawStats {
        rx_packets: io.try_read(PVFGPRC::try_at(vf).ok_or(EINVAL)?)?.into_raw(),
        tx_packets: io.try_read(PVFGPTC::try_at(vf).ok_or(EINVAL)?)?.into_raw(),
        rx_bytes: io.try_read(PVFGORC::try_at(vf).ok_or(EINVAL)?)?.into_raw(),
        tx_bytes: io.try_read(PVFGOTC::try_at(vf).ok_or(EINVAL)?)?.into_raw(),
        rx_multicast: io.try_read(PVFMPRC::try_at(vf).ok_or(EINVAL)?)?.into_raw(),
    })
}

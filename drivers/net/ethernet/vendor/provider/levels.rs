// SPDX-License-Identifier: GPL-2.0

//! A VF that is quiesced, in two levels, and goes on: here, or where it has been put
//! down.

use super::{
    logic::{
        state::{
            Device,
            Stopped,
            ALL_VECTORS, //
        },
        statistics::Statistics, //
    },
    platform::{
        Fault,
        Platform, //
    },
    registers,
    rings,
    switches, //
};
use crate::{
    regs::{
        interrupt::ICS,
        vf::PVTEICS, //
    },
    vf::moving::Stillness,
};
use kernel::{
    io::{
        register::Array,
        Io, //
    },
    prelude::*, //
};

/// How far a VF is quiesced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    /// Not at all.
    Runs,
    /// It starts no DMA, but takes doorbells.
    Quiet,
    /// Its queues are off, and it raises no interrupt.
    Stopped,
}

/// Where a VF is on its way. The caller serializes.
pub(crate) struct Machine {
    /// The VF.
    pub(super) vf: usize,
    pub(super) level: Level,
    /// What it was when it was stopped, or was said to have been elsewhere.
    pub(super) stopped: Stopped,
    /// It has been put down here, and not yet gone on: the device does not hold its
    /// contexts, and the network does not know where it is.
    pub(super) loaded: bool,
    /// How much more than the registers hold the guest has seen in its counters.
    pub(super) ahead: Statistics,
    /// Queues are put up without anything that is posted to them.
    pub(super) holds: bool,
}

/// What a VF that goes on has to be told of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Resumed {
    /// Nothing: it goes on where it was.
    Here,
    /// The network: it has come from elsewhere.
    FromElsewhere,
}

impl Machine {
    /// VF `vf`, which runs.
    pub(crate) fn new(vf: usize) -> Self {
        Self {
            vf,
            level: Level::Runs,
            stopped: Stopped::default(),
            loaded: false,
            ahead: Statistics::default(),
            holds: false,
        }
    }

    /// Whether queues are put up without anything that is posted to them, from now on.
    pub(crate) fn hold(&mut self, holds: bool) {
        self.holds = holds;
    }

    /// What it was when it was stopped, or was said to have been elsewhere.
    pub(crate) fn stopped(&mut self) -> &mut Stopped {
        &mut self.stopped
    }

    /// How far it is quiesced.
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// How much more than the registers hold the guest has seen in its counters.
    pub(crate) fn ahead(&self) -> Statistics {
        self.ahead
    }

    fn keep<'a, P: Platform<'a>>(&self, platform: &P, how: Stillness) -> Result {
        platform.with_vfs(|vfs, _| vfs.keep_still(platform.io(), self.vf, how))
    }

    /// Quiesces as far as `level`, from wherever. Sleeps. Errors: `Busy` if the device does
    /// not do it; a context that cannot be put before the device again.
    pub(crate) fn quiesce<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        level: Level,
    ) -> Result<(), Fault> {
        if self.level == Level::Runs && level != Level::Runs {
            switches::drain(platform, self.vf)?;
            self.keep(platform, Stillness::Quiet)?;
            switches::settle(platform, self.vf)?;
            self.level = Level::Quiet;
        }
        match (self.level, level) {
            (Level::Quiet, Level::Stopped) => self.stop(platform),
            (Level::Stopped, Level::Quiet) => self.start(platform),
            _ => Ok(()),
        }
    }

    fn stop<'a, P: Platform<'a>>(&mut self, platform: &P) -> Result<(), Fault> {
        let vf = self.vf;
        let before = registers::read(platform.io(), vf)?;
        switches::stop_all(platform, vf)?;
        registers::enable_vectors(platform.io(), vf, 0)?;
        self.keep(platform, Stillness::Stopped)?;
        self.level = Level::Stopped;
        let mut device = registers::read(platform.io(), vf)?;
        for (queue, before) in device.rx.iter_mut().zip(&before.rx) {
            queue.control = before.control;
            *queue = queue.sanitized();
        }
        for (queue, before) in device.tx.iter_mut().zip(&before.tx) {
            queue.control = before.control;
            *queue = queue.sanitized();
        }
        device.interrupts.enabled = before.interrupts.enabled;
        device.interrupts = device.interrupts.sanitized();
        self.stopped.device = device;
        let counted = registers::read_statistics(platform.io(), vf)?;
        self.stopped.statistics = self.ahead.seen(counted);
        Ok(())
    }

    /// From the state in `self` alone, so that it makes no difference where that is from, nor
    /// whether the PF was reset meanwhile.
    fn start<'a, P: Platform<'a>>(&mut self, platform: &P) -> Result<(), Fault> {
        let vf = self.vf;
        let device = self.stopped.device;
        registers::write(platform.io(), vf, &device)?;
        if self.loaded {
            rings::replay(platform, vf, &device, &self.stopped.contexts)?;
            registers::write_heads(platform.io(), vf, &device)?;
        }
        let given = if self.holds {
            device.without_posted()
        } else {
            device
        };
        switches::start_all(platform, vf, &given)?;
        registers::enable_vectors(platform.io(), vf, device.interrupts.enabled)?;
        self.keep(platform, Stillness::Quiet)?;
        self.level = Level::Quiet;
        Ok(())
    }

    /// Vectors that the guest may wait for, a bit each: all, but for the mailbox's own while
    /// there is nothing in it. igbvf takes its interrupt for a change of the link, and if its
    /// watchdog has just looked at the link, for a loss of it (`igbvf_has_link` compares what
    /// the interrupt sets after other interrupts were let in): the guest's link would go down
    /// and up.
    fn vectors_to_raise<'a, P: Platform<'a>>(&self, platform: &P) -> Result<u8> {
        if !platform.with_vfs(|vfs, _| vfs.mailbox_rests(self.vf)) {
            return Ok(ALL_VECTORS);
        }
        let interrupts = registers::read_interrupts(platform.io(), self.vf)?;
        Ok(ALL_VECTORS & !interrupts.of_mailbox_alone())
    }

    /// Goes on with everything. Errors: `EBUSY` if it is stopped.
    pub(crate) fn resume<'a, P: Platform<'a>>(&mut self, platform: &P) -> Result<Resumed, Fault> {
        match self.level {
            Level::Runs => return Ok(Resumed::Here),
            Level::Quiet => {}
            Level::Stopped => return Err(EBUSY.into()),
        }
        self.keep(platform, Stillness::Free)?;
        self.level = Level::Runs;
        switches::kick(platform, self.vf)?;
        let io = platform.io();
        // One too few may do harm.
        let raised = PVTEICS::zeroed().try_with_vectors(self.vectors_to_raise(platform)?)?;
        io.try_write(PVTEICS::try_at(self.vf).ok_or(EINVAL)?, raised)?;
        // The PF looks at its VFs' mailboxes, this one's now included.
        io.write_reg(ICS::zeroed().with_vmmb(true));
        if core::mem::take(&mut self.loaded) {
            Ok(Resumed::FromElsewhere)
        } else {
            Ok(Resumed::Here)
        }
    }

    /// The bus has reset the VF: it runs, and knows nothing of a move. Its counters go
    /// on. Errors: none that can happen.
    pub(crate) fn reset<'a, P: Platform<'a>>(&mut self, platform: &P) -> Result {
        self.level = Level::Runs;
        self.loaded = false;
        self.stopped = Stopped::default();
        let vf = self.vf;
        platform.with_vfs(|vfs, _| vfs.let_go(platform.io(), vf))?;
        platform.io().write_reg(ICS::zeroed().with_vmmb(true));
        Ok(())
    }

    /// Takes out of registers what a reset of the function leaves there (82576 Specification
    /// Update, software clarification 3), so that the VF's next user does not trip over what
    /// the last one has set. The VF was reset. Sleeps. Errors: `Busy` if a queue still runs.
    pub(crate) fn scrub<'a, P: Platform<'a>>(&self, platform: &P) -> Result<(), Fault> {
        let vf = self.vf;
        switches::stop_all(platform, vf)?;
        let mut device = Device::default();
        // No driver writes these from scratch, and they do no harm.
        let before = registers::read(platform.io(), vf)?;
        for (queue, before) in device.rx.iter_mut().zip(&before.rx) {
            queue.hints = before.hints;
        }
        for (queue, before) in device.tx.iter_mut().zip(&before.tx) {
            queue.hints = before.hints;
        }
        registers::write(platform.io(), vf, &device)?;
        Ok(registers::enable_vectors(platform.io(), vf, 0)?)
    }

    /// What registers hold of a VF that runs, as far as it tells whether the VF could be
    /// moved. Errors: a queue that is set to what cannot be.
    pub(super) fn running_device<'a, P: Platform<'a>>(
        &self,
        platform: &P,
    ) -> Result<Device, Fault> {
        let mut device = registers::read(platform.io(), self.vf)?;
        for queue in &mut device.rx {
            *queue = queue.sanitized();
        }
        for queue in &mut device.tx {
            *queue = queue.sanitized();
        }
        Ok(device)
    }
}

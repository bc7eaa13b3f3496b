// SPDX-License-Identifier: GPL-2.0

//! Saving and loading a VF.

use super::{
    levels::{
        Level,
        Machine, //
    },
    logic::{
        codec,
        compare::{
            self,
            Misfit, //
        },
        state::{
            Device,
            Known, //
        },
        statistics::Statistics, //
    },
    platform::{
        Fault,
        Platform, //
    },
    registers,
    rings, //
};
use kernel::prelude::*;

/// Most bytes of a state.
pub(crate) const MAX_SIZE: usize = codec::MAX_SIZE;

/// Whether all queues can be put into registers elsewhere.
fn check(device: &Device) -> Result<(), Fault> {
    for (index, queue) in device.rx.iter().enumerate() {
        queue.check().map_err(|fault| Fault::Queue(index, fault))?;
    }
    for (index, queue) in device.tx.iter().enumerate() {
        queue.check().map_err(|fault| Fault::Queue(index, fault))?;
    }
    Ok(())
}

impl Machine {
    fn known<'a, P: Platform<'a>>(&self, platform: &P) -> Result<Known> {
        platform.with_vfs(|vfs, _| {
            let state = vfs.states().get(self.vf).ok_or(EINVAL)?;
            Ok(Known {
                admin: state.admin,
                guest: state.guest,
            })
        })
    }

    /// Writes what a destination compares with itself; answers the bytes used. The VF may
    /// run. Errors: whatever would keep it from being moved later.
    pub(crate) fn save_known<'a, P: Platform<'a>>(
        &self,
        platform: &P,
        bytes: &mut [u8],
    ) -> Result<usize, Fault> {
        let known = self.known(platform)?;
        let device = self.running_device(platform)?;
        check(&device)?;
        rings::contexts(platform, &device)?;
        Ok(codec::encode_known(&known, bytes)?)
    }

    /// Writes all of the VF, which must be stopped; answers the bytes used. Errors: `EBUSY`
    /// if it is not; what a guest can have set that cannot be moved.
    pub(crate) fn save<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        bytes: &mut [u8],
    ) -> Result<usize, Fault> {
        if self.level != Level::Stopped {
            return Err(EBUSY.into());
        }
        let known = self.known(platform)?;
        check(&self.stopped.device)?;
        // Of all that is saved it alone may have changed: whoever has the VF's BAR can
        // write to it.
        self.stopped.mailbox = platform.with_vfs(|vfs, _| vfs.mailbox(platform.io(), self.vf))?;
        // What was put down and has not gone on has its contexts with it.
        if !self.loaded {
            self.stopped.contexts = rings::contexts(platform, &self.stopped.device)?;
        }
        Ok(codec::encode(&known, &self.stopped, bytes)?)
    }

    /// Whether a VF that [`save_known`](Self::save_known) has written would fit here.
    /// Changes nothing. Errors: it makes no sense, or would not.
    pub(crate) fn check_known<'a, P: Platform<'a>>(
        &self,
        platform: &P,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        self.fits(platform, &codec::decode_known(bytes)?)
    }

    fn fits<'a, P: Platform<'a>>(&self, platform: &P, known: &Known) -> Result<(), Fault> {
        let fits = platform
            .with_vfs(|vfs, _| vfs.look(|states, pf| compare::check(states, pf, self.vf, known)));
        Ok(fits?)
    }

    /// Puts a VF down here that [`save`](Self::save) has written, or anybody has; this one
    /// must be stopped. Its registers are written when it is no longer. Errors: `EBUSY` if it is not; the state makes
    /// no sense, or does not fit. Nothing has changed then.
    pub(crate) fn load<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        if self.level != Level::Stopped {
            return Err(EBUSY.into());
        }
        let (known, stopped) = codec::decode(bytes)?;
        self.fits(platform, &known)?;
        let vf = self.vf;
        // Others ask for addresses at any time, so what fitted just now may not.
        let granted = platform.with_vfs(|vfs, now| {
            vfs.put_down(platform.io(), vf, &known.guest, &stopped.mailbox, now)
        })?;
        granted.map_err(Misfit::Denied)?;
        let counted = registers::read_statistics(platform.io(), vf)?;
        self.ahead = Statistics::ahead(stopped.statistics, counted);
        self.stopped = stopped;
        self.loaded = true;
        Ok(())
    }
}

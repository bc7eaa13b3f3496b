// SPDX-License-Identifier: GPL-2.0

//! A VF's machine on the fake device: its registers, its guest's memory, and a clock.

use super::{
    device::{
        Fake,
        FakeBar, //
    },
    rig::Rig, //
};
use crate::{
    provider::platform::Platform,
    vf::vfs::Vfs, //
};
use core::cell::{
    Cell,
    RefCell, //
};
use kernel::prelude::*;

/// What a machine sees of a [`Rig`].
pub(super) struct World<'w> {
    pub(super) fake: &'w Fake<'w>,
    vfs: RefCell<&'w mut Vfs>,
    now: u64,
    /// How often it was waited.
    pub(super) pauses: Cell<u32>,
}

impl Rig<'_> {
    /// For a machine.
    pub(super) fn world(&mut self) -> World<'_> {
        World {
            fake: &self.fake,
            vfs: RefCell::new(&mut self.vfs),
            now: self.now,
            pauses: Cell::new(0),
        }
    }
}

impl<'w> Platform<'w> for World<'w> {
    type Io = FakeBar<'w>;

    fn io(&self) -> FakeBar<'w> {
        self.fake.bar()
    }

    fn with_vfs<R>(&self, f: impl FnOnce(&mut Vfs, u64) -> R) -> R {
        f(&mut self.vfs.borrow_mut(), self.now)
    }

    fn pause(&self, _microseconds: u32) {
        self.pauses.set(self.pauses.get() + 1);
        self.fake.tick();
    }

    fn read(&self, iova: u64, bytes: &mut [u8]) -> Result {
        if self.fake.queues.read(iova, bytes) {
            Ok(())
        } else {
            Err(EFAULT)
        }
    }

    fn write(&self, iova: u64, bytes: &[u8]) -> Result {
        if self.fake.queues.write(iova, bytes) {
            Ok(())
        } else {
            Err(EFAULT)
        }
    }
}

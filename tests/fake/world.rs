// SPDX-License-Identifier: GPL-2.0

//! A VF's machine on the fake device: its registers, its guest's memory, and a clock.

use super::{
    device::{
        Fake,
        FakeBar, //
    },
    queues::MARKED,
    rig::Rig, //
};
use crate::{
    provider::{
        logic::window::Page,
        platform::Platform, //
    },
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
    /// What happens whenever the guest's memory is read.
    pub(super) meanwhile: Cell<Option<fn(&Fake<'_>)>>,
    /// What the guest was last shown.
    pub(super) shown: Cell<Option<(Page, u32, u32)>>,
}

impl Rig<'_> {
    /// For a machine.
    pub(super) fn world(&mut self) -> World<'_> {
        World {
            fake: &self.fake,
            vfs: RefCell::new(&mut self.vfs),
            now: self.now,
            pauses: Cell::new(0),
            meanwhile: Cell::new(None),
            shown: Cell::new(None),
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
        if let Some(meanwhile) = self.meanwhile.get() {
            meanwhile(self.fake);
        }
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

    fn mark_dirty(&self, iova: u64, len: u64) {
        assert!(len != 0 && iova.checked_add(len).is_some());
        self.fake.queues.note(iova, len, MARKED);
    }

    fn show(&self, page: Page, offset: u32, value: u32) {
        self.shown.set(Some((page, offset, value)));
    }
}

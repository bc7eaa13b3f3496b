// SPDX-License-Identifier: GPL-2.0

//! The pool of queues that is the PF's own.
//!
//! With VFs, VF n has pool n, and the PF the one after the last VF's; without, the PF has
//! pool 0 and pools are switched off. Queues n and n + 8 are pool n's.

use super::port::Port;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// Most pairs of queues of a PF without VFs: as many as its hash chooses between.
pub(crate) const MAX_QUEUES: u8 = 8;

/// Pairs of queues in a pool.
const POOL_QUEUES: u8 = 2;

/// Number of pools.
const POOLS: u8 = 8;

/// Number of the PF's pool. Changes with the number of VFs, while the
/// interface is closed, under the interface's lock.
pub(crate) struct Pool(Atomic<u32>);

impl Pool {
    /// Pool 0, as without VFs.
    pub(crate) fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// The number of the pool; also how many VFs there are.
    pub(crate) fn index(&self) -> u8 {
        // Set from a u8.
        u8::try_from(self.0.load(Relaxed)).unwrap_or(0)
    }

    /// How many pairs of queues the PF has.
    pub(crate) fn queues(&self) -> u8 {
        if self.index() == 0 {
            MAX_QUEUES
        } else {
            POOL_QUEUES
        }
    }

    /// Number of the PF's queue `index`, which must be below [`queues`](Self::queues).
    pub(crate) fn queue(&self, index: u8) -> u8 {
        match self.index() {
            0 => index,
            pool => pool.saturating_add(index.saturating_mul(POOLS)),
        }
    }

    fn set(&self, index: u8) {
        self.0.store(u32::from(index), Relaxed);
    }
}

impl Port<'_> {
    /// Makes room for `num_vfs` VFs, at most 7, and moves the PF into the pool after theirs;
    /// or takes the device back from VFs that are gone. The interface must be closed.
    pub(crate) fn set_num_vfs(&self, num_vfs: u8) -> Result {
        if num_vfs == 0 {
            self.vfs.disable(&self.bar)?;
        } else {
            self.vfs.enable(&self.bar, u16::from(num_vfs))?;
        }
        self.pool.set(num_vfs);
        self.write_frame_size()
    }
}

// SPDX-License-Identifier: GPL-2.0

//! What moving a VF needs of the world around it, so that it runs on the fake device.

use super::logic::{
    codec::Malformed,
    compare::Misfit,
    queues::QueueFault,
    window::Page, //
};
use crate::{
    regs::Registers,
    vf::vfs::Vfs, //
};
use kernel::prelude::*;

/// The PF, and the memory of the guest that has the VF.
pub(crate) trait Platform<'a> {
    /// The PF's registers.
    type Io: Registers<'a>;

    /// The PF's registers.
    fn io(&self) -> Self::Io;

    /// Runs `f` on the VFs, with their lock held, and the time in nanoseconds.
    fn with_vfs<R>(&self, f: impl FnOnce(&mut Vfs, u64) -> R) -> R;

    /// Sleeps.
    fn pause(&self, microseconds: u32);

    /// Reads the guest's memory as the VF sees it. Errors: `EFAULT` where it sees none.
    fn read(&self, iova: u64, bytes: &mut [u8]) -> Result;

    /// Writes the guest's memory as the VF sees it. Errors: `EFAULT` where it sees none.
    fn write(&self, iova: u64, bytes: &[u8]) -> Result;

    /// The VF has written there.
    fn mark_dirty(&self, iova: u64, len: u64);

    /// The register at `offset` of `page` reads so from now on, where it is trapped.
    fn show(&self, page: Page, offset: u32, value: u32);
}

/// Why a VF cannot be moved, or goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// What the driver meets everywhere.
    Errno(Error),
    /// The state makes no sense.
    Malformed(Malformed),
    /// The VF does not fit here.
    Misfit(Misfit),
    /// The guest has set this transmit or receive queue to what cannot be.
    Queue(usize, QueueFault),
    /// The guest relies on an offload context, of this queue and index, that its ring no
    /// longer holds.
    Context(usize, usize),
    /// Memory that is needed is not there yet; the VMM is told which.
    Missing,
    /// A queue does not stop.
    Busy,
    /// The ring of this receive queue is longer than what can be logged.
    TooLong(usize),
}

impl From<Error> for Fault {
    fn from(errno: Error) -> Self {
        Self::Errno(errno)
    }
}

impl From<Malformed> for Fault {
    fn from(fault: Malformed) -> Self {
        Self::Malformed(fault)
    }
}

impl From<Misfit> for Fault {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

impl Fault {
    /// What a system call answers.
    pub(crate) fn errno(&self) -> Error {
        match self {
            Self::Errno(errno) => *errno,
            Self::Malformed(Malformed::NoRoom) => ENOSPC,
            Self::Malformed(_) | Self::Misfit(_) => EINVAL,
            Self::Queue(..) | Self::Context(..) | Self::TooLong(_) => ENOTRECOVERABLE,
            Self::Missing => EFAULT,
            Self::Busy => ETIMEDOUT,
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Whether a device lets its rings begin in the middle.
//!
//! A VF that is put down goes on where its rings stood. Documents disagree on whether
//! heads can be written; no driver ever writes but zero. So it is tried, on a queue that
//! nobody uses, before there are VFs.

use crate::regs::{
    rx::{
        RDH,
        RDLEN, //
    },
    tx::{
        TDH,
        TDLEN, //
    },
    Registers, //
};
use kernel::{
    io::register::Array,
    prelude::*, //
};

/// The queue that is tried: no VF's unless there were eight.
const SPARE: usize = 15;

/// Bytes of the ring that the queue has meanwhile: eight descriptors, anywhere.
const LENGTH: u32 = 128;

/// Where the head is put.
const HEAD: u32 = 5;

/// Whether heads can be written. To be called after a reset, before anybody uses any
/// queue; leaves none changed. Errors: none that can happen.
pub(crate) fn heads_can_be_written<'a, I: Registers<'a>>(io: I) -> Result<bool> {
    let length = || RDLEN::try_at(SPARE).ok_or(EINVAL);
    let head = || RDH::try_at(SPARE).ok_or(EINVAL);
    io.try_write(length()?, RDLEN::zeroed().try_with_bytes(LENGTH)?)?;
    io.try_write(head()?, RDH::zeroed().try_with_index(HEAD)?)?;
    let received = io.try_read(head()?)?.index().get() == HEAD;
    io.try_write(head()?, RDH::zeroed())?;
    io.try_write(length()?, RDLEN::zeroed())?;

    let length = || TDLEN::try_at(SPARE).ok_or(EINVAL);
    let head = || TDH::try_at(SPARE).ok_or(EINVAL);
    io.try_write(length()?, TDLEN::zeroed().try_with_bytes(LENGTH)?)?;
    io.try_write(head()?, TDH::zeroed().try_with_index(HEAD)?)?;
    let sent = io.try_read(head()?)?.index().get() == HEAD;
    io.try_write(head()?, TDH::zeroed())?;
    io.try_write(length()?, TDLEN::zeroed())?;
    Ok(received && sent)
}

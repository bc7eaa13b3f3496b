// SPDX-License-Identifier: GPL-2.0

//! The PF's hands on a mailbox: its memory, its lock, its notices.

use super::logic::message::MAILBOX_WORDS;
use crate::regs::{
    mailbox::{
        MBVFICR,
        P2VMAILBOX,
        V2PMAILBOX,
        VFLRE,
        VMBMEM, //
    },
    Registers, //
};
use kernel::{
    io::register::Array,
    prelude::*, //
};

/// What VFs want, a bit each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Pending {
    /// VFs that were reset.
    pub(super) resets: u32,
    /// VFs with a message.
    pub(super) requests: u32,
    /// VFs that have read our message.
    pub(super) acks: u32,
}

/// Reads what VFs want, without clearing any of it.
///
/// A VF resets before it asks for anything, so a reset that precedes a request
/// seen here is seen here too: the requests are read first.
pub(super) fn pending<'a>(io: impl Registers<'a>) -> Pending {
    let notices = io.read(MBVFICR);
    Pending {
        requests: notices.requests().get(),
        acks: notices.acks().get(),
        resets: io.read(VFLRE).vfs().get(),
    }
}

/// Clears the notice that VF `vf` was reset.
pub(super) fn clear_reset<'a>(io: impl Registers<'a>, vf: usize) -> Result {
    io.write_reg(VFLRE::zeroed().try_with_vfs(bit(vf)?)?);
    Ok(())
}

/// Clears the notice that VF `vf` has a message.
pub(super) fn clear_request<'a>(io: impl Registers<'a>, vf: usize) -> Result {
    io.write_reg(MBVFICR::zeroed().try_with_requests(bit(vf)?)?);
    Ok(())
}

/// Clears the notice that VF `vf` has read our message.
pub(super) fn clear_ack<'a>(io: impl Registers<'a>, vf: usize) -> Result {
    io.write_reg(MBVFICR::zeroed().try_with_acks(bit(vf)?)?);
    Ok(())
}

/// Clears all notices of all VFs.
pub(super) fn clear_all<'a>(io: impl Registers<'a>) {
    let all = MBVFICR::zeroed().with_const_requests::<0xff>();
    io.write_reg(all.with_const_acks::<0xff>());
    io.write_reg(VFLRE::zeroed().with_const_vfs::<0xff>());
}

/// Takes the memory of VF `vf`; `false` while the VF has it.
pub(super) fn lock<'a>(io: impl Registers<'a>, vf: usize) -> Result<bool> {
    io.try_write(mailbox(vf)?, P2VMAILBOX::zeroed().with_pfu(true))?;
    Ok(io.try_read(mailbox(vf)?)?.pfu())
}

/// Gives the memory back without a notice.
pub(super) fn unlock<'a>(io: impl Registers<'a>, vf: usize) -> Result {
    io.try_write(mailbox(vf)?, P2VMAILBOX::zeroed())
}

/// The memory of VF `vf`, without telling it.
pub(super) fn words<'a>(io: impl Registers<'a>, vf: usize) -> Result<[u32; MAILBOX_WORDS]> {
    let mut words = [0; MAILBOX_WORDS];
    for (index, word) in words.iter_mut().enumerate() {
        *word = io.try_read(memory(vf, index)?)?.into_raw();
    }
    Ok(words)
}

/// Fills the memory of VF `vf`, from the first word on, without telling it.
pub(super) fn put_words<'a>(io: impl Registers<'a>, vf: usize, words: &[u32]) -> Result {
    for (index, &word) in words.iter().enumerate() {
        io.try_write(memory(vf, index)?, VMBMEM::from_raw(word))?;
    }
    Ok(())
}

/// Ends whatever is under way in the mailbox of VF `vf`, which is stopped.
pub(super) fn forget<'a>(io: impl Registers<'a>, vf: usize) -> Result {
    clear_request(io, vf)?;
    clear_ack(io, vf)?;
    io.try_write(mailbox(vf)?, P2VMAILBOX::zeroed().with_rvfu(true))?;
    // The read takes the notices. QEMU's model leaves the VF's lock where the PF looks
    // for it, and lets go of that by a write here.
    let place = || V2PMAILBOX::try_at(vf).ok_or(EINVAL);
    let _ = io.try_read(place()?)?;
    if io.try_read(mailbox(vf)?)?.vfu() {
        io.try_write(place()?, V2PMAILBOX::zeroed())?;
    }
    Ok(())
}

/// Reads the message of VF `vf` and tells it so; the memory stays locked.
pub(super) fn receive<'a>(io: impl Registers<'a>, vf: usize) -> Result<[u32; MAILBOX_WORDS]> {
    let words = words(io, vf)?;
    let taken = P2VMAILBOX::zeroed().with_ack(true).with_pfu(true);
    io.try_write(mailbox(vf)?, taken)?;
    Ok(words)
}

/// Writes a message for VF `vf`, whose memory is locked, tells it so, and gives
/// the memory back.
pub(super) fn send<'a>(io: impl Registers<'a>, vf: usize, words: &[u32]) -> Result {
    put_words(io, vf, words)?;
    io.try_write(mailbox(vf)?, P2VMAILBOX::zeroed().with_sts(true))
}

/// Bit of VF `vf` in a mask.
pub(super) fn bit(vf: usize) -> Result<u32> {
    1u32.checked_shl(u32::try_from(vf)?).ok_or(EINVAL)
}

fn mailbox(vf: usize) -> Result<kernel::io::register::RegisterArrayLoc<P2VMAILBOX>> {
    P2VMAILBOX::try_at(vf).ok_or(EINVAL)
}

fn memory(vf: usize, word: usize) -> Result<kernel::io::register::RegisterArrayLoc<VMBMEM>> {
    vf.checked_mul(MAILBOX_WORDS)
        .and_then(|first| first.checked_add(word))
        .and_then(VMBMEM::try_at)
        .ok_or(EINVAL)
}

// SPDX-License-Identifier: GPL-2.0

//! A session in which a VF's state is read: the stream so far, and what of it the
//! user has read.

use super::migration::{
    explained,
    Sizes, //
};
use crate::{
    abi::{
        binding::Binding,
        data_file::PreCopyInfo, //
    },
    logic::{
        stream::{
            record_size,
            Identity,
            Output,
            WriteFault,
            Writer,
            END_SIZE, //
        },
        stream_parser::Kind, //
    },
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    prelude::*,
    uaccess::UserSliceWriter, //
};

/// Bytes that the user has not read yet. They are charged to the user.
struct Unread {
    bytes: KVVec<u8>,
    /// The first of them.
    at: usize,
}

impl Unread {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn len(&self) -> u64 {
        u64::try_from(self.as_slice().len()).unwrap_or(u64::MAX)
    }
}

impl Output for Unread {
    type Error = Error;

    fn append(&mut self, parts: &[&[u8]]) -> Result {
        let mut room: usize = 0;
        for part in parts {
            room = room.checked_add(part.len()).ok_or(EFBIG)?;
        }
        self.bytes.reserve(room, GFP_KERNEL_ACCOUNT)?;
        for part in parts {
            self.bytes.extend_from_slice(part, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(())
    }
}

fn errno(fault: WriteFault<Error>) -> Error {
    match fault {
        WriteFault::TooLarge => EFBIG,
        WriteFault::Output(errno) => errno,
    }
}

/// One saving session.
pub(crate) struct Saving {
    writer: Writer,
    unread: Unread,
    sizes: Sizes,
    /// Bytes of the stream up to which it is initial data.
    initial: u64,
    /// Whether the END record has been written.
    complete: bool,
    /// The last PRECOPY state, and whether it is still to be added.
    pre_copy: KVVec<u8>,
    changed: bool,
    /// Where the provider writes a state to; as large as the largest.
    scratch: KVVec<u8>,
}

impl Saving {
    /// Begins with the first PRECOPY record. May sleep.
    pub(crate) fn begin(binding: &Binding, sizes: Sizes) -> Result<Self> {
        let (vendor, device) = binding.dev().ids();
        let identity = Identity {
            abi_version: binding.abi_version(),
            vendor,
            device,
            provider: binding.name().to_bytes(),
        };
        let mut unread = Unread {
            bytes: KVVec::new(),
            at: 0,
        };
        // The last step, in which the guest stands still, should not have to look
        // for memory.
        let room = usize::try_from(sizes.stream(identity.provider))?;
        unread.bytes.reserve(room, GFP_KERNEL_ACCOUNT)?;
        let scratch = KVVec::from_elem(0, sizes.pre_copy.max(sizes.state), GFP_KERNEL_ACCOUNT)?;
        let writer = Writer::begin(&mut unread, &identity).map_err(errno)?;
        let mut saving = Self {
            writer,
            unread,
            sizes,
            initial: 0,
            complete: false,
            pre_copy: KVVec::with_capacity(sizes.pre_copy, GFP_KERNEL_ACCOUNT)?,
            changed: true,
            scratch,
        };
        saving.save_pre_copy(binding)?;
        saving.add_pre_copy()?;
        saving.initial = saving.writer.total();
        Ok(saving)
    }

    /// Asks for the PRECOPY state, which replaces the last one if it differs.
    fn save_pre_copy(&mut self, binding: &Binding) -> Result {
        let buffer = self.scratch.get_mut(..self.sizes.pre_copy).ok_or(EFBIG)?;
        let used = explained(binding, "saving what a destination compares", || {
            binding.save(Kind::PreCopy, buffer)
        })?;
        let found = self.scratch.get(..used).ok_or(EFBIG)?;
        if self.pre_copy.as_slice() != found {
            self.changed = true;
            self.pre_copy.clear();
            self.pre_copy.extend_from_slice(found, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(())
    }

    /// Adds the PRECOPY state unless it is in the stream; answers whether it did.
    fn add_pre_copy(&mut self) -> Result<bool> {
        if self.changed {
            self.writer
                .pre_copy(&mut self.unread, &self.pre_copy)
                .map_err(errno)?;
        }
        Ok(core::mem::take(&mut self.changed))
    }

    /// Adds all that is left. The VF must be stopped. May sleep.
    pub(crate) fn finish(&mut self, binding: &Binding) -> Result {
        self.save_pre_copy(binding)?;
        self.add_pre_copy()?;
        let buffer = self.scratch.get_mut(..self.sizes.state).ok_or(EFBIG)?;
        let used = explained(binding, "saving the VF's state", || {
            binding.save(Kind::State, buffer)
        })?;
        let found = self.scratch.get(..used).ok_or(EFBIG)?;
        self.writer.finish(&mut self.unread, found).map_err(errno)?;
        self.complete = true;
        Ok(())
    }

    /// How much is to be read in pre-copy, after a look at whether what the
    /// destination compares has changed; answers, too, whether data was added.
    /// May sleep.
    pub(crate) fn pre_copy_info(&mut self, binding: &Binding) -> Result<(PreCopyInfo, bool)> {
        let told = binding.dev().wants_reinit();
        // What comes last must still fit. If it would not, the last change is
        // added at the end, where it is noticed late, but noticed.
        let mut added = false;
        if self.writer.has_room(self.sizes.rest()) {
            self.save_pre_copy(binding)?;
            added = self.add_pre_copy()?;
        }
        if added && told {
            self.initial = self.writer.total();
        }
        let read = self.writer.total().saturating_sub(self.unread.len());
        let initial = self.initial.saturating_sub(read);
        let info = PreCopyInfo {
            initial,
            dirty: self.unread.len().saturating_sub(initial),
            reinit: told.then_some(added),
        };
        Ok((info, added))
    }

    /// Hands bytes to the user, 0 if there are none.
    pub(crate) fn read(&mut self, user: &mut UserSliceWriter) -> Result<usize> {
        let unread = self.unread.as_slice();
        let bytes = unread.get(..user.len()).unwrap_or(unread);
        user.write_slice(bytes)?;
        let done = bytes.len();
        self.unread.at += done;
        if self.unread.as_slice().is_empty() {
            self.unread.bytes.clear();
            self.unread.at = 0;
        }
        Ok(done)
    }

    /// Whether everything has been saved.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether there is something to be read.
    pub(crate) fn has_data(&self) -> bool {
        !self.unread.as_slice().is_empty()
    }

    /// Bytes of the stream so far.
    pub(crate) fn total(&self) -> u64 {
        self.writer.total()
    }

    /// Most bytes that are still to be read.
    pub(crate) fn left(&self) -> u64 {
        let rest = if self.complete { 0 } else { self.sizes.rest() };
        self.unread.len().saturating_add(rest)
    }
}

impl Sizes {
    /// Bytes of what comes after the first PRECOPY record, at most.
    fn rest(&self) -> u64 {
        record_size(self.pre_copy)
            .saturating_add(record_size(self.state))
            .saturating_add(record_size(END_SIZE))
    }
}

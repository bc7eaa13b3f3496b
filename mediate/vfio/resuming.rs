// SPDX-License-Identifier: GPL-2.0

//! A session in which a VF's state is written. Nothing of it reaches the VF before
//! the whole stream has been seen; then it is loaded at once, within the write,
//! because a VMM can take a failing write for a failed migration. Whether the VF
//! gets out of RESUMING, QEMU finds out when the source has let go of the guest.

use super::migration::explained;
use crate::{
    abi::binding::Binding,
    logic::{
        stream::Identity,
        stream_fault::Fault,
        stream_parser::{
            Event,
            Kind,
            Parser, //
        }, //
    },
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    prelude::*,
    uaccess::UserSliceReader, //
};

/// Bytes that are taken from the user at once.
const CHUNK: usize = 4096;

/// One resuming session.
pub(crate) struct Resuming {
    parser: Parser,
    chunk: KVec<u8>,
    /// The payload that is arriving, or has arrived last.
    payload: KVVec<u8>,
    /// Whether a write has failed: the stream cannot be gone on with.
    broken: bool,
}

/// The errno for a refused stream.
fn errno(fault: Fault) -> Error {
    match fault {
        Fault::Version(_) | Fault::Unknown(_) => EOPNOTSUPP,
        Fault::OtherProvider | Fault::OtherDevice(..) => EXDEV,
        Fault::Size(..) | Fault::TooLong => EFBIG,
        Fault::Checksum => EBADMSG,
        Fault::Magic
        | Fault::Reserved
        | Fault::Flags(_)
        | Fault::Order(_)
        | Fault::Header
        | Fault::Trailing => EINVAL,
    }
}

impl Resuming {
    /// Waits for the first byte. May sleep.
    pub(crate) fn begin() -> Result<Self> {
        Ok(Self {
            parser: Parser::new(),
            chunk: KVec::from_elem(0, CHUNK, GFP_KERNEL_ACCOUNT)?,
            payload: KVVec::new(),
            broken: false,
        })
    }

    /// Takes bytes from the user; answers how many. May sleep.
    ///
    /// Errors: `ENODEV` after an earlier error, `EFAULT`, `ENOMEM`, what is wrong
    /// with the stream, or the provider's reason to refuse it.
    pub(crate) fn write(&mut self, binding: &Binding, user: &mut UserSliceReader) -> Result<usize> {
        if self.broken {
            return Err(ENODEV);
        }
        let mut done = 0;
        while !user.is_empty() {
            let count = user.len().min(CHUNK);
            let mut chunk = core::mem::take(&mut self.chunk);
            let room = chunk.get_mut(..count).ok_or(EIO)?;
            let outcome = match user.read_slice(room) {
                // As for any file: what was taken before counts.
                Err(_) if done > 0 => {
                    self.chunk = chunk;
                    return Ok(done);
                }
                Err(errno) => Err(errno),
                Ok(()) => self.take(binding, room).inspect_err(|_| self.broken = true),
            };
            self.chunk = chunk;
            outcome?;
            done += count;
        }
        Ok(done)
    }

    fn take(&mut self, binding: &Binding, mut bytes: &[u8]) -> Result {
        let (vendor, device) = binding.dev().ids();
        let here = Identity {
            abi_version: binding.abi_version(),
            vendor,
            device,
            provider: binding.name().to_bytes(),
        };
        let mut ended = false;
        loop {
            let fed = self.parser.feed(bytes, &here).map_err(|fault| {
                binding.explain(format_args!("the migration stream is refused: {fault}"));
                errno(fault)
            });
            let (used, event) = fed?;
            bytes = bytes.get(used..).unwrap_or_default();
            match event {
                // Nothing follows the end, as far as it can be seen.
                None if ended => {
                    return explained(binding, "loading the VF's state", || {
                        binding.load(Kind::State, &self.payload)
                    });
                }
                None => return Ok(()),
                Some(Event::Begin(_, size)) => {
                    self.payload.clear();
                    self.payload.reserve(size, GFP_KERNEL_ACCOUNT)?;
                }
                Some(Event::Data(_, data)) => {
                    self.payload.extend_from_slice(data, GFP_KERNEL_ACCOUNT)?;
                }
                Some(Event::Complete(Kind::PreCopy)) => {
                    explained(binding, "comparing with the stream's source", || {
                        binding.load(Kind::PreCopy, &self.payload)
                    })?;
                }
                // It stays where it is until the end of the stream.
                Some(Event::Complete(Kind::State)) => (),
                Some(Event::End) => ended = true,
            }
        }
    }

    /// Whether the state has been loaded. Errors: `EINVAL`.
    pub(crate) fn finish(&self, binding: &Binding) -> Result {
        if self.broken {
            // The failing write has said why.
            return Err(EINVAL);
        }
        if !self.parser.is_done() {
            binding.explain(format_args!(
                "the migration stream ends early, after {} bytes: migrate again",
                self.parser.total()
            ));
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Bytes of the stream so far.
    pub(crate) fn total(&self) -> u64 {
        self.parser.total()
    }
}

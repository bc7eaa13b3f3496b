// SPDX-License-Identifier: GPL-2.0

//! A guest's memory: seen by us at an address of ours, by devices at an I/O
//! virtual address, and changed by them at any time.

use crate::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use vm_memory::{
    mmap::MmapRegion,
    volatile_memory::VolatileMemory,
    Bytes,
    VolatileSlice, //
};

/// Page size, to which pieces that devices share are aligned.
pub const PAGE: u64 = 4096;

/// Memory with an allocator that only gives.
pub struct Memory {
    region: MmapRegion,
    iova: u64,
    used: AtomicU64,
}

/// A piece of a [`Memory`], named by its I/O virtual address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Piece {
    /// First byte.
    pub iova: u64,
    /// Bytes.
    pub size: u64,
}

impl Piece {
    /// The `index`-th of equal parts of `size` bytes.
    pub fn part(&self, index: u32, size: u64) -> Piece {
        Piece {
            iova: self.iova + u64::from(index) * size,
            size,
        }
    }
}

fn fault(what: impl std::fmt::Display) -> Error {
    Error::Wrong(format!("guest memory: {what}"))
}

impl Memory {
    /// `size` bytes of zeroes that devices see from `iova` on.
    pub fn new(size: usize, iova: u64) -> Result<Self> {
        let region = MmapRegion::new(size).map_err(fault)?;
        Ok(Self {
            region,
            iova,
            used: AtomicU64::new(0),
        })
    }

    /// Our own address of the first byte.
    pub(crate) fn address(&self) -> u64 {
        self.region.as_ptr() as u64
    }

    /// The devices' address of the first byte.
    pub fn iova(&self) -> u64 {
        self.iova
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.region.size() as u64
    }

    /// A piece that nobody has yet, from a page's start.
    pub fn take(&self, size: u64) -> Result<Piece> {
        let end = |used: u64| {
            used.checked_add(size)
                .and_then(|end| end.checked_next_multiple_of(PAGE))
                .filter(|&end| end <= self.size())
        };
        let used = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, end)
            .map_err(|_| fault("it is used up"))?;
        Ok(Piece {
            iova: self.iova + used,
            size,
        })
    }

    /// What nobody has yet.
    pub fn unused(&self) -> Piece {
        let used = self.used.load(Ordering::Relaxed);
        Piece {
            iova: self.iova + used,
            size: self.size() - used,
        }
    }

    fn slice(&self, iova: u64, size: usize) -> Result<VolatileSlice<'_>> {
        let offset = iova
            .checked_sub(self.iova)
            .and_then(|offset| usize::try_from(offset).ok())
            .ok_or_else(|| fault("an address below it"))?;
        self.region.get_slice(offset, size).map_err(fault)
    }

    /// Copies bytes out.
    pub fn read(&self, iova: u64, bytes: &mut [u8]) -> Result<()> {
        self.slice(iova, bytes.len())?
            .read_slice(bytes, 0)
            .map_err(fault)
    }

    /// Copies bytes in.
    pub fn write(&self, iova: u64, bytes: &[u8]) -> Result<()> {
        self.slice(iova, bytes.len())?
            .write_slice(bytes, 0)
            .map_err(fault)
    }

    /// Reads two quad words in one go each, the second first: devices write the
    /// second of a descriptor, with its "done" bit, last.
    pub fn read_descriptor(&self, iova: u64) -> Result<[u64; 2]> {
        let slice = self.slice(iova, 16)?;
        let order = std::sync::atomic::Ordering::Acquire;
        let high: u64 = slice.load(8, order).map_err(fault)?;
        let low: u64 = slice.load(0, order).map_err(fault)?;
        Ok([u64::from_le(low), u64::from_le(high)])
    }

    /// Writes two quad words.
    pub fn write_descriptor(&self, iova: u64, words: [u64; 2]) -> Result<()> {
        let slice = self.slice(iova, 16)?;
        let order = std::sync::atomic::Ordering::Release;
        slice.store(words[0].to_le(), 0, order).map_err(fault)?;
        slice.store(words[1].to_le(), 8, order).map_err(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_apart_and_within() {
        let memory = Memory::new(4 * 4096, 0x10_0000).unwrap();
        let first = memory.take(100).unwrap();
        let second = memory.take(4097).unwrap();
        assert_eq!(first.iova, 0x10_0000);
        assert_eq!(second.iova, 0x10_1000);
        assert_eq!(second.part(3, 16).iova, 0x10_1030);
        assert!(memory.take(4097).is_err());
        assert!(memory.take(u64::MAX).is_err());
        assert!(memory.take(4096).is_ok());
        assert!(memory.take(1).is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        let memory = Memory::new(4096, 0x1000).unwrap();
        memory.write_descriptor(0x1ff0, [1, 2]).unwrap();
        assert_eq!(memory.read_descriptor(0x1ff0).unwrap(), [1, 2]);
        let mut bytes = [0; 9];
        memory.read(0x1ff0, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert!(memory.read(0xfff, &mut bytes).is_err());
        assert!(memory.write(0x1ff8, &bytes).is_err());
    }
}

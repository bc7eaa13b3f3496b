// SPDX-License-Identifier: GPL-2.0

//! A shared mapping of part of a device's file.

use std::{fs::File, io, os::fd::AsRawFd, ptr::NonNull};

/// Mapped registers.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: the memory belongs to the device, and all access is by volatile loads
// and stores of whole registers, from any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `size` bytes of `file` from `offset`, for reading and writing.
    pub(crate) fn new(file: &File, offset: u64, size: usize) -> io::Result<Self> {
        let offset =
            i64::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        // SAFETY: a new mapping where the kernel chooses touches nothing of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start =
            NonNull::new(start.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Self { start, size })
    }

    /// Our own address of the first byte.
    pub(crate) fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// Bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size as u64
    }

    /// The register at `offset`, if it is in the mapping and aligned.
    fn place(&self, offset: usize) -> Option<*mut u32> {
        let end = offset.checked_add(4)?;
        if end > self.size || offset % 4 != 0 {
            return None;
        }
        // SAFETY: `offset` is within the mapping.
        Some(unsafe { self.start.as_ptr().add(offset) }.cast())
    }

    /// Reads a register; None outside the mapping.
    pub(crate) fn read(&self, offset: usize) -> Option<u32> {
        // SAFETY: `place` gives aligned addresses inside the mapping.
        self.place(offset)
            .map(|place| unsafe { place.read_volatile() })
    }

    /// Writes a register; None outside the mapping.
    pub(crate) fn write(&self, offset: usize, value: u32) -> Option<()> {
        // SAFETY: `place` gives aligned addresses inside the mapping.
        self.place(offset)
            .map(|place| unsafe { place.write_volatile(value) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` made the mapping, and nobody has an address in it: they
        // do not leave the methods above.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_touched() {
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/zero")
            .unwrap();
        let mapping = Mapping::new(&file, 0, 4096).unwrap();
        assert_eq!(mapping.write(4092, 0x1234_5678), Some(()));
        assert_eq!(mapping.read(4092), Some(0x1234_5678));
        for offset in [2, 4093, 4096, usize::MAX - 3] {
            assert_eq!(mapping.read(offset), None);
            assert_eq!(mapping.write(offset, 1), None);
        }
    }
}

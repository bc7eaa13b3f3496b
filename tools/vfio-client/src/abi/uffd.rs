// SPDX-License-Identifier: GPL-2.0

//! userfaultfd: pages of ours that come when they are first touched.
//!
//! Three ioctls of `<linux/userfaultfd.h>`; the crate for it wants libclang to be built.

use super::ioctl::check;
use std::{
    fs::File,
    io::{self, Read},
    os::fd::FromRawFd,
};
use vmm_sys_util::{ioctl::ioctl_with_mut_ref, ioctl_iowr_nr};

const UFFD: u32 = 0xaa;
const API: u64 = 0xaa;
const MODE_MISSING: u64 = 1;
const EVENT_PAGEFAULT: u8 = 0x12;

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Register {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct Copy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copied: i64,
}

ioctl_iowr_nr!(UFFDIO_API, UFFD, 0x3f, Api);
ioctl_iowr_nr!(UFFDIO_REGISTER, UFFD, 0x00, Register);
ioctl_iowr_nr!(UFFDIO_COPY, UFFD, 0x03, Copy);

/// A userfaultfd.
pub(crate) struct Uffd(File);

impl Uffd {
    /// One that reports what is touched of `len` bytes at `start`, mapped and not yet there.
    pub(crate) fn new(start: u64, len: u64) -> io::Result<Self> {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: a system call without pointers.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) };
        let fd = i32::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
        check(fd)?;
        // SAFETY: the kernel just made this descriptor, for us alone.
        let file = unsafe { File::from_raw_fd(fd) };
        let mut api = Api {
            api: API,
            features: 0,
            ioctls: 0,
        };
        // SAFETY: the kernel reads and writes the structure, which is its own.
        check(unsafe { ioctl_with_mut_ref(&file, UFFDIO_API(), &mut api) })?;
        let mut register = Register {
            start,
            len,
            mode: MODE_MISSING,
            ioctls: 0,
        };
        // SAFETY: as above. What is registered stays what it is, but comes later: nobody has
        // references into it, see `Memory`.
        check(unsafe { ioctl_with_mut_ref(&file, UFFDIO_REGISTER(), &mut register) })?;
        Ok(Self(file))
    }

    /// The address of somebody who waits; None if nobody does.
    pub(crate) fn waiting(&self) -> io::Result<Option<u64>> {
        let mut message = [0; 32];
        match (&self.0).read(&mut message) {
            Ok(size) if size == message.len() && message[0] == EVENT_PAGEFAULT => {
                let [_, _, address, _] = [0, 1, 2, 3].map(|at| {
                    let mut word = [0; 8];
                    word.copy_from_slice(&message[8 * at..8 * at + 8]);
                    u64::from_ne_bytes(word)
                });
                Ok(Some(address))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The page at `address` comes, and is `page`; nothing happens if it is there.
    pub(crate) fn give(&self, address: u64, page: &[u8]) -> io::Result<()> {
        let mut copy = Copy {
            dst: address,
            src: page.as_ptr() as u64,
            len: page.len() as u64,
            mode: 0,
            copied: 0,
        };
        // SAFETY: the kernel writes pages that are registered and not there, and nothing else;
        // `page` has the bytes that it reads.
        match check(unsafe { ioctl_with_mut_ref(&self.0, UFFDIO_COPY(), &mut copy) }) {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits until somebody may be waiting, for at most so many milliseconds.
    pub(crate) fn wait(&self, milliseconds: i32) -> io::Result<bool> {
        super::poll::wait(&self.0, milliseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_header() {
        assert_eq!(UFFDIO_API(), 0xc018_aa3f);
        assert_eq!(UFFDIO_REGISTER(), 0xc020_aa00);
        assert_eq!(UFFDIO_COPY(), 0xc028_aa03);
    }
}

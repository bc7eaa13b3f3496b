// SPDX-License-Identifier: GPL-2.0

//! Waiting for a file.

use std::{io, os::fd::AsRawFd};

/// Waits until something can be read.
pub(crate) fn readable(file: &impl AsRawFd) -> io::Result<()> {
    wait(file, -1).map(drop)
}

/// Waits for at most so many milliseconds, or for ever if that is negative; whether
/// something can be read then.
pub(crate) fn wait(file: &impl AsRawFd, milliseconds: i32) -> io::Result<bool> {
    let mut asked = libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    loop {
        // SAFETY: one entry, which is ours for the call.
        match unsafe { libc::poll(&mut asked, 1, milliseconds) } {
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            count => return Ok(count > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmm_sys_util::eventfd::EventFd;

    #[test]
    fn what_can_be_read_is_seen() {
        let event = EventFd::new(0).unwrap();
        assert!(!wait(&event, 0).unwrap());
        event.write(1).unwrap();
        assert!(wait(&event, 1000).unwrap());
        readable(&event).unwrap();
    }
}

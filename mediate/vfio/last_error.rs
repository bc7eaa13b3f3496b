// SPDX-License-Identifier: GPL-2.0

//! The last reason for which something of a device failed, for the operator.

use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// Longest reason that is kept, in bytes.
pub(crate) const MAX_REASON: usize = 255;

/// One line of text.
struct Line {
    bytes: [u8; MAX_REASON],
    len: usize,
}

/// The last reason, kept until the next one.
#[pin_data]
pub(crate) struct LastError {
    /// Protects the text. A leaf.
    #[pin]
    line: Mutex<Line>,
}

impl LastError {
    /// No reason yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            line <- new_mutex!(Line { bytes: [0; MAX_REASON], len: 0 }),
        })
    }

    /// Keeps `reason`, cut at [`MAX_REASON`] bytes; what is not printable ASCII
    /// becomes a question mark.
    pub(crate) fn set(&self, reason: &[u8]) {
        let mut line = self.line.lock();
        let mut len = 0;
        for (to, from) in line.bytes.iter_mut().zip(reason) {
            let printable = from.is_ascii_graphic() || *from == b' ';
            *to = if printable { *from } else { b'?' };
            len += 1;
        }
        line.len = len;
    }

    /// Hands the text to `f`; empty if nothing failed so far.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        let line = self.line.lock();
        f(line.bytes.get(..line.len).unwrap_or_default())
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The last reason for which something of a device failed, for the operator.

use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    sync::Mutex,
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// Longest reason that is kept, in bytes.
pub(crate) const MAX_REASON: usize = 255;

/// So many reasons may be logged in [`PERIOD`]: a VMM can fail as often as it likes.
const BURST: u32 = 10;
const PERIOD: Delta = Delta::from_secs(5);

/// One line of text; what is too long is cut off, and what is not printable ASCII
/// becomes a question mark.
#[derive(Clone, Copy)]
pub(crate) struct Reason {
    bytes: [u8; MAX_REASON],
    len: usize,
}

impl Reason {
    /// No text.
    const EMPTY: Self = Self {
        bytes: [0; MAX_REASON],
        len: 0,
    };

    /// The text that `words` make.
    pub(crate) fn new(words: fmt::Arguments<'_>) -> Self {
        let mut reason = Self::EMPTY;
        // Appending does not fail.
        let _ = core::fmt::write(&mut reason, words);
        reason
    }

    /// The text of `bytes`.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut reason = Self::EMPTY;
        reason.append(bytes);
        reason
    }

    fn append(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let Some(to) = self.bytes.get_mut(self.len) else {
                return;
            };
            let printable = byte.is_ascii_graphic() || *byte == b' ';
            *to = if printable { *byte } else { b'?' };
            self.len += 1;
        }
    }

    /// The text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for Reason {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.append(s.as_bytes());
        Ok(())
    }
}

struct Last {
    reason: Reason,
    /// How many reasons there were.
    count: u64,
    /// When the current period began, and how many were logged in it.
    since: Instant<Monotonic>,
    logged: u32,
}

/// The last reason, kept until the next one.
#[pin_data]
pub(crate) struct LastError {
    /// Protects the reason. A leaf.
    #[pin]
    last: Mutex<Last>,
}

impl LastError {
    /// No reason yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            last <- new_mutex!(Last {
                reason: Reason::EMPTY,
                count: 0,
                since: Instant::now(),
                logged: 0,
            }),
        })
    }

    /// Keeps a reason; answers whether it may be logged, too. May sleep.
    pub(crate) fn set(&self, reason: Reason) -> bool {
        let mut last = self.last.lock();
        last.reason = reason;
        last.count += 1;
        if last.since.elapsed() >= PERIOD {
            last.since = Instant::now();
            last.logged = 0;
        }
        last.logged = last.logged.saturating_add(1);
        last.logged <= BURST
    }

    /// How many reasons there were. May sleep.
    pub(crate) fn count(&self) -> u64 {
        self.last.lock().count
    }

    /// Hands the text to `f`; empty if nothing failed so far. May sleep.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(self.last.lock().reason.as_bytes())
    }
}

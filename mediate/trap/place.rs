// SPDX-License-Identifier: GPL-2.0

//! A window of the transport `kvm` with the memory that stands for it while it is trapped, and
//! what is known of that memory.

use crate::{
    abi::shadow::Shadow,
    logic::{
        span::PAGE_SIZE,
        window::Window, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Bytes of a register.
pub(super) const WORD: u64 = 4;

/// A page of it.
struct Page {
    shadow: Shadow,
    /// The registers as the device has them, as far as we have told it and it us. What the
    /// shadow has otherwise is a store of the guest's that nobody has told us of.
    known: KVec<Atomic<u32>>,
}

/// A window, with a shadow for each of its pages.
pub(super) struct Place {
    /// Which of the provider's windows it is.
    pub(super) number: usize,
    pub(super) window: Window,
    pages: KVec<Page>,
}

impl Place {
    /// Errors: `ENOMEM`.
    pub(super) fn new(number: usize, window: Window) -> Result<Self> {
        let mut pages = KVec::new();
        for _ in 0..window.span.size / PAGE_SIZE {
            let mut known = KVec::new();
            for _ in 0..PAGE_SIZE / WORD {
                known.push(Atomic::new(0), GFP_KERNEL)?;
            }
            let shadow = Shadow::new()?;
            pages.push(Page { shadow, known }, GFP_KERNEL)?;
        }
        Ok(Self {
            number,
            window,
            pages,
        })
    }

    fn page(&self, offset: u64) -> Option<&Page> {
        self.pages.get(usize::try_from(offset / PAGE_SIZE).ok()?)
    }

    /// Where its pages are in it.
    pub(super) fn page_offsets(&self) -> impl Iterator<Item = u64> {
        (0..self.window.span.size / PAGE_SIZE).map(|number| number * PAGE_SIZE)
    }

    /// The memory that stands for the page at `offset`.
    pub(super) fn shadow(&self, offset: u64) -> Option<&Shadow> {
        Some(&self.page(offset)?.shadow)
    }

    /// What the guest reads at `offset`, and what is known of it.
    fn word(&self, offset: u64) -> Option<(u32, &Atomic<u32>)> {
        let page = self.page(offset)?;
        let at = offset % PAGE_SIZE;
        let value = page.shadow.get(usize::try_from(at).ok()?)?;
        Some((value, page.known.get(usize::try_from(at / WORD).ok()?)?))
    }

    /// The register at `offset` reads as `value` from now on, unless the guest has stored
    /// something there that nobody has told us of. Calls must not race with each other, nor
    /// with the two below.
    pub(super) fn show(&self, offset: u64, value: u32) {
        let (Some((found, known)), Some(shadow)) = (self.word(offset), self.shadow(offset)) else {
            return;
        };
        if let (true, Ok(at)) = (
            found == known.load(Relaxed),
            usize::try_from(offset % PAGE_SIZE),
        ) {
            shadow.set(at, value);
            known.store(value, Relaxed);
        }
    }

    /// As [`show`](Self::show), whatever the guest has stored: before the shadow is used.
    pub(super) fn begin(&self, offset: u64, value: u32) {
        if let Some((found, known)) = self.word(offset) {
            known.store(found, Relaxed);
        }
        self.show(offset, value);
    }

    /// We have been told of a store of `len` bytes at `offset`, which are in the shadow.
    pub(super) fn told(&self, offset: u64, len: usize) {
        let Some(last) = u64::try_from(len)
            .ok()
            .and_then(|len| offset.checked_add(len)?.checked_sub(1))
        else {
            return;
        };
        for word in offset / WORD..=last / WORD {
            if let Some((found, known)) = self.word(word * WORD) {
                known.store(found, Relaxed);
            }
        }
    }

    /// The first store to the page at `page`, from `from` on, that nobody has told us of until
    /// now: where, and what.
    pub(super) fn stray(&self, page: u64, from: u64) -> Option<(u64, u32)> {
        (from..page + PAGE_SIZE)
            .step_by(size_of::<u32>())
            .find_map(|offset| {
                let (found, known) = self.word(offset)?;
                let unknown = found != known.load(Relaxed);
                unknown.then(|| {
                    known.store(found, Relaxed);
                    (offset, found)
                })
            })
    }
}

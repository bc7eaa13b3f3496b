// SPDX-License-Identifier: GPL-2.0

//! A page of memory that stands for a page of registers while that is trapped.

use super::bindings;
use core::ptr::NonNull;
use kernel::{
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// A page that a guest reads registers from, and KVM stores emulated writes to. It must be
/// mapped nowhere when it is dropped.
pub(crate) struct Shadow {
    page: Page,
    /// The same page, as the kernel sees it.
    memory: NonNull<u8>,
}

// SAFETY: The memory is the page's, and is accessed a word at a time, which may race with
// the guest only.
unsafe impl Send for Shadow {}
// SAFETY: As above.
unsafe impl Sync for Shadow {}

impl Shadow {
    /// A page of zeroes. Errors: `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let page = Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?;
        // SAFETY: A page that was just allocated, not in high memory.
        let memory = unsafe { bindings::vfm_page_address(page.as_ptr()) };
        let memory = NonNull::new(memory.cast()).ok_or(ENOMEM)?;
        Ok(Self { page, memory })
    }

    /// The page's frame number.
    pub(crate) fn pfn(&self) -> usize {
        // SAFETY: The page is this one's.
        unsafe { bindings::vfm_page_pfn(self.page.as_ptr()) }
    }

    /// Where the register at `offset` is, a multiple of 4 within the page.
    fn word(&self, offset: usize) -> Option<NonNull<u32>> {
        if offset % size_of::<u32>() != 0 || offset >= PAGE_SIZE {
            return None;
        }
        // SAFETY: Within the page.
        Some(unsafe { self.memory.add(offset) }.cast())
    }

    /// What the register at `offset`, a multiple of 4 within the page, reads as.
    pub(crate) fn get(&self, offset: usize) -> Option<u32> {
        let word = self.word(offset)?;
        // SAFETY: Within the page, and aligned. The guest may store to it at the same time,
        // by the word.
        Some(unsafe { word.as_ptr().read_volatile() })
    }

    /// The register at `offset`, a multiple of 4 within the page, reads as `value` from now
    /// on. Nothing happens for another offset.
    pub(crate) fn set(&self, offset: usize, value: u32) {
        if let Some(word) = self.word(offset) {
            // SAFETY: As in `get`. The guest may read it at the same time, and KVM may store
            // what the guest writes: neither sees a part of it.
            unsafe { word.as_ptr().write_volatile(value) };
        }
    }
}

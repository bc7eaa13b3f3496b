// SPDX-License-Identifier: GPL-2.0

//! Memory that the NIC reads and writes: descriptor rings and receive pages.
//!
//! C header: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h)

use super::bindings;
use crate::netdev::descriptor::{
    self,
    Words, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    alloc::Flags,
    bindings as kernel_bindings,
    device::{
        Bound,
        Core,
        Device, //
    },
    dma::{
        Coherent,
        Device as _,
        DmaMask, //
    },
    page::{
        Page,
        PAGE_SIZE, //
    },
    pci,
    prelude::*,
};

/// Lets the device reach all of memory. Only from probe, before anything is mapped.
pub(crate) fn set_mask(pdev: &pci::Device<Core<'_>>) -> Result {
    // SAFETY: Nothing is mapped or allocated yet, as this function demands.
    unsafe { pdev.dma_set_mask_and_coherent(DmaMask::new::<64>()) }
}

/// The raw device, for this layer.
pub(super) fn raw(dev: &Device<Bound>) -> *mut kernel_bindings::device {
    // CAST: `Device` is a transparent wrapper of `struct device`.
    core::ptr::from_ref(dev).cast_mut().cast()
}

/// A ring of descriptors that the CPU and the NIC share.
///
/// # Invariants
///
/// `words` has two entries for each of `count` descriptors; `count` is a power of two.
pub(crate) struct Ring {
    words: Coherent<[u64]>,
    count: u16,
}

impl Ring {
    /// A ring of `count` descriptors, all zero. May sleep. Errors: `ENOMEM`, `EINVAL` if
    /// `count` is no power of two.
    pub(crate) fn new(dev: &Device<Bound>, count: u16) -> Result<Self> {
        if !count.is_power_of_two() {
            return Err(EINVAL);
        }
        let words = Coherent::zeroed_slice(dev, usize::from(count) * 2, GFP_KERNEL)?;
        // INVARIANT: Checked and allocated above.
        Ok(Self { words, count })
    }

    /// Where the NIC finds the ring.
    pub(crate) fn dma_address(&self) -> u64 {
        self.words.dma_address()
    }

    /// Length in bytes.
    pub(crate) fn bytes(&self) -> u32 {
        const { assert!(descriptor::SIZE == 16) };
        u32::from(self.count) * 16
    }

    /// Word `word` (0 or 1) of descriptor `index`, wrapped into the ring.
    fn at(&self, index: u16, word: usize) -> *mut u64 {
        let index = usize::from(index & (self.count - 1)) * 2 + (word & 1);
        // SAFETY: `index` is below twice the count, which is the slice's length.
        unsafe { self.words.as_mut_ptr().cast::<u64>().add(index) }
    }

    /// Hands a descriptor to the NIC, as far as memory goes: it looks at it once
    /// the queue's tail has moved past it.
    pub(crate) fn write(&self, index: u16, [first, second]: Words) {
        // SAFETY: `at` answers a place within the allocation. The NIC may read at any
        // time, which volatile accesses allow for.
        unsafe {
            self.at(index, 0).write_volatile(first.to_le());
            self.at(index, 1).write_volatile(second.to_le());
        }
    }

    /// The second word, in which the NIC reports that it is done.
    pub(crate) fn second(&self, index: u16) -> u64 {
        // SAFETY: As above.
        u64::from_le(unsafe { self.at(index, 1).read_volatile() })
    }

    /// Orders reads of what the NIC wrote before it reported a descriptor after the
    /// read of that report.
    pub(crate) fn acquire(&self) {
        // SAFETY: A barrier has no preconditions.
        unsafe { bindings::igb_rs_dma_rmb() };
    }
}

/// A page that the NIC may write, and nobody else looks at meanwhile.
///
/// # Invariants
///
/// `page` is owned and mapped for `dev` at `dma`, all of it, from the device.
pub(crate) struct RxPage<'bound> {
    dev: &'bound Device<Bound>,
    page: ManuallyDrop<Page>,
    dma: u64,
}

/// Bytes of an [`RxPage`].
pub(crate) const RX_PAGE_SIZE: usize = PAGE_SIZE;

impl<'bound> RxPage<'bound> {
    /// Allocates and maps a page. Sleeps if `flags` allow it. Errors: `ENOMEM`.
    pub(crate) fn new(dev: &'bound Device<Bound>, flags: Flags) -> Result<Self> {
        let page = Page::alloc_page(flags)?;
        // SAFETY: The page is ours and `dev` is bound.
        let dma = unsafe {
            kernel_bindings::dma_map_page_attrs(
                raw(dev),
                page.as_ptr(),
                0,
                RX_PAGE_SIZE,
                kernel_bindings::dma_data_direction::DMA_FROM_DEVICE,
                0,
            )
        };
        // SAFETY: Asks about the mapping just tried.
        if unsafe { bindings::igb_rs_mapping_failed(raw(dev), dma) } {
            return Err(ENOMEM);
        }
        // INVARIANT: Just mapped.
        Ok(Self {
            dev,
            page: ManuallyDrop::new(page),
            dma,
        })
    }

    /// Where the NIC finds the page.
    pub(crate) fn dma_address(&self) -> u64 {
        self.dma
    }

    fn bytes(&mut self, length: usize) -> &[u8] {
        // SAFETY: The page is from the linear map (not highmem: this is 64 bit).
        let start = unsafe { bindings::igb_rs_page_address(self.page.as_ptr()) };
        // SAFETY: The page is owned, and longer than or as long as what is asked for;
        // the NIC has reported the descriptor and writes no more.
        unsafe { core::slice::from_raw_parts(start.cast::<u8>(), length.min(RX_PAGE_SIZE)) }
    }

    /// Shows the first `length` bytes, which the NIC has reported as written, and gives
    /// the page back to it.
    pub(crate) fn with_bytes<R>(&mut self, length: usize, f: impl FnOnce(&[u8]) -> R) -> R {
        let length = length.min(RX_PAGE_SIZE);
        // SAFETY: Mapped by the invariant.
        unsafe { bindings::igb_rs_sync_for_cpu(raw(self.dev), self.dma, length) };
        let answer = f(self.bytes(length));
        // SAFETY: As above.
        unsafe { bindings::igb_rs_sync_for_device(raw(self.dev), self.dma, length) };
        answer
    }

    /// Ends the mapping; what the NIC wrote is there.
    pub(crate) fn unmap(self) -> FilledPage {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: Mapped by the invariant; `this` is not dropped.
        unsafe { this.unmap_page() };
        // SAFETY: `this.page` is not used again.
        FilledPage(unsafe { ManuallyDrop::take(&mut this.page) })
    }

    /// # Safety
    ///
    /// Only once.
    unsafe fn unmap_page(&self) {
        // SAFETY: Mapped by the invariant, and unmapped once by contract.
        unsafe {
            kernel_bindings::dma_unmap_page_attrs(
                raw(self.dev),
                self.dma,
                RX_PAGE_SIZE,
                kernel_bindings::dma_data_direction::DMA_FROM_DEVICE,
                0,
            )
        };
    }
}

impl Drop for RxPage<'_> {
    fn drop(&mut self) {
        // SAFETY: Not unmapped before: `unmap` does not drop.
        unsafe { self.unmap_page() };
        // SAFETY: Not used again.
        unsafe { ManuallyDrop::drop(&mut self.page) };
    }
}

/// A page that the NIC has written and knows no more.
pub(crate) struct FilledPage(Page);

impl FilledPage {
    /// The first `length` bytes.
    pub(crate) fn bytes(&self, length: usize) -> &[u8] {
        // SAFETY: The page is from the linear map.
        let start = unsafe { bindings::igb_rs_page_address(self.0.as_ptr()) };
        // SAFETY: The page is owned and as long; nobody writes it.
        unsafe { core::slice::from_raw_parts(start.cast::<u8>(), length.min(RX_PAGE_SIZE)) }
    }

    /// Gives the page up; the caller owns a reference to it.
    pub(super) fn into_raw(self) -> NonNull<kernel_bindings::page> {
        let page = ManuallyDrop::new(self.0);
        // SAFETY: A page's pointer is not NULL.
        unsafe { NonNull::new_unchecked(page.as_ptr()) }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Memory that the NIC reads and writes: descriptor rings.
//!
//! C header: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h)

use super::bindings;
use crate::netdev::descriptor::{
    self,
    Words, //
};
use kernel::{
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
    pci,
    prelude::*, //
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
/// `words` has two entries for each of `count` descriptors; `count` is not 0.
pub(crate) struct Ring {
    words: Coherent<[u64]>,
    count: u16,
}

impl Ring {
    /// A ring of `count` descriptors, all zero. May sleep. Errors: `ENOMEM`, `EINVAL` if
    /// `count` is 0.
    pub(crate) fn new(dev: &Device<Bound>, count: u16) -> Result<Self> {
        if count == 0 {
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

    /// Word `word` (0 or 1) of descriptor `index`, or of the last one if there is none.
    fn at(&self, index: u16, word: usize) -> *mut u64 {
        let index = usize::from(index.min(self.count - 1)) * 2 + (word & 1);
        // SAFETY: `index` is below twice the count, which is the slice's length.
        unsafe { self.words.as_mut_ptr().cast::<u64>().add(index) }
    }

    /// Hands a descriptor to the NIC, as far as memory goes: it looks at it once
    /// the queue's tail has moved past it.
    // For each descriptor: a call less.
    #[inline(always)]
    pub(crate) fn write(&self, index: u16, [first, second]: Words) {
        // SAFETY: `at` answers a place within the allocation. The NIC may read at any
        // time, which volatile accesses allow for.
        unsafe {
            self.at(index, 0).write_volatile(first.to_le());
            self.at(index, 1).write_volatile(second.to_le());
        }
    }

    /// The first word.
    pub(crate) fn first(&self, index: u16) -> u64 {
        // SAFETY: `at` answers a place within the allocation.
        u64::from_le(unsafe { self.at(index, 0).read_volatile() })
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

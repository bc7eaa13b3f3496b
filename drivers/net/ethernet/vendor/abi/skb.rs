// SPDX-License-Identifier: GPL-2.0

//! Socket buffers: packets to send and packets received.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::{
    bindings,
    dma::{
        self,
        FilledPage, //
    },
    napi::NapiRef,
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    bindings as kernel_bindings,
    device::{
        Bound,
        Device, //
    },
    prelude::*,
};

/// A packet that is owned; dropped as lost on drop.
pub(crate) struct SkBuff(NonNull<kernel_bindings::sk_buff>);

// SAFETY: A packet may be freed and passed on from any thread.
unsafe impl Send for SkBuff {}

/// Most pages of a received packet: well within what a socket buffer holds.
pub(crate) const MAX_PAGES: usize = 8;

impl SkBuff {
    /// # Safety
    ///
    /// The caller gives up its ownership of `skb`, which must be valid.
    pub(super) unsafe fn from_raw(skb: NonNull<kernel_bindings::sk_buff>) -> Self {
        Self(skb)
    }

    /// Gives the ownership to the caller.
    pub(super) fn into_raw(self) -> *mut kernel_bindings::sk_buff {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// Bytes of the packet.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: Valid and owned.
        unsafe { self.0.as_ref() }.len
    }

    /// Zero-pads the packet to at least `len` bytes. [`None`], and the packet is
    /// lost, if there is no memory.
    pub(crate) fn padded(self, len: u32) -> Option<Self> {
        let skb = ManuallyDrop::new(self).0;
        // SAFETY: Valid and owned; on failure it has been freed.
        (unsafe { bindings::igb_rs_pad(skb.as_ptr(), len) } == 0).then_some(Self(skb))
    }

    /// Maps the packet, which must be in one piece, to be sent by `dev`. On failure
    /// the packet is lost. Errors: `ENOMEM`.
    pub(crate) fn map<'bound>(self, dev: &'bound Device<Bound>) -> Result<Mapped<'bound>> {
        // SAFETY: Valid and owned; `dev` is bound.
        let address = unsafe { bindings::igb_rs_map_head(dma::raw(dev), self.0.as_ptr()) };
        // SAFETY: Asks about the mapping just tried.
        if unsafe { bindings::igb_rs_mapping_failed(dma::raw(dev), address) } {
            return Err(ENOMEM);
        }
        // INVARIANT: Just mapped.
        Ok(Mapped {
            length: self.len(),
            skb: ManuallyDrop::new(self),
            dev,
            address,
        })
    }

    /// An empty packet to be filled by [`put`](Self::put) with up to `room` bytes.
    pub(crate) fn for_receive(napi: &NapiRef<'_>, room: u16) -> Option<Self> {
        // SAFETY: The NAPI is being polled by this CPU.
        let skb = unsafe { bindings::napi_alloc_skb(napi.as_raw(), c_uint::from(room)) };
        NonNull::new(skb).map(Self)
    }

    /// Appends bytes to the head of a packet of [`for_receive`](Self::for_receive).
    /// What exceeds the room is left out.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        // SAFETY: Valid and owned.
        let skb = unsafe { self.0.as_ref() };
        // CAST: `tail` and `end` are offsets that fit an int.
        let room = skb.end.saturating_sub(skb.tail);
        let length = u32::try_from(bytes.len()).map_or(room, |length| length.min(room));
        // SAFETY: There is room for the bytes, and as many are readable.
        unsafe { bindings::igb_rs_put(self.0.as_ptr(), bytes.as_ptr().cast(), length) };
    }

    /// Appends `length` bytes of a page, from `offset` on. A packet takes up to
    /// [`MAX_PAGES`]; the caller counts them.
    pub(crate) fn add_page(&mut self, page: FilledPage, offset: u16, length: u16) {
        let page = page.into_raw().as_ptr();
        // SAFETY: Valid and owned; the packet takes over the reference to the page.
        unsafe {
            bindings::igb_rs_add_page(
                self.0.as_ptr(),
                page,
                c_uint::from(offset),
                c_uint::from(length),
            )
        };
    }

    /// Passes a received packet up. It must begin with a whole Ethernet header in its
    /// head.
    pub(crate) fn deliver(self, napi: &NapiRef<'_>) {
        let skb = self.into_raw();
        // SAFETY: The NAPI is being polled by this CPU; the packet is given away.
        unsafe { bindings::igb_rs_napi_receive(napi.as_raw(), skb) };
    }
}

impl Drop for SkBuff {
    fn drop(&mut self) {
        // SAFETY: Valid and owned.
        unsafe {
            bindings::dev_kfree_skb_any_reason(
                self.0.as_ptr(),
                kernel_bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED,
            )
        };
    }
}

/// A packet that the NIC may read. Unmapped on drop, and lost then.
///
/// # Invariants
///
/// The head of `skb`, `length` bytes, is mapped for `dev` at `address`.
pub(crate) struct Mapped<'bound> {
    skb: ManuallyDrop<SkBuff>,
    dev: &'bound Device<Bound>,
    address: u64,
    length: u32,
}

impl Mapped<'_> {
    /// Where the NIC finds the packet.
    pub(crate) fn dma_address(&self) -> u64 {
        self.address
    }

    /// Bytes of the packet.
    pub(crate) fn len(&self) -> u32 {
        self.length
    }

    /// The packet was sent. From a poll with budget `budget`.
    pub(crate) fn sent(self, napi: &NapiRef<'_>) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: Not unmapped before, and `this` is not dropped.
        unsafe { this.unmap() };
        // SAFETY: Not used again.
        let skb = unsafe { ManuallyDrop::take(&mut this.skb) }.into_raw();
        // SAFETY: The packet is given away, in a poll of this budget.
        unsafe { bindings::napi_consume_skb(skb, napi.budget()) };
    }

    /// # Safety
    ///
    /// Only once.
    unsafe fn unmap(&self) {
        // CAST: u32 fits usize on 64 bit.
        let length = self.length as usize;
        // SAFETY: Mapped by the invariant, and unmapped once by contract.
        unsafe { bindings::igb_rs_unmap_head(dma::raw(self.dev), self.address, length) };
    }
}

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        // SAFETY: Not unmapped before: `sent` does not drop.
        unsafe { self.unmap() };
        // SAFETY: Not used again.
        unsafe { ManuallyDrop::drop(&mut self.skb) };
    }
}

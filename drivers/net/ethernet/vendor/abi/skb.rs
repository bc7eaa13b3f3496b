// SPDX-License-Identifier: GPL-2.0

//! Socket buffers: packets to send and packets received.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::{
    bindings,
    dma,
    napi::NapiRef,
    netdev::NetDevice, //
};
use crate::netdev::{
    descriptor::RxHash,
    offload::{
        Packet,
        Partial,
        Segments, //
    }, //
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
    error::to_result,
    prelude::*, //
};

/// A packet that is owned; dropped as lost on drop.
pub(crate) struct SkBuff(NonNull<kernel_bindings::sk_buff>);

// SAFETY: A packet may be freed and passed on from any thread.
unsafe impl Send for SkBuff {}

/// Bytes of an Ethernet header.
const ETHERNET_HEADER: u32 = 14;

/// Most pages of a received packet: well within what a socket buffer holds.
pub(crate) const MAX_PAGES: usize = 8;

impl SkBuff {
    /// # Safety
    ///
    /// The caller gives up its ownership of `skb`, which must be valid.
    pub(super) unsafe fn from_raw(skb: NonNull<kernel_bindings::sk_buff>) -> Self {
        Self(skb)
    }

    /// The raw packet, for this layer.
    pub(super) fn as_raw(&mut self) -> *mut kernel_bindings::sk_buff {
        self.0.as_ptr()
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

    /// What the stack wants of the packet.
    pub(crate) fn describe(&self) -> Packet {
        let mut raw = bindings::igb_rs_packet::default();
        // SAFETY: Valid and owned; `raw` is ours.
        unsafe { bindings::igb_rs_describe(self.0.as_ptr(), &mut raw) };
        Packet::from(&raw)
    }

    /// Fills in the checksum. Errors: `ENOMEM`, `EINVAL`.
    pub(crate) fn fill_checksum(&mut self) -> Result {
        // SAFETY: Valid and owned.
        to_result(unsafe { bindings::igb_rs_fill_checksum(self.0.as_ptr()) })
    }

    /// The first `length` bytes, which must be in the head, to be changed: nobody else has
    /// them then. [`None`] if they are not there, or there is no memory.
    pub(crate) fn headers(&mut self, length: u32) -> Option<&mut [u8]> {
        // SAFETY: Valid and owned.
        let start = unsafe { bindings::igb_rs_own_head(self.0.as_ptr(), length) };
        let start = NonNull::new(start)?;
        let length = usize::try_from(length).ok()?;
        // SAFETY: As many bytes are in the head, which is the packet's alone now.
        Some(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), length) })
    }

    /// Bytes of the head.
    fn describe_head(&self) -> u32 {
        // SAFETY: Valid and owned.
        let skb = unsafe { self.0.as_ref() };
        skb.len.saturating_sub(skb.data_len)
    }

    /// The packet was sent. From a poll.
    pub(crate) fn consume(self, napi: &NapiRef<'_>) {
        let skb = self.into_raw();
        // SAFETY: The packet is given away, in a poll of this budget.
        unsafe { bindings::napi_consume_skb(skb, napi.budget()) };
    }

    /// A packet of `netdev` that is `frame`, to be sent. [`None`] if there is no memory.
    pub(crate) fn new(netdev: &NetDevice, frame: &[u8]) -> Option<Self> {
        let length = u32::try_from(frame.len()).ok()?;
        // SAFETY: The device is valid; as many bytes are readable.
        let skb =
            unsafe { bindings::igb_rs_packet_of(netdev.as_raw(), frame.as_ptr().cast(), length) };
        NonNull::new(skb).map(Self)
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

    /// The checksum of its layer 4 was found right.
    pub(crate) fn set_checked(&mut self) {
        // SAFETY: Valid and owned.
        unsafe { bindings::igb_rs_set_checked(self.0.as_ptr()) };
    }

    /// A VLAN tag was taken out of it.
    pub(crate) fn set_vlan(&mut self, tag: u16) {
        // SAFETY: Valid and owned.
        unsafe { bindings::igb_rs_set_vlan(self.0.as_ptr(), tag) };
    }

    /// The hash that chose its queue.
    pub(crate) fn set_hash(&mut self, hash: &RxHash) {
        // SAFETY: Valid and owned.
        unsafe { bindings::igb_rs_set_hash(self.0.as_ptr(), hash.value, hash.ports) };
    }

    /// Passes a packet up that queue `queue` has received. One that is too short to have an
    /// Ethernet header is dropped.
    pub(crate) fn deliver(self, napi: &NapiRef<'_>, queue: u8) {
        if self.describe_head() < ETHERNET_HEADER {
            return;
        }
        let skb = self.into_raw();
        // SAFETY: The NAPI is being polled by this CPU; the packet, which has its header in
        // its head, is given away.
        unsafe { bindings::igb_rs_napi_receive(napi.as_raw(), skb, u16::from(queue)) };
    }
}

impl From<&bindings::igb_rs_packet> for Packet {
    fn from(raw: &bindings::igb_rs_packet) -> Self {
        Self {
            length: raw.length,
            head: raw.head,
            pages: raw.pages,
            vlan: raw.tagged.then_some(raw.tag),
            network: raw.network,
            checksum: raw.partial.then_some(Partial {
                start: raw.start,
                offset: raw.offset,
                is_crc: raw.crc,
            }),
            segments: (raw.segment_size != 0).then_some(Segments {
                size: raw.segment_size,
                count: raw.segments,
                tcp: raw.tcp,
                ipv4: raw.ipv4,
                l4_length: raw.l4_length,
            }),
        }
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

/// What is sent: a head, and pages behind it.
pub(crate) trait Pieces {
    /// Maps the head to be sent by `dev`. [`None`] if it is empty or cannot be mapped.
    fn map_head<'bound>(&self, dev: &'bound Device<Bound>) -> Option<Piece<'bound>>;

    /// Maps page `index`, as of [`Packet::pages`], to be sent by `dev`. [`None`] if there is none,
    /// or it cannot be mapped.
    fn map_page<'bound>(&self, dev: &'bound Device<Bound>, index: u16) -> Option<Piece<'bound>>;
}

impl Pieces for SkBuff {
    // For each piece: a call less.
    #[inline(always)]
    fn map_head<'bound>(&self, dev: &'bound Device<Bound>) -> Option<Piece<'bound>> {
        // SAFETY: Valid and owned; `dev` is bound.
        let raw = unsafe { bindings::igb_rs_map_head(dma::raw(dev), self.0.as_ptr()) };
        // SAFETY: Just mapped.
        unsafe { Piece::mapped(dev, &raw) }
    }

    #[inline(always)]
    fn map_page<'bound>(&self, dev: &'bound Device<Bound>, index: u16) -> Option<Piece<'bound>> {
        // SAFETY: Valid and owned; `dev` is bound.
        let raw = unsafe { bindings::igb_rs_map_page(dma::raw(dev), self.0.as_ptr(), index) };
        // SAFETY: Just mapped.
        unsafe { Piece::mapped(dev, &raw) }
    }
}

/// A part of a packet that the NIC may read; unmapped on drop. The packet must be kept for as
/// long as the NIC does.
///
/// # Invariants
///
/// `length` bytes, more than none, are mapped for `dev` at `address`; `owned` if by this, and else
/// by the pool that their page is from.
pub(crate) struct Piece<'bound> {
    dev: &'bound Device<Bound>,
    address: u64,
    length: u32,
    owned: bool,
}

impl<'bound> Piece<'bound> {
    /// What was just mapped; [`None`] if that failed, or it is empty.
    ///
    /// # Safety
    ///
    /// Unless it has no bytes `raw` is mapped for `dev`, to be sent, and the caller gives that up.
    pub(super) unsafe fn mapped(
        dev: &'bound Device<Bound>,
        raw: &bindings::igb_rs_piece,
    ) -> Option<Self> {
        // INVARIANT: By the contract.
        (raw.len != 0).then_some(Self {
            dev,
            address: raw.addr,
            length: raw.len,
            owned: true,
        })
    }

    /// What a pool has mapped, which keeps it so for as long as the page is not returned.
    pub(super) fn of_pool(dev: &'bound Device<Bound>, address: u64, length: u32) -> Option<Self> {
        // INVARIANT: Mapped by the pool.
        (length != 0).then_some(Self {
            dev,
            address,
            length,
            owned: false,
        })
    }

    /// Where the NIC finds it.
    pub(crate) fn dma_address(&self) -> u64 {
        self.address
    }

    /// Bytes of it.
    pub(crate) fn len(&self) -> u32 {
        self.length
    }
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        // SAFETY: Mapped by the invariant, in this direction, and unmapped once. All that was mapped is
        // unmapped in the same way, whether from an address or a page.
        unsafe {
            kernel_bindings::dma_unmap_phys(
                dma::raw(self.dev),
                self.address,
                // CAST: u32 fits usize on 64 bit.
                self.length as usize,
                kernel_bindings::dma_data_direction::DMA_TO_DEVICE,
                0,
            )
        };
    }
}

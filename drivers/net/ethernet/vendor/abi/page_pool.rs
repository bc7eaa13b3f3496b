// SPDX-License-Identifier: GPL-2.0

//! Pieces of pages that the NIC receives into, from a pool that maps each page once and reuses it.
//!
//! C header: [`include/net/page_pool/helpers.h`](srctree/include/net/page_pool/helpers.h)

use super::{
    bindings,
    dma,
    napi::{
        Napi,
        NapiRef,
        Poller, //
    },
    netdev::NetDevice,
    skb::SkBuff,
    xdp::RxQueue, //
};
use crate::netdev::layout::{
    self,
    Layout, //
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
    error::from_err_ptr,
    page::PAGE_SIZE,
    prelude::*,
};

const _: () = assert!(PAGE_SIZE == 4096 && layout::PAGE == 4096);
// What programs are promised.
const _: () =
    assert!(kernel_bindings::XDP_PACKET_HEADROOM == 256 && Layout::Whole.headroom() == 256);

/// A page pool that is owned; what is left of it goes when its last page comes back.
struct Pool(NonNull<kernel_bindings::page_pool>);

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: Owned. Pages that others still have keep what they need of it.
        unsafe { bindings::page_pool_destroy(self.0.as_ptr()) };
    }
}

/// A piece of a page of a pool.
///
/// # Invariants
///
/// The piece is within the page.
#[derive(Clone, Copy)]
struct Piece {
    page: NonNull<kernel_bindings::page>,
    /// Where it begins in the page, in bytes.
    offset: u16,
}

impl Piece {
    /// Its first byte.
    fn start(self) -> *mut u8 {
        // SAFETY: Pages are in the linear map (there is no highmem on 64 bit).
        let page = unsafe { bindings::igb_rs_page_address(self.page.as_ptr()) }.cast::<u8>();
        // SAFETY: Within the page by the invariant.
        unsafe { page.add(usize::from(self.offset)) }
    }
}

/// The buffers of a receive ring, all of them the NIC's.
///
/// # Invariants
///
/// Each of `pieces` is from `pool`, mapped, owned, and of the layout's size; mapped both ways
/// if `both_ways`.
pub(crate) struct RxBuffers<'bound> {
    dev: &'bound Device<Bound>,
    layout: Layout,
    both_ways: bool,
    pieces: KVec<Piece>,
    /// Unregistered before the pool is gone.
    queue: RxQueue,
    pool: Pool,
}

// SAFETY: Owned, and used by one thread at a time, for all methods that use the pool take
// `&mut self`.
unsafe impl Send for RxBuffers<'_> {}

impl<'bound> RxBuffers<'bound> {
    /// `count` buffers of a layout for queue `queue` of `netdev`, which `napi` polls. They must
    /// be gone before that is. If `both_ways`, the NIC may be told to send from them, too.
    /// Sleeps. Errors: `ENOMEM`, `ENOSPC`.
    pub(crate) fn new<P: Poller>(
        dev: &'bound Device<Bound>,
        netdev: &NetDevice,
        napi: &Napi<P>,
        queue: u8,
        count: u16,
        layout: Layout,
        both_ways: bool,
    ) -> Result<Self> {
        // Of the last piece of a page no more than its buffer.
        let written = layout::PAGE - layout.piece() + layout.buffer();
        // SAFETY: All are valid, and outlive the pool.
        let pool = from_err_ptr(unsafe {
            bindings::igb_rs_pool_create(
                dma::raw(dev),
                netdev.as_raw(),
                napi.as_raw(),
                u16::from(queue),
                layout.pages(count),
                c_uint::from(layout.headroom()),
                c_uint::from(written),
                both_ways,
            )
        })?;
        let pool = Pool(NonNull::new(pool).ok_or(ENOMEM)?);
        // INVARIANT: No pieces yet.
        let mut this = Self {
            dev,
            layout,
            both_ways,
            pieces: KVec::with_capacity(usize::from(count), GFP_KERNEL)?,
            queue: RxQueue::new(netdev, napi, queue, pool.0)?,
            pool,
        };
        for _ in 0..count {
            let piece = this.alloc().ok_or(ENOMEM)?;
            // INVARIANT: From the pool, which maps it.
            this.pieces.push(piece, GFP_KERNEL)?;
        }
        Ok(this)
    }

    /// How they lie in pages.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// A piece of a page of the pool, owned by the caller.
    fn alloc(&mut self) -> Option<Piece> {
        let mut offset = 0;
        let size = c_uint::from(self.layout.piece());
        // SAFETY: The pool is owned, and nobody else allocates from it now.
        let page = unsafe { bindings::igb_rs_pool_alloc(self.pool.0.as_ptr(), &mut offset, size) };
        let page = NonNull::new(page)?;
        // INVARIANT: The pool answers places of `size` bytes within the page, which 16 bits hold.
        let offset = u16::try_from(offset).unwrap_or(0);
        Some(Piece { page, offset })
    }

    /// Where the NIC finds buffer `index`; 0 if there is none.
    pub(crate) fn address(&self, index: u16) -> u64 {
        self.pieces.get(usize::from(index)).map_or(0, |piece| {
            // SAFETY: The page is mapped by the invariant.
            let page = unsafe { bindings::igb_rs_pool_address(piece.page.as_ptr()) };
            page + u64::from(piece.offset) + u64::from(self.layout.headroom())
        })
    }

    /// Lets the CPU see the first `length` bytes that the NIC has written to `piece`.
    fn sync(&self, piece: Piece, length: u16) {
        // SAFETY: The page is from the pool by the invariant.
        unsafe {
            bindings::igb_rs_pool_sync(
                self.pool.0.as_ptr(),
                piece.page.as_ptr(),
                piece.offset.into(),
                length.into(),
            )
        };
    }

    /// Shows the first `length` bytes of buffer `index`, which the NIC has reported as
    /// written, and gives it back.
    pub(crate) fn with_bytes<R>(
        &mut self,
        index: u16,
        length: u16,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Option<R> {
        let piece = *self.pieces.get(usize::from(index))?;
        let length = length.min(self.layout.buffer());
        self.sync(piece, length);
        // SAFETY: Headroom and buffer are within the piece.
        let start = unsafe { piece.start().add(usize::from(self.layout.headroom())) };
        // SAFETY: The piece is owned, and the NIC writes no more until it is offered again.
        let answer = f(unsafe { core::slice::from_raw_parts(start, usize::from(length)) });
        let address = self.address(index);
        // SAFETY: Mapped by the invariant.
        unsafe { bindings::igb_rs_sync_for_device(dma::raw(self.dev), address, length.into()) };
        Some(answer)
    }

    /// Takes out buffer `index`, which the NIC has reported as written, `length` bytes, and
    /// puts a new one in its place. [`None`], and nothing has changed, if there is no memory.
    /// From the poll.
    pub(crate) fn exchange(&mut self, index: u16, length: u16) -> Option<Filled<'_>> {
        if usize::from(index) >= self.pieces.len() {
            return None;
        }
        let new = self.alloc()?;
        // INVARIANT: From the pool; the one that was there is given away.
        let piece = core::mem::replace(self.pieces.get_mut(usize::from(index))?, new);
        let length = length.min(self.layout.buffer());
        self.sync(piece, length);
        // INVARIANT: A buffer is within the room.
        Some(Filled {
            piece,
            place: Place {
                headroom: self.layout.headroom(),
                length,
                metadata: 0,
            },
            buffers: self,
        })
    }

    /// Gives a piece back to the pool.
    fn put(&self, piece: Piece) {
        // SAFETY: From the pool, and owned.
        unsafe { bindings::igb_rs_pool_put(self.pool.0.as_ptr(), piece.page.as_ptr()) };
    }
}

impl Drop for RxBuffers<'_> {
    fn drop(&mut self) {
        for &piece in &self.pieces {
            self.put(piece);
        }
    }
}

/// Where a frame is in its piece of a page, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// What is in front of it.
    pub(super) headroom: u16,
    /// The frame itself.
    pub(super) length: u16,
    /// What of the headroom, just before the frame, goes with it.
    pub(super) metadata: u8,
}

impl Place {
    /// Where a program has left a frame; [`None`] if that is in no piece.
    pub(super) fn of(buff: &bindings::xdp_buff) -> Option<Self> {
        let start = buff.data.addr();
        let distance = |from: usize, to: usize| to.checked_sub(from);
        Some(Self {
            headroom: distance(buff.data_hard_start.addr(), start)?
                .try_into()
                .ok()?,
            length: distance(start, buff.data_end.addr())?.try_into().ok()?,
            // Of a frame without any it is said to be behind the start.
            metadata: distance(buff.data_meta.addr(), start)
                .map_or(Ok(0), u8::try_from)
                .ok()?,
        })
    }
}

/// A buffer that the NIC has written and knows no more. Reused if it is dropped.
///
/// # Invariants
///
/// `piece` is from the pool of `buffers`, and owned; the frame is within the layout's room, with
/// its metadata.
pub(crate) struct Filled<'a> {
    piece: Piece,
    place: Place,
    buffers: &'a RxBuffers<'a>,
}

impl Filled<'_> {
    /// Where the frame is.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The first byte of the piece that it is in, and how many there are, for this layer.
    pub(super) fn piece(&self) -> (*mut c_void, c_uint) {
        (
            self.piece.start().cast(),
            self.buffers.layout.piece().into(),
        )
    }

    /// The raw queue that has received it, for this layer.
    pub(super) fn queue(&self) -> *mut bindings::xdp_rxq_info {
        self.buffers.queue.as_raw()
    }

    /// Whether the NIC may be told to send it.
    pub(super) fn is_both_ways(&self) -> bool {
        self.buffers.both_ways
    }

    /// The same piece, in which the frame is at `place` now; [`None`], and it is dropped, if
    /// that is beyond the room.
    pub(super) fn moved(mut self, place: Place) -> Option<Self> {
        let end = place.headroom.checked_add(place.length)?;
        if end > self.buffers.layout.room() || u16::from(place.metadata) > place.headroom {
            return None;
        }
        // INVARIANT: Checked.
        self.place = place;
        Some(self)
    }

    /// The piece is somebody else's now.
    pub(super) fn give_away(self) {
        let _ = ManuallyDrop::new(self);
    }

    /// Makes a packet of it, without a copy. [`None`] if there is no memory. From a poll.
    pub(crate) fn into_packet(self, _napi: &NapiRef<'_>) -> Option<SkBuff> {
        let (start, size) = self.piece();
        // SAFETY: The piece is owned and in the linear map; what is behind headroom and bytes
        // is room enough for the shared part. A NAPI is being polled.
        let skb = unsafe {
            bindings::igb_rs_build_skb(
                start,
                size,
                c_uint::from(self.place.headroom),
                c_uint::from(self.place.length),
                c_uint::from(self.place.metadata),
            )
        };
        let skb = NonNull::new(skb)?;
        // The packet owns the piece now.
        self.give_away();
        // SAFETY: Just built, and owned.
        Some(unsafe { SkBuff::from_raw(skb) })
    }

    /// Appends it to a packet, which takes up to [`MAX_PAGES`](super::skb::MAX_PAGES); the
    /// caller counts them. The packet must have been made by
    /// [`into_packet`](Self::into_packet).
    pub(crate) fn append_to(self, skb: &mut SkBuff) {
        let this = ManuallyDrop::new(self);
        let (_, size) = this.piece();
        // SAFETY: The piece is owned, and the packet takes it over; such packets return pieces
        // to their pool.
        unsafe {
            bindings::igb_rs_add_page(
                skb.as_raw(),
                this.piece.page.as_ptr(),
                c_uint::from(this.piece.offset) + c_uint::from(this.place.headroom),
                c_uint::from(this.place.length),
                size,
            )
        };
    }
}

impl Drop for Filled<'_> {
    fn drop(&mut self) {
        self.buffers.put(self.piece);
    }
}

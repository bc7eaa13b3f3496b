// SPDX-License-Identifier: GPL-2.0

//! Pages that the NIC receives into, from a pool that maps each once and reuses it.
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

/// Bytes of a page that are the NIC's.
pub(crate) const BUFFER: u16 = 3072;

/// Bytes before those: room for headers that the stack, or a program, puts in front.
const HEADROOM: u16 = 256;

/// Bytes behind all others of a page, for the shared part of a socket buffer.
const SHARED: u16 = 320;

/// Bytes of a page that a frame and what is in front of it may take.
const ROOM: u16 = 4096 - SHARED;

const _: () = assert!(PAGE_SIZE == 4096 && HEADROOM + BUFFER <= ROOM);
// What programs are promised.
const _: () = assert!(kernel_bindings::XDP_PACKET_HEADROOM == 256 && HEADROOM == 256);

/// A page pool that is owned; what is left of it goes when its last page comes back.
struct Pool(NonNull<kernel_bindings::page_pool>);

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: Owned. Pages that others still have keep what they need of it.
        unsafe { bindings::page_pool_destroy(self.0.as_ptr()) };
    }
}

/// The buffers of a receive ring, all of them the NIC's.
///
/// # Invariants
///
/// Each of `pages` is from `pool`, mapped, and owned; mapped both ways if `both_ways`.
pub(crate) struct RxBuffers<'bound> {
    dev: &'bound Device<Bound>,
    both_ways: bool,
    pages: KVec<NonNull<kernel_bindings::page>>,
    /// Unregistered before the pool is gone.
    queue: RxQueue,
    pool: Pool,
}

// SAFETY: Owned, and used by one thread at a time, for all methods that use the pool take
// `&mut self`.
unsafe impl Send for RxBuffers<'_> {}

impl<'bound> RxBuffers<'bound> {
    /// `count` buffers for queue `queue` of `netdev`, which `napi` polls. They must be gone
    /// before that is. If `both_ways`, the NIC may be told to send from them, too. Sleeps.
    /// Errors: `ENOMEM`, `ENOSPC`.
    pub(crate) fn new<P: Poller>(
        dev: &'bound Device<Bound>,
        netdev: &NetDevice,
        napi: &Napi<P>,
        queue: u8,
        count: u16,
        both_ways: bool,
    ) -> Result<Self> {
        // SAFETY: All are valid, and outlive the pool.
        let pool = from_err_ptr(unsafe {
            bindings::igb_rs_pool_create(
                dma::raw(dev),
                netdev.as_raw(),
                napi.as_raw(),
                u16::from(queue),
                count,
                c_uint::from(HEADROOM),
                c_uint::from(BUFFER),
                both_ways,
            )
        })?;
        let pool = Pool(NonNull::new(pool).ok_or(ENOMEM)?);
        // INVARIANT: No pages yet.
        let mut this = Self {
            dev,
            both_ways,
            pages: KVec::with_capacity(usize::from(count), GFP_KERNEL)?,
            queue: RxQueue::new(netdev, napi, queue, pool.0)?,
            pool,
        };
        for _ in 0..count {
            let page = this.alloc().ok_or(ENOMEM)?;
            // INVARIANT: From the pool, which maps it.
            this.pages.push(page, GFP_KERNEL)?;
        }
        Ok(this)
    }

    /// A page of the pool, owned by the caller.
    fn alloc(&mut self) -> Option<NonNull<kernel_bindings::page>> {
        // SAFETY: The pool is owned, and nobody else allocates from it now.
        NonNull::new(unsafe { bindings::igb_rs_pool_alloc(self.pool.0.as_ptr()) })
    }

    /// Where the NIC finds buffer `index`; 0 if there is none.
    pub(crate) fn address(&self, index: u16) -> u64 {
        self.pages.get(usize::from(index)).map_or(0, |page| {
            // SAFETY: The page is mapped by the invariant.
            unsafe { bindings::igb_rs_pool_address(page.as_ptr()) + u64::from(HEADROOM) }
        })
    }

    /// Shows the first `length` bytes of buffer `index`, which the NIC has reported as
    /// written, and gives it back.
    pub(crate) fn with_bytes<R>(
        &mut self,
        index: u16,
        length: u16,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Option<R> {
        let page = *self.pages.get(usize::from(index))?;
        let length = length.min(BUFFER);
        sync(self.pool.0, page, length);
        // SAFETY: The page is owned, and the NIC writes no more until it is offered again.
        let answer = f(unsafe { bytes(page, length) });
        let address = self.address(index);
        // SAFETY: Mapped by the invariant.
        unsafe { bindings::igb_rs_sync_for_device(dma::raw(self.dev), address, length.into()) };
        Some(answer)
    }

    /// Takes out buffer `index`, which the NIC has reported as written, `length` bytes, and
    /// puts a new one in its place. [`None`], and nothing has changed, if there is no memory.
    /// From the poll.
    pub(crate) fn exchange(&mut self, index: u16, length: u16) -> Option<Filled<'_>> {
        if usize::from(index) >= self.pages.len() {
            return None;
        }
        let new = self.alloc()?;
        // INVARIANT: From the pool; the one that was there is given away.
        let page = core::mem::replace(self.pages.get_mut(usize::from(index))?, new);
        let length = length.min(BUFFER);
        sync(self.pool.0, page, length);
        // INVARIANT: A buffer is within the room.
        Some(Filled {
            pool: self.pool.0,
            page,
            place: Place {
                headroom: HEADROOM,
                length,
                metadata: 0,
            },
            buffers: self,
        })
    }
}

impl Drop for RxBuffers<'_> {
    fn drop(&mut self) {
        for page in &self.pages {
            // SAFETY: From the pool, and owned.
            unsafe { bindings::igb_rs_pool_put(self.pool.0.as_ptr(), page.as_ptr()) };
        }
    }
}

/// Lets the CPU see what the NIC has written.
fn sync(
    pool: NonNull<kernel_bindings::page_pool>,
    page: NonNull<kernel_bindings::page>,
    length: u16,
) {
    // SAFETY: The page is from the pool by the callers' invariants.
    unsafe { bindings::igb_rs_pool_sync(pool.as_ptr(), page.as_ptr(), length.into()) };
}

/// # Safety
///
/// The page must be owned, and not written, for as long as the bytes are looked at.
unsafe fn bytes<'a>(page: NonNull<kernel_bindings::page>, length: u16) -> &'a [u8] {
    // SAFETY: Pages are in the linear map (there is no highmem on 64 bit).
    let start = unsafe { bindings::igb_rs_page_address(page.as_ptr()) }.cast::<u8>();
    // SAFETY: Headroom and buffer are within the page.
    unsafe {
        core::slice::from_raw_parts(
            start.add(usize::from(HEADROOM)),
            usize::from(length.min(BUFFER)),
        )
    }
}

/// Where a frame is in its page, in bytes.
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
    /// Where a program has left a frame; [`None`] if that is in no page.
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
/// `page` is from `pool`, and owned; the frame is within [`ROOM`], with its metadata.
pub(crate) struct Filled<'a> {
    pool: NonNull<kernel_bindings::page_pool>,
    page: NonNull<kernel_bindings::page>,
    place: Place,
    buffers: &'a RxBuffers<'a>,
}

impl Filled<'_> {
    /// Where the frame is.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The raw page, for this layer.
    pub(super) fn page(&self) -> *mut kernel_bindings::page {
        self.page.as_ptr()
    }

    /// The raw queue that has received it, for this layer.
    pub(super) fn queue(&self) -> *mut bindings::xdp_rxq_info {
        self.buffers.queue.as_raw()
    }

    /// Whether the NIC may be told to send it.
    pub(super) fn is_both_ways(&self) -> bool {
        self.buffers.both_ways
    }

    /// The same page, in which the frame is at `place` now; [`None`], and it is dropped, if
    /// that is beyond the room.
    pub(super) fn moved(mut self, place: Place) -> Option<Self> {
        let end = place.headroom.checked_add(place.length)?;
        if end > ROOM || u16::from(place.metadata) > place.headroom {
            return None;
        }
        // INVARIANT: Checked.
        self.place = place;
        Some(self)
    }

    /// The page is somebody else's now.
    pub(super) fn give_away(self) {
        let _ = ManuallyDrop::new(self);
    }

    /// Makes a packet of it, without a copy. [`None`] if there is no memory. From a poll.
    pub(crate) fn into_packet(self, _napi: &NapiRef<'_>) -> Option<SkBuff> {
        // SAFETY: The page is owned and in the linear map; what is behind headroom and bytes
        // is room enough for the shared part. A NAPI is being polled.
        let skb = unsafe {
            bindings::igb_rs_build_skb(
                self.page.as_ptr(),
                c_uint::from(self.place.headroom),
                c_uint::from(self.place.length),
                c_uint::from(self.place.metadata),
            )
        };
        let skb = NonNull::new(skb)?;
        // The packet owns the page now.
        self.give_away();
        // SAFETY: Just built, and owned.
        Some(unsafe { SkBuff::from_raw(skb) })
    }

    /// Appends it to a packet, which takes up to [`MAX_PAGES`](super::skb::MAX_PAGES); the
    /// caller counts them. The packet must have been made by
    /// [`into_packet`](Self::into_packet).
    pub(crate) fn append_to(self, skb: &mut SkBuff) {
        let this = ManuallyDrop::new(self);
        // SAFETY: The page is owned, and the packet takes it over; such packets return pages
        // to their pool.
        unsafe {
            bindings::igb_rs_add_page(
                skb.as_raw(),
                this.page.as_ptr(),
                c_uint::from(this.place.headroom),
                c_uint::from(this.place.length),
            )
        };
    }
}

impl Drop for Filled<'_> {
    fn drop(&mut self) {
        // SAFETY: From the pool, and owned.
        unsafe { bindings::igb_rs_pool_put(self.pool.as_ptr(), self.page.as_ptr()) };
    }
}

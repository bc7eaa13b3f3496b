// SPDX-License-Identifier: GPL-2.0

//! XDP: programs that see a received frame before the stack does, and frames that are sent
//! without it.
//!
//! C header: [`include/net/xdp.h`](srctree/include/net/xdp.h)

use super::{
    bindings,
    dma,
    napi::{
        Napi,
        NapiRef,
        Poller, //
    },
    netdev::NetDevice,
    page_pool::{
        Filled,
        Place, //
    },
    skb::{
        Piece,
        Pieces, //
    }, //
};
use crate::netdev::action::Action;
use core::{
    marker::PhantomData,
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
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed, //
    },
    types::Opaque, //
};

const _: () = {
    assert!(kernel_bindings::xdp_action_XDP_ABORTED == Action::Aborted.raw());
    assert!(kernel_bindings::xdp_action_XDP_DROP == Action::Drop.raw());
    assert!(kernel_bindings::xdp_action_XDP_PASS == Action::Pass.raw());
    assert!(kernel_bindings::xdp_action_XDP_TX == Action::SendBack.raw());
    assert!(kernel_bindings::xdp_action_XDP_REDIRECT == Action::Redirect.raw());
};

/// A program, of which this has a reference.
pub(crate) struct Program(NonNull<kernel_bindings::bpf_prog>);

// SAFETY: References may be taken and given up by any thread.
unsafe impl Send for Program {}

impl Program {
    /// A reference of its own to `raw`.
    ///
    /// # Safety
    ///
    /// `raw` must be a program that the caller has a reference to.
    pub(super) unsafe fn share(raw: NonNull<kernel_bindings::bpf_prog>) -> Self {
        // SAFETY: The caller's reference keeps it alive.
        unsafe { bindings::igb_rs_prog_get(raw.as_ptr()) };
        Self(raw)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: The reference is owned. Those who have read the pointer in a softirq are
        // waited for: programs are freed after a grace period of RCU.
        unsafe { bindings::igb_rs_prog_put(self.0.as_ptr()) };
    }
}

/// Where an interface has its program, if it has one: polls look while it is exchanged.
///
/// # Invariants
///
/// The pointer is null, or a program that is owned.
pub(crate) struct ProgramSlot(Atomic<*mut kernel_bindings::bpf_prog>);

impl ProgramSlot {
    /// Without a program.
    pub(crate) fn new() -> Self {
        // INVARIANT: Null.
        Self(Atomic::new(core::ptr::null_mut()))
    }

    /// Whether there is a program. Changes under the RTNL.
    pub(crate) fn is_some(&self) -> bool {
        !self.0.load(Relaxed).is_null()
    }

    /// Puts `program` in the place of what was there, which is answered. Polls that have begun
    /// go on with that.
    pub(crate) fn exchange(&self, program: Option<Program>) -> Option<Program> {
        let new = program.map_or(core::ptr::null_mut(), |program| {
            ManuallyDrop::new(program).0.as_ptr()
        });
        // INVARIANT: What comes in was owned by `program`, what goes out is owned by the answer.
        NonNull::new(self.0.xchg(new, Full)).map(Program)
    }

    /// The program, for the poll that is running.
    pub(crate) fn get<'a>(&self, _napi: &'a NapiRef<'_>) -> Option<ProgramRef<'a>> {
        // A program that is taken out is freed after a grace period of RCU, and so not before
        // the softirq in which the poll is has ended.
        let program = NonNull::new(self.0.load(Acquire))?;
        Some(ProgramRef(program, PhantomData))
    }
}

impl Drop for ProgramSlot {
    fn drop(&mut self) {
        drop(self.exchange(None));
    }
}

/// A program that a poll uses.
///
/// # Invariants
///
/// The program is alive for `'a`.
pub(crate) struct ProgramRef<'a>(NonNull<kernel_bindings::bpf_prog>, PhantomData<&'a ()>);

/// What became of a frame that a program has seen.
pub(crate) enum Verdict<'a> {
    /// It is for the stack.
    Pass(Filled<'a>),
    /// It is to be sent by the interface that it came from.
    SendBack(XdpFrame),
    /// The core has it, which is to be [flushed](flush) before the poll ends.
    Redirected,
    /// It was dropped.
    Dropped,
}

impl ProgramRef<'_> {
    /// Lets the program see, and change, a frame that `netdev` has received whole.
    pub(crate) fn run<'f>(&self, filled: Filled<'f>, netdev: &NetDevice) -> Verdict<'f> {
        let mut buff = bindings::xdp_buff::default();
        let Place {
            headroom, length, ..
        } = filled.place();
        let (start, size) = filled.piece();
        // SAFETY: The piece is owned, and the frame is within what the program may use of it;
        // the queue is registered, and both are so for as long as `buff` is used.
        unsafe {
            bindings::igb_rs_xdp_prepare(
                &mut buff,
                filled.queue(),
                start,
                size,
                headroom.into(),
                length.into(),
            )
        };
        // SAFETY: The program is alive by the invariant, and this is a poll.
        let raw = unsafe { bindings::igb_rs_xdp_run(self.0.as_ptr(), &mut buff) };
        let action = Action::from(raw);
        match action {
            Action::Pass => match Place::of(&buff).and_then(|place| filled.moved(place)) {
                Some(filled) => return Verdict::Pass(filled),
                None => self.exception(netdev, action),
            },
            Action::SendBack => {
                // SAFETY: Prepared above. The frame's description is put into its headroom.
                let frame = unsafe { bindings::igb_rs_xdp_frame(&mut buff) };
                let mapped = filled.is_both_ways();
                if let Some(raw) = NonNull::new(frame) {
                    filled.give_away();
                    // INVARIANT: The frame owns the page now, which its pool has mapped so.
                    return Verdict::SendBack(XdpFrame { raw, mapped });
                }
                self.exception(netdev, action);
            }
            Action::Redirect => {
                // SAFETY: In a poll, with a frame that is owned; if it is not taken it still is.
                let taken = to_result(unsafe {
                    bindings::xdp_do_redirect(netdev.as_raw(), &mut buff, self.0.as_ptr())
                });
                if taken.is_ok() {
                    filled.give_away();
                    return Verdict::Redirected;
                }
                self.exception(netdev, action);
            }
            Action::Drop => {}
            Action::Aborted => self.exception(netdev, action),
            Action::Unknown(raw) => {
                // SAFETY: Both are valid.
                unsafe {
                    bindings::bpf_warn_invalid_xdp_action(netdev.as_raw(), self.0.as_ptr(), raw)
                };
                self.exception(netdev, action);
            }
        }
        Verdict::Dropped
    }

    /// Tells those who trace it that a frame is lost for which the program wanted `action`.
    pub(crate) fn exception(&self, netdev: &NetDevice, action: Action) {
        // SAFETY: Both are valid.
        unsafe {
            bindings::igb_rs_xdp_exception(netdev.as_raw(), self.0.as_ptr(), action.raw());
        };
    }
}

/// Sends on what was redirected in this poll.
pub(crate) fn flush(_napi: &NapiRef<'_>) {
    // SAFETY: In a poll, which the argument shows.
    unsafe { bindings::xdp_do_flush() };
}

/// A receive queue that programs know, and whose frames come from a page pool.
///
/// # Invariants
///
/// The queue is registered, with its memory.
pub(super) struct RxQueue(KBox<Opaque<bindings::xdp_rxq_info>>);

impl RxQueue {
    /// Registers queue `queue` of `netdev`, which `napi` polls, and the pool of its pages. The
    /// first two must be there for longer. Sleeps. Errors: `ENOMEM`, `ENOSPC`.
    pub(super) fn new<P: Poller>(
        netdev: &NetDevice,
        napi: &Napi<P>,
        queue: u8,
        pool: NonNull<kernel_bindings::page_pool>,
    ) -> Result<Self> {
        let info = KBox::new(Opaque::new(bindings::xdp_rxq_info::default()), GFP_KERNEL)?;
        // SAFETY: All are valid, and `info` stays in place.
        to_result(unsafe {
            bindings::igb_rs_xdp_register(
                info.get(),
                netdev.as_raw(),
                u16::from(queue),
                napi.as_raw(),
            )
        })?;
        // INVARIANT: Registered; the memory comes next, without which unregistering is sound.
        let this = Self(info);
        // SAFETY: Registered, and the pool is valid; this takes a reference of its own to it.
        to_result(unsafe {
            bindings::xdp_rxq_info_reg_mem_model(
                this.as_raw(),
                bindings::xdp_mem_type_MEM_TYPE_PAGE_POOL,
                pool.as_ptr().cast(),
            )
        })?;
        Ok(this)
    }

    /// The raw queue, for this layer.
    pub(super) fn as_raw(&self) -> *mut bindings::xdp_rxq_info {
        self.0.get()
    }
}

impl Drop for RxQueue {
    fn drop(&mut self) {
        // SAFETY: Registered, and no poll of it runs any more.
        unsafe { bindings::xdp_rxq_info_unreg(self.as_raw()) };
    }
}

/// A frame to be sent without the stack; its memory goes back to where it is from on drop.
///
/// # Invariants
///
/// `raw` is owned. If `mapped`, it is in one page, of a pool that has mapped that both ways for
/// the device that sends it.
pub(crate) struct XdpFrame {
    raw: NonNull<kernel_bindings::xdp_frame>,
    mapped: bool,
}

// SAFETY: A frame may be sent and returned by any thread.
unsafe impl Send for XdpFrame {}

impl XdpFrame {
    /// # Safety
    ///
    /// The caller gives up its ownership of `raw`, which must be valid.
    pub(super) unsafe fn from_raw(raw: NonNull<kernel_bindings::xdp_frame>) -> Self {
        // INVARIANT: Owned; nothing is known of a mapping.
        Self { raw, mapped: false }
    }

    /// Gives the ownership to the caller.
    pub(super) fn into_raw(self) -> NonNull<kernel_bindings::xdp_frame> {
        ManuallyDrop::new(self).raw
    }

    /// Bytes of the frame.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: Valid and owned.
        unsafe { bindings::igb_rs_frame_bytes(self.raw.as_ptr()) }
    }

    /// Bytes of its head.
    pub(crate) fn head(&self) -> u32 {
        // SAFETY: Valid and owned.
        unsafe { bindings::igb_rs_frame_head(self.raw.as_ptr()) }
    }

    /// Number of pages behind the head.
    pub(crate) fn pages(&self) -> u16 {
        // SAFETY: Valid and owned.
        unsafe { bindings::igb_rs_frame_pages(self.raw.as_ptr()) }
    }
}

impl Pieces for XdpFrame {
    fn map_head<'bound>(&self, dev: &'bound Device<Bound>) -> Option<Piece<'bound>> {
        let (dev_raw, frame) = (dma::raw(dev), self.raw.as_ptr());
        if self.mapped {
            // SAFETY: Mapped for the device by the invariant.
            let address = unsafe { bindings::igb_rs_mapped_frame(dev_raw, frame) };
            return Piece::of_pool(dev, address, self.head());
        }
        // SAFETY: Valid and owned; `dev` is bound.
        let raw = unsafe { bindings::igb_rs_map_frame(dev_raw, frame) };
        // SAFETY: Just mapped.
        unsafe { Piece::mapped(dev, &raw) }
    }

    fn map_page<'bound>(&self, dev: &'bound Device<Bound>, index: u16) -> Option<Piece<'bound>> {
        // SAFETY: Valid and owned; `dev` is bound.
        let raw =
            unsafe { bindings::igb_rs_map_frame_page(dma::raw(dev), self.raw.as_ptr(), index) };
        // SAFETY: Just mapped.
        unsafe { Piece::mapped(dev, &raw) }
    }
}

impl Drop for XdpFrame {
    fn drop(&mut self) {
        // Not `xdp_return_frame_rx_napi`, for a page may be of a pool that another poll uses;
        // the pool itself sees whether this is its own poll.
        // SAFETY: Valid and owned.
        unsafe { bindings::xdp_return_frame(self.raw.as_ptr()) };
    }
}

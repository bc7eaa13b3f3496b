// SPDX-License-Identifier: GPL-2.0

//! XDP as the core knows it of a network device: `ndo_bpf` and `ndo_xdp_xmit`.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    netdev::{
        operations,
        NetDevice,
        Operations, //
    },
    xdp::{
        Program,
        XdpFrame, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings as kernel_bindings,
    error::from_result,
    prelude::*, //
};

/// What a driver does for XDP.
pub(crate) trait XdpOperations {
    /// Frames are to be seen by `program`, or by none; why not is told to `user`. With the RTNL
    /// held; may sleep. Errors: nothing has changed then.
    fn set_program(&self, program: Option<Program>, user: &Explanation<'_>) -> Result;

    /// Sends frames as they are, in their order; those that are left in `frames` the caller
    /// keeps. If `flush`, the NIC must be told of them at once. With softirqs disabled. Errors:
    /// `ENXIO`, `ENETDOWN`, and none was sent.
    fn send_frames(&self, frames: &mut Frames<'_>, flush: bool) -> Result;
}

/// Where the user who asks for something is told why not.
pub(crate) struct Explanation<'a>(*mut kernel_bindings::netlink_ext_ack, PhantomData<&'a ()>);

impl Explanation<'_> {
    /// Tells `why`, of up to 70 bytes.
    pub(crate) fn set(&self, why: &CStr) {
        // SAFETY: The core's for this call, or null; the text is copied.
        unsafe { bindings::igb_rs_explain(self.0, why.as_char_ptr()) };
    }
}

/// Frames that are to be sent.
///
/// # Invariants
///
/// Those from `taken` on are owned.
pub(crate) struct Frames<'a> {
    all: &'a [*mut kernel_bindings::xdp_frame],
    taken: usize,
}

impl Frames<'_> {
    /// The next one; [`None`] if there is none left.
    pub(crate) fn take(&mut self) -> Option<XdpFrame> {
        let raw = NonNull::new(*self.all.get(self.taken)?)?;
        self.taken += 1;
        // SAFETY: Owned by the invariant, and no more.
        Some(unsafe { XdpFrame::from_raw(raw) })
    }

    /// Puts back the one that was taken last.
    pub(crate) fn put_back(&mut self, frame: XdpFrame) {
        let raw = frame.into_raw();
        let last = self.taken.checked_sub(1);
        // INVARIANT: Owned by `frame` until now.
        if let Some(last) = last.filter(|at| self.all.get(*at) == Some(&raw.as_ptr())) {
            self.taken = last;
        }
    }
}

impl NetDevice {
    /// Frames are sent by queue `queue`, which packets may have to wait for. With its lock held.
    pub(crate) fn share_queue(&self, queue: u8) {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_share_queue(self.as_raw(), queue.into()) };
    }

    /// How many queues send; at least one. May change at any time.
    pub(crate) fn tx_queues(&self) -> u32 {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_tx_queues(self.as_raw()) }.max(1)
    }

    /// Tells users what of XDP there is. Before registration.
    pub(super) fn advertise_xdp(&self) {
        let features = bindings::netdev_xdp_act_NETDEV_XDP_ACT_BASIC
            | bindings::netdev_xdp_act_NETDEV_XDP_ACT_REDIRECT;
        // SAFETY: Valid.
        unsafe { bindings::xdp_set_features_flag(self.as_raw(), features) };
    }

    /// Tells users whether frames may be redirected to the interface, also those of more than
    /// one piece. With the RTNL held; sleeps.
    pub(crate) fn set_redirect_target(&self, on: bool) {
        // SAFETY: Valid.
        unsafe {
            if on {
                bindings::xdp_features_set_redirect_target(self.as_raw(), true);
            } else {
                bindings::xdp_features_clear_redirect_target(self.as_raw());
            }
        }
    }
}

/// `ndo_bpf`.
///
/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
pub(super) unsafe extern "C" fn bpf<T: Operations>(
    dev: *mut bindings::net_device,
    request: *mut bindings::netdev_bpf,
) -> c_int {
    // SAFETY: The core's for this call.
    let request = unsafe { &*request };
    if request.command != bindings::bpf_netdev_command_XDP_SETUP_PROG {
        return EINVAL.to_errno();
    }
    // SAFETY: What is in the union for this command.
    let setup = unsafe { request.__bindgen_anon_1.__bindgen_anon_1.as_ref() };
    let raw = NonNull::new(setup.prog);
    // SAFETY: The core has a reference to the program.
    let program = raw.map(|raw| unsafe { Program::share(raw) });
    let user = Explanation(setup.extack, PhantomData);
    // SAFETY: The core calls the operations of registered devices.
    let ops = unsafe { operations::<T>(dev) };
    from_result(|| {
        ops.set_program(program, &user)?;
        if let Some(raw) = raw {
            // SAFETY: On success the core leaves its reference to the driver, which has one of
            // its own.
            unsafe { bindings::igb_rs_prog_put(raw.as_ptr()) };
        }
        Ok(0)
    })
}

/// `ndo_xdp_xmit`; answers how many frames were sent.
///
/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
pub(super) unsafe extern "C" fn xmit<T: Operations>(
    dev: *mut bindings::net_device,
    count: c_int,
    frames: *mut *mut kernel_bindings::xdp_frame,
    flags: u32,
) -> c_int {
    if flags & !bindings::XDP_XMIT_FLAGS_MASK != 0 {
        return EINVAL.to_errno();
    }
    from_result(|| {
        let count = usize::try_from(count)?;
        // SAFETY: The core hands in as many frames.
        let all = unsafe { core::slice::from_raw_parts(frames, count) };
        // INVARIANT: They are ours, but for those that are not sent.
        let mut frames = Frames { all, taken: 0 };
        // SAFETY: As above.
        let ops = unsafe { operations::<T>(dev) };
        ops.send_frames(&mut frames, flags & bindings::XDP_XMIT_FLUSH != 0)?;
        Ok(c_int::try_from(frames.taken)?)
    })
}

// SPDX-License-Identifier: GPL-2.0

//! Logging what a VF writes: `struct vfio_mediate_log_ops` over safe Rust.
//!
//! C header: `include/linux/vfio_mediate.h`

use super::{
    bindings,
    provider::borrow, //
};
use kernel::{
    error::from_result,
    prelude::*, //
};

/// The operations.
pub(super) static OPS: bindings::vfio_mediate_log_ops = bindings::vfio_mediate_log_ops {
    start: Some(start),
    sync: Some(sync),
    stop: Some(stop),
    trap_write: Some(trap_write),
};

/// Widest access in bytes.
const WIDEST: u32 = 8;

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn start(ctx: *mut c_void) -> c_int {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    from_result(|| vf.start_log().map(|()| 0))
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn sync(ctx: *mut c_void) -> c_int {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    from_result(|| vf.sync_log().map(|()| 0))
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn stop(ctx: *mut c_void) {
    // SAFETY: By contract.
    unsafe { borrow(ctx) }.stop_log();
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released; `val` may be read, `width` bytes.
unsafe extern "C" fn trap_write(
    ctx: *mut c_void,
    window: u32,
    offset: u32,
    val: *const c_void,
    width: u32,
) {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    // CAST: at most 8.
    let width = width.min(WIDEST) as usize;
    // SAFETY: The mediator hands in at least so many bytes, which do not change during the
    // call.
    let bytes = unsafe { core::slice::from_raw_parts(val.cast::<u8>(), width) };
    vf.trap_write(window, offset, bytes);
}

// SPDX-License-Identifier: GPL-2.0

//! A VF before its guest's memory is there: `struct vfio_mediate_prefault_ops` over safe Rust.
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
pub(super) static OPS: bindings::vfio_mediate_prefault_ops = bindings::vfio_mediate_prefault_ops {
    start: Some(start),
    retry: Some(retry),
    stop: Some(stop),
};

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn start(ctx: *mut c_void) -> c_int {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    from_result(|| vf.start_prefault().map(|()| 0))
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn retry(ctx: *mut c_void) -> c_int {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    from_result(|| vf.retry_prefault().map(|()| 0))
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn stop(ctx: *mut c_void) -> c_int {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    from_result(|| vf.stop_prefault().map(|()| 0))
}

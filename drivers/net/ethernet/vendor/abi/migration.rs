// SPDX-License-Identifier: GPL-2.0

//! Moving a VF: `struct vfio_mediate_migration_ops` over safe Rust.
//!
//! C header: `include/linux/vfio_mediate.h`

use super::{
    bindings,
    provider::borrow, //
};
use crate::provider::{
    levels::Level,
    mediate::Kind, //
};
use kernel::{
    error::from_result,
    prelude::*, //
};

/// The operations.
pub(super) static OPS: bindings::vfio_mediate_migration_ops =
    bindings::vfio_mediate_migration_ops {
        state_size: Some(state_size),
        save: Some(save),
        load: Some(load),
        quiesce: Some(quiesce),
        resume: Some(resume),
        reset: Some(reset),
    };

fn kind(state: u32) -> Result<Kind> {
    match state {
        bindings::VFIO_MEDIATE_STATE_PRECOPY => Ok(Kind::Known),
        bindings::VFIO_MEDIATE_STATE_FINAL => Ok(Kind::Whole),
        _ => Err(EINVAL),
    }
}

fn size(result: Result<usize>) -> c_long {
    let size = result.and_then(|size| Ok(c_long::try_from(size)?));
    // CAST: widens.
    size.unwrap_or_else(|errno| errno.to_errno() as c_long)
}

fn done(result: Result) -> c_int {
    from_result(|| result.map(|()| 0))
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn state_size(ctx: *mut c_void, state: u32) -> c_long {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    size(kind(state).and_then(|kind| vf.state_size(kind)))
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released; `buf` may be written, `len` bytes.
unsafe extern "C" fn save(ctx: *mut c_void, state: u32, buf: *mut c_void, len: usize) -> c_long {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    // SAFETY: The mediator hands in so many bytes, which are its own and initialised, to be
    // used during the call.
    let bytes = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), len) };
    size(kind(state).and_then(|kind| vf.save(kind, bytes)))
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released; `buf` may be read, `len` bytes.
unsafe extern "C" fn load(ctx: *mut c_void, state: u32, buf: *const c_void, len: usize) -> c_int {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    // SAFETY: The mediator hands in so many bytes, which do not change during the call.
    let bytes = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), len) };
    done(kind(state).and_then(|kind| vf.load(kind, bytes)))
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn quiesce(ctx: *mut c_void, level: u32) -> c_int {
    // SAFETY: By contract.
    let vf = unsafe { borrow(ctx) };
    done(match level {
        bindings::VFIO_MEDIATE_QUIESCE_P2P => vf.quiesce(Level::Quiet),
        bindings::VFIO_MEDIATE_QUIESCE_STOP => vf.quiesce(Level::Stopped),
        _ => Err(EINVAL),
    })
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn resume(ctx: *mut c_void) -> c_int {
    // SAFETY: By contract.
    done(unsafe { borrow(ctx) }.resume())
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn reset(ctx: *mut c_void) {
    // SAFETY: By contract.
    unsafe { borrow(ctx) }.reset();
}

// SPDX-License-Identifier: GPL-2.0

//! Values that are too large for a kernel stack.

use core::convert::Infallible;
use kernel::prelude::*;

/// A copy of `value`, made where it will be.
pub(crate) fn copy_of<T: Copy>(value: &'static T) -> impl Init<T> {
    let copy = move |slot: *mut T| {
        // SAFETY: `slot` is valid for writes, and cannot overlap with `value`,
        // which is initialised; `T` is `Copy`.
        unsafe { core::ptr::copy_nonoverlapping(value, slot, 1) };
        Ok::<(), Infallible>(())
    };
    // SAFETY: `slot` is initialised by the copy, which does not fail.
    unsafe { pin_init::init_from_closure(copy) }
}

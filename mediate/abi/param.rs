// SPDX-License-Identifier: GPL-2.0

//! The module parameter `transport`. The kernel crate's parameters are numbers
//! that cannot be changed in sysfs, so this one is declared here.
//!
//! C header: `include/linux/moduleparam.h`

use crate::logic::transport::Choice;
use kernel::{
    bindings as kernel_bindings,
    prelude::*,
    str::{
        as_char_ptr_in_const_context,
        CStrExt, //
    },
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// The choice in force for devices that are opened from now on, by its index.
static CHOICE: Atomic<u32> = Atomic::new(Choice::Auto.index());

/// What the operator chose.
pub(crate) fn transport() -> Choice {
    Choice::from_index(CHOICE.load(Relaxed))
}

/// # Safety
///
/// The contract of `struct kernel_param_ops`: `val` is a NUL-terminated string.
unsafe extern "C" fn set(
    val: *const c_char,
    _param: *const kernel_bindings::kernel_param,
) -> c_int {
    if val.is_null() {
        return EINVAL.to_errno();
    }
    // SAFETY: By contract.
    let word = unsafe { <CStr as CStrExt>::from_char_ptr(val) };
    match Choice::parse(word.to_bytes()) {
        Some(choice) => {
            CHOICE.store(choice.index(), Relaxed);
            0
        }
        None => EINVAL.to_errno(),
    }
}

/// # Safety
///
/// The contract of `struct kernel_param_ops`: `buffer` is a page.
unsafe extern "C" fn get(
    buffer: *mut c_char,
    _param: *const kernel_bindings::kernel_param,
) -> c_int {
    let word = transport().word();
    // SAFETY: The words are a few bytes long, `buffer` is a page.
    unsafe { core::ptr::copy_nonoverlapping(word.as_ptr(), buffer.cast::<u8>(), word.len()) };
    // SAFETY: As above.
    unsafe { buffer.cast::<u8>().add(word.len()).write(b'\n') };
    c_int::try_from(word.len() + 1).unwrap_or(0)
}

static OPS: kernel_bindings::kernel_param_ops = kernel_bindings::kernel_param_ops {
    flags: 0,
    set: Some(set),
    get: Some(get),
    free: None,
};

#[repr(transparent)]
struct Param(kernel_bindings::kernel_param);

// SAFETY: The kernel serializes access to parameters; Rust does not touch it.
unsafe impl Sync for Param {}

// Where the module loader looks for parameters.
#[link_section = "__param"]
#[used]
static TRANSPORT: Param = Param(kernel_bindings::kernel_param {
    name: as_char_ptr_in_const_context(c"transport"),
    mod_: <crate::VfioPciMediateModule as kernel::ModuleMetadata>::THIS_MODULE.as_ptr(),
    ops: &OPS,
    perm: 0o644,
    level: -1,
    flags: 0,
    __bindgen_anon_1: kernel_bindings::kernel_param__bindgen_ty_1 {
        arg: core::ptr::null_mut(),
    },
});

/// Puts a line where modinfo finds it.
macro_rules! modinfo {
    ($name:ident, $text:literal) => {
        #[link_section = ".modinfo"]
        #[used]
        static $name: [u8; $text.len()] = *$text;
    };
}

modinfo!(PARM_TYPE, b"parmtype=transport:charp\0");
modinfo!(
    PARM,
    b"parm=transport:how registers are mediated: auto, kvm, region, fixed or none; \
      for devices opened from then on (default: auto)\0"
);

// SPDX-License-Identifier: GPL-2.0

//! The functions of `include/linux/vfio_mediate.h`, exported by the C shim.

use super::{
    bindings,
    provider_ops::{
        Host,
        OpenVf,
        Pf,
        ProviderOps,
        Vf, //
    },
};
use crate::registry::providers;
use core::ptr::NonNull;
use kernel::{
    bindings::pci_dev,
    error::from_result,
    prelude::*, //
};

fn done(result: Result) -> c_int {
    from_result(|| result.map(|()| 0))
}

fn provider(ops: *const bindings::vfio_mediate_ops) -> Result<ProviderOps> {
    let ops = NonNull::new(ops.cast_mut()).ok_or_else(|| {
        pr_err!("provider refused: ops is NULL\n");
        EINVAL
    })?;
    // SAFETY: Each exported function's caller is a provider speaking of its own
    // structure, which the header obliges it to keep.
    Ok(unsafe { ProviderOps::new(ops) })
}

/// See `include/linux/vfio_mediate.h`. May sleep.
#[no_mangle]
extern "C" fn vfio_mediate_register_provider(ops: *const bindings::vfio_mediate_ops) -> c_int {
    done(provider(ops).and_then(providers::register))
}

/// See `include/linux/vfio_mediate.h`. May sleep.
#[no_mangle]
extern "C" fn vfio_mediate_unregister_provider(ops: *const bindings::vfio_mediate_ops) -> c_int {
    done(provider(ops).and_then(providers::unregister))
}

/// See `include/linux/vfio_mediate.h`. May sleep.
#[no_mangle]
extern "C" fn vfio_mediate_attach_pf(
    ops: *const bindings::vfio_mediate_ops,
    pf: *mut pci_dev,
) -> c_int {
    done(provider(ops).and_then(|ops| providers::attach_pf(ops, Pf::new(pf).ok_or(EINVAL)?)))
}

/// See `include/linux/vfio_mediate.h`. May sleep.
#[no_mangle]
extern "C" fn vfio_mediate_detach_pf(
    ops: *const bindings::vfio_mediate_ops,
    pf: *mut pci_dev,
) -> c_int {
    done(provider(ops).and_then(|ops| providers::detach_pf(ops, Pf::new(pf).ok_or(EINVAL)?)))
}

/// See `include/linux/vfio_mediate.h`. May sleep.
///
/// # Safety
///
/// `vf` must be a valid device, `host` valid until `vfio_mediate_put`, and
/// `binding` valid for writing.
#[no_mangle]
unsafe extern "C" fn vfio_mediate_get(
    vf: *mut pci_dev,
    host: *const bindings::vfio_mediate_host,
    binding: *mut bindings::vfio_mediate_binding,
) -> c_int {
    done((|| {
        let vf = NonNull::new(vf).ok_or(EINVAL)?;
        // SAFETY: By the function's contract.
        let vf = unsafe { Vf::new(vf) };
        // SAFETY: By the function's contract.
        let host = unsafe { Host::new(host) }?;
        let (ops, ctx) = providers::open(vf, host)?.into_parts();
        let filled = bindings::vfio_mediate_binding {
            ops: ops.as_ptr(),
            ctx,
            pf: vf.pf().as_ptr(),
        };
        // SAFETY: By the function's contract.
        unsafe { binding.write(filled) };
        Ok(())
    })())
}

/// See `include/linux/vfio_mediate.h`. May sleep.
///
/// # Safety
///
/// `binding` must have been filled by `vfio_mediate_get`, and be put once.
#[no_mangle]
unsafe extern "C" fn vfio_mediate_put(binding: *const bindings::vfio_mediate_binding) {
    // SAFETY: By the function's contract.
    let binding = unsafe { &*binding };
    if let (Ok(ops), Some(pf)) = (provider(binding.ops), Pf::new(binding.pf)) {
        // SAFETY: `vfio_mediate_get` split an `OpenVf` into these parts.
        providers::close(unsafe { OpenVf::from_parts(ops, binding.ctx) }, pf);
    }
}

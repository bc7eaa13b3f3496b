// SPDX-License-Identifier: GPL-2.0

//! Providers, the PFs they drive, and who holds them.
//!
//! A provider's module is held by each open VF, so that it cannot be unloaded
//! under one. PFs are compared by identity only and never looked into.

use crate::abi::provider_ops::{Host, OpenError, OpenVf, Pf, ProviderOps, Vf};
use kernel::prelude::*;

/// A registered provider.
struct Provider {
    ops: ProviderOps,
    /// The PFs it drives.
    pfs: KVec<Pf>,
    /// The VFs that are open through it, each with its PF.
    open: KVec<Pf>,
}

kernel::sync::global_lock! {
    // UNSAFE-OUTSIDE-ABI: the macro's way to define a lock that `init` makes.
    // SAFETY: `init` runs once, from this module's init, before any symbol of
    // this module can be called.
    unsafe(uninit) static PROVIDERS: Mutex<KVec<Provider>> = KVec::new();
}
// `PROVIDERS` protects the list and each provider's fields. It is a leaf: no
// hook of a provider is called, and no other lock is taken, under it.

/// Makes the registry usable; called once, from module init.
pub(crate) fn init() {
    // UNSAFE-OUTSIDE-ABI: belongs to the lock's definition above.
    // SAFETY: Called once, from module init.
    unsafe { PROVIDERS.init() };
}

/// Frees the list's memory, which a static never gives back by itself; called
/// once, from module exit, when every provider's module has gone.
pub(crate) fn exit() {
    *PROVIDERS.lock() = KVec::new();
}

/// Adds a provider.
///
/// Errors: `EINVAL` for a malformed one, `EEXIST` if it, or one of its name, is
/// there already, `ENOMEM`. The log says why.
pub(crate) fn register(ops: ProviderOps) -> Result {
    ops.check().map_err(|refusal| {
        pr_err!(
            "provider {} refused: {}\n",
            ops.name(),
            format_args!("{refusal}")
        );
        EINVAL
    })?;
    let mut providers = PROVIDERS.lock();
    if providers
        .iter()
        .any(|p| p.ops == ops || p.ops.name() == ops.name())
    {
        pr_err!(
            "provider {} refused: it is registered already\n",
            ops.name()
        );
        return Err(EEXIST);
    }
    providers.push(
        Provider {
            ops,
            pfs: KVec::new(),
            open: KVec::new(),
        },
        GFP_KERNEL,
    )?;
    pr_info!("provider {} registered\n", ops.name());
    Ok(())
}

/// Takes a provider out. Errors: `ENOENT` if it is not there, `EBUSY` while a VF
/// is open through it.
pub(crate) fn unregister(ops: ProviderOps) -> Result {
    let mut providers = PROVIDERS.lock();
    let at = providers.iter().position(|p| p.ops == ops).ok_or(ENOENT)?;
    if !providers[at].open.is_empty() {
        pr_err!(
            "provider {} stays: {} of its VFs are open; close them first\n",
            ops.name(),
            providers[at].open.len()
        );
        return Err(EBUSY);
    }
    providers.remove(at).map_err(|_| ENOENT)?;
    pr_info!("provider {} unregistered\n", ops.name());
    Ok(())
}

/// Names `pf` as driven by the provider. Errors: `ENOENT` if the provider is not
/// registered, `EEXIST` if some provider has the PF already, `ENOMEM`.
pub(crate) fn attach_pf(ops: ProviderOps, pf: Pf) -> Result {
    let mut providers = PROVIDERS.lock();
    if providers.iter().any(|p| p.pfs.contains(&pf)) {
        return Err(EEXIST);
    }
    let provider = providers.iter_mut().find(|p| p.ops == ops).ok_or(ENOENT)?;
    provider.pfs.push(pf, GFP_KERNEL)?;
    Ok(())
}

/// Ends [`attach_pf`]. Errors: `ENOENT` if it was not attached, `EBUSY` while a
/// VF of it is open.
pub(crate) fn detach_pf(ops: ProviderOps, pf: Pf) -> Result {
    let mut providers = PROVIDERS.lock();
    let provider = providers.iter_mut().find(|p| p.ops == ops).ok_or(ENOENT)?;
    if provider.open.contains(&pf) {
        return Err(EBUSY);
    }
    let at = provider.pfs.iter().position(|p| *p == pf).ok_or(ENOENT)?;
    provider.pfs.remove(at).map_err(|_| ENOENT)?;
    Ok(())
}

/// Opens `vf` through the provider that drives its PF and knows its id.
///
/// Errors: `ENODEV` if there is none, else the provider's own reason.
pub(crate) fn open(vf: Vf<'_>, host: Host) -> Result<OpenVf> {
    let pf = vf.pf();
    let held = {
        let mut providers = PROVIDERS.lock();
        let provider = providers
            .iter_mut()
            .find(|p| p.pfs.contains(&pf) && p.ops.knows(&vf))
            .ok_or(ENODEV)?;
        // A provider that is being unloaded is as good as gone.
        let held = provider.ops.hold().ok_or(ENODEV)?;
        provider.open.push(pf, GFP_KERNEL)?;
        held
    };
    // Not under the lock: the provider may sleep, and may attach or detach PFs.
    held.open(&vf, host).map_err(|OpenError(held, errno)| {
        forget_open(held.ops(), pf);
        errno
    })
}

/// Ends [`open`]: tells the provider and lets its module go.
pub(crate) fn close(vf: OpenVf, pf: Pf) {
    let ops = vf.ops();
    let held = vf.release();
    forget_open(ops, pf);
    // The module may go only when nothing of it is in the list as open.
    drop(held);
}

fn forget_open(ops: ProviderOps, pf: Pf) {
    let mut providers = PROVIDERS.lock();
    if let Some(provider) = providers.iter_mut().find(|p| p.ops == ops) {
        if let Some(at) = provider.open.iter().position(|p| *p == pf) {
            let _ = provider.open.remove(at);
        }
    }
}

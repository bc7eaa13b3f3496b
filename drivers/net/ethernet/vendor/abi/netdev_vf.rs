// SPDX-License-Identifier: GPL-2.0

//! The operations of a network device that set up its VFs, `ndo_set_vf_*`.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    netdev::{
        operations,
        Operations, //
    }, //
};
use crate::netdev::filter_table::Mac;
use kernel::{
    bindings as kernel_bindings,
    error::from_result,
    prelude::*, //
};

/// What `ip link show` tells of a VF.
pub(crate) type VfInfo = bindings::ifla_vf_info;

/// What `ip -s link show` tells of a VF.
pub(crate) type VfStats = bindings::ifla_vf_stats;

/// A tag that a VF's packets get and lose on their way.
#[derive(Clone, Copy)]
pub(crate) struct PortVlan {
    /// VLAN, 0 for none.
    pub(crate) vid: u16,
    /// Priority, 0 to 7.
    pub(crate) priority: u8,
    /// Ethertype of the tag: 0x8100 or 0x88a8.
    pub(crate) protocol: u16,
}

/// What a VF is told of the link.
#[derive(Clone, Copy)]
pub(crate) enum LinkState {
    /// As it is.
    Auto,
    /// Up, always.
    Enable,
    /// Down, always.
    Disable,
}

/// `ip link set DEV vf N …`, with the RTNL held; may sleep. `vf` is a number that the user
/// gave: it may exceed the VFs there are (`EINVAL`).
///
/// What is not overridden answers `EOPNOTSUPP`.
pub(crate) trait VfOperations {
    /// Sets the address that the VF must use; zero takes it back.
    fn set_vf_mac(&self, _vf: u32, _mac: &Mac) -> Result {
        Err(EOPNOTSUPP)
    }

    /// Sets the port VLAN.
    fn set_vf_vlan(&self, _vf: u32, _vlan: PortVlan) -> Result {
        Err(EOPNOTSUPP)
    }

    /// Limits the rate to `_max` Mb/s, 0 for no limit; `_min` is a guarantee.
    fn set_vf_rate(&self, _vf: u32, _min: u32, _max: u32) -> Result {
        Err(EOPNOTSUPP)
    }

    /// Checks, or not, that the VF sends from its own address.
    fn set_vf_spoofchk(&self, _vf: u32, _on: bool) -> Result {
        Err(EOPNOTSUPP)
    }

    /// Trusts the VF, or not.
    fn set_vf_trust(&self, _vf: u32, _on: bool) -> Result {
        Err(EOPNOTSUPP)
    }

    /// Sets what the VF is told of the link.
    fn set_vf_link_state(&self, _vf: u32, _state: LinkState) -> Result {
        Err(EOPNOTSUPP)
    }

    /// Fills in what was set.
    fn vf_config(&self, _vf: u32, _info: &mut VfInfo) -> Result {
        Err(EOPNOTSUPP)
    }

    /// Fills in what was counted.
    fn vf_stats(&self, _vf: u32, _stats: &mut VfStats) -> Result {
        Err(EOPNOTSUPP)
    }
}

/// These operations; the others are the caller's to fill in.
pub(super) const fn ops<T: Operations>() -> bindings::net_device_ops {
    // SAFETY: All members are pointers and optional functions, for which zero is none.
    let none: bindings::net_device_ops = unsafe { core::mem::zeroed() };
    bindings::net_device_ops {
        ndo_set_vf_mac: Some(set_vf_mac::<T>),
        ndo_set_vf_vlan: Some(set_vf_vlan::<T>),
        ndo_set_vf_rate: Some(set_vf_rate::<T>),
        ndo_set_vf_spoofchk: Some(set_vf_spoofchk::<T>),
        ndo_set_vf_trust: Some(set_vf_trust::<T>),
        ndo_set_vf_link_state: Some(set_vf_link_state::<T>),
        ndo_get_vf_config: Some(get_vf_config::<T>),
        ndo_get_vf_stats: Some(get_vf_stats::<T>),
        ..none
    }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`.
unsafe fn call<T: Operations>(
    dev: *mut bindings::net_device,
    vf: c_int,
    f: impl FnOnce(&T, u32) -> Result,
) -> c_int {
    // SAFETY: By contract.
    let ops = unsafe { operations::<T>(dev) };
    from_result(|| f(ops, u32::try_from(vf)?).map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_vf_mac<T: Operations>(
    dev: *mut bindings::net_device,
    vf: c_int,
    mac: *mut u8,
) -> c_int {
    // SAFETY: The core hands in six bytes.
    let mac: Mac = unsafe { mac.cast::<Mac>().read() };
    // SAFETY: The core calls the operations of registered devices.
    unsafe { call::<T>(dev, vf, |ops, vf| ops.set_vf_mac(vf, &mac)) }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_vf_vlan<T: Operations>(
    dev: *mut bindings::net_device,
    vf: c_int,
    vid: u16,
    priority: u8,
    protocol: kernel_bindings::__be16,
) -> c_int {
    let vlan = PortVlan {
        vid,
        priority,
        protocol: u16::from_be(protocol),
    };
    // SAFETY: As above.
    unsafe { call::<T>(dev, vf, |ops, vf| ops.set_vf_vlan(vf, vlan)) }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_vf_rate<T: Operations>(
    dev: *mut bindings::net_device,
    vf: c_int,
    min: c_int,
    max: c_int,
) -> c_int {
    let rate = |ops: &T, vf| ops.set_vf_rate(vf, u32::try_from(min)?, u32::try_from(max)?);
    // SAFETY: As above.
    unsafe { call::<T>(dev, vf, rate) }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_vf_spoofchk<T: Operations>(
    dev: *mut bindings::net_device,
    vf: c_int,
    on: bool,
) -> c_int {
    // SAFETY: As above.
    unsafe { call::<T>(dev, vf, |ops, vf| ops.set_vf_spoofchk(vf, on)) }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_vf_trust<T: Operations>(
    dev: *mut bindings::net_device,
    vf: c_int,
    on: bool,
) -> c_int {
    // SAFETY: As above.
    unsafe { call::<T>(dev, vf, |ops, vf| ops.set_vf_trust(vf, on)) }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_vf_link_state<T: Operations>(
    dev: *mut bindings::net_device,
    vf: c_int,
    state: c_int,
) -> c_int {
    // The values of IFLA_VF_LINK_STATE_*.
    let state = match state {
        0 => Some(LinkState::Auto),
        1 => Some(LinkState::Enable),
        2 => Some(LinkState::Disable),
        _ => None,
    };
    let set = |ops: &T, vf| ops.set_vf_link_state(vf, state.ok_or(EINVAL)?);
    // SAFETY: As above.
    unsafe { call::<T>(dev, vf, set) }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_vf_config<T: Operations>(
    dev: *mut bindings::net_device,
    vf: c_int,
    info: *mut VfInfo,
) -> c_int {
    // SAFETY: As above; `info` is the caller's.
    unsafe { call::<T>(dev, vf, |ops, vf| ops.vf_config(vf, &mut *info)) }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_vf_stats<T: Operations>(
    dev: *mut bindings::net_device,
    vf: c_int,
    stats: *mut VfStats,
) -> c_int {
    // SAFETY: As above; `stats` is the caller's.
    unsafe { call::<T>(dev, vf, |ops, vf| ops.vf_stats(vf, &mut *stats)) }
}

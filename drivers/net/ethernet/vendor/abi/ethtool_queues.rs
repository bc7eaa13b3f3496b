// SPDX-License-Identifier: GPL-2.0

//! `struct ethtool_ops` over safe Rust: queues, rings, interrupts, and how receive queues are
//! chosen.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::{
    bindings,
    netdev::{
        operations,
        Operations, //
    }, //
};
use kernel::{
    bindings as kernel_bindings,
    error::from_result,
    prelude::*, //
};

/// Descriptors of the rings.
#[derive(Clone, Copy)]
pub(crate) struct Rings {
    /// Of each receive ring.
    pub(crate) rx: u32,
    /// Of each transmit ring.
    pub(crate) tx: u32,
}

/// Least times between two interrupts, by `rx-usecs` and `tx-usecs` as users see them.
#[derive(Clone, Copy)]
pub(crate) struct Intervals {
    /// Of what was received.
    pub(crate) rx: u32,
    /// Of what was sent; 0 if that has no vectors of its own.
    pub(crate) tx: u32,
}

/// Kinds of packets for which the fields that a hash covers can be chosen.
#[derive(Clone, Copy)]
pub(crate) enum Flow {
    /// TCP over IPv4 or IPv6.
    Tcp,
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6.
    Udp6,
    /// Anything else over IPv4 or IPv6.
    Other,
}

/// What `ethtool` asks of queues. Called with the RTNL held; may sleep.
pub(crate) trait QueueOperations {
    /// Descriptors of the rings.
    fn rings(&self) -> Rings;

    /// The most descriptors that rings may have.
    fn most_descriptors(&self) -> u32;

    /// Changes the rings, to as many descriptors or a few more.
    fn set_rings(&self, rings: Rings) -> Result;

    /// Pairs of queues: how many there are, and how many there may be.
    fn channels(&self) -> (u8, u8);

    /// Changes the number of pairs of queues, which is at least 1 and at most what
    /// [`channels`](Self::channels) answers.
    fn set_channels(&self, count: u8) -> Result;

    /// Least time between two interrupts.
    fn intervals(&self) -> Intervals;

    /// Changes that time.
    fn set_intervals(&self, intervals: Intervals) -> Result;

    /// Entries of the table that a hash chooses a queue from.
    fn table_size(&self) -> u32;

    /// Bytes of the hash's key.
    fn key_size(&self) -> u32;

    /// Copies table and key out, as far as they are asked for.
    fn hash(&self, table: Option<&mut [u32]>, key: Option<&mut [u8]>);

    /// Changes table and key, as far as they are given.
    fn set_hash(&self, table: Option<&[u32]>, key: Option<&[u8]>) -> Result;

    /// Whether the hash covers the ports of layer 4 for such packets.
    fn covers_ports(&self, flow: Flow) -> bool;

    /// Changes that.
    fn set_covers_ports(&self, flow: Flow, on: bool) -> Result;
}

/// Adds the operations to a table.
pub(super) const fn fill<T: Operations>(mut ops: bindings::ethtool_ops) -> bindings::ethtool_ops {
    // ETHTOOL_COALESCE_RX_USECS and ETHTOOL_COALESCE_TX_USECS.
    ops.supported_coalesce_params = 1 << 0 | 1 << 4;
    ops.get_ringparam = Some(get_ringparam::<T>);
    ops.set_ringparam = Some(set_ringparam::<T>);
    ops.get_channels = Some(get_channels::<T>);
    ops.set_channels = Some(set_channels::<T>);
    ops.get_coalesce = Some(get_coalesce::<T>);
    ops.set_coalesce = Some(set_coalesce::<T>);
    ops.get_rx_ring_count = Some(get_rx_ring_count::<T>);
    ops.get_rxfh_key_size = Some(get_rxfh_key_size::<T>);
    ops.get_rxfh_indir_size = Some(get_rxfh_indir_size::<T>);
    ops.get_rxfh = Some(get_rxfh::<T>);
    ops.set_rxfh = Some(set_rxfh::<T>);
    ops.get_rxfh_fields = Some(get_rxfh_fields::<T>);
    ops.set_rxfh_fields = Some(set_rxfh_fields::<T>);
    ops
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_ringparam<T: Operations>(
    dev: *mut bindings::net_device,
    rings: *mut kernel_bindings::ethtool_ringparam,
    _kernel: *mut kernel_bindings::kernel_ethtool_ringparam,
    _extack: *mut kernel_bindings::netlink_ext_ack,
) {
    // SAFETY: The core calls the operations of registered devices; `rings` is the caller's.
    let (ops, rings) = unsafe { (operations::<T>(dev), &mut *rings) };
    let now = ops.rings();
    rings.rx_max_pending = ops.most_descriptors();
    rings.tx_max_pending = ops.most_descriptors();
    rings.rx_pending = now.rx;
    rings.tx_pending = now.tx;
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_ringparam<T: Operations>(
    dev: *mut bindings::net_device,
    rings: *mut kernel_bindings::ethtool_ringparam,
    _kernel: *mut kernel_bindings::kernel_ethtool_ringparam,
    _extack: *mut kernel_bindings::netlink_ext_ack,
) -> c_int {
    // SAFETY: As above.
    let (ops, rings) = unsafe { (operations::<T>(dev), &*rings) };
    let wanted = Rings {
        rx: rings.rx_pending,
        tx: rings.tx_pending,
    };
    from_result(|| ops.set_rings(wanted).map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_channels<T: Operations>(
    dev: *mut bindings::net_device,
    channels: *mut kernel_bindings::ethtool_channels,
) {
    // SAFETY: As above.
    let (ops, channels) = unsafe { (operations::<T>(dev), &mut *channels) };
    let (count, most) = ops.channels();
    channels.max_combined = u32::from(most);
    channels.combined_count = u32::from(count);
    // The vector of all causes that are no queue's.
    channels.max_other = 1;
    channels.other_count = 1;
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_channels<T: Operations>(
    dev: *mut bindings::net_device,
    channels: *mut kernel_bindings::ethtool_channels,
) -> c_int {
    // SAFETY: As above.
    let (ops, channels) = unsafe { (operations::<T>(dev), &*channels) };
    from_result(|| {
        let count = u8::try_from(channels.combined_count)?;
        let (_, most) = ops.channels();
        if channels.other_count != 1 || !(1..=most).contains(&count) {
            return Err(EINVAL);
        }
        ops.set_channels(count).map(|()| 0)
    })
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_coalesce<T: Operations>(
    dev: *mut bindings::net_device,
    coalesce: *mut kernel_bindings::ethtool_coalesce,
    _kernel: *mut kernel_bindings::kernel_ethtool_coalesce,
    _extack: *mut kernel_bindings::netlink_ext_ack,
) -> c_int {
    // SAFETY: As above.
    let (ops, coalesce) = unsafe { (operations::<T>(dev), &mut *coalesce) };
    let Intervals { rx, tx } = ops.intervals();
    coalesce.rx_coalesce_usecs = rx;
    coalesce.tx_coalesce_usecs = tx;
    0
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_coalesce<T: Operations>(
    dev: *mut bindings::net_device,
    coalesce: *mut kernel_bindings::ethtool_coalesce,
    _kernel: *mut kernel_bindings::kernel_ethtool_coalesce,
    _extack: *mut kernel_bindings::netlink_ext_ack,
) -> c_int {
    // SAFETY: As above.
    let (ops, coalesce) = unsafe { (operations::<T>(dev), &*coalesce) };
    let intervals = Intervals {
        rx: coalesce.rx_coalesce_usecs,
        tx: coalesce.tx_coalesce_usecs,
    };
    from_result(|| ops.set_intervals(intervals).map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_rx_ring_count<T: Operations>(dev: *mut bindings::net_device) -> u32 {
    // SAFETY: As above.
    let (count, _) = unsafe { operations::<T>(dev) }.channels();
    u32::from(count)
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_rxfh_key_size<T: Operations>(dev: *mut bindings::net_device) -> u32 {
    // SAFETY: As above.
    unsafe { operations::<T>(dev) }.key_size()
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_rxfh_indir_size<T: Operations>(dev: *mut bindings::net_device) -> u32 {
    // SAFETY: As above.
    unsafe { operations::<T>(dev) }.table_size()
}

/// The hash of Toeplitz, the only one (`ETH_RSS_HASH_TOP`), and no change.
const TOEPLITZ: u8 = 1;
const NO_CHANGE: u8 = 0;

/// `count` values; [`None`] if there are none.
///
/// # Safety
///
/// `start` must be NULL, or as many values may be read and written there for `'a`.
unsafe fn slice_mut<'a, V>(start: *mut V, count: usize) -> Option<&'a mut [V]> {
    (!start.is_null()).then(|| {
        // SAFETY: By contract.
        unsafe { core::slice::from_raw_parts_mut(start, count) }
    })
}

/// Entries and bytes that a slice may have, of a size that C tells.
fn count(size: u32) -> usize {
    usize::try_from(size).unwrap_or(0)
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_rxfh<T: Operations>(
    dev: *mut bindings::net_device,
    hash: *mut kernel_bindings::ethtool_rxfh_param,
) -> c_int {
    // SAFETY: As above.
    let (ops, hash) = unsafe { (operations::<T>(dev), &mut *hash) };
    hash.hfunc = TOEPLITZ;
    let (entries, bytes) = (count(ops.table_size()), count(ops.key_size()));
    // SAFETY: What the caller asks for it has room for, of the sizes that it was told.
    let (table, key) = unsafe { (slice_mut(hash.indir, entries), slice_mut(hash.key, bytes)) };
    ops.hash(table, key);
    0
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_rxfh<T: Operations>(
    dev: *mut bindings::net_device,
    hash: *mut kernel_bindings::ethtool_rxfh_param,
    _extack: *mut kernel_bindings::netlink_ext_ack,
) -> c_int {
    // SAFETY: As above.
    let (ops, hash) = unsafe { (operations::<T>(dev), &*hash) };
    from_result(|| {
        if hash.hfunc != NO_CHANGE && hash.hfunc != TOEPLITZ {
            return Err(EOPNOTSUPP);
        }
        let (entries, bytes) = (count(ops.table_size()), count(ops.key_size()));
        // SAFETY: What the caller gives is of the sizes that it was told.
        let (table, key) = unsafe { (slice_mut(hash.indir, entries), slice_mut(hash.key, bytes)) };
        let (table, key) = (table.as_deref(), key.as_deref());
        ops.set_hash(table, key).map(|()| 0)
    })
}

/// `RXH_IP_SRC` and `RXH_IP_DST`.
const ADDRESSES: u32 = 1 << 4 | 1 << 5;
/// `RXH_L4_B_0_1` and `RXH_L4_B_2_3`.
const PORTS: u32 = 1 << 6 | 1 << 7;

/// The kind of packets of `flow_type`.
fn flow(flow_type: u32) -> Result<Flow> {
    match flow_type {
        kernel_bindings::TCP_V4_FLOW | kernel_bindings::TCP_V6_FLOW => Ok(Flow::Tcp),
        kernel_bindings::UDP_V4_FLOW => Ok(Flow::Udp4),
        kernel_bindings::UDP_V6_FLOW => Ok(Flow::Udp6),
        kernel_bindings::SCTP_V4_FLOW
        | kernel_bindings::SCTP_V6_FLOW
        | kernel_bindings::AH_ESP_V4_FLOW
        | kernel_bindings::AH_ESP_V6_FLOW
        | kernel_bindings::AH_V4_FLOW
        | kernel_bindings::AH_V6_FLOW
        | kernel_bindings::ESP_V4_FLOW
        | kernel_bindings::ESP_V6_FLOW
        | kernel_bindings::IPV4_FLOW
        | kernel_bindings::IPV6_FLOW => Ok(Flow::Other),
        _ => Err(EINVAL),
    }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_rxfh_fields<T: Operations>(
    dev: *mut bindings::net_device,
    fields: *mut kernel_bindings::ethtool_rxfh_fields,
) -> c_int {
    // SAFETY: As above.
    let (ops, fields) = unsafe { (operations::<T>(dev), &mut *fields) };
    from_result(|| {
        let ports = ops.covers_ports(flow(fields.flow_type)?);
        fields.data = ADDRESSES | if ports { PORTS } else { 0 };
        Ok(0)
    })
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_rxfh_fields<T: Operations>(
    dev: *mut bindings::net_device,
    fields: *const kernel_bindings::ethtool_rxfh_fields,
    _extack: *mut kernel_bindings::netlink_ext_ack,
) -> c_int {
    // SAFETY: As above.
    let (ops, fields) = unsafe { (operations::<T>(dev), &*fields) };
    from_result(|| {
        const BOTH: u32 = ADDRESSES | PORTS;
        let on = match fields.data {
            ADDRESSES => false,
            BOTH => true,
            _ => return Err(EINVAL),
        };
        ops.set_covers_ports(flow(fields.flow_type)?, on)?;
        Ok(0)
    })
}

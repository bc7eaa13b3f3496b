// SPDX-License-Identifier: GPL-2.0

//! `struct ethtool_ops` over safe Rust.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::{
    bindings,
    ethtool_link::{
        self,
        LinkOperations, //
    },
    ethtool_port::{
        self,
        PortOperations,
        TESTS, //
    },
    ethtool_queues::{
        self,
        QueueOperations, //
    },
    netdev::{
        operations,
        Operations, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    bindings as kernel_bindings,
    error::from_result,
    fmt::{
        self,
        Write, //
    },
    prelude::*, //
};

/// What `ethtool` asks. Called with the RTNL held; may sleep.
pub(crate) trait EthtoolOperations:
    QueueOperations + PortOperations + LinkOperations
{
    /// Name of the driver, of up to 31 bytes.
    const DRIVER: &'static CStr;

    /// Writes the version of the firmware, of up to 31 bytes.
    fn firmware(&self, to: &mut Name<'_>) -> fmt::Result;

    /// The bus address of the device.
    fn bus_info(&self) -> &CStr;

    /// How many counters there are; changes with the number of queues.
    fn count_counters(&self) -> usize;

    /// Writes the name of counter `index`, of up to 31 bytes.
    fn name_counter(&self, index: usize, to: &mut Name<'_>) -> fmt::Result;

    /// Fills in the counters; the slice is as long as [`count_counters`](Self::count_counters)
    /// answers.
    fn counters(&self, values: &mut [u64]);
}

/// Holder of the operations of `T`.
pub(super) struct Table<T>(PhantomData<T>);

impl<T: Operations> Table<T> {
    /// The operations.
    pub(super) const OPS: &'static bindings::ethtool_ops = {
        // SAFETY: All members are integers, pointers and optional functions, for which
        // zero is none.
        const NONE: bindings::ethtool_ops = unsafe { core::mem::zeroed() };
        let own = bindings::ethtool_ops {
            get_drvinfo: Some(get_drvinfo::<T>),
            get_ts_info: Some(bindings::ethtool_op_get_ts_info),
            get_strings: Some(get_strings::<T>),
            get_sset_count: Some(get_sset_count::<T>),
            get_ethtool_stats: Some(get_ethtool_stats::<T>),
            ..NONE
        };
        &ethtool_link::fill::<T>(ethtool_port::fill::<T>(ethtool_queues::fill::<T>(own)))
    };
}

/// Copies a string into a zeroed array of C characters that ends in one more zero.
fn copy(to: &mut [c_char], from: &[u8]) {
    let room = to.len().saturating_sub(1);
    for (to, from) in to.iter_mut().take(room).zip(from) {
        *to = *from;
    }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_drvinfo<T: Operations>(
    dev: *mut bindings::net_device,
    info: *mut kernel_bindings::ethtool_drvinfo,
) {
    // SAFETY: The core calls the operations of registered devices; `info` is the caller's,
    // zeroed.
    let (ops, info) = unsafe { (operations::<T>(dev), &mut *info) };
    copy(&mut info.driver, T::DRIVER.to_bytes());
    // A name takes what it is given.
    let _ = ops.firmware(&mut Name(&mut info.fw_version));
    copy(&mut info.bus_info, ops.bus_info().to_bytes());
}

const STRING: usize = 32;

/// A name that is being written; what exceeds 31 bytes is left out.
pub(crate) struct Name<'a>(&'a mut [u8]);

impl fmt::Write for Name<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The last byte stays zero.
        let room = self.0.len().saturating_sub(1).min(text.len());
        let (written, rest) = core::mem::take(&mut self.0).split_at_mut(room);
        copy_all(written, text.as_bytes());
        self.0 = rest;
        Ok(())
    }
}

/// Copies as many bytes as there is room for.
fn copy_all(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// How many strings set `set` has. Errors: `EOPNOTSUPP` if there is no such set.
fn count_strings<T: Operations>(ops: &T, set: u32) -> Result<usize> {
    match set {
        kernel_bindings::ethtool_stringset_ETH_SS_STATS => Ok(ops.count_counters()),
        kernel_bindings::ethtool_stringset_ETH_SS_TEST => Ok(TESTS.len()),
        _ => Err(EOPNOTSUPP),
    }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_strings<T: Operations>(
    dev: *mut bindings::net_device,
    set: u32,
    data: *mut u8,
) {
    // SAFETY: As above.
    let ops = unsafe { operations::<T>(dev) };
    let Ok(count) = count_strings(ops, set) else {
        return;
    };
    // SAFETY: The caller has room for as many strings as `get_sset_count` says.
    let data = unsafe { core::slice::from_raw_parts_mut(data, count * STRING) };
    for (index, to) in data.chunks_exact_mut(STRING).enumerate() {
        to.fill(0);
        let mut name = Name(to);
        // A name takes what it is given.
        let _ = match TESTS.get(index) {
            Some(test) if set == kernel_bindings::ethtool_stringset_ETH_SS_TEST => {
                name.write_str(test)
            }
            _ => ops.name_counter(index, &mut name),
        };
    }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_sset_count<T: Operations>(
    dev: *mut bindings::net_device,
    set: c_int,
) -> c_int {
    // SAFETY: As above.
    let ops = unsafe { operations::<T>(dev) };
    from_result(|| Ok(c_int::try_from(count_strings(ops, u32::try_from(set)?)?)?))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_ethtool_stats<T: Operations>(
    dev: *mut bindings::net_device,
    _stats: *mut kernel_bindings::ethtool_stats,
    data: *mut u64,
) {
    // SAFETY: As above.
    let ops = unsafe { operations::<T>(dev) };
    // SAFETY: The caller has room for as many values as `get_sset_count` says.
    ops.counters(unsafe { core::slice::from_raw_parts_mut(data, ops.count_counters()) });
}

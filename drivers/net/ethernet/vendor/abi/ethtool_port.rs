// SPDX-License-Identifier: GPL-2.0

//! `struct ethtool_ops` over safe Rust: flow control, registers and tests of a port.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::{
    bindings,
    netdev::{
        operations,
        Operations, //
    }, //
};
use crate::pf::wake::Wake;
use kernel::{
    bindings as kernel_bindings,
    error::from_result,
    prelude::*, //
};

/// Flow control by pause frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Pause {
    /// What is done is negotiated; the rest is what is wished for, then.
    pub(crate) autoneg: bool,
    /// Pause frames are obeyed.
    pub(crate) rx: bool,
    /// Pause frames are sent.
    pub(crate) tx: bool,
}

/// Tests of a port; a number each, 0 for passed. The names are igb's.
pub(crate) const TESTS: [&str; 5] = [
    "Register test  (offline)",
    "Eeprom test    (offline)",
    "Interrupt test (offline)",
    "Loopback test  (offline)",
    "Link test   (on/offline)",
];

/// Where one of the wake-ups is.
type Place = fn(&mut Wake) -> &mut bool;

/// Wake-ups as ethtool numbers them, and which they are.
const WAKE_UPS: [(u32, Place); 5] = [
    (kernel_bindings::WAKE_PHY, |wake| &mut wake.link),
    (kernel_bindings::WAKE_UCAST, |wake| &mut wake.unicast),
    (kernel_bindings::WAKE_MCAST, |wake| &mut wake.multicast),
    (kernel_bindings::WAKE_BCAST, |wake| &mut wake.broadcast),
    (kernel_bindings::WAKE_MAGIC, |wake| &mut wake.magic),
];

/// What `ethtool` asks of a port. Called with the RTNL held; may sleep.
pub(crate) trait PortOperations {
    /// Flow control as it is set.
    fn pause(&self) -> Pause;

    /// Changes flow control.
    fn set_pause(&self, pause: Pause) -> Result;

    /// What wakes the host, if the device can.
    fn wake(&self) -> Option<Wake>;

    /// Changes what wakes the host. Errors: `EOPNOTSUPP` if the device cannot.
    fn set_wake(&self, wake: Wake) -> Result;

    /// Pause frames received and sent.
    fn pause_frames(&self) -> (u64, u64);

    /// How many words [`registers`](Self::registers) fills in.
    fn count_registers(&self) -> usize;

    /// Fills in the registers; answers the version of their layout.
    fn registers(&self, words: &mut [u32]) -> u32;

    /// Runs the tests that disturb nobody, and the others too if `offline`; the results are
    /// those of [`TESTS`].
    fn test(&self, offline: bool, results: &mut [u64; TESTS.len()]);
}

/// Adds the operations to a table.
pub(super) const fn fill<T: Operations>(mut ops: bindings::ethtool_ops) -> bindings::ethtool_ops {
    ops.get_pauseparam = Some(get_pauseparam::<T>);
    ops.set_pauseparam = Some(set_pauseparam::<T>);
    ops.get_pause_stats = Some(get_pause_stats::<T>);
    ops.get_wol = Some(get_wol::<T>);
    ops.set_wol = Some(set_wol::<T>);
    ops.get_regs_len = Some(get_regs_len::<T>);
    ops.get_regs = Some(get_regs::<T>);
    ops.self_test = Some(self_test::<T>);
    ops
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_pauseparam<T: Operations>(
    dev: *mut bindings::net_device,
    pause: *mut kernel_bindings::ethtool_pauseparam,
) {
    // SAFETY: The core calls the operations of registered devices; `pause` is the caller's.
    let (ops, pause) = unsafe { (operations::<T>(dev), &mut *pause) };
    let now = ops.pause();
    pause.autoneg = u32::from(now.autoneg);
    pause.rx_pause = u32::from(now.rx);
    pause.tx_pause = u32::from(now.tx);
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_pauseparam<T: Operations>(
    dev: *mut bindings::net_device,
    pause: *mut kernel_bindings::ethtool_pauseparam,
) -> c_int {
    // SAFETY: As above.
    let (ops, pause) = unsafe { (operations::<T>(dev), &*pause) };
    let wanted = Pause {
        autoneg: pause.autoneg != 0,
        rx: pause.rx_pause != 0,
        tx: pause.tx_pause != 0,
    };
    from_result(|| ops.set_pause(wanted).map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_pause_stats<T: Operations>(
    dev: *mut bindings::net_device,
    stats: *mut kernel_bindings::ethtool_pause_stats,
) {
    // SAFETY: As above.
    let (ops, stats) = unsafe { (operations::<T>(dev), &mut *stats) };
    let (rx, tx) = ops.pause_frames();
    // All members are counters, one of which overlays them as a group.
    let counters = &mut stats.__bindgen_anon_1;
    counters.__bindgen_anon_1.rx_pause_frames = rx;
    counters.__bindgen_anon_1.tx_pause_frames = tx;
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_wol<T: Operations>(
    dev: *mut bindings::net_device,
    wol: *mut kernel_bindings::ethtool_wolinfo,
) {
    // SAFETY: As above.
    let (ops, wol) = unsafe { (operations::<T>(dev), &mut *wol) };
    let Some(mut wake) = ops.wake() else {
        return;
    };
    for (bit, which) in WAKE_UPS {
        wol.supported |= bit;
        if *which(&mut wake) {
            wol.wolopts |= bit;
        }
    }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_wol<T: Operations>(
    dev: *mut bindings::net_device,
    wol: *mut kernel_bindings::ethtool_wolinfo,
) -> c_int {
    // SAFETY: As above.
    let (ops, wanted) = unsafe { (operations::<T>(dev), (*wol).wolopts) };
    let mut wake = Wake::NONE;
    let mut left = wanted;
    for (bit, which) in WAKE_UPS {
        *which(&mut wake) = wanted & bit != 0;
        left &= !bit;
    }
    from_result(|| {
        if left != 0 {
            return Err(EOPNOTSUPP);
        }
        ops.set_wake(wake).map(|()| 0)
    })
}

const WORD: usize = 4;

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_regs_len<T: Operations>(dev: *mut bindings::net_device) -> c_int {
    // SAFETY: As above.
    let count = unsafe { operations::<T>(dev) }.count_registers();
    from_result(|| Ok(c_int::try_from(count * WORD)?))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_regs<T: Operations>(
    dev: *mut bindings::net_device,
    regs: *mut kernel_bindings::ethtool_regs,
    data: *mut c_void,
) {
    // SAFETY: As above.
    let (ops, regs) = unsafe { (operations::<T>(dev), &mut *regs) };
    // SAFETY: The caller has room for as many bytes as it was told, in memory of its own page.
    let words = unsafe { core::slice::from_raw_parts_mut(data.cast(), ops.count_registers()) };
    words.fill(0);
    regs.version = ops.registers(words);
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn self_test<T: Operations>(
    dev: *mut bindings::net_device,
    test: *mut kernel_bindings::ethtool_test,
    data: *mut u64,
) {
    // SAFETY: As above; there is room for as many results as there are names.
    let (ops, test, data) = unsafe {
        let data = core::slice::from_raw_parts_mut(data, TESTS.len());
        (operations::<T>(dev), &mut *test, data)
    };
    let mut results = [0; TESTS.len()];
    let offline = kernel_bindings::ethtool_test_flags_ETH_TEST_FL_OFFLINE;
    ops.test(test.flags & offline != 0, &mut results);
    if results.iter().any(|result| *result != 0) {
        test.flags |= kernel_bindings::ethtool_test_flags_ETH_TEST_FL_FAILED;
    }
    data.copy_from_slice(&results);
}

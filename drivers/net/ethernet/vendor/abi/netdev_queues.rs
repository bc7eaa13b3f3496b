// SPDX-License-Identifier: GPL-2.0

//! The queues of a network device, as the core knows them.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    napi::{
        Napi,
        Poller, //
    },
    netdev::NetDevice, //
};
use kernel::{
    error::to_result,
    prelude::*,
    time::{
        msecs_to_jiffies,
        Msecs, //
    }, //
};

impl NetDevice {
    /// The first `count` queues, each way, are used. With the RTNL held, or before
    /// registration; the core must not send. Errors: `ENOMEM`, `EINVAL` for too many.
    pub(crate) fn set_queues(&self, count: u8) -> Result {
        let count = c_uint::from(count);
        // SAFETY: Valid; the core checks the count.
        to_result(unsafe { bindings::netif_set_real_num_queues(self.as_raw(), count, count) })
    }

    /// Queue `queue` is for those who send from a CPU of its own. Sleeps.
    pub(crate) fn prefer_cpu(&self, queue: u8) {
        // SAFETY: Valid. It is a hint, so that it fails does not matter.
        unsafe { bindings::igb_rs_prefer_cpu(self.as_raw(), u16::from(queue)) };
    }

    /// Tells users that `napi` polls queue `queue`. With the RTNL held.
    pub(crate) fn link_napi<P: Poller>(&self, queue: u8, napi: &Napi<P>) {
        // SAFETY: Both are valid, and the NAPI is unlinked before it is gone.
        unsafe { bindings::igb_rs_link_napi(self.as_raw(), u16::from(queue), napi.as_raw()) };
    }

    /// Ends what [`link_napi`](Self::link_napi) told. With the RTNL held.
    pub(crate) fn unlink_napi(&self, queue: u8) {
        let none = core::ptr::null_mut();
        // SAFETY: Valid; no NAPI is an answer, too.
        unsafe { bindings::igb_rs_link_napi(self.as_raw(), u16::from(queue), none) };
    }

    /// Lets the core send, what has waited first. A queue that stands still for `timeout` then
    /// hangs: `tx_timeout`. With the RTNL held.
    pub(crate) fn start_queues(&self, timeout: Msecs) {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_start_queues(self.as_raw()) };
        self.set_tx_timeout(timeout);
        // It may have been told to look no sooner than the timeout before is over.
        // SAFETY: Valid. An interface that does not run yet, or has no carrier, is not looked at.
        unsafe { bindings::netdev_watchdog_up(self.as_raw()) };
    }

    fn set_tx_timeout(&self, timeout: Msecs) {
        let jiffies = c_int::try_from(msecs_to_jiffies(timeout)).unwrap_or(c_int::MAX);
        // SAFETY: Valid; who holds the RTNL is the only one who writes. The core may read it now,
        // and either value does then.
        unsafe { (&raw mut (*self.as_raw()).watchdog_timeo).write_volatile(jiffies) };
    }

    /// Keeps the core from sending by queue `queue`; under its lock.
    pub(crate) fn stop_queue(&self, queue: u8) {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_stop_queue(self.as_raw(), u16::from(queue)) };
    }

    /// Lets the core send by queue `queue` again.
    pub(crate) fn wake_queue(&self, queue: u8) {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_wake_queue(self.as_raw(), u16::from(queue)) };
    }

    /// Keeps the core from sending, and waits for an `xmit` that has begun. Unless
    /// [`start_queues`](Self::start_queues) follows within `timeout` that is a hang. With the RTNL
    /// held, and not from a softirq.
    pub(crate) fn disable_tx(&self, timeout: Msecs) {
        // The core's watchdog looks under a lock that is taken next.
        self.set_tx_timeout(timeout);
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_tx_disable(self.as_raw()) };
    }

    /// `bytes` were queued for the NIC; answers whether it should be told now.
    pub(crate) fn sent(&self, queue: u8, bytes: u32, more: bool) -> bool {
        // SAFETY: Valid; called from `xmit`, which is serialized.
        unsafe { bindings::igb_rs_sent(self.as_raw(), u16::from(queue), bytes, more) }
    }

    /// As many packets and bytes have left the NIC. From the poll. Answers whether the driver has
    /// stopped the queue.
    pub(crate) fn completed(&self, queue: u8, packets: u32, bytes: u32) -> bool {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_completed(self.as_raw(), u16::from(queue), packets, bytes) }
    }

    /// What was queued for the NIC is gone. While neither `xmit` nor the poll runs.
    pub(crate) fn reset_sent(&self, queue: u8) {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_reset_queue(self.as_raw(), u16::from(queue)) };
    }
}

// SPDX-License-Identifier: GPL-2.0

//! What the core's lock of a transmit queue protects.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    netdev::NetDevice, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
};
use kernel::types::NotThreadSafe;

/// The core sends by a queue, whose lock it holds.
///
/// # Invariants
///
/// The lock of queue `queue` of `dev` is held by this thread, and nobody else has a `Sending` of
/// the same hold.
pub(crate) struct Sending<'a> {
    dev: *mut bindings::net_device,
    queue: u16,
    more: bool,
    _hold: PhantomData<&'a mut ()>,
    _here: NotThreadSafe,
}

impl Sending<'_> {
    /// # Safety
    ///
    /// The caller holds the lock of queue `queue` of `dev` for the lifetime, and makes one of these
    /// for that.
    pub(super) unsafe fn new(dev: *mut bindings::net_device, queue: u16, more: bool) -> Self {
        // INVARIANT: By the contract.
        Self {
            dev,
            queue,
            more,
            _hold: PhantomData,
            _here: NotThreadSafe,
        }
    }

    /// Number of the queue.
    pub(crate) fn queue(&self) -> u16 {
        self.queue
    }

    /// Whether another packet follows at once.
    pub(crate) fn more(&self) -> bool {
        self.more
    }
}

/// A value that the core's lock of a transmit queue protects, which those hold already who send.
///
/// # Invariants
///
/// `value` is touched by who holds the lock of queue `queue` of `dev`, and by nobody else.
pub(crate) struct SendLocked<T> {
    dev: *mut bindings::net_device,
    queue: u16,
    value: UnsafeCell<T>,
}

// SAFETY: `dev` is compared, and never followed; the value goes from thread to thread.
unsafe impl<T: Send> Send for SendLocked<T> {}
// SAFETY: As above, and who has the value has it alone, by the invariant.
unsafe impl<T: Send> Sync for SendLocked<T> {}

impl<T> SendLocked<T> {
    /// A value under the lock of queue `queue` of `netdev`.
    pub(crate) fn new(netdev: &NetDevice, queue: u8, value: T) -> Self {
        // INVARIANT: Nobody else has it yet.
        Self {
            dev: netdev.as_raw(),
            queue: u16::from(queue),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, for who sends by this queue. [`None`] if that is another one.
    pub(crate) fn held<'a>(&'a self, sending: &'a mut Sending<'_>) -> Option<&'a mut T> {
        if sending.dev != self.dev || sending.queue != self.queue {
            return None;
        }
        // SAFETY: The lock is held by the invariant of `sending`, which is borrowed for as long:
        // nobody else of this thread has the value by it.
        Some(unsafe { &mut *self.value.get() })
    }

    /// Takes the lock. Spins; with softirqs disabled, and not while sending. [`None`] if `netdev`
    /// is not the device that it is of.
    pub(crate) fn lock<'a>(&'a self, netdev: &'a NetDevice) -> Option<SendGuard<'a, T>> {
        if netdev.as_raw() != self.dev {
            return None;
        }
        // SAFETY: The device is valid for `netdev` is.
        unsafe { bindings::igb_rs_lock_queue(self.dev, self.queue) };
        // INVARIANT: Just taken.
        Some(SendGuard {
            locked: self,
            _netdev: netdev,
            _here: NotThreadSafe,
        })
    }

    /// Takes the lock if it is free, in any context. [`None`] if it is not, or `netdev` is
    /// not the device that it is of.
    pub(crate) fn try_lock<'a>(&'a self, netdev: &'a NetDevice) -> Option<SendGuard<'a, T>> {
        if netdev.as_raw() != self.dev {
            return None;
        }
        // SAFETY: The device is valid for `netdev` is.
        let is_taken = unsafe { bindings::igb_rs_try_lock_queue(self.dev, self.queue) };
        // INVARIANT: Just taken. A guard that is not wanted would let go of it on drop.
        is_taken.then(|| SendGuard {
            locked: self,
            _netdev: netdev,
            _here: NotThreadSafe,
        })
    }
}

/// The value of a [`SendLocked`], whose lock is held until this is dropped.
///
/// # Invariants
///
/// The lock is held by this thread, and was taken for this.
pub(crate) struct SendGuard<'a, T> {
    locked: &'a SendLocked<T>,
    /// Keeps the lock in memory.
    _netdev: &'a NetDevice,
    _here: NotThreadSafe,
}

impl<T> Deref for SendGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The lock is held by the invariant.
        unsafe { &*self.locked.value.get() }
    }
}

impl<T> DerefMut for SendGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As above.
        unsafe { &mut *self.locked.value.get() }
    }
}

impl<T> Drop for SendGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: Taken for this, in this thread, of a device that is valid for as long.
        unsafe { bindings::igb_rs_unlock_queue(self.locked.dev, self.locked.queue) };
    }
}

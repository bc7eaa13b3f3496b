// SPDX-License-Identifier: GPL-2.0

//! What an interface is asked to receive.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::bindings;
use crate::netdev::filter_table::Mac;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings as kernel_bindings,
    prelude::*, //
};

/// What an interface wants to receive.
pub(crate) struct RxMode<'a> {
    /// Everything.
    pub(crate) promiscuous: bool,
    /// All multicasts.
    pub(crate) all_multicast: bool,
    unicast: *mut bindings::netdev_hw_addr_list,
    multicast: *mut bindings::netdev_hw_addr_list,
    _lists: PhantomData<&'a ()>,
}

impl<'a> RxMode<'a> {
    /// What `flags` of a device and the lists of its addresses say.
    ///
    /// # Safety
    ///
    /// The lists must be valid, and unchanged for `'a`.
    pub(super) unsafe fn new(
        flags: c_uint,
        unicast: *mut bindings::netdev_hw_addr_list,
        multicast: *mut bindings::netdev_hw_addr_list,
    ) -> Self {
        Self {
            promiscuous: flags & kernel_bindings::net_device_flags_IFF_PROMISC != 0,
            all_multicast: flags & kernel_bindings::net_device_flags_IFF_ALLMULTI != 0,
            unicast,
            multicast,
            _lists: PhantomData,
        }
    }

    /// Unicast addresses besides the device's own.
    pub(crate) fn unicast(&self) -> Addresses<'a> {
        Addresses(self.unicast, core::ptr::null_mut(), PhantomData)
    }

    /// Multicast addresses.
    pub(crate) fn multicast(&self) -> Addresses<'a> {
        Addresses(self.multicast, core::ptr::null_mut(), PhantomData)
    }
}

/// The addresses of a list.
pub(crate) struct Addresses<'a>(
    *mut bindings::netdev_hw_addr_list,
    *mut bindings::netdev_hw_addr,
    PhantomData<&'a ()>,
);

impl Iterator for Addresses<'_> {
    type Item = Mac;

    fn next(&mut self) -> Option<Mac> {
        // SAFETY: The list is valid by the contract of `RxMode::new`.
        self.1 = unsafe { bindings::igb_rs_next_address(self.0, self.1) };
        let entry = NonNull::new(self.1)?;
        // SAFETY: An entry of the list.
        let [a, b, c, d, e, f, ..] = unsafe { entry.as_ref() }.addr;
        Some([a, b, c, d, e, f])
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Network devices: `struct net_device` and `struct net_device_ops` over safe Rust.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    ethtool::{
        self,
        EthtoolOperations, //
    },
    feature,
    netdev_vf::{
        self,
        VfOperations, //
    },
    netdev_xdp::{
        self,
        XdpOperations, //
    },
    pci::as_raw,
    rx_mode::RxMode,
    send_lock::Sending,
    skb::SkBuff, //
};
use crate::netdev::{
    filter_table::Mac,
    offload::{
        self,
        Packet, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::size_of,
    ptr::NonNull, //
};
use kernel::{
    bindings as kernel_bindings,
    device::Bound,
    error::{
        from_result,
        to_result, //
    },
    pci,
    prelude::*,
    sync::Arc, //
};

/// What a driver does with its network device. All but `xmit` and `tx_timeout` are called
/// with the RTNL held, in process context, and may sleep; `stats` may not.
pub(crate) trait Operations:
    Send + Sync + EthtoolOperations + VfOperations + XdpOperations
{
    /// The device that this drives.
    fn device(&self) -> &NetDevice;

    /// The administrator takes the interface up.
    fn open(&self) -> Result;

    /// The administrator takes the interface down.
    fn stop(&self);

    /// Sends a packet, of which the stack wants what `packet` says, or drops it. In a softirq or
    /// with those disabled, one at a time for each queue. Gives the packet back if there is no
    /// room, in which case the queue must have been stopped.
    fn xmit(&self, sending: &mut Sending<'_>, skb: SkBuff, packet: Packet) -> Option<SkBuff>;

    /// Adds up the statistics. Must not sleep; no lock is held.
    fn stats(&self, stats: &mut Stats);

    /// The MTU is to become `mtu` bytes, within the limits given at registration.
    fn change_mtu(&self, mtu: u32) -> Result;

    /// What is to be received has changed.
    fn set_rx_mode(&self, mode: &RxMode<'_>) -> Result;

    /// The address is to become `mac`, which may be one that no port can have.
    fn set_mac(&self, mac: &Mac) -> Result;

    /// Packets of VLAN `vid`, below 4096, are to be received, or not any longer.
    fn set_vlan(&self, vid: u16, on: bool) -> Result;

    /// Abilities of [`feature`] have changed; `wanted` are all that are on.
    fn set_features(&self, changed: u64, wanted: u64) -> Result;

    /// Queue `queue` has sent nothing for too long. In a softirq.
    fn tx_timeout(&self, queue: u16);
}

/// A random key for the hash of received packets, the same for all devices.
pub(crate) fn random_key<const N: usize>() -> [u8; N] {
    let mut key = [0; N];
    // SAFETY: As many bytes may be written.
    unsafe { bindings::netdev_rss_key_fill(key.as_mut_ptr().cast(), N) };
    key
}

/// Totals, as `ip -s link` shows them.
pub(crate) type Stats = bindings::rtnl_link_stats64;

/// Owner of a network device, freed on drop.
pub(crate) struct NetDevice(NonNull<bindings::net_device>);

// SAFETY: The methods may be called from any thread.
unsafe impl Send for NetDevice {}
// SAFETY: As above; what is not safe to share is behind the RTNL or atomic.
unsafe impl Sync for NetDevice {}

/// Most queues of a device, each way.
const MAX_QUEUES: c_uint = 8;

/// What C keeps for us in the device's private area.
struct Private {
    ops: *const c_void,
}

impl NetDevice {
    /// An Ethernet device, child of `pdev`, of up to [`MAX_QUEUES`] queues, not registered. May sleep. Errors:
    /// `ENOMEM`, `EINVAL` if this driver was built for another kernel.
    pub(crate) fn new(pdev: &pci::Device<Bound>) -> Result<Self> {
        // SAFETY: Constants.
        let sizes = unsafe {
            (
                bindings::igb_rs_sizeof_net_device,
                bindings::igb_rs_sizeof_net_device_ops,
            )
        };
        let ours = (
            size_of::<bindings::net_device>(),
            size_of::<bindings::net_device_ops>(),
        );
        if sizes != ours {
            dev_err!(pdev, "network device layouts differ: rebuild the driver\n");
            return Err(EINVAL);
        }
        let private = c_int::try_from(size_of::<Private>())?;
        // SAFETY: No preconditions; the memory is zeroed.
        let dev = unsafe { bindings::alloc_etherdev_mqs(private, MAX_QUEUES, MAX_QUEUES) };
        let dev = NonNull::new(dev).ok_or(ENOMEM)?;
        // SAFETY: Both are valid; the device is ours.
        unsafe { (*dev.as_ptr()).dev.parent = &raw mut (*as_raw(pdev)).dev };
        Ok(Self(dev))
    }

    /// The raw device, for this layer.
    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.as_ptr()
    }

    /// The address.
    pub(crate) fn mac(&self) -> Mac {
        // SAFETY: Valid while the device is; Ethernet addresses have six bytes.
        unsafe { (*self.as_raw()).dev_addr.cast::<Mac>().read() }
    }

    /// Sets the address; with the RTNL held, or before registration.
    pub(crate) fn set_mac(&self, mac: &Mac) {
        // SAFETY: Valid; six bytes are copied.
        unsafe { bindings::igb_rs_set_address(self.as_raw(), mac.as_ptr()) };
    }

    /// The MTU in bytes. Changes under the RTNL.
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_mtu(self.as_raw()) }
    }

    /// Sets the MTU in bytes; with the RTNL held.
    pub(crate) fn set_mtu(&self, mtu: u32) {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_set_mtu(self.as_raw(), mtu) };
    }

    /// Whether the administrator has the interface up.
    pub(crate) fn is_running(&self) -> bool {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_netif_running(self.as_raw()) }
    }

    /// There is a link, or there is none. From any context.
    pub(crate) fn set_carrier(&self, on: bool) {
        // SAFETY: Valid.
        unsafe {
            if on {
                bindings::netif_carrier_on(self.as_raw());
            } else {
                bindings::netif_carrier_off(self.as_raw());
            }
        }
    }

    /// Abilities that are on, of [`feature`].
    pub(crate) fn features(&self) -> u64 {
        // SAFETY: Valid.
        unsafe { bindings::igb_rs_features(self.as_raw()) }
    }

    /// The device does not answer: keep the core from it. With the RTNL held.
    pub(crate) fn detach(&self) {
        // SAFETY: Valid.
        unsafe { bindings::netif_device_detach(self.as_raw()) };
    }

    /// The device is back. With the RTNL held.
    pub(crate) fn attach(&self) {
        // SAFETY: Valid.
        unsafe { bindings::netif_device_attach(self.as_raw()) };
    }

    /// Name of the device on its bus.
    pub(crate) fn bus_name(&self) -> &CStr {
        // SAFETY: The parent is set and named by the bus; it outlives its child.
        unsafe { CStr::from_char_ptr(bindings::igb_rs_bus_name(self.as_raw())) }
    }

    /// Sends a frame as it is, with its Ethernet header, whoever it says it is from. In
    /// process context. What cannot be sent, as while the interface is down, is lost.
    pub(crate) fn broadcast(&self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap_or(0);
        // SAFETY: Valid; as many bytes are readable.
        unsafe { bindings::igb_rs_transmit(self.as_raw(), frame.as_ptr().cast(), length) };
    }

    /// The interface's name, for log lines.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: The name is always terminated; a rename in between shows in a log line
        // at worst, for the array itself stays in place.
        unsafe { CStr::from_char_ptr(bindings::igb_rs_name(self.as_raw())) }
    }
}

impl Drop for NetDevice {
    fn drop(&mut self) {
        // SAFETY: Owned; not registered, or no more, for registrations keep it alive.
        unsafe { bindings::free_netdev(self.as_raw()) };
    }
}

/// Limits and abilities of an interface.
pub(crate) struct Abilities {
    /// Least MTU in bytes.
    pub(crate) min_mtu: u32,
    /// Largest MTU in bytes.
    pub(crate) max_mtu: u32,
}

/// A network device that users see; gone when this is dropped, after which no operation is
/// called. Not to be forgotten: the operations borrow for `'bound`.
pub(crate) struct Registration<'bound, T: Operations + 'bound> {
    ops: Arc<T>,
    _bound: PhantomData<&'bound ()>,
}

impl<'bound, T: Operations + 'bound> Registration<'bound, T> {
    /// Registers `ops.device()`. May sleep. Errors: `ENOMEM`, what the core answers.
    pub(crate) fn new(ops: Arc<T>, abilities: &Abilities) -> Result<Self> {
        let dev = ops.device().as_raw();
        // SAFETY: The device is not registered, so nobody else uses it; its private area is
        // as large as `Private`; `ops` outlives the registration.
        unsafe {
            let private: *mut Private = bindings::igb_rs_netdev_priv(dev).cast();
            (*private).ops = Arc::as_ptr(&ops).cast();
            bindings::igb_rs_set_ops(dev, Self::OPS, ethtool::Table::<T>::OPS);
            (*dev).min_mtu = abilities.min_mtu;
            (*dev).max_mtu = abilities.max_mtu;
            bindings::igb_rs_set_features(dev, &feature::ALL);
        }
        ops.device().advertise_xdp();
        // SAFETY: The device is set up.
        to_result(unsafe { bindings::register_netdev(dev) })?;
        Ok(Self {
            ops,
            _bound: PhantomData,
        })
    }

    const OPS: &'static bindings::net_device_ops = &bindings::net_device_ops {
        ndo_open: Some(open::<T>),
        ndo_stop: Some(stop::<T>),
        ndo_start_xmit: Some(bindings::igb_rs_start_xmit),
        ndo_get_stats64: Some(get_stats64::<T>),
        ndo_change_mtu: Some(change_mtu::<T>),
        ndo_set_rx_mode_async: Some(set_rx_mode::<T>),
        ndo_set_mac_address: Some(set_mac_address::<T>),
        ndo_validate_addr: Some(bindings::eth_validate_addr),
        ndo_vlan_rx_add_vid: Some(vlan_rx_add_vid::<T>),
        ndo_vlan_rx_kill_vid: Some(vlan_rx_kill_vid::<T>),
        ndo_set_features: Some(set_features::<T>),
        ndo_features_check: Some(bindings::igb_rs_features_check),
        ndo_tx_timeout: Some(tx_timeout::<T>),
        ndo_bpf: Some(netdev_xdp::bpf::<T>),
        ndo_xdp_xmit: Some(netdev_xdp::xmit::<T>),
        ..netdev_vf::ops::<T>()
    };
}

impl<'bound, T: Operations + 'bound> Drop for Registration<'bound, T> {
    fn drop(&mut self) {
        // SAFETY: Registered by `new`. Waits until nobody uses the device.
        unsafe { bindings::unregister_netdev(self.ops.device().as_raw()) };
    }
}

/// The driver's operations on `dev`.
///
/// # Safety
///
/// `dev` must be registered by `Registration::<T>::new`.
pub(super) unsafe fn operations<'a, T>(dev: *mut bindings::net_device) -> &'a T {
    // SAFETY: The device is valid.
    let private = unsafe { bindings::igb_rs_netdev_priv(dev) };
    // SAFETY: It is that device's, by the caller.
    unsafe { operations_in(private) }
}

/// The driver's operations on the device whose private area is `private`.
///
/// # Safety
///
/// That device must be registered by `Registration::<T>::new`.
unsafe fn operations_in<'a, T>(private: *const c_void) -> &'a T {
    let private: *const Private = private.cast();
    // SAFETY: `new` filled in the private area, and what it points to outlives the
    // registration.
    unsafe { &*(*private).ops.cast::<T>() }
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn open<T: Operations>(dev: *mut bindings::net_device) -> c_int {
    // SAFETY: The core calls the operations of registered devices.
    from_result(|| unsafe { operations::<T>(dev) }.open().map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn stop<T: Operations>(dev: *mut bindings::net_device) -> c_int {
    // SAFETY: As above.
    unsafe { operations::<T>(dev) }.stop();
    0
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_stats64<T: Operations>(
    dev: *mut bindings::net_device,
    stats: *mut bindings::rtnl_link_stats64,
) {
    // SAFETY: As above; `stats` is the caller's, zeroed.
    unsafe { operations::<T>(dev).stats(&mut *stats) };
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn change_mtu<T: Operations>(
    dev: *mut bindings::net_device,
    mtu: c_int,
) -> c_int {
    from_result(|| {
        let mtu = u32::try_from(mtu)?;
        // SAFETY: As above.
        unsafe { operations::<T>(dev) }.change_mtu(mtu).map(|()| 0)
    })
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_rx_mode<T: Operations>(
    dev: *mut bindings::net_device,
    unicast: *mut bindings::netdev_hw_addr_list,
    multicast: *mut bindings::netdev_hw_addr_list,
) -> c_int {
    // SAFETY: As above; the flags are read under the RTNL, and the lists are snapshots that
    // are ours for this call.
    let mode = unsafe { RxMode::new((*dev).flags, unicast, multicast) };
    // SAFETY: As above.
    let ops = unsafe { operations::<T>(dev) };
    from_result(|| ops.set_rx_mode(&mode).map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_mac_address<T: Operations>(
    dev: *mut bindings::net_device,
    address: *mut c_void,
) -> c_int {
    // SAFETY: The core hands in a socket address that is as long as the device's; behind its
    // family, of two bytes, are six.
    let mac: Mac = unsafe { address.cast::<u8>().add(2).cast::<Mac>().read() };
    // SAFETY: As above.
    from_result(|| unsafe { operations::<T>(dev) }.set_mac(&mac).map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn vlan_rx_add_vid<T: Operations>(
    dev: *mut bindings::net_device,
    _protocol: kernel_bindings::__be16,
    vid: u16,
) -> c_int {
    // SAFETY: As above.
    let ops = unsafe { operations::<T>(dev) };
    from_result(|| ops.set_vlan(vid, true).map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn vlan_rx_kill_vid<T: Operations>(
    dev: *mut bindings::net_device,
    _protocol: kernel_bindings::__be16,
    vid: u16,
) -> c_int {
    // SAFETY: As above.
    let ops = unsafe { operations::<T>(dev) };
    from_result(|| ops.set_vlan(vid, false).map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_features<T: Operations>(
    dev: *mut bindings::net_device,
    wanted: u64,
) -> c_int {
    // SAFETY: As above.
    let ops = unsafe { operations::<T>(dev) };
    let changed = ops.device().features() ^ wanted;
    from_result(|| ops.set_features(changed, wanted).map(|()| 0))
}

// What `igb_rs_features_check` lets through is what a context descriptor holds.
const _: () = assert!(
    bindings::IGB_RS_MAX_MAC_LENGTH == offload::MAX_MAC_LENGTH
        && bindings::IGB_RS_MAX_IP_LENGTH == offload::MAX_IP_LENGTH
);

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn tx_timeout<T: Operations>(dev: *mut bindings::net_device, queue: c_uint) {
    // SAFETY: As above.
    let ops = unsafe { operations::<T>(dev) };
    ops.tx_timeout(u16::try_from(queue).unwrap_or(u16::MAX));
}

/// What the C trampoline of `ndo_start_xmit` calls; it can name no generic function.
#[no_mangle]
/// # Safety
///
/// `dev` must be a registered device of this driver's, and `private` its private area; the caller
/// holds the lock of its queue `queue`, and the rest is valid for the call.
unsafe extern "C" fn igb_rs_xmit(
    skb: *mut kernel_bindings::sk_buff,
    packet: *const bindings::igb_rs_packet,
    dev: *mut bindings::net_device,
    private: *const c_void,
    queue: u16,
    more: bool,
) -> bool {
    // SAFETY: The core hands in a packet, and gives it up unless this answers false.
    let skb = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
    // SAFETY: The core holds the queue's lock until this returns.
    let mut sending = unsafe { Sending::new(dev, queue, more) };
    // SAFETY: This driver registers devices with these operations only.
    let ops = unsafe { operations_in::<crate::netdev::ops::Netdev<'_>>(private) };
    // SAFETY: Valid for the call.
    let packet = Packet::from(unsafe { &*packet });
    match ops.xmit(&mut sending, skb, packet) {
        None => true,
        Some(skb) => {
            // The core still owns it.
            skb.into_raw();
            false
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! What the core asks of the interface.

use super::{
    counters,
    filter_table::Mac,
    interface::{
        Interface,
        Recovery,
        Watchdog,
        WATCHDOG_INTERVAL, //
    }, //
};
use crate::{
    abi::{
        ethtool::{
            EthtoolOperations,
            LinkReport, //
        },
        netdev::{
            NetDevice,
            Operations,
            Stats, //
        },
        rx_mode::RxMode,
        skb::SkBuff,
        work::Work, //
    },
    pf::{
        phy,
        port::Port, //
    },
};
use kernel::{
    prelude::*,
    static_lock_class,
    sync::Arc, //
};

/// The interface as the core sees it.
pub(crate) struct Netdev<'bound> {
    /// The interface, which outlives its registration.
    pub(crate) interface: Arc<Interface<'bound>>,
    recovery: Arc<Work<Recovery<'bound>>>,
    _watchdog: Arc<Work<Watchdog<'bound>>>,
}

impl<'bound> Netdev<'bound> {
    /// The operations on `interface`. Errors: `ENOMEM`.
    pub(crate) fn new(interface: Arc<Interface<'bound>>) -> Result<Arc<Self>> {
        let recovery = Work::new(
            c"igb_rs::recovery",
            [static_lock_class!(), static_lock_class!()],
            Recovery::new(interface.clone()),
        );
        let watchdog = Work::new(
            c"igb_rs::watchdog",
            [static_lock_class!(), static_lock_class!()],
            Watchdog::new(interface.port.clone()),
        );
        let watchdog = Arc::pin_init(watchdog, GFP_KERNEL)?;
        // VFs count whether the interface is up or not.
        watchdog.schedule(WATCHDOG_INTERVAL);
        Ok(Arc::new(
            Self {
                interface,
                recovery: Arc::pin_init(recovery, GFP_KERNEL)?,
                _watchdog: watchdog,
            },
            GFP_KERNEL,
        )?)
    }

    pub(super) fn port(&self) -> &Port<'bound> {
        &self.interface.port
    }
}

impl Operations for Netdev<'_> {
    fn device(&self) -> &NetDevice {
        &self.port().netdev
    }

    fn open(&self) -> Result {
        self.interface.open()
    }

    fn stop(&self) {
        self.interface.close();
    }

    fn xmit(&self, skb: SkBuff, more: bool) -> Option<SkBuff> {
        self.interface.queue.poller().xmit(skb, more)
    }

    fn stats(&self, stats: &mut Stats) {
        self.interface.queue.poller().add_stats(stats);
        let port = self.port();
        let mut totals = port.totals.lock();
        totals.update(&port.bar);
        stats.multicast = totals.get("rx_multicast");
        stats.collisions = totals.get("collisions");
        stats.rx_crc_errors = totals.get("rx_crc_errors");
        stats.rx_frame_errors = totals.get("rx_align_errors");
        stats.rx_missed_errors = totals.get("rx_missed_errors");
        stats.rx_length_errors =
            totals.get("rx_undersize_errors") + totals.get("rx_oversize_errors");
        stats.rx_errors = totals.get("rx_errors")
            + stats.rx_crc_errors
            + stats.rx_frame_errors
            + stats.rx_length_errors;
        stats.tx_aborted_errors = totals.get("tx_aborted_errors");
        stats.tx_window_errors = totals.get("tx_window_errors");
        stats.tx_carrier_errors = totals.get("tx_carrier_errors");
        stats.tx_errors = stats.tx_aborted_errors + stats.tx_window_errors;
    }

    fn change_mtu(&self, mtu: u32) -> Result {
        // A receive buffer fits any MTU, so the queues go on.
        self.device().set_mtu(mtu);
        self.port().write_frame_size()
    }

    fn set_rx_mode(&self, mode: &RxMode<'_>) -> Result {
        self.port().set_rx_mode(mode)
    }

    fn set_mac(&self, mac: &Mac) -> Result {
        self.port().set_mac(mac)
    }

    fn set_vlan(&self, vid: u16, on: bool) -> Result {
        self.port().set_vlan(vid, on)
    }

    fn tx_timeout(&self) {
        self.interface.queue.poller().report_hang();
        self.recovery.schedule(0);
    }
}

impl EthtoolOperations for Netdev<'_> {
    const DRIVER: &'static CStr = c"igb_rs";

    const COUNTERS: &'static [&'static str] = &counters::NAMES;

    fn bus_info(&self) -> &CStr {
        self.device().bus_name()
    }

    fn counters(&self, values: &mut [u64]) {
        let port = self.port();
        let mut totals = port.totals.lock();
        totals.update(&port.bar);
        for (value, total) in values.iter_mut().zip(totals.values()) {
            *value = *total;
        }
    }

    fn link(&self) -> LinkReport {
        LinkReport {
            up: self.port().link.lock().up(),
            phy: phy::ADDRESS,
        }
    }

    fn restart_negotiation(&self) -> Result {
        self.port().start_link()
    }
}

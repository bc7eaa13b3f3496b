// SPDX-License-Identifier: GPL-2.0

//! What the core asks of the interface.

use super::{
    filter_table::Mac,
    interface::{
        Interface,
        Recovery,
        Watchdog,
        WATCHDOG_INTERVAL, //
    },
    offload::Packet,
    xdp, //
};
use crate::{
    abi::{
        feature,
        netdev::{
            NetDevice,
            Operations,
            Stats, //
        },
        rx_mode::RxMode,
        send_lock::Sending,
        skb::SkBuff,
        work::Work, //
    },
    pf::port::Port, //
};
use kernel::{
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// The interface as the core sees it.
pub(crate) struct Netdev<'bound> {
    /// The interface, which outlives its registration.
    pub(crate) interface: Arc<Interface<'bound>>,
    recovery: Arc<Work<Recovery<'bound>>>,
    /// How often a queue has sent nothing for too long.
    pub(super) timeouts: Atomic<u64>,
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
                timeouts: Atomic::new(0),
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

    // For each packet: a call less.
    #[inline(always)]
    fn xmit(&self, sending: &mut Sending<'_>, skb: SkBuff, packet: Packet) -> Option<SkBuff> {
        // The core sends by queues that run, and then the packet would be lost at worst.
        let queue = self.interface.queues.get(usize::from(sending.queue()))?;
        queue.poller().xmit(sending, skb, packet)
    }

    fn stats(&self, stats: &mut Stats) {
        for queue in &self.interface.queues {
            queue.poller().add_stats(stats);
        }
        let port = self.port();
        let mut totals = port.totals.lock();
        totals.update(&port.bar);
        stats.multicast = totals.get("mprc");
        stats.collisions = totals.get("colc");
        stats.rx_crc_errors = totals.get("crcerrs");
        stats.rx_frame_errors = totals.get("algnerrc");
        stats.rx_missed_errors = totals.get("mpc");
        stats.rx_length_errors = totals.get("ruc") + totals.get("roc");
        stats.rx_errors = totals.get("rxerrc")
            + stats.rx_crc_errors
            + stats.rx_frame_errors
            + stats.rx_length_errors;
        stats.tx_aborted_errors = totals.get("ecol");
        stats.tx_window_errors = totals.get("latecol");
        stats.tx_carrier_errors = totals.get("tncrs");
        stats.tx_errors = stats.tx_aborted_errors + stats.tx_window_errors;
    }

    fn change_mtu(&self, mtu: u32) -> Result {
        let port = self.port();
        if port.program.is_some() && !xdp::fits(mtu) {
            dev_warn!(
                port.pdev,
                "an MTU of {mtu} is not supported with XDP: a frame must fit into one buffer\n"
            );
            return Err(EINVAL);
        }
        let before = self.device().mtu();
        let set = |mtu| {
            self.device().set_mtu(mtu);
            port.write_frame_size()
        };
        let layout = port.layout_with(mtu);
        self.interface
            .change_frames(layout, || set(mtu), || set(before))
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

    fn set_features(&self, changed: u64, wanted: u64) -> Result {
        if changed & feature::VLAN_STRIP != 0 {
            self.port().set_strip(wanted & feature::VLAN_STRIP != 0)?;
        }
        if changed & feature::RX_ALL != 0 {
            let (port, damaged) = (self.port(), wanted & feature::RX_ALL != 0);
            let set = |on| move || port.set_damaged(on);
            let layout = port.layout_for(port.netdev.mtu(), damaged);
            self.interface
                .change_frames(layout, set(damaged), set(!damaged))?;
        }
        // Whether checksums and hashes are passed on is looked at in each poll.
        Ok(())
    }

    fn tx_timeout(&self, queue: u16) {
        if let Some(queue) = self.interface.queues.get(usize::from(queue)) {
            queue.poller().report_hang();
        }
        self.timeouts.add(1, Relaxed);
        self.recovery.schedule(0);
    }
}

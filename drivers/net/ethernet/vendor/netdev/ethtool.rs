// SPDX-License-Identifier: GPL-2.0

//! What `ethtool` asks of the interface.

use super::{
    counters,
    loopback,
    moderation::{
        BothWays,
        Moderation, //
    },
    ops::Netdev,
    queue::Queue,
    rss,
    settings::{
        self,
        Settings, //
    }, //
};
use crate::{
    abi::{
        ethtool::{
            EthtoolOperations,
            Name, //
        },
        ethtool_link::{
            LinkOperations,
            LinkReport, //
        },
        ethtool_port::{
            Pause,
            PortOperations,
            TESTS, //
        },
        ethtool_queues::{
            Flow,
            Intervals,
            QueueOperations,
            Rings, //
        },
        netdev::{
            Operations,
            Stats, //
        },
        power, //
    },
    pf::{
        diagnose,
        modes::Wanted,
        nvm,
        phy,
        wake::Wake, //
    },
};
use kernel::{
    fmt::{
        self,
        Write, //
    },
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    },
};

/// How a counter is found.
type Find = fn(&Stats) -> u64;

/// Counters of the interface that are no register's.
const COUNTED: [(&str, Find); 9] = [
    ("rx_errors", |stats| stats.rx_errors),
    ("tx_errors", |stats| stats.tx_errors),
    ("tx_dropped", |stats| stats.tx_dropped),
    ("rx_length_errors", |stats| stats.rx_length_errors),
    ("rx_over_errors", |stats| stats.rx_over_errors),
    ("rx_frame_errors", |stats| stats.rx_frame_errors),
    ("rx_fifo_errors", |stats| stats.rx_fifo_errors),
    ("tx_fifo_errors", |stats| stats.tx_fifo_errors),
    ("tx_heartbeat_errors", |stats| stats.tx_heartbeat_errors),
];

/// Counters of the driver.
const DRIVER: [&str; 2] = ["tx_timeout_count", "tx_dma_out_of_sync"];

/// Counters of each transmit queue.
const OF_TX: [&str; 3] = ["packets", "bytes", "restart"];

/// Counters of each receive queue.
const OF_RX: [&str; 5] = ["packets", "bytes", "drops", "csum_err", "alloc_failed"];

impl<'bound> Netdev<'bound> {
    /// The queues that run, or would if the interface were up.
    fn shown_queues(&self) -> &[Arc<Queue<'bound>>] {
        let (count, _) = self.channels();
        let queues = &self.interface.queues;
        queues.get(..usize::from(count)).unwrap_or(queues)
    }
}

/// Counters that are no queue's.
const FIXED: usize = counters::SHOWN.len() + DRIVER.len() + COUNTED.len();

/// The name of one of those.
fn fixed_name(index: usize) -> &'static str {
    if let Some((name, _)) = counters::SHOWN.get(index) {
        return name;
    }
    let index = index.saturating_sub(counters::SHOWN.len());
    if let Some(name) = DRIVER.get(index) {
        return name;
    }
    let index = index.saturating_sub(DRIVER.len());
    COUNTED.get(index).map_or("", |(name, _)| name)
}

impl EthtoolOperations for Netdev<'_> {
    const DRIVER: &'static CStr = c"igb_rs";

    fn firmware(&self, to: &mut Name<'_>) -> fmt::Result {
        match self.port().firmware {
            Some(version) => write!(to, "{version}"),
            None => Ok(()),
        }
    }

    fn bus_info(&self) -> &CStr {
        self.device().bus_name()
    }

    fn count_counters(&self) -> usize {
        FIXED + self.shown_queues().len() * (OF_TX.len() + OF_RX.len())
    }

    fn name_counter(&self, index: usize, to: &mut Name<'_>) -> fmt::Result {
        let Some(left) = index.checked_sub(FIXED) else {
            return to.write_str(fixed_name(index));
        };
        let of_tx = self.shown_queues().len() * OF_TX.len();
        let (way, names, left) = match left.checked_sub(of_tx) {
            None => ("tx", OF_TX.as_slice(), left),
            Some(left) => ("rx", OF_RX.as_slice(), left),
        };
        let name = names.get(left % names.len()).unwrap_or(&"");
        write!(to, "{way}_queue_{}_{name}", left / names.len())
    }

    fn counters(&self, values: &mut [u64]) {
        let port = self.port();
        let mut stats = Stats::default();
        // This reads the device's counters, too.
        self.stats(&mut stats);
        let mut values = values.iter_mut();
        let mut put = |value| {
            if let Some(place) = values.next() {
                *place = value;
            }
        };
        {
            let totals = port.totals.lock();
            for (_, register) in &counters::SHOWN {
                put(totals.get(register));
            }
        }
        put(self.timeouts.load(Relaxed));
        put(port.out_of_sync.load(Relaxed));
        for (_, count) in &COUNTED {
            put(count(&stats));
        }
        for queue in self.shown_queues() {
            let counts = &queue.poller().counts;
            put(counts.tx_packets.load(Relaxed));
            put(counts.tx_bytes.load(Relaxed));
            put(counts.tx_restarts.load(Relaxed));
        }
        for queue in self.shown_queues() {
            let counts = &queue.poller().counts;
            put(counts.rx_packets.load(Relaxed));
            put(counts.rx_bytes.load(Relaxed));
            // The device drops without telling which queue was full.
            put(0);
            put(counts.rx_bad_checksums.load(Relaxed));
            put(counts.rx_dropped.load(Relaxed));
        }
    }
}

impl LinkOperations for Netdev<'_> {
    const PHY: u8 = phy::ADDRESS;

    fn link(&self) -> LinkReport {
        let port = self.port();
        let partner = port.partner();
        let link = port.link.lock();
        LinkReport {
            up: link.up(),
            offer: link.offer(),
            partner,
        }
    }

    fn set_link(&self, wanted: Wanted) -> Result {
        self.port().set_link(wanted)
    }

    fn restart_link(&self) -> Result {
        self.port().start_link()
    }
}

impl QueueOperations for Netdev<'_> {
    fn rings(&self) -> Rings {
        self.interface.with_settings(|settings| Rings {
            rx: u32::from(settings.rx_size),
            tx: u32::from(settings.tx_size),
        })
    }

    fn most_descriptors(&self) -> u32 {
        settings::MAX_RING
    }

    fn set_rings(&self, rings: Rings) -> Result {
        self.interface.change(|settings| {
            settings.rx_size = settings::ring_size(rings.rx);
            settings.tx_size = settings::ring_size(rings.tx);
        })
    }

    fn channels(&self) -> (u8, u8) {
        let interface = &self.interface;
        let count = |settings: &mut Settings| interface.count_queues(settings);
        (interface.with_settings(count), interface.most_queues())
    }

    fn set_channels(&self, count: u8) -> Result {
        self.interface.change(|settings| settings.queues = count)
    }

    fn intervals(&self) -> Intervals {
        let interface = &self.interface;
        interface.with_settings(|settings| Intervals {
            rx: settings.moderation.rx.usecs(),
            tx: if interface.has_tx_vectors(settings) {
                settings.moderation.tx.usecs()
            } else {
                0
            },
        })
    }

    fn set_intervals(&self, intervals: Intervals) -> Result {
        let rx = Moderation::from_usecs(intervals.rx).ok_or(EINVAL)?;
        let interface = &self.interface;
        let moderation = interface.with_settings(|settings| {
            let tx = match (interface.has_tx_vectors(settings), intervals.tx) {
                (true, usecs) => Moderation::from_usecs(usecs).ok_or(EINVAL)?,
                // As with igb.
                (false, 0) => settings.moderation.tx,
                (false, _) => return Err(EINVAL),
            };
            settings.moderation = BothWays { rx, tx };
            Ok(settings.moderation)
        })?;
        for queue in &interface.queues {
            queue.poller().set_moderation(moderation);
        }
        Ok(())
    }

    fn table_size(&self) -> u32 {
        const { assert!(rss::ENTRIES == 128) };
        128
    }

    fn key_size(&self) -> u32 {
        const { assert!(rss::KEY_BYTES == 40) };
        40
    }

    fn hash(&self, table: Option<&mut [u32]>, key: Option<&mut [u8]>) {
        self.interface.with_settings(|settings| {
            // While the interface is down it may not have been fitted to the queues.
            let queues = self.interface.count_queues(settings);
            settings.rss.fit(queues);
            for (to, from) in table.into_iter().flatten().zip(settings.rss.table) {
                *to = u32::from(from);
            }
            for (to, from) in key.into_iter().flatten().zip(settings.rss.key) {
                *to = from;
            }
        });
    }

    fn set_hash(&self, table: Option<&[u32]>, key: Option<&[u8]>) -> Result {
        self.interface.change_hash(|rss, queues| {
            if let Some(table) = table {
                rss.set(table, queues).ok_or(EINVAL)?;
            }
            if let Some(key) = key {
                rss.key = key.try_into().map_err(|_| EINVAL)?;
            }
            Ok(())
        })
    }

    fn covers_ports(&self, flow: Flow) -> bool {
        self.interface.with_settings(|settings| match flow {
            Flow::Tcp => true,
            Flow::Udp4 => settings.rss.udp4,
            Flow::Udp6 => settings.rss.udp6,
            Flow::Other => false,
        })
    }

    fn set_covers_ports(&self, flow: Flow, on: bool) -> Result {
        self.interface.change_hash(|rss, _| {
            match (flow, on) {
                (Flow::Udp4, _) => rss.udp4 = on,
                (Flow::Udp6, _) => rss.udp6 = on,
                (Flow::Tcp, true) | (Flow::Other, false) => {}
                (Flow::Tcp, false) | (Flow::Other, true) => return Err(EINVAL),
            }
            Ok(())
        })
    }
}

impl PortOperations for Netdev<'_> {
    fn pause(&self) -> Pause {
        self.port().link.lock().pause()
    }

    fn set_pause(&self, pause: Pause) -> Result {
        self.port().set_pause(pause)
    }

    fn wake(&self) -> Option<Wake> {
        let wake = self.interface.with_settings(|settings| settings.wake);
        self.port().can_wake.then_some(wake)
    }

    fn set_wake(&self, wake: Wake) -> Result {
        let port = self.port();
        if !port.can_wake && wake != Wake::NONE {
            return Err(EOPNOTSUPP);
        }
        self.interface
            .with_settings(|settings| settings.wake = wake);
        power::set_wake(port.pdev, wake != Wake::NONE);
        Ok(())
    }

    fn pause_frames(&self) -> (u64, u64) {
        let port = self.port();
        let mut totals = port.totals.lock();
        totals.update(&port.bar);
        let sum = |on, off| totals.get(on) + totals.get(off);
        (sum("xonrxc", "xoffrxc"), sum("xontxc", "xofftxc"))
    }

    fn count_registers(&self) -> usize {
        diagnose::DUMPED.len()
    }

    fn registers(&self, words: &mut [u32]) -> u32 {
        diagnose::dump(&self.port().bar, words);
        diagnose::DUMP_VERSION
    }

    fn test(&self, offline: bool, results: &mut [u64; TESTS.len()]) {
        let [register, eeprom, interrupt, loopback, link] = results;
        let failed = |passed: bool| u64::from(!passed);
        *link = failed(self.port().link.lock().up().is_some());
        if !offline {
            return;
        }
        let port = self.port();
        if port.pool.index() != 0 {
            dev_warn!(
                port.pdev,
                "offline tests reset the port: write 0 to sriov_numvfs before\n"
            );
            *register = 1;
            return;
        }
        let interface = &self.interface;
        let tested = interface.while_closed(|| {
            *register = failed(diagnose::registers_hold(&port.bar));
            *eeprom = failed(nvm::is_whole(|at| diagnose::nvm_word(&port.bar, at)));
            *interrupt = failed(interface.interrupts_arrive());
            // The tests have left filters and the like in any state.
            port.restart()?;
            // The PHY loops back without a link, too; QEMU's does not.
            port.await_link();
            let looped = match interface.queues.first() {
                Some(queue) => loopback::passes(port, queue),
                None => Ok(false),
            };
            *loopback = failed(looped.unwrap_or(false));
            port.restart()
        });
        if let Err(errno) = tested {
            dev_err!(
                port.pdev,
                "the port does not restart: {errno:?}; bind the driver anew\n"
            );
            *register = 1;
        }
    }
}

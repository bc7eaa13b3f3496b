// SPDX-License-Identifier: GPL-2.0

//! Statistics of a VF from registers of 32 bits that wrap. Pure.

/// One counter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Counter {
    last: u32,
    total: u64,
}

impl Counter {
    fn update(&mut self, value: u32) {
        self.total = self
            .total
            .wrapping_add(u64::from(value.wrapping_sub(self.last)));
        self.last = value;
    }
}

/// The registers of one VF as read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct RawStats {
    /// Packets received.
    pub(crate) rx_packets: u32,
    /// Packets sent.
    pub(crate) tx_packets: u32,
    /// Bytes received.
    pub(crate) rx_bytes: u32,
    /// Bytes sent.
    pub(crate) tx_bytes: u32,
    /// Multicast packets received.
    pub(crate) rx_multicast: u32,
}

/// What a VF has received and sent since it was enabled.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct VfStats {
    /// Packets received.
    pub(crate) rx_packets: u64,
    /// Packets sent.
    pub(crate) tx_packets: u64,
    /// Bytes received.
    pub(crate) rx_bytes: u64,
    /// Bytes sent.
    pub(crate) tx_bytes: u64,
    /// Multicast packets received.
    pub(crate) rx_multicast: u64,
}

/// The counters of one VF. They must be updated at least as often as a register
/// can wrap: every 34 s at 1 Gbit/s.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Counters {
    rx_packets: Counter,
    tx_packets: Counter,
    rx_bytes: Counter,
    tx_bytes: Counter,
    rx_multicast: Counter,
}

impl Counters {
    /// Counts from zero, the registers being zero.
    pub(crate) const fn new() -> Self {
        const COUNTER: Counter = Counter { last: 0, total: 0 };
        Self {
            rx_packets: COUNTER,
            tx_packets: COUNTER,
            rx_bytes: COUNTER,
            tx_bytes: COUNTER,
            rx_multicast: COUNTER,
        }
    }

    /// Counts from zero, `raw` being what the registers hold now. They keep what
    /// was counted before the VFs were enabled, and nobody can clear them.
    pub(crate) fn starting_at(raw: &RawStats) -> Self {
        let mut counters = Self::new();
        counters.rebase(raw);
        counters
    }

    /// The registers jumped to `raw`, by a reset of the PF: keep the totals.
    pub(crate) fn rebase(&mut self, raw: &RawStats) {
        self.rx_packets.last = raw.rx_packets;
        self.tx_packets.last = raw.tx_packets;
        self.rx_bytes.last = raw.rx_bytes;
        self.tx_bytes.last = raw.tx_bytes;
        self.rx_multicast.last = raw.rx_multicast;
    }

    /// Takes in what the registers hold now. All ones are of a device that has left the bus, or
    /// sleeps.
    pub(crate) fn update(&mut self, raw: &RawStats) {
        let gone = raw.rx_packets & raw.tx_packets & raw.rx_bytes & raw.tx_bytes;
        if gone & raw.rx_multicast == u32::MAX {
            return;
        }
        self.rx_packets.update(raw.rx_packets);
        self.tx_packets.update(raw.tx_packets);
        self.rx_bytes.update(raw.rx_bytes);
        self.tx_bytes.update(raw.tx_bytes);
        self.rx_multicast.update(raw.rx_multicast);
    }

    /// The totals.
    pub(crate) fn totals(&self) -> VfStats {
        VfStats {
            rx_packets: self.rx_packets.total,
            tx_packets: self.tx_packets.total,
            rx_bytes: self.rx_bytes.total,
            tx_bytes: self.tx_bytes.total,
            rx_multicast: self.rx_multicast.total,
        }
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_stats))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn raw(rx_bytes: u32) -> RawStats {
        RawStats {
            rx_bytes,
            ..RawStats::default()
        }
    }

    #[test]
    fn counting_starts_where_the_registers_are() {
        let mut counters = Counters::starting_at(&raw(1000));
        assert_eq!(counters.totals().rx_bytes, 0);
        counters.update(&raw(1500));
        assert_eq!(counters.totals().rx_bytes, 500);
    }

    #[test]
    fn a_device_that_is_gone_counts_nothing() {
        let mut counters = Counters::starting_at(&raw(1000));
        let ones = u32::MAX;
        counters.update(&RawStats {
            rx_packets: ones,
            tx_packets: ones,
            rx_bytes: ones,
            tx_bytes: ones,
            rx_multicast: ones,
        });
        assert_eq!(counters.totals().rx_bytes, 0);
        counters.update(&raw(1001));
        assert_eq!(counters.totals().rx_bytes, 1);
    }

    #[test]
    fn wrapping_and_resets_lose_nothing() {
        let mut counters = Counters::starting_at(&raw(u32::MAX - 9));
        counters.update(&raw(20));
        assert_eq!(counters.totals().rx_bytes, 30);
        counters.rebase(&raw(0));
        counters.update(&raw(5));
        assert_eq!(counters.totals().rx_bytes, 35);
    }
}

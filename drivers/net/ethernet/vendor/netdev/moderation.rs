// SPDX-License-Identifier: GPL-2.0

//! How often a vector interrupts: at a fixed interval, or at one that follows the load.
//! Pure.

/// How the interval of a vector is chosen. The values that users see are igb's: 0 is no limit, 1
/// and 3 follow the load, others are microseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Moderation {
    /// Always as many microseconds.
    Fixed(u16),
    /// By the load, from the shortest interval on.
    Dynamic,
    /// By the load, but never the shortest interval.
    Conservative,
}

/// The same for each direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BothWays {
    /// For the vector of what is received, or of all.
    pub(crate) rx: Moderation,
    /// For the vector of what was sent, where that has one of its own.
    pub(crate) tx: Moderation,
}

impl BothWays {
    /// What a driver starts with.
    pub(crate) const DEFAULT: Self = Self {
        rx: Moderation::DEFAULT,
        tx: Moderation::DEFAULT,
    };

    /// Both as users see them, in a word: what was sent in its upper half.
    pub(crate) fn to_word(self) -> u32 {
        self.tx.usecs() << 16 | self.rx.usecs()
    }

    /// What [`to_word`](Self::to_word) has made of it.
    pub(crate) fn from_word(word: u32) -> Self {
        let of = |usecs| Moderation::from_usecs(usecs).unwrap_or(Moderation::DEFAULT);
        Self {
            rx: of(word & 0xffff),
            tx: of(word >> 16),
        }
    }
}

/// Least and largest fixed interval in microseconds.
pub(crate) const MIN_INTERVAL: u32 = 10;
/// Largest fixed interval in microseconds: what the register holds is more than that of igb.
pub(crate) const MAX_INTERVAL: u32 = 8191;

const DYNAMIC: u32 = 1;
const CONSERVATIVE: u32 = 3;

impl Moderation {
    /// What a driver starts with.
    pub(crate) const DEFAULT: Self = Self::Conservative;

    /// What `usecs` of `ethtool -C` means; [`None`] for what it cannot be.
    pub(crate) fn from_usecs(usecs: u32) -> Option<Self> {
        match usecs {
            DYNAMIC => Some(Self::Dynamic),
            CONSERVATIVE => Some(Self::Conservative),
            0 => Some(Self::Fixed(0)),
            MIN_INTERVAL..=MAX_INTERVAL => u16::try_from(usecs).ok().map(Self::Fixed),
            _ => None,
        }
    }

    /// The same for `ethtool -c`.
    pub(crate) fn usecs(self) -> u32 {
        match self {
            Self::Fixed(usecs) => u32::from(usecs),
            Self::Dynamic => DYNAMIC,
            Self::Conservative => CONSERVATIVE,
        }
    }

    /// Interval in microseconds after `traffic`; [`None`] if nothing was sent or received, and
    /// so nothing is known.
    pub(crate) fn interval(self, traffic: &Traffic) -> Option<u16> {
        match self {
            Self::Fixed(usecs) => Some(usecs),
            Self::Dynamic => traffic.interval(),
            Self::Conservative => traffic.interval().map(|usecs| usecs.max(LEAST)),
        }
    }

    /// Interval in microseconds of a vector that tells of nothing but what was sent, by a ring of
    /// `size` descriptors; `packets` were since it was looked at last, and the interval is `before`.
    ///
    /// Nobody waits for that, as long as neither ring nor socket runs dry, and who sends has to
    /// interrupt its work for it. So the interval is as long as few packets are sent in it.
    pub(crate) fn interval_of_sent(self, before: u16, packets: u32, size: u16) -> u16 {
        let most = u32::from(MOST_SENT.min(size / 4).max(1));
        let interval = match self {
            Self::Fixed(usecs) => return usecs,
            Self::Dynamic | Self::Conservative if packets > most => {
                u32::from(before) * most / packets
            }
            // It may grow by that much, and still be no reason to make it shorter.
            Self::Dynamic | Self::Conservative if (1..most / 4).contains(&packets) => {
                u32::from(before) * 2
            }
            Self::Dynamic | Self::Conservative => u32::from(before),
        };
        u16::try_from(interval).map_or(LONGEST_OF_SENT, |usecs| usecs.clamp(LEAST, LONGEST_OF_SENT))
    }

    /// Whether the device is to be told of `interval`, having been `told` another one. Where it follows
    /// the load an eighth does not matter: a few shorter frames make less of it, and the write
    /// costs as much as a packet.
    pub(crate) fn is_news(self, told: u16, interval: u16) -> bool {
        match self {
            Self::Fixed(_) => told != interval,
            Self::Dynamic | Self::Conservative => told.abs_diff(interval) > told / 8,
        }
    }

    /// The interval of a vector that has seen no traffic.
    pub(crate) fn first_interval(self) -> u16 {
        match self {
            Self::Fixed(usecs) => usecs,
            Self::Dynamic | Self::Conservative => LEAST,
        }
    }
}

/// The shortest interval that follows the load, unless users ask for shorter ones: 20,000
/// interrupts a second.
const LEAST: u16 = 49;

/// The longest interval of what was sent, unless users ask for a longer one: well below the
/// millisecond of traffic that TCP lets wait for its end (`sk_pacing_shift`).
const LONGEST_OF_SENT: u16 = 8 * LEAST;

/// How many packets may be sent in such an interval, of a ring that is not small: the wire takes the
/// shortest ones for longer than [`LEAST`] then, and a socket's buffer holds four times as many.
const MOST_SENT: u16 = 64;

/// What the queues of a vector have done since it was looked at last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Traffic {
    /// What was received.
    pub(crate) rx: Run,
    /// What was sent.
    pub(crate) tx: Run,
}

/// Packets, as they are on the wire, and their bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Run {
    /// How many.
    pub(crate) packets: u32,
    /// Of how many bytes in all.
    pub(crate) bytes: u32,
}

/// Bytes of a packet on the wire that are in no memory: checksum, preamble, and the gap.
const OVERHEAD: u32 = 24;
/// Larger ones take no longer intervals.
const LARGEST: u32 = 3000;
/// Between these packets take less time to deal with than their size says.
const MIDDLE: core::ops::Range<u32> = 301..1200;

impl Run {
    /// Adds to it.
    pub(crate) fn add(&mut self, packets: u32, bytes: u32) {
        self.packets = self.packets.saturating_add(packets);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn mean(self) -> u32 {
        self.bytes.checked_div(self.packets).unwrap_or(0)
    }
}

impl Traffic {
    /// By the mean size, as igb does (`igb_update_ring_itr`): small packets are waited for, and
    /// of large ones as many come in a longer interval as small ones in a short one.
    fn interval(&self) -> Option<u16> {
        let mean = match self.rx.mean().max(self.tx.mean()) {
            0 => return None,
            mean => mean.saturating_add(OVERHEAD).min(LARGEST),
        };
        let quarters = if MIDDLE.contains(&mean) {
            mean / 3
        } else {
            mean / 2
        };
        u16::try_from(quarters / 4).ok()
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_moderation))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn values_are_igbs() {
        for usecs in [0, 1, 3, 10, 100, 8191] {
            let moderation = Moderation::from_usecs(usecs);
            assert_eq!(moderation.map(Moderation::usecs), Some(usecs));
        }
        for usecs in [2, 4, 9, 8192, u32::MAX] {
            assert_eq!(Moderation::from_usecs(usecs), None);
        }
        assert_eq!(Moderation::from_usecs(3), Some(Moderation::DEFAULT));
    }

    #[test]
    fn both_ways_fit_a_word() {
        let each = [0, 1, 3, 10, 8191].map(Moderation::from_usecs);
        for (rx, tx) in each
            .iter()
            .flat_map(|rx| each.iter().map(move |tx| (rx, tx)))
        {
            let (Some(rx), Some(tx)) = (*rx, *tx) else {
                panic!("these are values of igb's");
            };
            let both = BothWays { rx, tx };
            assert_eq!(BothWays::from_word(both.to_word()), both);
        }
        assert_eq!(BothWays::from_word(0x0002_0009), BothWays::DEFAULT);
    }

    fn traffic(packets: u32, size: u32) -> Traffic {
        let mut traffic = Traffic::default();
        traffic.rx.add(packets, packets * size);
        traffic
    }

    #[test]
    fn fixed_intervals_ignore_the_load() {
        for traffic in [Traffic::default(), traffic(1, 60), traffic(100, 1514)] {
            assert_eq!(Moderation::Fixed(77).interval(&traffic), Some(77));
        }
        assert_eq!(Moderation::Fixed(77).first_interval(), 77);
    }

    #[test]
    fn intervals_are_igbs() {
        // Quarters of a microsecond: 42, 108, 375, 768, 1500.
        for (size, usecs) in [(60, 10), (300, 27), (1100, 93), (1514, 192), (9000, 375)] {
            let traffic = traffic(7, size);
            let interval = Moderation::Dynamic.interval(&traffic);
            assert_eq!(interval, Some(usecs));
            let interval = Moderation::Conservative.interval(&traffic);
            assert_eq!(interval, Some(usecs.max(49)));
        }
    }

    #[test]
    fn the_larger_packets_decide() {
        let mut traffic = traffic(100, 60);
        traffic.tx.add(4, 4 * 1514);
        assert_eq!(Moderation::Dynamic.interval(&traffic), Some(192));
    }

    #[test]
    fn what_is_sent_counts_as_what_is_received() {
        for (size, usecs) in [(60, 49), (300, 49), (1100, 93), (1514, 192)] {
            let mut traffic = Traffic::default();
            traffic.tx.add(7, 7 * size);
            let interval = Moderation::Conservative.interval(&traffic);
            assert_eq!(interval, Some(usecs));
        }
    }

    #[test]
    fn few_packets_are_told_of_late() {
        let next =
            |before, packets| Moderation::Conservative.interval_of_sent(before, packets, 256);
        for (before, packets, after) in [
            (49, 1, 98),
            (98, 15, 196),
            (196, 15, 392),
            (392, 1, 392),
            // Enough, but not too many.
            (49, 16, 49),
            (98, 64, 98),
            // As long as 64 of them take.
            (392, 128, 196),
            (392, 600, 49),
            (49, u32::MAX, 49),
        ] {
            assert_eq!(next(before, packets), after);
        }
        // After users had an interval of their own.
        assert_eq!(next(0, 1), 49);
        assert_eq!(next(8191, 1), 392);
        assert_eq!(next(8191, 20), 392);
        assert_eq!(next(8191, 65), 392);
        assert_eq!(next(u16::MAX, 1), 392);
        // Nothing was sent.
        assert_eq!(next(98, 0), 98);
    }

    #[test]
    fn a_small_ring_does_not_run_dry() {
        let next =
            |before, packets, size| Moderation::Dynamic.interval_of_sent(before, packets, size);
        assert_eq!(next(392, 40, 80), 196);
        assert_eq!(next(98, 20, 80), 98);
        assert_eq!(next(98, 4, 80), 196);
        assert_eq!(next(98, 1, 0), 98);
    }

    #[test]
    fn a_fixed_interval_is_that_of_what_was_sent_too() {
        for packets in [0, 1, 1000] {
            assert_eq!(Moderation::Fixed(7).interval_of_sent(49, packets, 256), 7);
        }
    }

    #[test]
    fn small_differences_are_told_of_fixed_intervals_only() {
        for (told, interval) in [(192, 169), (192, 215), (49, 43), (49, 49), (7, 7)] {
            for moderation in [Moderation::Dynamic, Moderation::Conservative] {
                assert!(!moderation.is_news(told, interval));
            }
            let is_other = told != interval;
            assert_eq!(
                Moderation::Fixed(interval).is_news(told, interval),
                is_other
            );
        }
        for (told, interval) in [(192, 167), (192, 217), (49, 98), (0, 1), (7, 8)] {
            for moderation in [Moderation::Dynamic, Moderation::Conservative] {
                assert!(moderation.is_news(told, interval));
            }
        }
    }

    #[test]
    fn nothing_is_known_without_packets() {
        for moderation in [Moderation::Dynamic, Moderation::Conservative] {
            assert_eq!(moderation.interval(&Traffic::default()), None);
            assert_eq!(moderation.first_interval(), 49);
        }
    }

    #[test]
    fn counts_do_not_wrap() {
        let mut run = Run::default();
        run.add(u32::MAX, u32::MAX);
        run.add(1, 1514);
        assert_eq!((run.packets, run.bytes), (u32::MAX, u32::MAX));
    }
}

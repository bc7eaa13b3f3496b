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

    /// Interval in microseconds under `load`.
    pub(crate) fn interval(self, load: Load) -> u16 {
        match (self, load) {
            (Self::Fixed(usecs), _) => usecs,
            (Self::Dynamic, Load::Latency) => 14,
            (Self::Dynamic | Self::Conservative, Load::Latency | Load::Mixed) => 50,
            (Self::Dynamic | Self::Conservative, Load::Bulk) => 200,
        }
    }
}

/// What a vector's queues are used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Load {
    /// Single packets, which somebody waits for.
    Latency,
    /// Neither.
    Mixed,
    /// Many packets, or large ones.
    Bulk,
}

/// Packets and bytes of one run at and below which the load is single packets.
const FEW_PACKETS: u32 = 4;
const FEW_BYTES: u32 = 4 * 512;
/// Packets or bytes of one run beyond which it is bulk.
const MANY_PACKETS: u32 = 24;
const MANY_BYTES: u32 = 24 * 1024;

impl Load {
    /// The load after a run of as many packets and bytes. It changes by one step at a time,
    /// so that a single run does not decide.
    pub(crate) fn after(self, packets: u32, bytes: u32) -> Self {
        let few = packets <= FEW_PACKETS && bytes <= FEW_BYTES;
        let many = packets > MANY_PACKETS || bytes > MANY_BYTES;
        match self {
            _ if packets == 0 => self,
            Self::Latency if few => Self::Latency,
            Self::Latency => Self::Mixed,
            Self::Mixed if few => Self::Latency,
            Self::Mixed if many => Self::Bulk,
            Self::Mixed => Self::Mixed,
            Self::Bulk if many => Self::Bulk,
            Self::Bulk => Self::Mixed,
        }
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
    fn fixed_intervals_ignore_the_load() {
        for load in [Load::Latency, Load::Mixed, Load::Bulk] {
            assert_eq!(Moderation::Fixed(77).interval(load), 77);
        }
    }

    #[test]
    fn intervals_grow_with_the_load() {
        for (moderation, least) in [(Moderation::Dynamic, 14), (Moderation::Conservative, 50)] {
            assert_eq!(moderation.interval(Load::Latency), least);
            assert!(moderation.interval(Load::Mixed) >= least);
            assert!(moderation.interval(Load::Bulk) > moderation.interval(Load::Mixed));
        }
    }

    #[test]
    fn the_load_follows_step_by_step() {
        assert_eq!(Load::Latency.after(1, 64), Load::Latency);
        assert_eq!(Load::Latency.after(64, 90_000), Load::Mixed);
        assert_eq!(Load::Mixed.after(64, 4096), Load::Bulk);
        assert_eq!(Load::Mixed.after(10, 10_000), Load::Mixed);
        assert_eq!(Load::Mixed.after(2, 132), Load::Latency);
        // One large piece that hardware cuts is bulk, too.
        assert_eq!(Load::Mixed.after(1, 65_000), Load::Bulk);
        assert_eq!(Load::Bulk.after(2, 132), Load::Mixed);
        assert_eq!(Load::Bulk.after(0, 0), Load::Bulk);
    }
}

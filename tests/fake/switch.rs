// SPDX-License-Identifier: GPL-2.0

//! Where the fake's switch takes a packet, by its registers and the datasheet's
//! rules: those of QEMU's model, and those it lacks (spoof checks, pruning,
//! promiscuity, the unicast table).

use super::device::{
    Fake,
    UTA,
    VFRE,
    VFTE,
    WVBR, //
};
use crate::vf::logic::mac::Mac;

/// A packet.
#[derive(Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) dst: Mac,
    pub(crate) src: Mac,
    pub(crate) vlan: Option<u16>,
    /// Bytes with checksum.
    pub(crate) len: u32,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It is dropped for its forged source.
    Spoofed,
    /// The sender may not send.
    Silenced,
    /// Received by these pools, a bit each, with this VLAN.
    Received(u32, Option<u16>),
}

/// 12 bits of a group address, as the multicast and unicast tables are indexed.
pub(crate) fn hash(mac: Mac) -> u16 {
    u16::from(mac.0[4]) >> 4 | u16::from(mac.0[5]) << 4
}

impl Fake<'_> {
    /// Pools of the receive addresses that match.
    fn pools_of(&self, mac: Mac) -> u32 {
        let (low, high) = mac.to_words();
        (0..24)
            .map(|index| match index {
                0..16 => 0x5400 + 8 * index,
                _ => 0x54e0 + 8 * (index - 16),
            })
            .filter(|&at| {
                let rah = self.get(at + 4);
                self.get(at) == low && rah & 0xffff == high && rah >> 31 != 0
            })
            .fold(0, |pools, at| pools | self.get(at + 4) >> 18 & 0xff)
    }

    /// Pools that are in a VLAN; `None` if no entry has it.
    fn pools_in(&self, vid: u16) -> Option<u32> {
        (0..32)
            .map(|index| self.get(0x5d00 + 4 * index))
            .filter(|vlvf| vlvf >> 31 != 0 && vlvf & 0xfff == u32::from(vid))
            .fold(None, |pools, vlvf| {
                Some(pools.unwrap_or(0) | vlvf >> 12 & 0xff)
            })
    }

    fn pools_with(&self, vmolr_bit: u32) -> u32 {
        (0..8)
            .filter(|pool| self.get(0x5ad0 + 4 * pool) & 1 << vmolr_bit != 0)
            .fold(0, |pools, pool| pools | 1 << pool)
    }

    fn table_has(&self, table: usize, index: u16) -> bool {
        self.get(table + 4 * usize::from(index >> 5)) & 1 << (index & 31) != 0
    }

    /// Takes a packet from pool `from`, or from the wire.
    pub(crate) fn deliver(&self, from: Option<usize>, packet: &Packet) -> Fate {
        let mut vlan = packet.vlan;
        let switch = self.get(0x3500);
        if let Some(pool) = from {
            if self.get(VFTE) & 1 << pool == 0 {
                return Fate::Silenced;
            }
            let insert = self.get(0x3700 + 4 * pool);
            if insert & 1 << 30 != 0 {
                vlan = Some((insert & 0xfff) as u16);
            }
            let foreign = switch & 1 << pool != 0 && self.pools_of(packet.src) & 1 << pool == 0;
            let outside = switch & 1 << (8 + pool) != 0
                && vlan.is_some_and(|vid| self.pools_in(vid).unwrap_or(0) & 1 << pool == 0);
            if foreign || outside {
                self.put(WVBR, self.get(WVBR) | 1 << pool);
                return Fate::Spoofed;
            }
        }
        let mut pools = if packet.dst == Mac([0xff; 6]) {
            self.pools_with(27)
        } else if packet.dst.0[0] & 1 != 0 {
            let listed = self.table_has(0x5200, hash(packet.dst));
            self.pools_with(28) | if listed { self.pools_with(25) } else { 0 }
        } else {
            let listed = self.table_has(UTA, hash(packet.dst));
            self.pools_of(packet.dst) | if listed { self.pools_with(26) } else { 0 }
        };
        match vlan {
            Some(vid) if !self.table_has(0x5600, vid) => pools = 0,
            Some(vid) => pools &= self.pools_in(vid).unwrap_or(0),
            None => pools &= self.pools_with(24),
        }
        let control = self.get(0x581c);
        let group = packet.dst.0[0] & 1 != 0;
        if pools == 0 && !group && control & 1 << 29 == 0 {
            pools = 1 << (control >> 7 & 7);
        }
        for pool in 0..8 {
            let vmolr = self.get(0x5ad0 + 4 * pool);
            let tag = if vlan.is_some() { 4 } else { 0 };
            let limit = match vmolr & 1 << 16 {
                0 => 1518 + tag,
                _ => vmolr & 0x3fff,
            };
            if packet.len > limit {
                pools &= !(1 << pool);
            }
        }
        if let Some(pool) = from {
            if switch >> 31 == 0 {
                pools = 0;
            } else if switch & 1 << (16 + pool) == 0 {
                pools &= !(1 << pool);
            }
        }
        Fate::Received(pools & self.get(VFRE), vlan)
    }
}

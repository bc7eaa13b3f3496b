// SPDX-License-Identifier: GPL-2.0

//! What the modules do for each descriptor and for each state, from the files they are
//! built from, to be measured without a kernel around.
#![allow(dead_code)]

#[path = "../../../../mediate/logic/record.rs"]
mod record;
/// The PF driver as provider of its VFs.
#[path = "../../../../drivers/net/ethernet/vendor/provider"]
mod provider {
    pub(crate) mod logic;
}
/// The PF driver's control of VFs.
#[path = "../../../../drivers/net/ethernet/vendor/vf"]
mod vf {
    pub(crate) mod logic;
}

use provider::logic::{
    codec,
    contexts::Descriptor,
    scan::{Guest, RxRing, RxScan, MAX_DESCRIPTORS, NULL},
    shape::Shape,
    state::{Known, Stopped},
};

/// Where the ring is for the device.
const BASE: u64 = 0x1000_0000;
/// SRRCTL of igbvf: one buffer of 2 KiB.
const ONE_BUFFER: u32 = 0x0200_0002;

/// A guest's memory: the ring, and how much of it was marked.
struct Ram {
    ring: Vec<Descriptor>,
    marked: u64,
}

impl Guest for Ram {
    type Error = ();

    fn read(&mut self, iova: u64, room: &mut [Descriptor]) -> Result<bool, ()> {
        let first = usize::try_from((iova - BASE) / 16).map_err(drop)?;
        let Some(there) = self.ring.get(first..first + room.len()) else {
            return Ok(false);
        };
        room.copy_from_slice(there);
        Ok(true)
    }

    fn mark(&mut self, iova: u64, len: u64) {
        self.marked = self.marked.wrapping_add(iova ^ len);
    }
}

/// A receive ring of a guest's, and what the mediator knows of it.
pub struct Ring {
    ram: Ram,
    used: Ram,
    slots: Vec<Descriptor>,
    scan: RxScan,
    count: u16,
}

impl Ring {
    /// With so many descriptors, all but one posted.
    pub fn new(count: u16) -> Self {
        let posted = (0..u64::from(count)).map(|n| [0x2000_0000 + 0x1000 * n, 0]);
        let used = (0..count).map(|_| [0, 60 << 32 | 3]);
        let mut ram = Ram {
            ring: posted.collect(),
            marked: 0,
        };
        let used = Ram {
            ring: used.collect(),
            marked: 0,
        };
        let shape = Shape::new(ONE_BUFFER, 0);
        let ring = RxRing::new(BASE, u32::from(count) * 16, shape).unwrap_or_default();
        let mut slots = vec![NULL; MAX_DESCRIPTORS];
        let scan = RxScan::take_up(ring, 0, 0, &mut slots, &mut ram).unwrap_or_default();
        Self {
            ram,
            used,
            slots,
            scan,
            count,
        }
    }

    /// As at a doorbell that gives the device all descriptors but one.
    pub fn harvest(&mut self) {
        let mut scan = self.scan;
        // Cannot fail: `Ram` never does.
        let _ = scan.post(self.count - 1, &mut self.slots, &mut self.ram);
    }

    /// The same bytes, only copied.
    pub fn copy(&mut self) {
        let count = usize::from(self.count - 1);
        self.slots[..count].copy_from_slice(&self.ram.ring[..count]);
    }

    /// As when the device is done with all descriptors but one.
    pub fn retire(&mut self) -> u64 {
        let mut scan = self.scan;
        scan.retire(self.count - 1, &self.slots, &mut self.used);
        self.used.marked
    }

    /// Whether a harvest has what a copy has.
    pub fn is_harvested(&self) -> bool {
        let count = usize::from(self.count - 1);
        self.slots[..count] == self.ram.ring[..count]
    }
}

/// A VF's state, as values and as bytes.
pub struct State {
    values: (Known, Stopped),
    bytes: Vec<u8>,
}

impl State {
    /// Of bytes that are a whole state.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let values = codec::decode(bytes).ok()?;
        let bytes = bytes.to_vec();
        Some(Self { values, bytes })
    }

    /// Writes the values; how many bytes they are.
    pub fn save(&self, room: &mut [u8]) -> usize {
        codec::encode(&self.values.0, &self.values.1, room).unwrap_or(0)
    }

    /// Reads the bytes; whether that went well.
    pub fn load(&self) -> bool {
        codec::decode(&self.bytes).is_ok()
    }
}

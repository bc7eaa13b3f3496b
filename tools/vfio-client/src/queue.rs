// SPDX-License-Identifier: GPL-2.0

//! A driver's queues in memory, and which transmit context a packet gets.

use crate::{
    descriptor::{self, Offload, Use},
    error::Result,
    memory::{Memory, Piece},
    ring::Ring,
};
use std::collections::VecDeque;

/// Whose sequences.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Kind {
    /// Linux' igbvf: one queue each way, a context for each packet that needs one.
    Igbvf,
    /// DPDK: two queues each way, contexts used again.
    Dpdk,
}

impl Kind {
    /// Queues each way.
    pub fn queues(self) -> u32 {
        match self {
            Self::Igbvf => 1,
            Self::Dpdk => 2,
        }
    }
}

/// Bytes of a buffer, for one packet.
const BUFFER: u64 = 2048;

/// What to do with a packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sending {
    /// Have the device insert a tag.
    pub vlan: Option<u16>,
    /// Have it insert checksums.
    pub checksums: bool,
}

/// One direction of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    /// Its size.
    pub(crate) ring: Ring,
    /// Its memory.
    pub(crate) descriptors: Piece,
    /// A buffer for each descriptor.
    pub(crate) buffers: Piece,
    /// Next to be consumed, as far as the driver has looked.
    pub(crate) clean: u32,
    /// Next to be filled.
    pub(crate) fill: u32,
}

impl Lane {
    /// A ring of `size` descriptors, at its start.
    pub(crate) fn new(memory: &Memory, size: u32) -> Result<Self> {
        Ok(Self {
            ring: Ring(size),
            descriptors: memory.take(u64::from(size * descriptor::SIZE))?,
            buffers: memory.take(u64::from(size) * BUFFER)?,
            clean: 0,
            fill: 0,
        })
    }

    /// Where a descriptor is.
    pub(crate) fn descriptor(&self, index: u32) -> u64 {
        self.descriptors.part(index, descriptor::SIZE.into()).iova
    }

    /// Where the buffer of a descriptor is.
    pub(crate) fn buffer(&self, index: u32) -> u64 {
        self.buffers.part(index, BUFFER).iova
    }
}

/// A queue pair, and the contexts its transmit side was given.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    /// Receive.
    pub(crate) rx: Lane,
    /// Transmit.
    pub(crate) tx: Lane,
    /// Where the head is written to.
    pub(crate) head_page: Piece,
    /// Completions come as the head's value in memory, not in descriptors.
    pub(crate) head_write_back: bool,
    /// The contexts that it was given.
    pub(crate) contexts: [Option<Offload>; 2],
    /// The context that was used last.
    pub(crate) latest: u8,
    /// Descriptors of packets that the device has not sent yet.
    pub(crate) pending: VecDeque<u32>,
}

impl Queue {
    /// Fills the next transmit descriptor.
    pub(crate) fn put(&mut self, memory: &Memory, words: [u64; 2]) -> Result<()> {
        memory.write_descriptor(self.tx.descriptor(self.tx.fill), words)?;
        self.tx.fill = self.tx.ring.advance(self.tx.fill, 1);
        Ok(())
    }

    /// Which context to give first, if any, and which one the packet uses: igbvf
    /// gives one with each packet; DPDK uses the latest again if it fits, else
    /// the other, else replaces the other.
    pub(crate) fn choose(
        &self,
        kind: Kind,
        sending: Sending,
    ) -> (Option<(Offload, u8)>, Option<Use>) {
        if sending == Sending::default() {
            return (None, None);
        }
        let offload = Offload {
            vlan: sending.vlan.unwrap_or(0),
            udp: sending.checksums,
        };
        let other = self.latest ^ 1;
        let has = |index: u8| self.contexts[usize::from(index)] == Some(offload);
        let (give, index) = match kind {
            Kind::Igbvf => (true, 0),
            Kind::Dpdk if has(self.latest) => (false, self.latest),
            Kind::Dpdk => (!has(other), other),
        };
        let used = Use {
            index,
            tag: sending.vlan.is_some(),
            checksums: sending.checksums,
        };
        (give.then_some((offload, index)), Some(used))
    }
}

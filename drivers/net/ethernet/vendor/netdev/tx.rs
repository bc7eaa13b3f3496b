// SPDX-License-Identifier: GPL-2.0

//! The transmit ring.

use super::{
    descriptor::{
        self,
        TxOffload, //
    },
    moderation::Run,
    offload::{
        Packet,
        Plan,
        MIN_FRAME, //
    },
    ring::Positions,
    segment, //
};
use crate::{
    abi::{
        dma::Ring,
        napi::NapiRef,
        skb::{
            Piece,
            Pieces,
            SkBuff, //
        },
        xdp::XdpFrame, //
    },
    pf::port::Port,
    regs::{
        tx::{
            TDBAH,
            TDBAL,
            TDH,
            TDLEN,
            TDT,
            TDWBAL,
            TXDCTL, //
        },
        Bar0, //
    },
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    io::{
        poll::read_poll_timeout,
        register::Array,
        Io, //
    },
    prelude::*,
    time::Delta, //
};

/// Most descriptors of a packet: a context, the head, as many pages as a socket buffer has,
/// and four more for those that are longer than one descriptor may be.
pub(crate) const MOST: u16 = 1 + 1 + 17 + 4;

/// How long a queue may take to start, or to stop: the time of what it has fetched.
pub(super) const SWITCH_TIMEOUT: Delta = Delta::from_millis(20);
pub(super) const SWITCH_POLL: Delta = Delta::from_micros(100);

/// What is kept until the device has sent it.
enum Payload {
    /// A packet of the stack's.
    Packet(SkBuff),
    /// A frame that the stack does not know.
    Frame(XdpFrame),
}

/// What the device has been given.
struct InFlight {
    payload: Payload,
    /// Its last descriptor.
    last: u16,
    /// Bytes and packets on the wire.
    bytes: u32,
    packets: u32,
}

/// What a descriptor stands for.
struct Slot<'bound> {
    /// What the device reads; dropped before the packet is.
    piece: Option<Piece<'bound>>,
    /// What it is part of, in its first descriptor's slot.
    packet: Option<InFlight>,
}

/// A transmit ring, and the packets in it.
pub(crate) struct TxRing<'bound> {
    dev: &'bound Device<Bound>,
    ring: Ring,
    positions: Positions,
    slots: KVVec<Slot<'bound>>,
    /// Number of the queue.
    queue: u8,
}

/// What became of a packet.
pub(super) enum Sent {
    /// The device has it; it is of as many bytes on the wire.
    Queued(u32),
    /// It was dropped.
    Dropped,
    /// There is no room for it.
    Full(SkBuff),
}

impl<'bound> TxRing<'bound> {
    /// An empty ring of `size` descriptors for queue `queue`, below 16. Sleeps. Errors:
    /// `ENOMEM`, `EINVAL` for a size that no ring has.
    pub(super) fn new(dev: &'bound Device<Bound>, queue: u8, size: u16) -> Result<Self> {
        let mut slots = KVVec::with_capacity(usize::from(size), GFP_KERNEL)?;
        for _ in 0..size {
            let slot = Slot {
                piece: None,
                packet: None,
            };
            slots.push(slot, GFP_KERNEL)?;
        }
        Ok(Self {
            dev,
            ring: Ring::new(dev, size)?,
            positions: Positions::new(size).ok_or(EINVAL)?,
            slots,
            queue,
        })
    }

    /// Lets the device send from the ring. Sleeps. Errors: `ETIMEDOUT`.
    pub(super) fn start(&self, bar: &Bar0<'_>) -> Result {
        let n = usize::from(self.queue);
        let [low, high] = halves(self.ring.dma_address());
        bar.write(TXDCTL::try_at(n).ok_or(EINVAL)?, TXDCTL::zeroed());
        bar.write(TDBAL::try_at(n).ok_or(EINVAL)?, TDBAL::from(low));
        bar.write(TDBAH::try_at(n).ok_or(EINVAL)?, TDBAH::from(high));
        bar.write(
            TDLEN::try_at(n).ok_or(EINVAL)?,
            TDLEN::from(self.ring.bytes()),
        );
        // The queue may have been a VF's.
        bar.write(TDWBAL::try_at(n).ok_or(EINVAL)?, TDWBAL::zeroed());
        bar.write(TDH::try_at(n).ok_or(EINVAL)?, TDH::zeroed());
        bar.write(TDT::try_at(n).ok_or(EINVAL)?, TDT::zeroed());
        bar.write(
            TXDCTL::try_at(n).ok_or(EINVAL)?,
            TXDCTL::zeroed()
                .with_const_pthresh::<8>()
                .with_const_hthresh::<1>()
                .with_const_wthresh::<1>()
                .with_enable(true),
        );
        Self::await_enable(self.queue, bar, true)
    }

    /// Keeps the device from queue `queue`'s ring. Sleeps.
    pub(super) fn stop(queue: u8, bar: &Bar0<'_>) -> Result {
        let at = || TXDCTL::try_at(usize::from(queue)).ok_or(EINVAL);
        bar.write(at()?, bar.read(at()?).with_enable(false));
        Self::await_enable(queue, bar, false)
    }

    fn await_enable(queue: u8, bar: &Bar0<'_>, on: bool) -> Result {
        read_poll_timeout(
            || Ok(bar.read(TXDCTL::try_at(usize::from(queue)).ok_or(EINVAL)?)),
            |control| control.enable() == on,
            SWITCH_POLL,
            SWITCH_TIMEOUT,
        )
        .map(|_| ())
    }

    /// Whether there is room for any packet.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        self.positions.free() >= MOST
    }

    /// Whether the ring is empty enough to go on after it was full.
    pub(super) fn has_drained(&self) -> bool {
        self.positions.free() >= 2 * MOST
    }

    /// Puts a packet into the ring, of which the stack wants what `packet` says; the device looks
    /// at it after [`kick`](Self::kick).
    // For each packet: a call less.
    #[inline(always)]
    pub(super) fn send(&mut self, skb: SkBuff, packet: Packet) -> Sent {
        if !self.has_room() {
            return Sent::Full(skb);
        }
        let (mut skb, mut packet) = (skb, packet);
        let Some(offload) = Self::prepare(&mut skb, &packet) else {
            return Sent::Dropped;
        };
        if packet.is_short() {
            skb = match skb.padded(MIN_FRAME) {
                Some(skb) => skb,
                None => return Sent::Dropped,
            };
            packet = skb.describe();
        }
        let first = self.positions.next();
        match self.place(&skb, &packet, &offload) {
            Some(last) => {
                let bytes = packet.wire_bytes();
                let in_flight = InFlight {
                    payload: Payload::Packet(skb),
                    last,
                    bytes,
                    packets: packet.wire_packets(),
                };
                self.keep(first, in_flight);
                Sent::Queued(bytes)
            }
            None => {
                // The device knows of nothing yet.
                self.take_back(first);
                Sent::Dropped
            }
        }
    }

    /// Puts a frame into the ring, and answers its bytes; gives it back if there is no room, or
    /// it cannot be mapped. The device looks at it after [`kick`](Self::kick).
    pub(super) fn send_frame(&mut self, frame: XdpFrame) -> Result<u32, XdpFrame> {
        if !self.has_room() {
            return Err(frame);
        }
        let packet = Packet {
            length: frame.len(),
            head: frame.head(),
            pages: frame.pages(),
            ..Packet::default()
        };
        let first = self.positions.next();
        let Some(last) = self.place(&frame, &packet, &TxOffload::NONE) else {
            self.take_back(first);
            return Err(frame);
        };
        let bytes = packet.wire_bytes();
        let in_flight = InFlight {
            payload: Payload::Frame(frame),
            last,
            bytes,
            packets: packet.wire_packets(),
        };
        self.keep(first, in_flight);
        Ok(bytes)
    }

    /// Keeps what the device has been given in the slot of its first descriptor.
    #[inline(always)]
    fn keep(&mut self, first: u16, packet: InFlight) {
        if let Some(slot) = self.slots.get_mut(usize::from(first)) {
            fill(&mut slot.packet, packet);
        }
    }

    /// Does what hardware does not. [`None`] if the packet cannot be sent.
    #[inline(always)]
    fn prepare(skb: &mut SkBuff, packet: &Packet) -> Option<TxOffload> {
        let offload = match packet.plan() {
            Plan::Refused => return None,
            Plan::Hardware(offload) => offload,
            Plan::Checksummed(offload) => {
                skb.fill_checksum().ok()?;
                offload
            }
        };
        if let Some((sum, cut)) = offload.checksum.and_then(|sum| Some((sum, sum.segments?))) {
            let offsets = packet.offsets();
            let l4_bytes = packet.length.checked_sub(packet.checksum?.start)?;
            let headers = skb.headers(packet.headers())?;
            segment::prepare(headers, offsets, sum.layer4, cut.ipv4, l4_bytes)?;
        }
        Some(offload)
    }

    /// Fills descriptors for a packet; answers the last one. [`None`], and some may be
    /// filled, if it cannot be mapped or is too large.
    #[inline(always)]
    fn place(&mut self, pieces: &impl Pieces, packet: &Packet, offload: &TxOffload) -> Option<u16> {
        if offload.is_needed() {
            self.ring.write(self.positions.fill()?, offload.context());
        }
        let payload = if offload.checksum.is_some_and(|sum| sum.segments.is_some()) {
            packet.length.checked_sub(packet.headers())?
        } else {
            packet.length
        };
        let flags = offload.flags(payload);
        let mut last = None;
        for page in 0..=packet.pages {
            let piece = match page.checked_sub(1) {
                None => pieces.map_head(self.dev),
                Some(page) => pieces.map_page(self.dev, page),
            }?;
            let parts = descriptor::tx_parts(piece.dma_address(), piece.len());
            if let Some(slot) = self.slots.get_mut(usize::from(self.positions.next())) {
                fill(&mut slot.piece, piece);
            }
            for part in parts {
                let index = self.positions.fill()?;
                let is_last = page == packet.pages && part.is_last;
                let words = descriptor::tx_data(part.address, part.length, flags, is_last);
                self.ring.write(index, words);
                last = Some(index);
            }
        }
        last
    }

    /// Empties all slots from `first` on.
    fn take_back(&mut self, first: u16) {
        let mut index = first;
        while index != self.positions.next() {
            if let Some(slot) = self.slots.get_mut(usize::from(index)) {
                slot.piece = None;
            }
            index = self.positions.after(index);
        }
        // What was mapped last may not have come to its descriptor.
        if let Some(slot) = self.slots.get_mut(usize::from(index)) {
            slot.piece = None;
        }
        self.positions.rewind(first);
    }

    /// Tells the device of all packets that were put into the ring.
    #[inline(always)]
    pub(super) fn kick(&self, bar: &Bar0<'_>) {
        if let Some(at) = TDT::try_at(usize::from(self.queue)) {
            bar.write(at, TDT::zeroed().with_index(self.positions.next()));
        }
    }

    /// Takes out what the device has sent, and answers it as it was on the wire.
    pub(super) fn reap(&mut self, napi: &NapiRef<'_>) -> Run {
        let mut reaped = Run::default();
        // A poll without a budget may be in a hard interrupt, where pools are not to be used.
        let with_frames = napi.budget() != 0;
        while let Some(packet) = self.take_sent(with_frames) {
            reaped.add(packet.packets, packet.bytes);
            match packet.payload {
                Payload::Packet(skb) => skb.consume(napi),
                Payload::Frame(frame) => drop(frame),
            }
        }
        reaped
    }

    /// Takes out what the device has sent, in a test.
    pub(super) fn forget_sent(&mut self) {
        while self.take_sent(true).is_some() {}
    }

    /// Takes out the oldest packet, if the device has sent it. Unless `with_frames`, one that the
    /// stack does not know stays, and what is behind it.
    // For each packet: a call less.
    #[inline(always)]
    fn take_sent(&mut self, with_frames: bool) -> Option<InFlight> {
        let slot = self.slots.get_mut(usize::from(self.positions.oldest()?))?;
        let done = |packet: &mut InFlight| {
            let may_go = match packet.payload {
                Payload::Packet(_) => true,
                Payload::Frame(_) => with_frames,
            };
            may_go && descriptor::tx_is_done(self.ring.second(packet.last))
        };
        let packet = slot.packet.take_if(done)?;
        loop {
            let index = self.positions.oldest().unwrap_or(packet.last);
            if let Some(slot) = self.slots.get_mut(usize::from(index)) {
                slot.piece = None;
            }
            self.positions.empty();
            if index == packet.last {
                return Some(packet);
            }
        }
    }

    /// Where the queue stands, for the log: head and tail of the device, oldest and next of
    /// the driver.
    pub(super) fn standing(&self, port: &Port<'_>) -> (u32, u32, u16, u16) {
        let n = usize::from(self.queue);
        let head = TDH::try_at(n).map_or(0, |at| port.bar.read(at).index().get());
        let tail = TDT::try_at(n).map_or(0, |at| port.bar.read(at).index().get());
        let oldest = self.positions.oldest().unwrap_or(self.positions.next());
        (head, tail, oldest, self.positions.next())
    }
}

/// Puts a value where there is none; one that is there is dropped.
// An assignment is a call to drop what is there, whether there is something or not.
#[inline(always)]
fn fill<T>(place: &mut Option<T>, value: T) {
    if let Some(old) = place.replace(value) {
        drop(old);
    }
}

/// Low and high half of an address.
pub(super) fn halves(address: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = address.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

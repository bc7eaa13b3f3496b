// SPDX-License-Identifier: GPL-2.0

//! The transmit ring.

use super::{
    descriptor,
    ring::Positions, //
};
use crate::{
    abi::{
        dma::Ring,
        napi::NapiRef,
        skb::{
            Mapped,
            SkBuff, //
        }, //
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

/// Descriptors of the ring.
const SLOTS: u16 = 256;

/// Shortest frame, in bytes without CRC. The device pads by itself, but QEMU's model does not, and
/// counts what it receives as undersized.
const MIN_FRAME: u32 = 60;

/// How long a queue may take to start, or to stop: the time of what it has fetched.
pub(super) const SWITCH_TIMEOUT: Delta = Delta::from_millis(20);
pub(super) const SWITCH_POLL: Delta = Delta::from_micros(100);

/// A transmit ring, and the packets in it.
pub(crate) struct TxRing<'bound> {
    dev: &'bound Device<Bound>,
    ring: Ring,
    positions: Positions,
    packets: KVec<Option<Mapped<'bound>>>,
    /// Number of the queue.
    queue: u8,
}

/// What became of a packet.
pub(super) enum Sent {
    /// The device has it; it is of as many bytes.
    Queued(u32),
    /// It was dropped.
    Dropped,
    /// There is no room for it.
    Full(SkBuff),
}

impl<'bound> TxRing<'bound> {
    /// An empty ring for queue `queue`, below 16. Sleeps. Errors: `ENOMEM`.
    pub(super) fn new(dev: &'bound Device<Bound>, queue: u8) -> Result<Self> {
        let mut packets = KVec::with_capacity(usize::from(SLOTS), GFP_KERNEL)?;
        for _ in 0..SLOTS {
            packets.push(None, GFP_KERNEL)?;
        }
        Ok(Self {
            dev,
            ring: Ring::new(dev, SLOTS)?,
            positions: Positions::new(SLOTS).ok_or(EINVAL)?,
            packets,
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

    /// Whether there is room for a packet.
    pub(super) fn has_room(&self) -> bool {
        self.positions.free() != 0
    }

    /// Puts a packet into the ring; the device looks at it after [`kick`](Self::kick).
    pub(super) fn send(&mut self, skb: SkBuff) -> Sent {
        if !self.has_room() {
            return Sent::Full(skb);
        }
        let Some(skb) = skb.padded(MIN_FRAME) else {
            return Sent::Dropped;
        };
        let bytes = skb.len();
        let length = match u16::try_from(bytes) {
            Ok(length) if length <= descriptor::TX_MAX => length,
            _ => return Sent::Dropped,
        };
        let Ok(packet) = skb.map(self.dev) else {
            return Sent::Dropped;
        };
        let index = self.positions.next();
        let Some(slot) = self.packets.get_mut(usize::from(index)) else {
            return Sent::Dropped;
        };
        self.ring
            .write(index, descriptor::tx_packet(packet.dma_address(), length));
        *slot = Some(packet);
        self.positions.fill();
        Sent::Queued(bytes)
    }

    /// Tells the device of all packets that were put into the ring.
    pub(super) fn kick(&self, bar: &Bar0<'_>) {
        if let Some(at) = TDT::try_at(usize::from(self.queue)) {
            bar.write(at, TDT::zeroed().with_index(self.positions.next()));
        }
    }

    /// Takes out what the device has sent; answers packets and bytes.
    pub(super) fn reap(&mut self, napi: &NapiRef<'_>) -> (u32, u32) {
        let (mut packets, mut bytes) = (0, 0);
        while let Some(index) = self.positions.oldest() {
            if !descriptor::tx_is_done(self.ring.second(index)) {
                break;
            }
            let slot = self.packets.get_mut(usize::from(index));
            if let Some(packet) = slot.and_then(Option::take) {
                packets += 1;
                bytes += packet.len();
                packet.sent(napi);
            }
            self.positions.empty();
        }
        (packets, bytes)
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

/// Low and high half of an address.
pub(super) fn halves(address: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = address.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

// SPDX-License-Identifier: GPL-2.0

//! The receive ring.
//!
//! Each descriptor has a page of its own, or half of one, from a pool that reuses them. A short
//! packet is copied out of it; a longer one keeps its pages, and the ring gets others. A page is
//! only given away when its replacement is there, so the ring never runs dry for want of memory:
//! the packet is dropped instead.

use super::{
    descriptor::{
        self,
        Checksum,
        RxDone,
        RxHash, //
    },
    frame,
    layout::Layout,
    tx::{
        halves,
        SWITCH_POLL,
        SWITCH_TIMEOUT, //
    }, //
};
use crate::{
    abi::{
        dma::Ring,
        napi::NapiRef,
        page_pool::RxBuffers,
        skb::{
            SkBuff,
            MAX_PAGES, //
        },
        xdp::{
            ProgramRef,
            Verdict,
            XdpFrame, //
        }, //
    },
    pf::port::Port,
    regs::{
        rx::{
            RDBAH,
            RDBAL,
            RDH,
            RDLEN,
            RDT,
            RXDCTL,
            SRRCTL, //
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
    prelude::*, //
};

/// Longest packet that is copied out of its buffer, in bytes: less is gained by giving the
/// buffer away.
const COPIED: u16 = 256;

/// How many descriptors are given back to the device at once, in a run that has read fewer: each
/// time costs a write across the bus, and the device has others. As igb does.
const BATCH: u16 = 16;

/// Buffer sizes in KiB, as the device knows them, of pages and of halves of pages.
const WHOLE_KIB: u32 = 3;
const HALF_KIB: u32 = 2;

const _: () = assert!(Layout::Whole.buffer() == 3 * 1024 && WHOLE_KIB == 3);
const _: () = assert!(Layout::Half.buffer() <= 2 * 1024 && HALF_KIB == 2);
// The longest frame fits into the head and the pages of a packet.
const _: () = assert!(frame::MAX_BYTES <= 4 * 3 * 1024 && MAX_PAGES >= 3);

/// What is done with received packets.
pub(super) struct Features {
    /// Checksums that the device found right need not be looked at again.
    pub(super) checksum: bool,
    /// The hash is passed on.
    pub(super) hash: bool,
    /// Damaged frames are, too.
    pub(super) damaged: bool,
}

/// What was received in a run.
#[derive(Default)]
pub(super) struct RxCounts {
    /// Packets passed up or seen by a program, and their bytes.
    pub(super) packets: u32,
    pub(super) bytes: u32,
    /// Packets dropped for want of memory, or for they are too long for a program to see.
    pub(super) dropped: u32,
    /// Packets with a wrong checksum, which are passed up all the same.
    pub(super) bad_checksums: u32,
}

/// What became of a packet.
pub(super) enum Received {
    /// It is for the stack.
    Packet(SkBuff),
    /// A program wants it sent back.
    Frame(XdpFrame),
    /// A program has sent it elsewhere.
    Redirected,
    /// It was dropped.
    Dropped,
}

/// A receive ring, its buffers, and the packet that is being put together.
pub(crate) struct RxRing<'bound> {
    ring: Ring,
    buffers: RxBuffers<'bound>,
    size: u16,
    /// The descriptor that is filled next.
    next: u16,
    /// How many before that are the device's again, which it was not told of.
    renewed: u16,
    /// Number of the queue.
    queue: u8,
    packet: Packet,
}

/// The packet whose descriptors are being read.
enum Packet {
    /// None has been read.
    None,
    /// Some have, as many of which are pages behind the first.
    Partial(SkBuff, usize),
    /// It is lost; what is left of it is skipped.
    Lost,
}

impl<'bound> RxRing<'bound> {
    /// A ring full of `buffers`, `size` of them, for queue `queue`, below 16. Sleeps. Errors:
    /// `ENOMEM`, `EINVAL` for a ring of no buffers.
    pub(super) fn new(
        dev: &Device<Bound>,
        buffers: RxBuffers<'bound>,
        queue: u8,
        size: u16,
    ) -> Result<Self> {
        let ring = Ring::new(dev, size)?;
        for index in 0..size {
            ring.write(index, descriptor::rx_offer(buffers.address(index)));
        }
        Ok(Self {
            ring,
            buffers,
            size,
            next: 0,
            renewed: 0,
            queue,
            packet: Packet::None,
        })
    }

    /// Lets the device fill the ring. `drop_en` makes it drop packets when the ring is full,
    /// rather than hold up other queues. Sleeps. Errors: `ETIMEDOUT`.
    pub(super) fn start(&mut self, bar: &Bar0<'_>, drop_en: bool) -> Result {
        let n = usize::from(self.queue);
        let [low, high] = halves(self.ring.dma_address());
        bar.write(RXDCTL::try_at(n).ok_or(EINVAL)?, RXDCTL::zeroed());
        bar.write(RDBAL::try_at(n).ok_or(EINVAL)?, RDBAL::from(low));
        bar.write(RDBAH::try_at(n).ok_or(EINVAL)?, RDBAH::from(high));
        bar.write(
            RDLEN::try_at(n).ok_or(EINVAL)?,
            RDLEN::from(self.ring.bytes()),
        );
        bar.write(RDH::try_at(n).ok_or(EINVAL)?, RDH::zeroed());
        bar.write(RDT::try_at(n).ok_or(EINVAL)?, RDT::zeroed());
        let shape = match self.buffers.layout() {
            Layout::Whole => SRRCTL::zeroed().with_const_buffer_kib::<WHOLE_KIB>(),
            Layout::Half => SRRCTL::zeroed().with_const_buffer_kib::<HALF_KIB>(),
        };
        bar.write(
            SRRCTL::try_at(n).ok_or(EINVAL)?,
            shape.with_const_desc_type::<1>().with_drop_en(drop_en),
        );
        bar.write(
            RXDCTL::try_at(n).ok_or(EINVAL)?,
            RXDCTL::zeroed()
                .with_const_pthresh::<8>()
                .with_const_hthresh::<8>()
                .with_const_wthresh::<1>()
                .with_enable(true),
        );
        // The tail is not taken while the queue is disabled.
        Self::await_enable(self.queue, bar, true)?;
        self.offer(bar);
        Ok(())
    }

    /// Keeps the device from queue `queue`'s ring. Sleeps.
    pub(super) fn stop(queue: u8, bar: &Bar0<'_>) -> Result {
        let at = || RXDCTL::try_at(usize::from(queue)).ok_or(EINVAL);
        bar.write(at()?, bar.read(at()?).with_enable(false));
        Self::await_enable(queue, bar, false)
    }

    fn await_enable(queue: u8, bar: &Bar0<'_>, on: bool) -> Result {
        read_poll_timeout(
            || Ok(bar.read(RXDCTL::try_at(usize::from(queue)).ok_or(EINVAL)?)),
            |control| control.enable() == on,
            SWITCH_POLL,
            SWITCH_TIMEOUT,
        )
        .map(|_| ())
    }

    /// Lets the device fill all descriptors but one, up to the next that is to be read.
    pub(super) fn offer(&mut self, bar: &Bar0<'_>) {
        self.renewed = 0;
        if let Some(at) = RDT::try_at(usize::from(self.queue)) {
            let last = self.next.checked_sub(1).unwrap_or(self.size - 1);
            bar.write(at, RDT::zeroed().with_index(last));
        }
    }

    /// The same, if it is worth it.
    pub(super) fn offer_batch(&mut self, bar: &Bar0<'_>) {
        if self.renewed >= BATCH {
            self.offer(bar);
        }
    }

    /// Reads descriptors up to the end of a packet, which a program sees first if there is one;
    /// [`None`] if the device has not filled them yet. After a run of calls,
    /// [`offer_batch`](Self::offer_batch) gives them back.
    pub(super) fn receive(
        &mut self,
        port: &Port<'_>,
        napi: &NapiRef<'_>,
        features: &Features,
        program: Option<&ProgramRef<'_>>,
        counts: &mut RxCounts,
    ) -> Option<Received> {
        loop {
            let done = RxDone::parse(self.ring.second(self.next))?;
            self.ring.acquire();
            let hash = if features.hash && done.end_of_packet {
                RxHash::parse(self.ring.first(self.next))
            } else {
                None
            };
            let packet = core::mem::replace(&mut self.packet, Packet::Lost);
            let is_wanted = !done.error || features.damaged;
            let taken = match program {
                Some(program) if is_wanted => self.show(packet, &done, port, napi, program),
                Some(_) | None => Ok(self.take(packet, &done, napi)),
            };
            self.renew();
            match taken {
                Ok(packet) => self.packet = packet,
                Err(received) => {
                    self.packet = Packet::None;
                    counts.packets += 1;
                    counts.bytes += u32::from(done.length);
                    return Some(received);
                }
            }
            if !done.end_of_packet {
                continue;
            }
            let packet = core::mem::replace(&mut self.packet, Packet::None);
            let Packet::Partial(mut skb, _) = packet else {
                counts.dropped += 1;
                return Some(Received::Dropped);
            };
            if !is_wanted {
                // The device has counted it.
                return Some(Received::Dropped);
            }
            match done.checksum {
                Checksum::Good if features.checksum => skb.set_checked(),
                Checksum::Bad => counts.bad_checksums += 1,
                Checksum::Good | Checksum::Unknown => {}
            }
            if let Some(tag) = done.vlan {
                skb.set_vlan(tag);
            }
            if let Some(hash) = &hash {
                skb.set_hash(hash);
            }
            counts.packets += 1;
            counts.bytes += skb.len();
            return Some(Received::Packet(skb));
        }
    }

    /// Makes the next descriptor the device's again, and goes on to the one after it.
    // For each descriptor: a call less.
    #[inline(always)]
    fn renew(&mut self) {
        let address = self.buffers.address(self.next);
        self.ring.write(self.next, descriptor::rx_offer(address));
        let next = self.next + 1;
        self.next = if next < self.size { next } else { 0 };
        self.renewed = self.renewed.saturating_add(1);
    }

    /// Looks at all frames that have come, and counts those that are `frame`, without the
    /// stack: in a test. [`offer`](Self::offer) gives their descriptors back.
    pub(super) fn count_frames(&mut self, frame: &[u8]) -> u16 {
        let mut count = 0;
        while let Some(done) = RxDone::parse(self.ring.second(self.next)) {
            self.ring.acquire();
            let is_frame = |bytes: &[u8]| bytes == frame;
            let same = self.buffers.with_bytes(self.next, done.length, is_frame);
            count += u16::from(same == Some(true) && done.end_of_packet && !done.error);
            self.renew();
        }
        count
    }

    /// Shows the next descriptor's frame to a program; answers it as a packet if the stack
    /// is to have it.
    fn show(
        &mut self,
        packet: Packet,
        done: &RxDone,
        port: &Port<'_>,
        napi: &NapiRef<'_>,
        program: &ProgramRef<'_>,
    ) -> Result<Packet, Received> {
        match packet {
            Packet::None if done.end_of_packet => {
                let Some(filled) = self.buffers.exchange(self.next, done.length) else {
                    return Ok(Packet::Lost);
                };
                match program.run(filled, &port.netdev) {
                    Verdict::Pass(filled) => Ok(filled
                        .into_packet(napi)
                        .map_or(Packet::Lost, |skb| Packet::Partial(skb, 0))),
                    Verdict::SendBack(frame) => Err(Received::Frame(frame)),
                    Verdict::Redirected => Err(Received::Redirected),
                    Verdict::Dropped => Err(Received::Dropped),
                }
            }
            // It is in more than one buffer, of which a program sees one.
            Packet::None | Packet::Partial(..) | Packet::Lost => Ok(Packet::Lost),
        }
    }

    /// Adds the next descriptor's bytes to the packet.
    fn take(&mut self, packet: Packet, done: &RxDone, napi: &NapiRef<'_>) -> Packet {
        match packet {
            Packet::Lost => Packet::Lost,
            Packet::None if done.end_of_packet && done.length <= COPIED => {
                let Some(mut skb) = SkBuff::for_receive(napi, COPIED) else {
                    return Packet::Lost;
                };
                let put = |bytes: &[u8]| skb.put(bytes);
                if self
                    .buffers
                    .with_bytes(self.next, done.length, put)
                    .is_none()
                {
                    return Packet::Lost;
                }
                Packet::Partial(skb, 0)
            }
            Packet::None => self
                .buffers
                .exchange(self.next, done.length)
                .and_then(|filled| filled.into_packet(napi))
                .map_or(Packet::Lost, |skb| Packet::Partial(skb, 0)),
            Packet::Partial(mut skb, pages) => {
                if pages == MAX_PAGES {
                    return Packet::Lost;
                }
                let Some(filled) = self.buffers.exchange(self.next, done.length) else {
                    return Packet::Lost;
                };
                if done.length != 0 {
                    filled.append_to(&mut skb);
                }
                Packet::Partial(skb, pages + 1)
            }
        }
    }
}

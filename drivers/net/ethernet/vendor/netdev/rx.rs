// SPDX-License-Identifier: GPL-2.0

//! The receive ring.
//!
//! Each descriptor has a page of its own. A short packet is copied out of it; a longer one
//! keeps its pages, and the ring gets new ones. A page is only given away when its
//! replacement is there, so the ring never runs dry for want of memory: the packet is dropped
//! instead.

use super::{
    descriptor::{
        self,
        RxDone, //
    },
    tx::{
        halves,
        SWITCH_POLL,
        SWITCH_TIMEOUT, //
    }, //
};
use crate::{
    abi::{
        dma::{
            Ring,
            RxPage,
            RX_PAGE_SIZE, //
        },
        napi::NapiRef,
        netdev::NetDevice,
        skb::{
            SkBuff,
            MAX_PAGES, //
        }, //
    },
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

/// Descriptors of the ring: a power of two.
const SLOTS: u16 = 256;

/// Bytes of a packet's head, and so of a packet that is copied as a whole.
const HEAD: u16 = 256;

/// Buffer size in KiB.
const BUFFER_KIB: u32 = 4;

const _: () = assert!(RX_PAGE_SIZE >= 4096);

/// A receive ring, its pages, and the packet that is being put together.
pub(crate) struct RxRing<'bound> {
    dev: &'bound Device<Bound>,
    ring: Ring,
    pages: KVec<RxPage<'bound>>,
    /// The descriptor that is filled next.
    next: u16,
    /// Number of the queue.
    queue: u8,
    packet: Packet,
}

/// The packet whose descriptors are being read.
enum Packet {
    /// None has been read.
    None,
    /// Some have, of as many bytes on as many pages.
    Partial(SkBuff, u32, usize),
    /// It is lost; what is left of it is skipped.
    Lost,
}

/// A packet that has been read to its end.
pub(super) enum Received {
    /// It is whole, with so many bytes.
    Whole(SkBuff, u32),
    /// It was dropped for want of memory.
    Dropped,
    /// It was damaged.
    Damaged,
}

impl<'bound> RxRing<'bound> {
    /// A ring full of pages, for queue `queue`, below 16. Sleeps. Errors: `ENOMEM`.
    pub(super) fn new(dev: &'bound Device<Bound>, queue: u8) -> Result<Self> {
        let ring = Ring::new(dev, SLOTS)?;
        let mut pages = KVec::with_capacity(usize::from(SLOTS), GFP_KERNEL)?;
        for index in 0..SLOTS {
            let page = RxPage::new(dev, GFP_KERNEL)?;
            ring.write(index, descriptor::rx_offer(page.dma_address()));
            pages.push(page, GFP_KERNEL)?;
        }
        Ok(Self {
            dev,
            ring,
            pages,
            next: 0,
            queue,
            packet: Packet::None,
        })
    }

    /// Lets the device fill the ring. `drop_en` makes it drop packets when the ring is full,
    /// rather than hold up other queues. Sleeps. Errors: `ETIMEDOUT`.
    pub(super) fn start(&self, bar: &Bar0<'_>, drop_en: bool) -> Result {
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
        bar.write(
            SRRCTL::try_at(n).ok_or(EINVAL)?,
            SRRCTL::zeroed()
                .with_const_buffer_kib::<BUFFER_KIB>()
                .with_const_desc_type::<1>()
                .with_drop_en(drop_en),
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
    pub(super) fn offer(&self, bar: &Bar0<'_>) {
        if let Some(at) = RDT::try_at(usize::from(self.queue)) {
            let last = self.next.wrapping_sub(1) % SLOTS;
            bar.write(at, RDT::zeroed().with_index(last));
        }
    }

    /// Reads descriptors up to the end of a packet; [`None`] if the device has not filled
    /// them yet. After a run of calls, [`offer`](Self::offer) gives them back.
    pub(super) fn receive(&mut self, dev: &NetDevice, napi: &NapiRef<'_>) -> Option<Received> {
        loop {
            let done = RxDone::parse(self.ring.second(self.next))?;
            self.ring.acquire();
            let packet = core::mem::replace(&mut self.packet, Packet::Lost);
            self.packet = self.take(packet, &done, dev, napi);
            if let Some(page) = self.pages.get(usize::from(self.next)) {
                self.ring
                    .write(self.next, descriptor::rx_offer(page.dma_address()));
            }
            self.next = self.next.wrapping_add(1) % SLOTS;
            if done.end_of_packet {
                let packet = core::mem::replace(&mut self.packet, Packet::None);
                return Some(match packet {
                    _ if done.error => Received::Damaged,
                    Packet::Partial(skb, bytes, _) => Received::Whole(skb, bytes),
                    Packet::None | Packet::Lost => Received::Dropped,
                });
            }
        }
    }

    /// Adds the next descriptor's bytes to the packet.
    fn take(
        &mut self,
        packet: Packet,
        done: &RxDone,
        dev: &NetDevice,
        napi: &NapiRef<'_>,
    ) -> Packet {
        let length = usize::from(done.length);
        let Some(page) = self.pages.get_mut(usize::from(self.next)) else {
            return Packet::Lost;
        };
        match packet {
            Packet::Lost => Packet::Lost,
            Packet::None if done.end_of_packet && done.length <= HEAD => {
                let Some(mut skb) = SkBuff::for_receive(napi, HEAD) else {
                    return Packet::Lost;
                };
                page.with_bytes(length, |bytes| skb.put(bytes));
                Packet::Partial(skb, u32::from(done.length), 0)
            }
            Packet::None => {
                let Some(mut skb) = SkBuff::for_receive(napi, HEAD) else {
                    return Packet::Lost;
                };
                let Ok(new) = RxPage::new(self.dev, GFP_ATOMIC) else {
                    return Packet::Lost;
                };
                let filled = core::mem::replace(page, new).unmap();
                let head = dev.head_length(filled.bytes(usize::from(HEAD.min(done.length))));
                skb.put(filled.bytes(usize::from(head)));
                if let rest @ 1.. = done.length.saturating_sub(head) {
                    skb.add_page(filled, head, rest);
                }
                Packet::Partial(skb, u32::from(done.length), 1)
            }
            Packet::Partial(mut skb, bytes, pages) => {
                let Ok(new) = RxPage::new(self.dev, GFP_ATOMIC) else {
                    return Packet::Lost;
                };
                if pages == MAX_PAGES {
                    return Packet::Lost;
                }
                let filled = core::mem::replace(page, new).unmap();
                if done.length != 0 {
                    skb.add_page(filled, 0, done.length);
                }
                Packet::Partial(skb, bytes + u32::from(done.length), pages + 1)
            }
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! What queues of the fake do to memory, as QEMU's model does it: packets that are put
//! into buffers, descriptors that are written back, heads that are written.

use super::{
    device::{
        Fake,
        VFRE, //
    },
    queues::*, //
};

/// A packet that comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    /// Bytes.
    pub(crate) len: u32,
    /// How many of them are its header, if that can be told.
    pub(crate) header: Option<u32>,
}

const DONE: u64 = 1;
const END: u64 = 2;

impl Fake<'_> {
    fn base(&self, queue_at: usize) -> u64 {
        u64::from(self.get(queue_at)) | u64::from(self.get(queue_at + 4)) << 32
    }

    /// Puts `len` bytes to `address`, each different from what the device wrote before.
    fn fill(&self, address: u64, len: u32) {
        for at in 0..u64::from(len) {
            let nonce = &self.queues.nonce;
            nonce.set(nonce.get().wrapping_add(1));
            self.queues
                .dma_write(address.wrapping_add(at), &[nonce.get()]);
        }
    }

    /// A descriptor that is used offers `len` bytes at `address`, over the end of all
    /// addresses too.
    fn offered(&self, address: u64, len: u32) {
        self.queues.note(address, len.into(), USED);
        let end = address.wrapping_add(len.into());
        if end < address {
            self.queues.note(0, end, USED);
        }
    }

    /// Receive queue `queue` gets a packet; whether it took it.
    pub(crate) fn receive_packet(&self, queue: usize, packet: Incoming) -> bool {
        let at = rx(queue, 0);
        let count = self.get(at + LENGTH) / 16;
        let (head, tail) = (self.get(at + HEAD), self.get(at + TAIL));
        let enabled = self.get(at + CONTROL) & ENABLE != 0;
        let may = self.get(VFRE) & 1 << (queue % 8) != 0;
        if !enabled || !may || head >= count || tail >= count {
            return false;
        }
        let srrctl = self.get(at + 0x0c);
        let size = match srrctl & 0x7f {
            0 => 2048 >> (self.get(0x100) >> 16 & 3),
            kib => kib << 10,
        };
        let header_size = (srrctl >> 8 & 0xf) * 64;
        let free = (tail + count - head) % count;
        if u64::from(packet.len) > u64::from(free) * u64::from(size) {
            return false;
        }
        let kind = srrctl >> 25 & 7;
        let split_kind = kind == 2 || kind == 5;
        // How many bytes go to the header buffer, and what the descriptor tells of it.
        let fits = packet.header.filter(|&header| header <= header_size);
        let (to_header, tells) = match kind {
            5 if packet.len <= header_size => (Some(packet.len), (packet.len, false, false)),
            2 | 5 => {
                let tells = match packet.header {
                    None => (header_size, false, false),
                    Some(header) => (header, true, fits.is_none()),
                };
                (fits.or((kind == 5).then_some(header_size)), tells)
            }
            _ => (None, (0, false, false)),
        };
        let (mut left, mut first) = (packet.len, true);
        loop {
            let head = self.get(at + HEAD);
            if head == tail {
                // Lost in the midst of it.
                return false;
            }
            let place = self.base(at).wrapping_add(16 * u64::from(head));
            let [buffer, header_buffer] = self.queues.descriptor(place);
            self.offered(buffer, size);
            self.queues.note(place, 16, USED);
            if split_kind {
                self.offered(header_buffer, header_size);
            }
            let mut written = 0;
            if buffer != 0 && (to_header.is_none() || header_buffer != 0) {
                if let Some(header) = to_header.filter(|_| first) {
                    self.fill(header_buffer, header);
                    left -= header;
                    first = false;
                }
                written = left.min(size);
                self.fill(buffer, written);
                left -= written;
            }
            let end = if left == 0 { END } else { 0 };
            let (header, split, over) = tells;
            let info = if split_kind {
                u64::from(header & 0x3ff) << 21 | u64::from(split) << 31
            } else {
                0
            };
            let second =
                u64::from(written) << 32 | u64::from(over && split_kind) << 23 | end | DONE;
            for (at, word) in [(place, info), (place + 8, second)] {
                self.queues.dma_write(at, &word.to_le_bytes());
            }
            let next = if head + 1 >= count { 0 } else { head + 1 };
            self.put(at + HEAD, next);
            if left == 0 {
                return true;
            }
        }
    }

    /// A packet was sent.
    pub(super) fn count_sent(&self, queue: usize) {
        let counter = PER_VF + 0x100 * (queue % 8) + 0x14;
        self.put(counter, self.get(counter).wrapping_add(1));
    }

    /// The descriptor at `place` is done with: it is reported if it asks for that.
    pub(super) fn report_sent(&self, queue: usize, place: u64, [first, second]: [u64; 2]) {
        if second & 1 << 27 == 0 {
            return;
        }
        let write_back = self.base(tx(queue, 0x38));
        if write_back & 1 != 0 {
            let head = self.get(tx(queue, HEAD));
            self.queues.dma_write(write_back & !3, &head.to_le_bytes());
        } else {
            let done = second | 1 << 32;
            for (at, word) in [(place, first), (place + 8, done)] {
                self.queues.dma_write(at, &word.to_le_bytes());
            }
        }
    }
}

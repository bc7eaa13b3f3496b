// SPDX-License-Identifier: GPL-2.0

//! Queues and interrupts of the fake, where they are stricter than QEMU's model: a queue
//! takes time to go on and off, ignores tails while it is off, and knows what nobody can
//! read. What the model has of its own, registers that tell what was written last, is
//! here too.

use super::device::{
    Fake,
    EIAC,
    VFRE,
    VFTE, //
};
use core::cell::Cell;

pub(crate) const RX_QUEUES: usize = 0xc000;
pub(crate) const TX_QUEUES: usize = 0xe000;
pub(crate) const TX_QUEUES_END: usize = 0xe400;
pub(crate) const PER_VF: usize = 0x1_0000;
pub(crate) const VTIVAR: usize = 0x1_1700;
pub(crate) const IVAR: usize = 0x1700;
pub(crate) const EIMS: usize = 0x1524;
pub(crate) const LENGTH: usize = 0x08;
pub(crate) const HEAD: usize = 0x10;
pub(crate) const TAIL: usize = 0x18;
pub(crate) const CONTROL: usize = 0x28;
pub(crate) const ENABLE: u32 = 1 << 25;

/// Offset of a register of receive queue `queue`.
pub(crate) fn rx(queue: usize, register: usize) -> usize {
    RX_QUEUES + 0x40 * queue + register
}

/// Offset of a register of transmit queue `queue`.
pub(crate) fn tx(queue: usize, register: usize) -> usize {
    TX_QUEUES + 0x40 * queue + register
}

// What can be noted of a word of memory.

/// The device has written to it.
pub(crate) const WRITTEN: u32 = 1;
/// It was in a buffer that was used, or a ring.
pub(crate) const USED: u32 = 2;
/// It was said to be dirty.
pub(crate) const MARKED: u32 = 4;

/// Words of a descriptor.
pub(crate) type Descriptor = [u64; 2];

/// A packet that was sent: where it was, and by which context.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sent {
    pub(crate) queue: usize,
    pub(crate) address: u64,
    pub(crate) context: Descriptor,
}

/// What there is of queues beside their registers.
pub(crate) struct Queues<'m> {
    /// The memory that VFs see, if there is any.
    ram: Option<&'m [Cell<u32>]>,
    /// What was done to each word of it, if that is noted.
    notes: Option<&'m [Cell<u32>]>,
    /// What the next byte of a packet is: each write changes what is there.
    pub(super) nonce: Cell<u8>,
    /// Queues that are to be on, or off, and are not yet: 16 to receive, 16 to send.
    changing: Cell<u32>,
    /// How often to look until they are.
    pub(crate) latency: Cell<u32>,
    left: Cell<u32>,
    /// Heads cannot be written.
    pub(crate) fixed_heads: Cell<bool>,
    contexts: [[Cell<Descriptor>; 2]; 16],
    /// How many packets were sent, and the last.
    pub(crate) packets: Cell<usize>,
    pub(crate) last: Cell<Option<Sent>>,
    /// Vectors that have fired or are to, a bit each as in EICR.
    pub(crate) raised: Cell<u32>,
}

impl<'m> Queues<'m> {
    pub(super) const fn new() -> Self {
        Self {
            ram: None,
            notes: None,
            nonce: Cell::new(1),
            changing: Cell::new(0),
            latency: Cell::new(2),
            left: Cell::new(0),
            fixed_heads: Cell::new(false),
            contexts: [const { [const { Cell::new([0; 2]) }; 2] }; 16],
            packets: Cell::new(0),
            last: Cell::new(None),
            raised: Cell::new(0),
        }
    }

    /// Gives VFs memory.
    pub(crate) fn set_ram(&mut self, ram: &'m [Cell<u32>]) {
        self.ram = Some(ram);
    }

    /// Notes from now on what is done to memory.
    pub(crate) fn set_notes(&mut self, notes: &'m [Cell<u32>]) {
        self.notes = Some(notes);
    }

    /// Notes `what` of all words that have a byte of the `len` at `address`.
    pub(crate) fn note(&self, address: u64, len: u64, what: u32) {
        let Some(notes) = self.notes.filter(|_| len != 0) else {
            return;
        };
        let words = notes.len() as u64;
        let first = (address / 4).min(words);
        let end = (address.saturating_add(len - 1) / 4 + 1).min(words);
        for word in notes
            .get(first as usize..end.max(first) as usize)
            .unwrap_or(&[])
        {
            word.set(word.get() | what);
        }
    }

    /// What was noted, word by word.
    pub(crate) fn notes(&self) -> &'m [Cell<u32>] {
        self.notes.unwrap_or(&[])
    }

    /// The device writes memory; what is not there is lost.
    pub(super) fn dma_write(&self, address: u64, bytes: &[u8]) {
        if self.word(address).is_some() && self.write(address, bytes) {
            self.note(address, bytes.len() as u64, WRITTEN);
        }
    }

    fn word(&self, address: u64) -> Option<&'m Cell<u32>> {
        let index = usize::try_from(address / 4).ok()?;
        self.ram?.get(index)
    }

    /// Reads memory; `false` where there is none.
    pub(crate) fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        for (at, byte) in (address..).zip(bytes) {
            let Some(word) = self.word(at) else {
                return false;
            };
            *byte = word.get().to_le_bytes()[at as usize % 4];
        }
        true
    }

    /// Writes memory; `false` where there is none.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> bool {
        for (at, byte) in (address..).zip(bytes) {
            let Some(word) = self.word(at) else {
                return false;
            };
            let mut part = word.get().to_le_bytes();
            part[at as usize % 4] = *byte;
            word.set(u32::from_le_bytes(part));
        }
        true
    }

    /// A descriptor at `address`.
    pub(crate) fn descriptor(&self, address: u64) -> Descriptor {
        let mut bytes = [0; 16];
        self.read(address, &mut bytes);
        let word = |at: usize| u64::from_le_bytes(core::array::from_fn(|i| bytes[at + i]));
        [word(0), word(8)]
    }

    /// Puts a descriptor to `address`.
    pub(crate) fn put_descriptor(&self, address: u64, words: Descriptor) {
        for (at, word) in (address..).step_by(8).zip(words) {
            self.write(at, &word.to_le_bytes());
        }
    }

    /// The context that queue `queue` holds.
    pub(crate) fn context(&self, queue: usize, index: usize) -> Descriptor {
        self.contexts[queue][index].get()
    }
}

impl Fake<'_> {
    /// Time passes.
    pub(crate) fn tick(&self) {
        let queues = &self.queues;
        if queues.changing.get() == 0 {
            return;
        }
        if queues.left.get() > 0 {
            queues.left.set(queues.left.get() - 1);
            return;
        }
        for bit in 0..32 {
            if queues.changing.get() & 1 << bit != 0 {
                let at = match bit {
                    0..16 => rx(bit, CONTROL),
                    _ => tx(bit - 16, CONTROL),
                };
                self.put(at, self.get(at) ^ ENABLE);
            }
        }
        queues.changing.set(0);
    }

    /// All queues of a VF are off at once, by a reset.
    pub(super) fn stop_queues(&self, vf: usize) {
        for queue in [vf, vf + 8] {
            self.clear_bits(rx(queue, CONTROL), ENABLE);
            self.clear_bits(tx(queue, CONTROL), ENABLE);
            let bits = 1 << queue | 1 << (queue + 16);
            self.queues.changing.set(self.queues.changing.get() & !bits);
        }
    }

    pub(super) fn write_queue(&self, offset: usize, value: u32) {
        let to_send = offset >= TX_QUEUES;
        let queue = offset / 0x40 % 0x10;
        let enabled = self.get(offset & !0x3f | CONTROL) & ENABLE != 0;
        match offset % 0x40 {
            0x00 => self.put(offset, value & !0x7f),
            LENGTH => self.put(offset, value & 0xf_fff0),
            HEAD if self.queues.fixed_heads.get() => {}
            HEAD => self.put(offset, value & 0xffff),
            TAIL if enabled => {
                self.put(offset, value & 0xffff);
                if to_send {
                    self.transmit(queue);
                }
            }
            // Drivers of old hardware found tails lost that they wrote too early.
            TAIL => {}
            CONTROL => {
                let now = self.get(offset) & ENABLE;
                self.put(offset, value & !ENABLE | now);
                let bit = 1 << if to_send { queue + 16 } else { queue };
                let changing = self.queues.changing.get() & !bit;
                let change = if value & ENABLE == now { 0 } else { bit };
                self.queues.changing.set(changing | change);
                self.queues.left.set(self.queues.latency.get());
                if change != 0 && self.queues.latency.get() == 0 {
                    self.tick();
                }
            }
            _ => self.put(offset, value),
        }
    }

    /// Sends what is queued, if it may.
    fn transmit(&self, queue: usize) {
        if self.get(VFTE) & 1 << (queue % 8) == 0 {
            return;
        }
        let length = self.get(tx(queue, LENGTH)) / 16;
        let base = u64::from(self.get(tx(queue, 0))) | u64::from(self.get(tx(queue, 4))) << 32;
        let tail = self.get(tx(queue, TAIL));
        while self.get(tx(queue, HEAD)) != tail && tail < length {
            let head = self.get(tx(queue, HEAD));
            let place = base.wrapping_add(16 * u64::from(head));
            let words = self.queues.descriptor(place);
            let [address, second] = words;
            let index = (second >> 36 & 1) as usize;
            match second >> 20 & 0xf {
                2 => self.queues.contexts[queue][index].set(words),
                3 => {
                    self.queues.packets.set(self.queues.packets.get() + 1);
                    let context = self.queues.context(queue, index);
                    self.queues.last.set(Some(Sent {
                        queue,
                        address,
                        context,
                    }));
                    self.count_sent(queue);
                }
                _ => {}
            }
            self.put(
                tx(queue, HEAD),
                if head + 1 >= length { 0 } else { head + 1 },
            );
            self.report_sent(queue, place, words);
        }
    }

    /// A packet for receive queue `queue`; whether it was received.
    pub(crate) fn receive(&self, queue: usize) -> bool {
        let head = self.get(rx(queue, HEAD));
        let enabled = self.get(rx(queue, CONTROL)) & ENABLE != 0;
        let may = self.get(VFRE) & 1 << (queue % 8) != 0;
        if !enabled || !may || head == self.get(rx(queue, TAIL)) {
            return false;
        }
        let length = self.get(rx(queue, LENGTH)) / 16;
        self.put(
            rx(queue, HEAD),
            if head + 1 >= length { 0 } else { head + 1 },
        );
        true
    }

    /// A VF's own registers.
    pub(super) fn write_vf(&self, vf: usize, register: usize, value: u32) {
        let vectors = (value & 7) << (22 - 3 * vf);
        match register {
            0x20 => self.queues.raised.set(self.queues.raised.get() | vectors),
            0x24 => self.set_bits(EIMS, vectors),
            0x28 => self.clear_bits(EIMS, vectors),
            0x2c => self.set_bits(EIAC, vectors),
            0x30 => {}
            // Counters.
            _ => return,
        }
        self.put(PER_VF + 0x100 * vf + register, value);
    }

    pub(super) fn write_vtivar(&self, vf: usize, value: u32) {
        self.put(VTIVAR + 4 * vf, value);
        for shift in [0, 8] {
            let entry = value >> shift & 0xff;
            if entry & 0x80 != 0 {
                let vector = 22 - 3 * vf as u32 + (entry & 7);
                self.set_bits(IVAR + 4 * vf, (0x80 | vector) << shift);
            }
        }
    }
}

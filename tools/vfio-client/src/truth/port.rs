// SPDX-License-Identifier: GPL-2.0

//! A driver of a VF that does everything that drivers do, in random order.

use crate::{
    descriptor,
    dirty::Pages,
    error::{Error, Result},
    frame::Mac,
    mailbox::Mailbox,
    memory::{Memory, Piece},
    registers::{reg, Registers},
    truth::{
        packet::{self, SHORTEST},
        rings::{Receive, Transmit},
        shape::{Arena, Plan, Shape},
        watched::Watched,
    },
};
use rand::{rngs::SmallRng, Rng};
use std::{sync::Arc, time::Duration};

const MIB: u64 = 1 << 20;
/// Bytes of a guest's memory.
pub const MEMORY: u64 = 8 * MIB;
/// Where it begins for devices, and for a processor of the guest.
const IOVA: u64 = 0x1000_0000;
/// Parts of it: two for receive rings, two for transmit rings, used in turn.
const RECEIVE: [u64; 2] = [0, 3 * MIB];
const RECEIVE_SIZE: u64 = 3 * MIB;
const TRANSMIT: [u64; 2] = [6 * MIB, 7 * MIB];
const TRANSMIT_SIZE: u64 = MIB;
/// A queue's thresholds (16, 8, 1), as igbvf has them.
const XDCTL: u32 = 16 | 8 << 8 | 1 << 16;
/// How long the device may take to switch a queue off.
const PATIENCE: Duration = Duration::from_secs(10);
/// Frame check sequence and tag, of the longest frame.
const AROUND: u32 = 8;

/// What a driver does and does not do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Everything.
    Run,
    /// No resets.
    Calm,
    /// Nothing.
    Stop,
}

/// A driver with its rings.
pub struct Port<R> {
    registers: R,
    watched: Arc<Watched>,
    mac: Mac,
    peer: Mac,
    plan: Plan,
    receive: Vec<Receive>,
    transmit: Vec<Transmit>,
    /// Numbers of the parts of memory that are in use.
    parts: [usize; 2],
    nonce: u64,
    /// Pages that the device has had a reason to write to.
    reasons: Pages,
    /// Descriptors of receive rings that the device was done with.
    pub received: u64,
    /// How often rings were made.
    pub resets: u64,
}

fn halves(address: u64) -> [u32; 2] {
    [address as u32, (address >> 32) as u32]
}

impl<R: Registers> Port<R> {
    /// A driver at rest.
    pub fn new(registers: R, watched: Arc<Watched>, mac: Mac, peer: Mac) -> Self {
        let reasons = Pages::none_of(watched.memory());
        Self {
            registers,
            watched,
            mac,
            peer,
            plan: Plan {
                wide: false,
                jumbo: true,
                resets: false,
                queues: 1,
            },
            receive: Vec::new(),
            transmit: Vec::new(),
            parts: [0; 2],
            nonce: u64::from(mac[5]) << 48,
            reasons,
            received: 0,
            resets: 0,
        }
    }

    /// Memory of the size that a driver needs.
    pub fn memory() -> Result<Memory> {
        Memory::new(MEMORY as usize, IOVA)
    }

    /// Its registers.
    pub fn registers(&self) -> &R {
        &self.registers
    }

    fn write(&self, base: u32, queue: u32, value: u32) -> Result<()> {
        self.registers
            .write(base + queue * reg::QUEUE_STRIDE, value)
    }

    /// Waits for the link.
    pub fn wait_link(&self) -> Result<()> {
        let up = |status| status & reg::STATUS_LU != 0;
        let limit = Duration::from_secs(30);
        self.registers
            .poll(reg::STATUS, limit, "link of the VF", up)
            .map(drop)
    }

    fn part(&self, starts: [u64; 2], which: usize, size: u64) -> Arena {
        let iova = self.watched.memory().iova() + starts[which % 2];
        Arena::new(Piece { iova, size })
    }

    /// Resets the function and starts it with new rings of a plan; `receives`:
    /// it is to receive, too.
    pub fn open(&mut self, plan: Plan, receives: bool, rng: &mut SmallRng) -> Result<()> {
        self.plan = plan;
        self.registers.write(reg::EIMC, u32::MAX)?;
        Mailbox::new(&self.registers).reset()?;
        // What was received before is done with: no more comes.
        self.note()?;
        let mailbox = Mailbox::new(&self.registers);
        mailbox.set_mac(self.mac)?;
        mailbox.clear_filters()?;
        mailbox.set_max_frame(plan.longest() as u32 + AROUND)?;
        self.open_transmit(rng)?;
        if receives {
            self.open_receive(rng)?;
        }
        Ok(())
    }

    /// Zeroes memory, as drivers do with rings: nothing old may look like a descriptor.
    fn clear(&self, piece: Piece) -> Result<()> {
        let size = usize::try_from(piece.size).unwrap_or(0);
        self.watched.write(piece.iova, &vec![0; size])
    }

    fn open_transmit(&mut self, rng: &mut SmallRng) -> Result<()> {
        self.parts[1] += 1;
        let mut arena = self.part(TRANSMIT, self.parts[1], TRANSMIT_SIZE);
        self.transmit.clear();
        for queue in 0..self.plan.queues {
            // Its whole ring may be reported, so it is in one page if that counts.
            let most = if self.plan.wide { 64 } else { 32 };
            let size = 8 * rng.random_range(1..=most);
            let write_back = self.plan.wide && rng.random();
            let ring = Transmit::new(size, self.plan.wide, write_back, &mut arena, rng)?;
            let [low, high] = halves(ring.descriptors.iova);
            let page = ring.head_page.map_or(0, |page| page.iova);
            let [page_low, page_high] = halves(page);
            self.clear(ring.descriptors)?;
            if let Some(page) = ring.head_page {
                self.clear(page)?;
            }
            self.write(reg::TXDCTL, queue, 0)?;
            self.write(reg::TDLEN, queue, size * descriptor::SIZE)?;
            self.write(reg::TDBAL, queue, low)?;
            self.write(reg::TDBAH, queue, high)?;
            self.write(reg::TDH, queue, 0)?;
            self.write(reg::TDT, queue, 0)?;
            self.write(reg::TDWBAH, queue, page_high)?;
            self.write(reg::TDWBAL, queue, page_low | u32::from(page != 0))?;
            self.write(reg::TXDCTL, queue, XDCTL | reg::QUEUE_ENABLE)?;
            ring.reasons(&self.watched, &mut self.reasons);
            self.transmit.push(ring);
        }
        Ok(())
    }

    /// Switches the receive queues off, and on again with new rings elsewhere.
    fn open_receive(&mut self, rng: &mut SmallRng) -> Result<()> {
        let off = |value| value & reg::QUEUE_ENABLE == 0;
        for queue in 0..self.plan.queues {
            self.write(reg::RXDCTL, queue, 0)?;
            let offset = reg::RXDCTL + queue * reg::QUEUE_STRIDE;
            self.registers
                .poll(offset, PATIENCE, "a queue that is switched off", off)?;
        }
        self.note()?;
        self.parts[0] += 1;
        self.resets += 1;
        let mut arena = self.part(RECEIVE, self.parts[0], RECEIVE_SIZE);
        self.receive.clear();
        for queue in 0..self.plan.queues {
            let shape = Shape::draw(self.plan, queue > 0, rng);
            // igbvf begins at 0; not all drivers do.
            let start = match rng.random() {
                true => 0,
                false => rng.random_range(0..shape.ring),
            };
            let mut ring = Receive::new(shape, start, &mut arena, rng)?;
            let [low, high] = halves(ring.descriptors.iova);
            self.clear(ring.descriptors)?;
            self.write(reg::SRRCTL, queue, shape.srrctl())?;
            self.write(reg::RDBAL, queue, low)?;
            self.write(reg::RDBAH, queue, high)?;
            self.write(reg::RDLEN, queue, shape.ring * descriptor::SIZE)?;
            self.write(reg::RDH, queue, ring.head())?;
            self.write(reg::RDT, queue, ring.head())?;
            self.write(reg::RXDCTL, queue, XDCTL | reg::QUEUE_ENABLE)?;
            ring.refill(&self.watched, u32::MAX, rng)?;
            self.write(reg::RDT, queue, ring.tail())?;
            let (at, size) = (ring.descriptors.iova, ring.descriptors.size);
            self.reasons.insert_bytes(self.watched.offset(at), size);
            self.receive.push(ring);
        }
        Ok(())
    }

    /// Notes which buffers the device is done with.
    fn note(&mut self) -> Result<()> {
        for ring in &mut self.receive {
            self.received += u64::from(ring.note(&self.watched, &mut self.reasons)?);
        }
        Ok(())
    }

    /// From now on: the pages that the device has a reason to write to are those
    /// of rings, and of buffers that it is not done with yet.
    pub fn forget(&mut self) -> Result<()> {
        self.note()?;
        let mut reasons = Pages::none_of(self.watched.memory());
        for ring in &self.transmit {
            ring.reasons(&self.watched, &mut reasons);
        }
        for ring in &self.receive {
            let (at, size) = (ring.descriptors.iova, ring.descriptors.size);
            reasons.insert_bytes(self.watched.offset(at), size);
        }
        self.reasons = reasons;
        Ok(())
    }

    /// The pages that the device has had a reason to write to.
    pub fn reasons(&mut self) -> Result<Pages> {
        self.note()?;
        Ok(self.reasons.clone())
    }

    /// Something that a driver does; whether it did anything.
    pub fn step(&mut self, mode: Mode, rng: &mut SmallRng) -> Result<()> {
        if mode == Mode::Stop {
            return Ok(());
        }
        if mode == Mode::Run && self.plan.resets && rng.random_ratio(1, 150) {
            return match rng.random() {
                true => self.open_receive(rng),
                false => self.open(self.plan, true, rng),
            };
        }
        self.poll(rng)?;
        if rng.random_ratio(1, 4) {
            let count = rng.random_range(1..=8);
            self.send(count, rng)?;
        }
        Ok(())
    }

    /// Takes what came, mostly not all, and gives buffers back, mostly in batches.
    fn poll(&mut self, rng: &mut SmallRng) -> Result<()> {
        self.note()?;
        for (queue, ring) in (0..).zip(&mut self.receive) {
            ring.take(rng.random_range(1..=64))?;
            // igbvf gives 16 back at a time.
            let least = [1, 16][usize::from(rng.random_bool(0.7))].min(ring.shape.ring / 2);
            if ring.room() >= least {
                let most = rng.random_range(1..=64);
                if ring.refill(&self.watched, most, rng)? > 0 {
                    let tail = reg::RDT + queue * reg::QUEUE_STRIDE;
                    self.registers.write(tail, ring.tail())?;
                }
            }
        }
        Ok(())
    }

    /// Sends up to so many packets on any queue, to the peer or to itself.
    pub fn send(&mut self, count: u32, rng: &mut SmallRng) -> Result<()> {
        let queue = rng.random_range(0..self.plan.queues);
        let longest = self.plan.longest();
        let ring = self
            .transmit
            .get_mut(queue as usize)
            .ok_or_else(|| Error::Wrong(format!("no queue {queue}")))?;
        ring.reclaim(&self.watched)?;
        let count = count.min(ring.room());
        for _ in 0..count {
            self.nonce += 1;
            let to = match self.receive.is_empty() || rng.random() {
                true => self.peer,
                false => self.mac,
            };
            let length = match rng.random_ratio(1, 3) {
                true => SHORTEST,
                false => rng.random_range(SHORTEST..=longest),
            };
            let headers = rng.random_ratio(4, 5);
            let packet = packet::build(self.nonce, self.mac, to, length, headers);
            ring.post(&self.watched, &packet)?;
        }
        if count > 0 {
            let tail = ring.tail();
            self.write(reg::TDT, queue, tail)?;
        }
        Ok(())
    }

    /// Sends packets up to that length from now on.
    pub fn set_jumbo(&mut self, jumbo: bool) {
        self.plan.jumbo = jumbo;
    }

    /// What a page is, for people.
    pub fn describe(&self, page: u64) -> String {
        let mut what = Vec::new();
        let touches = |piece: Piece| {
            let mut pages = Pages::none_of(self.watched.memory());
            pages.insert_bytes(self.watched.offset(piece.iova), piece.size);
            pages.contains(page)
        };
        for (queue, ring) in self.receive.iter().enumerate() {
            if touches(ring.descriptors) {
                what.push(format!("RX ring {queue}"));
            }
            if let Some(use_) = ring.use_of(&self.watched, touches) {
                what.push(format!("RX buffer {queue}: {use_}"));
            }
        }
        for (queue, ring) in self.transmit.iter().enumerate() {
            if touches(ring.descriptors) {
                what.push(format!("TX ring {queue}"));
            }
            if ring.head_page.is_some_and(touches) {
                what.push(format!("TX head {queue}"));
            }
        }
        if what.is_empty() {
            what.push("of earlier rings, or nothing".into());
        }
        what.join(", ")
    }

    /// What the rings are like, for people.
    pub fn shapes(&self) -> String {
        let receive = self.receive.iter().map(|ring| format!("{:?}", ring.shape));
        let transmit = self.transmit.iter().map(|ring| {
            let back = ring.head_page.is_some();
            format!("TX {} head-write-back {back}", ring.ring.0)
        });
        receive.chain(transmit).collect::<Vec<_>>().join("; ")
    }

    /// As a driver's close.
    pub fn close(&self) -> Result<()> {
        for queue in 0..self.plan.queues {
            self.write(reg::RXDCTL, queue, 0)?;
            self.write(reg::TXDCTL, queue, 0)?;
        }
        self.registers.write(reg::CTRL, reg::CTRL_RST)
    }
}

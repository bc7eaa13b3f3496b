// SPDX-License-Identifier: GPL-2.0

//! A guest's driver at work on the fake device while its VF is logged, and whether what is
//! said to be dirty is what was written: the truth in small.

use super::{
    device::{
        Fake,
        VFRE,
        VFTE, //
    },
    memory,
    queues::*,
    rig::Rig,
    traffic::Incoming,
    world::World, //
};
use crate::provider::{
    levels::{
        Level,
        Machine, //
    },
    logic::window::Page,
    tracking::Tracking,
    tracking_tx::Transmit, //
};
use kernel::io::Io;

/// The VF; the other ones are idle.
const VF: usize = 1;

/// Where rings are: a KiB each, four places for each queue. Then heads that are written
/// back, and from there on buffers.
const RX_RINGS: u64 = 0x1000;
const TX_RINGS: u64 = 0x3000;
const WRITE_BACKS: u64 = 0x5000;
const BUFFERS: u64 = 0x8000;
const END: u64 = 0x2_0000;

/// Registers within a queue.
const BASE_LOW: usize = 0x00;
const BASE_HIGH: usize = 0x04;
const SHAPE: usize = 0x0c;
const WRITE_BACK: usize = 0x38;

/// Of a transmit descriptor: data, the packet's last, report.
const PACKET: u64 = 3 << 20 | 1 << 29 | 1 << 24;
const REPORT: u64 = 1 << 27;

/// What the driver knows of a ring.
#[derive(Clone, Copy, Default)]
struct Driver {
    base: u64,
    count: u32,
    /// The first descriptor that is not filled.
    fill: u32,
}

/// The guest, and what logs its VF.
pub(crate) struct User<'w> {
    world: &'w World<'w>,
    machine: Machine,
    tracking: Tracking<memory::Slots>,
    rx: [Driver; 2],
    tx: [Driver; 2],
    /// The page of transmit queues is trapped.
    tx_trapped: bool,
}

/// A packet out of nowhere, to a queue that follows from what was last written.
fn meanwhile(fake: &Fake<'_>) {
    let nonce = u32::from(fake.queues.nonce.get());
    let packet = Incoming {
        len: 60 + 3 * nonce,
        header: (nonce % 3 != 0).then_some(42),
    };
    fake.receive_packet(VF + 8 * (nonce as usize % 2), packet);
}

/// Below which numbers are drawn.
pub(crate) type Draw<'d> = &'d mut dyn FnMut(u32) -> u32;

impl User<'_> {
    /// The guest writes a register of receive queue `k`.
    fn write_rx(&mut self, k: usize, register: usize, value: u32) {
        let offset = 0x800 + 0x100 * k as u32 + register as u32;
        let bytes = value.to_le_bytes();
        let written = self
            .tracking
            .write(self.world, Page::Receive, offset, &bytes);
        assert_eq!(written, Ok(()));
    }

    /// The guest writes a register of transmit queue `k`.
    fn write_tx(&mut self, k: usize, register: usize, value: u32) {
        if !self.tx_trapped {
            let at = tx(VF + 8 * k, register);
            assert_eq!(self.world.fake.bar().try_write(at, value), Ok(()));
            return;
        }
        let offset = 0x800 + 0x100 * k as u32 + register as u32;
        let bytes = value.to_le_bytes();
        let written = self
            .tracking
            .write(self.world, Page::Transmit, offset, &bytes);
        assert_eq!(written, Ok(()));
    }

    fn get_rx(&self, k: usize, register: usize) -> u32 {
        self.world.fake.get(rx(VF + 8 * k, register))
    }

    /// Time passes until queues have done what they were told.
    fn wait(&self) {
        for _ in 0..8 {
            self.world.fake.tick();
        }
    }

    /// A buffer anywhere: at times none, at times where there is no memory.
    fn buffer(draw: Draw<'_>) -> u64 {
        match draw(40) {
            0 => 0,
            1 => END + u64::from(draw(0x1000)),
            2 => u64::MAX - u64::from(draw(0x1000)),
            _ => BUFFERS + 2 * u64::from(draw((END - BUFFERS) as u32 / 2 - 2000)),
        }
    }

    /// Fills up to `most` descriptors of receive queue `k`, which the device gets with the
    /// next tail.
    fn refill(&mut self, k: usize, most: u32, draw: Draw<'_>) {
        let split = self.get_rx(k, SHAPE) >> 25 & 7 != 1;
        for _ in 0..most {
            let driver = self.rx[k];
            let next = (driver.fill + 1) % driver.count.max(1);
            if driver.count == 0 || next == self.get_rx(k, HEAD) {
                return;
            }
            let header = if split { Self::buffer(draw) & !1 } else { 0 };
            let words = [Self::buffer(draw), header];
            let place = driver.base + 16 * u64::from(driver.fill);
            self.world.fake.queues.put_descriptor(place, words);
            self.rx[k].fill = next;
        }
    }

    fn post(&mut self, k: usize) {
        let tail = self.rx[k].fill;
        self.write_rx(k, TAIL, tail);
    }

    /// Sets receive queue `k` up anew: first off, somewhere else, of another size and shape.
    fn set_up_rx(&mut self, k: usize, draw: Draw<'_>) {
        self.write_rx(k, CONTROL, 0);
        self.wait();
        let base = RX_RINGS + 0x1000 * k as u64 + 0x400 * u64::from(draw(4));
        let count = 8 * (1 + draw(8));
        let kind = [1, 2, 5, 0][draw(4) as usize];
        let shape = kind << 25 | (1 + draw(4)) << 8 | draw(3);
        for (register, value) in [
            (BASE_LOW, base as u32),
            (BASE_HIGH, 0),
            (LENGTH, 16 * count),
            (SHAPE, shape),
        ] {
            self.write_rx(k, register, value);
        }
        // Some drivers fill and switch on before they say where to begin.
        let stale = draw(3) == 0;
        self.rx[k] = Driver {
            base,
            count,
            fill: 0,
        };
        if stale {
            for at in 0..count {
                let words = [Self::buffer(draw), Self::buffer(draw) & !1];
                let place = base + 16 * u64::from(at);
                self.world.fake.queues.put_descriptor(place, words);
            }
            self.write_rx(k, CONTROL, ENABLE);
            self.wait();
            meanwhile(self.world.fake);
            self.write_rx(k, HEAD, 0);
            // Of a descriptor that is found written back, nobody can tell whether the device
            // used it before its head was moved, after it, or, what it wrote back being
            // taken for addresses, both. So anything may be said to be dirty here.
            self.world.fake.queues.note(0, END, USED);
            self.rx[k].fill = count - 1;
        } else {
            self.write_rx(k, HEAD, 0);
            self.write_rx(k, TAIL, 0);
            self.write_rx(k, CONTROL, ENABLE);
            self.wait();
            // The tail may have been lost, and the old one be there still.
            self.write_rx(k, TAIL, 0);
            self.refill(k, draw(70), draw);
        }
        self.post(k);
    }

    fn set_up_tx(&mut self, k: usize, draw: Draw<'_>) {
        self.write_tx(k, CONTROL, 0);
        self.wait();
        let base = TX_RINGS + 0x1000 * k as u64 + 0x400 * u64::from(draw(4));
        let count = 8 * (1 + draw(8));
        let write_back = WRITE_BACKS as u32 + 4 * draw(64) + draw(2);
        for (register, value) in [
            (BASE_LOW, base as u32),
            (BASE_HIGH, 0),
            (LENGTH, 16 * count),
            (WRITE_BACK, write_back),
            (HEAD, 0),
            (CONTROL, ENABLE),
        ] {
            self.write_tx(k, register, value);
        }
        self.wait();
        self.write_tx(k, TAIL, 0);
        self.tx[k] = Driver {
            base,
            count,
            fill: 0,
        };
        self.may_write_tx();
    }

    /// Transmit rings, and heads that are written, may be dirty.
    fn may_write_tx(&self) {
        let queues = &self.world.fake.queues;
        for (k, driver) in self.tx.iter().enumerate() {
            queues.note(driver.base, 16 * u64::from(driver.count), USED);
            let place = self.world.fake.get(tx(VF + 8 * k, WRITE_BACK));
            queues.note(u64::from(place & !3), 4, USED);
        }
    }

    fn send(&mut self, k: usize, packets: u32, draw: Draw<'_>) {
        let driver = self.tx[k];
        let mut at = driver.fill;
        for _ in 0..packets.min(driver.count.saturating_sub(1)) {
            let report = if draw(4) == 0 { REPORT } else { 0 };
            let place = driver.base + 16 * u64::from(at);
            let words = [BUFFERS, PACKET | report];
            self.world.fake.queues.put_descriptor(place, words);
            at = (at + 1) % driver.count;
        }
        self.tx[k].fill = at;
        self.write_tx(k, TAIL, at);
    }

    /// After a reset its driver starts anew.
    fn set_up(&mut self, draw: Draw<'_>) {
        self.world.fake.set_bits(VFRE, 1 << VF);
        self.world.fake.set_bits(VFTE, 1 << VF);
        for k in 0..2 {
            self.set_up_tx(k, draw);
            self.set_up_rx(k, draw);
        }
    }

    fn sync(&mut self) {
        let synced = self.tracking.sync(self.world, Transmit::IfActive);
        assert_eq!(synced, Ok(()));
    }

    /// Whether all that was written since the last time is said to be dirty, and nothing
    /// that was not in use; the first word where it is not so.
    fn disagreement(&mut self) -> Option<(usize, u32)> {
        self.world.meanwhile.set(None);
        self.sync();
        let mut found = None;
        for (at, word) in self.world.fake.queues.notes().iter().enumerate() {
            let what = word.replace(0);
            let missed = what & WRITTEN != 0 && what & MARKED == 0;
            let stray = what & MARKED != 0 && what & USED == 0;
            if missed || stray {
                found = found.or(Some((4 * at, what)));
            }
        }
        self.may_write_tx();
        found
    }

    fn step(&mut self, draw: Draw<'_>) {
        let k = draw(2) as usize;
        match draw(64) {
            0..20 => {
                let packet = Incoming {
                    len: 60 + draw(1400) * draw(4),
                    header: [None, Some(42), Some(54), Some(700)][draw(4) as usize],
                };
                self.world.fake.receive_packet(VF + 8 * k, packet);
            }
            20..34 => self.refill(k, draw(16), draw),
            34..44 => self.post(k),
            44..46 => self.sync(),
            46..52 => self.send(k, draw(12), draw),
            52..54 => self.set_up_rx(k, draw),
            54 => {
                // By VTCTRL, on page 0.
                let synced = self.tracking.sync(self.world, Transmit::Always);
                assert_eq!(synced, Ok(()));
                meanwhile(self.world.fake);
                self.world.fake.vf_reset(VF);
                self.set_up(draw);
            }
            55 => {
                // By the bus, which is told of then or later.
                self.world.fake.vf_reset(VF);
                if draw(2) == 0 || !self.tx_trapped {
                    assert_eq!(self.tracking.sync(self.world, Transmit::Always), Ok(()));
                }
                self.set_up(draw);
                assert_eq!(self.tracking.sync(self.world, Transmit::Always), Ok(()));
            }
            56 => {
                // It is stopped and goes on, as if a move were given up.
                let (world, machine) = (self.world, &mut self.machine);
                assert_eq!(machine.quiesce(world, Level::Quiet), Ok(()));
                assert_eq!(self.tracking.sync(world, Transmit::Always), Ok(()));
                assert_eq!(machine.quiesce(world, Level::Stopped), Ok(()));
                assert_eq!(self.tracking.sync(world, Transmit::Always), Ok(()));
                assert_eq!(machine.quiesce(world, Level::Quiet), Ok(()));
                assert_eq!(self.tracking.renew(world), Ok(()));
                assert!(machine.resume(world).is_ok());
            }
            57 if self.tx_trapped => self.set_up_tx(k, draw),
            58 => self.world.meanwhile.set(Some(meanwhile)),
            59 => {
                let default = draw(4) << 16;
                let rctl = self.world.fake.get(0x100) & !(3 << 16);
                // Queues take it up when they are set up.
                if self.rx.iter().all(|driver| driver.count == 0) {
                    self.world.fake.put(0x100, rctl | default);
                }
            }
            _ => assert_eq!(self.disagreement(), None),
        }
    }
}

/// Has a driver do `steps` things that are drawn by `draw`, and the log begin somewhere on
/// the way.
pub(crate) fn run(steps: u32, draw: Draw<'_>) {
    let (registers, ram) = (memory::Memory::new(), memory::Memory::new());
    let notes = memory::Memory::new();
    let mut rig = Rig::running(&registers, 2);
    rig.fake.queues.set_ram(ram.cells());
    rig.fake.queues.set_notes(notes.cells());
    rig.fake.queues.latency.set(draw(3));
    let world = rig.world();
    let mut user = User {
        world: &world,
        machine: Machine::new(VF),
        tracking: Tracking::new(VF),
        rx: [Driver::default(); 2],
        tx: [Driver::default(); 2],
        tx_trapped: draw(2) == 0,
    };
    if draw(4) != 0 {
        user.set_up(draw);
        for _ in 0..draw(60) {
            let k = draw(2) as usize;
            meanwhile(world.fake);
            user.refill(k, draw(8), draw);
            user.post(k);
        }
    }
    // The log begins under way.
    world.meanwhile.set(Some(meanwhile));
    let slots = [memory::slots(), memory::slots()];
    assert_eq!(user.tracking.start(&world, slots), Ok(()));
    for word in world.fake.queues.notes() {
        word.set(word.get() & !WRITTEN);
    }
    user.may_write_tx();
    for _ in 0..steps {
        user.step(draw);
    }
    assert_eq!(user.disagreement(), None);
    user.tracking.stop();
}

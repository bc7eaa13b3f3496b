// SPDX-License-Identifier: GPL-2.0

//! Two VFs with drivers, and packets between them: what all commands are made of.

use crate::{
    device::Device,
    driver::{Driver, Kind, Options, Sending},
    error::{Error, Result},
    frame::{self, Mac},
    iommu::Backend,
    ledger::Ledger,
    memory::Memory,
    registers::Bar,
};
use rand::{rngs::SmallRng, Rng};
use std::{
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

/// Where guest memory begins for devices.
const IOVA: u64 = 0x1000_0000;
/// Bytes of a guest's memory: rings and buffers of two queue pairs.
const MEMORY: usize = 4 << 20;
/// The VLANs that each VF joins.
pub const VLANS: [u16; 2] = [100, 200];
/// How long packets may be on their way.
const PATIENCE: Duration = Duration::from_secs(10);

/// A guest: memory, and a driver of a VF.
pub struct Guest {
    /// Its memory.
    pub memory: Memory,
    /// Its driver.
    pub driver: Driver<Bar>,
    /// Packets that were not of the test.
    pub foreign: usize,
}

/// Opens a device and maps its BAR.
pub fn open(address: &str, backend: Backend) -> Result<Bar> {
    Bar::new(Arc::new(Device::open(address, backend)?))
}

impl Guest {
    /// A guest on an open VF, its rings running and its link up.
    pub fn start(bar: Bar, kind: Kind, mac: Mac, rng: &mut SmallRng) -> Result<Self> {
        let mut memory = Memory::new(MEMORY, IOVA)?;
        bar.device().map(&memory)?;
        let options = Options {
            kind,
            mac,
            ring: 8 * rng.random_range(4..=16),
            head_write_back: kind == Kind::Dpdk && rng.random(),
        };
        let mut driver = Driver::new(bar, &mut memory, options)?;
        // Nothing is received on further queues, so they begin anywhere.
        for queue in 1..driver.queues() {
            driver.start_at(queue, rng.random_range(1..options.ring))?;
        }
        driver.open(&memory, &VLANS)?;
        driver.wait_link()?;
        Ok(Self {
            memory,
            driver,
            foreign: 0,
        })
    }

    /// The VF's device.
    pub fn device(&self) -> &Arc<Device> {
        self.driver.registers().device()
    }

    /// Posts up to `count` random packets to `to`, over all queues, with a
    /// doorbell for every few; how many fitted.
    pub fn send(
        &mut self,
        to: Mac,
        count: u32,
        ledger: &mut Ledger,
        lossy: bool,
        rng: &mut SmallRng,
    ) -> Result<u32> {
        let from = self.driver.mac();
        let mut sent = 0;
        while sent < count {
            let queue = rng.random_range(0..self.driver.queues());
            let mut posted = 0;
            for _ in 0..rng.random_range(1..=8.min(count - sent)) {
                let sending = Sending {
                    vlan: rng
                        .random_bool(0.4)
                        .then(|| VLANS[rng.random_range(0..VLANS.len())]),
                    checksums: rng.random_bool(0.4),
                };
                // Numbered only when it fits.
                if self.driver.room(queue)? < 2 {
                    break;
                }
                let id = ledger.next(sending.vlan, lossy);
                let length = rng.random_range(58..=frame::LONGEST);
                let packet = frame::build(id, from, to, length, sending.checksums);
                if !self.driver.post(&self.memory, queue, &packet, sending)? {
                    return Err(Error::Wrong(
                        "a packet did not fit where there was room".into(),
                    ));
                }
                posted += 1;
            }
            self.driver.doorbell(queue)?;
            if posted == 0 {
                break;
            }
            sent += posted;
        }
        Ok(sent)
    }

    /// Takes at most `limit` packets out of each queue.
    pub fn receive(&mut self, ledger: &mut Ledger, limit: usize) -> Result<usize> {
        let mut came = 0;
        for queue in 0..self.driver.queues() {
            let (arrivals, foreign) = self.driver.receive(&self.memory, queue, limit)?;
            self.foreign += foreign;
            came += arrivals.len();
            for arrival in arrivals {
                ledger.came(arrival.id, arrival.vlan);
            }
        }
        Ok(came)
    }

    /// Takes back descriptors; how many packets are still to be sent.
    pub fn reclaim(&mut self) -> Result<usize> {
        (0..self.driver.queues())
            .map(|queue| self.driver.reclaim(&self.memory, queue))
            .sum()
    }
}

/// Two guests that send to each other, and who sent what.
pub struct Bench {
    /// The guest that is moved.
    pub guest: Guest,
    /// The one it talks to.
    pub peer: Guest,
    /// From the guest to the peer.
    pub there: Ledger,
    /// From the peer to the guest.
    pub back: Ledger,
    /// What decides sizes and numbers.
    pub rng: SmallRng,
}

impl Bench {
    /// Two guests that have not sent anything yet.
    pub fn new(guest: Guest, peer: Guest, rng: SmallRng) -> Self {
        Self {
            guest,
            peer,
            there: Ledger::new(1),
            back: Ledger::new(2),
            rng,
        }
    }

    /// The guest sends about so many packets.
    pub fn send_there(&mut self, count: u32, lossy: bool) -> Result<u32> {
        let to = self.peer.driver.mac();
        self.guest
            .send(to, count, &mut self.there, lossy, &mut self.rng)
    }

    /// The peer sends about so many packets.
    pub fn send_back(&mut self, count: u32, lossy: bool) -> Result<u32> {
        let to = self.guest.driver.mac();
        self.peer
            .send(to, count, &mut self.back, lossy, &mut self.rng)
    }

    /// Bursts both ways, each received whole before the next: as many as fit
    /// the rings.
    pub fn traffic(&mut self, rounds: u32) -> Result<()> {
        for _ in 0..rounds {
            let there = self.rng.random_range(1..=20);
            let back = self.rng.random_range(1..=20);
            self.send_there(there, false)?;
            self.send_back(back, false)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Takes what came on both sides.
    pub fn receive(&mut self) -> Result<()> {
        self.peer.receive(&mut self.there, usize::MAX)?;
        self.guest.receive(&mut self.back, usize::MAX)?;
        Ok(())
    }

    /// Waits until every packet that must come has come, and all are sent.
    pub fn settle(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let late = Instant::now() > end;
            self.receive()?;
            let unsent = self.guest.reclaim()? + self.peer.reclaim()?;
            if unsent == 0 && self.there.missing() == 0 && self.back.missing() == 0 {
                return Ok(());
            }
            if late {
                return Err(Error::Wrong(format!(
                    "{unsent} packets not sent; there {:?}; back {:?}",
                    self.there.balance(),
                    self.back.balance()
                )));
            }
            sleep(Duration::from_millis(1));
        }
    }
}

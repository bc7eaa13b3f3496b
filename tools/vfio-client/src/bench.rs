// SPDX-License-Identifier: GPL-2.0

//! Two VFs with drivers, and packets between them: what all commands are made of.

use crate::{
    device::Device,
    driver::{Arrival, Driver, Kind, Options, Sending},
    error::{Error, Result},
    frame::{self, Mac},
    iommu::Backend,
    ledger::Ledger,
    memory::Memory,
    registers::{Bar, Registers},
};
use rand::{rngs::SmallRng, Rng};
use std::{
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

/// Where guest memory begins for devices.
pub const IOVA: u64 = 0x1000_0000;
/// Bytes of a guest's memory: rings and buffers of two queue pairs.
pub const MEMORY: usize = 4 << 20;
/// The VLANs that each VF joins.
pub const VLANS: [u16; 2] = [100, 200];
/// How long packets may be on their way.
const PATIENCE: Duration = Duration::from_secs(10);

/// A guest: memory, and a driver of a VF.
pub struct Guest<R = Bar> {
    /// Its memory.
    pub memory: Arc<Memory>,
    /// Its driver.
    pub driver: Driver<R>,
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
        let memory = Arc::new(Memory::new(MEMORY, IOVA)?);
        bar.device().map(&memory)?;
        let ring = 8 * rng.random_range(4..=16);
        Self::run(bar, memory, kind, mac, ring, rng)
    }

    /// The VF's device.
    pub fn device(&self) -> &Arc<Device> {
        self.driver.registers().device()
    }
}

impl<R: Registers> Guest<R> {
    /// A guest on a VF that has its memory, with rings of so many descriptors, and its link
    /// up.
    pub fn run(
        registers: R,
        memory: Arc<Memory>,
        kind: Kind,
        mac: Mac,
        ring: u32,
        rng: &mut SmallRng,
    ) -> Result<Self> {
        let options = Options {
            kind,
            mac,
            ring,
            head_write_back: kind == Kind::Dpdk && rng.random(),
        };
        let mut driver = Driver::new(registers, &memory, options)?;
        // Nothing is received on further queues, so they begin anywhere.
        for queue in 1..driver.queues() {
            driver.start_at(queue, rng.random_range(1..ring))?;
        }
        driver.open(&memory, &VLANS)?;
        driver.wait_link()?;
        Ok(Self {
            memory,
            driver,
            foreign: 0,
        })
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

    /// Takes all packets out of each queue.
    pub fn receive(&mut self) -> Result<Vec<Arrival>> {
        let mut came = Vec::new();
        for queue in 0..self.driver.queues() {
            let (arrivals, foreign) = self.driver.receive(&self.memory, queue, usize::MAX)?;
            self.foreign += foreign;
            came.extend(arrivals);
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

/// Sources of packets, as their numbers say.
const THERE: u32 = 1;
const BACK: u32 = 2;

/// A guest and whom it talks to, and who sent what.
pub struct Bench<R = Bar> {
    /// The guest that is moved.
    pub guest: Guest<R>,
    /// The one it talks to; without one it talks to itself, across the switch.
    pub peer: Option<Guest>,
    /// From the guest to the peer.
    pub there: Ledger,
    /// From the peer to the guest.
    pub back: Ledger,
    /// What decides sizes and numbers.
    pub rng: SmallRng,
}

impl<R: Registers> Bench<R> {
    /// Guests that have not sent anything yet.
    pub fn new(guest: Guest<R>, peer: Option<Guest>, rng: SmallRng) -> Self {
        Self {
            guest,
            peer,
            there: Ledger::new(THERE),
            back: Ledger::new(BACK),
            rng,
        }
    }

    /// The guest sends so many packets, or what fits of them.
    pub fn send_there(&mut self, count: u32, lossy: bool) -> Result<u32> {
        let to = match &self.peer {
            Some(peer) => peer.driver.mac(),
            None => self.guest.driver.mac(),
        };
        self.guest
            .send(to, count, &mut self.there, lossy, &mut self.rng)
    }

    /// How many more packets the one that the guest talks to has room for, beside those on
    /// their way and so many `foreign` ones: a device drops what there is no room for.
    pub fn room_there(&self, foreign: u32) -> Result<u32> {
        let most = match &self.peer {
            Some(peer) => peer.driver.most_received(),
            None => self.guest.driver.most_received(),
        };
        let on_their_way = u32::try_from(self.there.missing())
            .map_err(|_| Error::Wrong("too many packets are missing".into()))?;
        Ok(most.saturating_sub(foreign).saturating_sub(on_their_way))
    }

    /// The peer sends so many packets, or what fits of them.
    pub fn send_back(&mut self, count: u32, lossy: bool) -> Result<u32> {
        let to = self.guest.driver.mac();
        match &mut self.peer {
            Some(peer) => peer.send(to, count, &mut self.back, lossy, &mut self.rng),
            None => Ok(0),
        }
    }

    /// Bursts both ways, each received whole before the next.
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
        let mut came = self.guest.receive()?;
        if let Some(peer) = &mut self.peer {
            came.extend(peer.receive()?);
        }
        for arrival in came {
            let ledger = if arrival.id.source == THERE {
                &mut self.there
            } else {
                &mut self.back
            };
            ledger.came(arrival.id, arrival.vlan);
        }
        Ok(())
    }

    /// Packets that are still to be sent.
    fn unsent(&mut self) -> Result<usize> {
        let peer = self.peer.as_mut().map_or(Ok(0), Guest::reclaim)?;
        Ok(self.guest.reclaim()? + peer)
    }

    /// Waits until every packet that must come has come, and all are sent.
    pub fn settle(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let late = Instant::now() > end;
            self.receive()?;
            let unsent = self.unsent()?;
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

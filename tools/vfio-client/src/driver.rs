// SPDX-License-Identifier: GPL-2.0

//! A guest's driver of a VF, with the register sequences of igbvf and of DPDK's
//! driver (NIC facts, section 8). Its memory is the guest's, so that it goes on
//! unchanged on whichever VF its registers are after a move.

use crate::{
    descriptor,
    error::{Error, Result},
    frame::{self, Id, Mac, NoFrame},
    mailbox::Mailbox,
    memory::{Memory, Piece},
    queue::{Lane, Queue},
    registers::{reg, Registers},
};
use std::{collections::VecDeque, thread::sleep, time::Duration};

pub use crate::queue::{Kind, Sending};

/// SRRCTL: one buffer of 2 KiB, advanced descriptors; DROP_EN beside it.
const SRRCTL: u32 = 2 | 1 << 25;
/// Prefetch, host and write-back thresholds of igbvf (16, 8, 1) and DPDK.
const XDCTL_IGBVF: u32 = 16 | 8 << 8 | 1 << 16;
const XDCTL_DPDK: u32 = 8 | 8 << 8 | 1 << 16;

/// A packet that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// Which.
    pub id: Id,
    /// The tag it had.
    pub vlan: Option<u16>,
}

/// What a driver is made with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whose sequences.
    pub kind: Kind,
    /// The VF's address.
    pub mac: Mac,
    /// Descriptors of the rings: a multiple of eight.
    pub ring: u32,
    /// Completions of the last queue come by head write-back.
    pub head_write_back: bool,
}

/// The driver of one VF.
pub struct Driver<R> {
    registers: R,
    options: Options,
    queues: Vec<Queue>,
}

impl<R: Registers> Driver<R> {
    /// Takes what it needs of `memory`; no register is touched.
    pub fn new(registers: R, memory: &Memory, options: Options) -> Result<Self> {
        let count = options.kind.queues();
        let queue = |index: u32| {
            Ok(Queue {
                rx: Lane::new(memory, options.ring)?,
                tx: Lane::new(memory, options.ring)?,
                head_page: memory.take(crate::memory::PAGE)?,
                head_write_back: options.head_write_back && index + 1 == count,
                contexts: [None; 2],
                latest: 1,
                pending: VecDeque::new(),
            })
        };
        Ok(Self {
            registers,
            options,
            queues: (0..count).map(queue).collect::<Result<_>>()?,
        })
    }

    /// Where its rings are, and where heads are written to.
    pub fn rings(&self) -> Vec<Piece> {
        let of = |queue: &Queue| [queue.rx.descriptors, queue.tx.descriptors, queue.head_page];
        self.queues.iter().flat_map(of).collect()
    }

    /// The VF's registers.
    pub fn registers(&self) -> &R {
        &self.registers
    }

    /// Its address.
    pub fn mac(&self) -> Mac {
        self.options.mac
    }

    /// Packets that a receive ring has room for, once all that came has been taken.
    pub fn most_received(&self) -> u32 {
        self.options.ring - 1
    }

    /// Queues each way.
    pub fn queues(&self) -> u32 {
        self.options.kind.queues()
    }

    /// Rings as they were made, for [`open`](Self::open) after something has reset the
    /// function. What has not been sent or received by then never is.
    pub fn restart(&mut self) {
        for queue in &mut self.queues {
            for lane in [&mut queue.rx, &mut queue.tx] {
                (lane.clean, lane.fill) = (0, 0);
            }
            queue.contexts = [None; 2];
            queue.latest = 1;
            queue.pending.clear();
        }
    }

    /// Goes on with another VF's registers; gives back those it had.
    pub fn move_to(&mut self, registers: R) -> R {
        std::mem::replace(&mut self.registers, registers)
    }

    fn write(&self, base: u32, queue: u32, value: u32) -> Result<()> {
        self.registers
            .write(base + queue * reg::QUEUE_STRIDE, value)
    }

    /// As a driver's probe and open: resets the function, asks for what a driver
    /// asks for (VLANs too), and sets rings and interrupts up.
    pub fn open(&mut self, memory: &Memory, vlans: &[u16]) -> Result<()> {
        if self.options.kind == Kind::Dpdk {
            self.registers.write(reg::EIMC, u32::MAX)?;
        }
        let mailbox = Mailbox::new(&self.registers);
        if let Some(mac) = mailbox.reset()? {
            self.options.mac = mac;
        }
        mailbox.set_mac(self.options.mac)?;
        match self.options.kind {
            Kind::Igbvf => {
                mailbox.set_multicast(&[0x123, 0xabc, 0x7])?;
                mailbox.clear_filters()?;
            }
            Kind::Dpdk => mailbox.all_multicast()?,
        }
        for &vid in vlans {
            mailbox.join_vlan(vid)?;
        }
        mailbox.set_max_frame(1522)?;
        for queue in 0..self.queues() {
            self.open_queue(memory, queue)?;
        }
        self.arm()
    }

    fn open_queue(&self, memory: &Memory, index: u32) -> Result<()> {
        let queue = self
            .queues
            .get(index as usize)
            .ok_or_else(|| Error::Wrong(format!("no queue {index}")))?;
        let (rx, tx) = (&queue.rx, &queue.tx);
        for at in 0..rx.ring.0 {
            memory.write_descriptor(rx.descriptor(at), descriptor::receive(rx.buffer(at)))?;
        }
        let thresholds = match self.options.kind {
            Kind::Igbvf => XDCTL_IGBVF,
            Kind::Dpdk => XDCTL_DPDK,
        };
        let pause = || sleep(Duration::from_millis(10));
        let bytes = rx.ring.0 * descriptor::SIZE;
        let [rx_low, rx_high] = halves(rx.descriptors.iova);
        let [tx_low, tx_high] = halves(tx.descriptors.iova);
        let [wb_low, wb_high] = halves(queue.head_page.iova);

        if self.options.kind == Kind::Igbvf {
            self.write(reg::TXDCTL, index, 0)?;
            self.registers.read(reg::STATUS)?;
            pause();
        }
        self.write(reg::TDLEN, index, bytes)?;
        self.write(reg::TDBAL, index, tx_low)?;
        self.write(reg::TDBAH, index, tx_high)?;
        self.write(reg::TDH, index, 0)?;
        self.write(reg::TDT, index, 0)?;
        self.write(reg::TDWBAH, index, wb_high)?;
        self.write(
            reg::TDWBAL,
            index,
            wb_low | u32::from(queue.head_write_back),
        )?;
        self.write(reg::TXDCTL, index, thresholds | reg::QUEUE_ENABLE)?;

        self.write(reg::SRRCTL, index, SRRCTL)?;
        if self.options.kind == Kind::Igbvf {
            self.write(reg::RXDCTL, index, 0)?;
            pause();
        }
        self.write(reg::RDBAL, index, rx_low)?;
        self.write(reg::RDBAH, index, rx_high)?;
        self.write(reg::RDLEN, index, bytes)?;
        self.write(reg::RDH, index, rx.clean)?;
        self.write(reg::RXDCTL, index, thresholds | reg::QUEUE_ENABLE)?;
        // DPDK writes the head again once the queue is on.
        self.write(reg::RDH, index, rx.clean)?;
        self.write(reg::RDT, index, rx.ring.advance(rx.clean, rx.ring.0 - 1))
    }

    /// Interrupt causes, rates and mask.
    fn arm(&self) -> Result<()> {
        let registers = &self.registers;
        match self.options.kind {
            Kind::Igbvf => {
                registers.write(reg::IVAR, 0x80 << 8 | 0x81)?;
                registers.write(reg::EITR, 0x1e8)?;
                registers.write(reg::EITR + 4, 0x3d0)?;
                registers.write(reg::IVAR_MISC, 0x82)?;
                registers.read(reg::EICR)?;
                registers.write(reg::EIAC, 7)?;
                registers.write(reg::EIAM, 7)?;
                registers.write(reg::EIMS, 7)
            }
            Kind::Dpdk => {
                registers.write(reg::IVAR_MISC, 0x80)?;
                registers.write(reg::EIAM, 1)?;
                registers.write(reg::EIAC, 1)?;
                registers.write(reg::EIMS, 1)
            }
        }
    }

    /// Where the receive ring of a queue begins, if not at 0: before `open`.
    pub fn start_at(&mut self, queue: u32, index: u32) -> Result<()> {
        let rx = &mut self.lane(queue)?.rx;
        rx.clean = index % rx.ring.0;
        Ok(())
    }

    /// Waits for the link.
    pub fn wait_link(&self) -> Result<()> {
        let up = |status| status & reg::STATUS_LU != 0;
        self.registers
            .poll(reg::STATUS, Duration::from_secs(30), "link of the VF", up)?;
        Ok(())
    }

    /// Vectors that it uses.
    pub fn vectors(&self) -> usize {
        match self.options.kind {
            Kind::Igbvf => 3,
            Kind::Dpdk => 1,
        }
    }

    /// The vector of the mailbox, which is its last.
    pub fn mailbox_vector(&self) -> usize {
        self.vectors() - 1
    }

    /// Raises the interrupts of all vectors, as igbvf's watchdog does for one.
    pub fn raise(&self, vectors: u32) -> Result<()> {
        self.registers.write(reg::EICS, vectors)
    }

    fn lane(&mut self, queue: u32) -> Result<&mut Queue> {
        self.queues
            .get_mut(queue as usize)
            .ok_or_else(|| Error::Wrong(format!("no queue {queue}")))
    }

    /// Descriptors that can be filled.
    pub fn room(&mut self, queue: u32) -> Result<u32> {
        let tx = &self.lane(queue)?.tx;
        Ok(tx.ring.room(tx.clean, tx.fill))
    }

    /// Fills descriptors for a packet, without telling the device; false if
    /// there is no room.
    pub fn post(
        &mut self,
        memory: &Memory,
        queue: u32,
        packet: &[u8],
        sending: Sending,
    ) -> Result<bool> {
        let kind = self.options.kind;
        let queue = self.lane(queue)?;
        let (context, used) = queue.choose(kind, sending);
        let needed = 1 + u32::from(context.is_some());
        if queue.tx.ring.room(queue.tx.clean, queue.tx.fill) < needed {
            return Ok(false);
        }
        if let Some((offload, index)) = context {
            queue.put(memory, descriptor::context(offload, index))?;
            queue.contexts[usize::from(index)] = Some(offload);
        }
        if let Some(used) = used {
            queue.latest = used.index;
        }
        let buffer = queue.tx.buffer(queue.tx.fill);
        memory.write(buffer, packet)?;
        queue.pending.push_back(queue.tx.fill);
        queue.put(memory, descriptor::data(buffer, packet.len() as u16, used))?;
        Ok(true)
    }

    /// Tells the device of what was posted.
    pub fn doorbell(&mut self, queue: u32) -> Result<()> {
        let fill = self.lane(queue)?.tx.fill;
        self.write(reg::TDT, queue, fill)
    }

    /// Takes back descriptors that the device is done with; how many packets it
    /// still has to send.
    pub fn reclaim(&mut self, memory: &Memory, queue: u32) -> Result<usize> {
        let queue = self.lane(queue)?;
        let ring = queue.tx.ring;
        while let Some(&index) = queue.pending.front() {
            let gone = if queue.head_write_back {
                let mut head = [0; 4];
                memory.read(queue.head_page.iova, &mut head)?;
                let head = u32::from_le_bytes(head);
                ring.distance(queue.tx.clean, head) > ring.distance(queue.tx.clean, index)
            } else {
                descriptor::transmitted(memory.read_descriptor(queue.tx.descriptor(index))?)
            };
            if !gone {
                break;
            }
            queue.pending.pop_front();
            queue.tx.clean = ring.advance(index, 1);
        }
        Ok(queue.pending.len())
    }

    /// Takes at most `limit` packets out of a receive ring and gives the buffers
    /// back. The second part counts packets that are not the test's.
    pub fn receive(
        &mut self,
        memory: &Memory,
        queue: u32,
        limit: usize,
    ) -> Result<(Vec<Arrival>, usize)> {
        let (mut arrivals, mut foreign) = (Vec::new(), 0);
        let rx = &mut self.lane(queue)?.rx;
        let mut last = None;
        while arrivals.len() < limit {
            let at = rx.descriptor(rx.clean);
            let Some(received) = descriptor::received(memory.read_descriptor(at)?) else {
                break;
            };
            if !received.last {
                return Err(Error::Wrong("a packet of more than one buffer".into()));
            }
            let mut bytes = vec![0; received.length.into()];
            memory.read(rx.buffer(rx.clean), &mut bytes)?;
            match frame::recognise(&bytes) {
                Ok(id) => arrivals.push(Arrival {
                    id,
                    vlan: received.vlan,
                }),
                Err(NoFrame::Foreign) => foreign += 1,
                Err(NoFrame::Damaged) => {
                    return Err(Error::Wrong(format!(
                        "a damaged packet at {}: {bytes:02x?}",
                        rx.clean
                    )));
                }
            }
            memory.write_descriptor(at, descriptor::receive(rx.buffer(rx.clean)))?;
            last = Some(rx.clean);
            rx.clean = rx.ring.advance(rx.clean, 1);
        }
        if let Some(last) = last {
            self.write(reg::RDT, queue, last)?;
        }
        Ok((arrivals, foreign))
    }

    /// As a driver's close: queues off, interrupts masked, reset.
    pub fn close(&self) -> Result<()> {
        for queue in 0..self.queues() {
            self.write(reg::RXDCTL, queue, 0)?;
            self.write(reg::TXDCTL, queue, 0)?;
        }
        sleep(Duration::from_millis(10));
        self.registers.write(reg::EIMC, u32::MAX)?;
        self.registers.write(reg::CTRL, reg::CTRL_RST)
    }
}

/// The low and the high half.
fn halves(address: u64) -> [u32; 2] {
    [address as u32, (address >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::RefCell, collections::HashMap};

    /// Registers that only remember.
    #[derive(Default)]
    struct Plain(RefCell<HashMap<u32, u32>>);

    impl Registers for Plain {
        fn read(&self, offset: u32) -> Result<u32> {
            Ok(self.0.borrow().get(&offset).copied().unwrap_or(0))
        }

        fn write(&self, offset: u32, value: u32) -> Result<()> {
            self.0.borrow_mut().insert(offset, value);
            Ok(())
        }
    }

    const MAC: Mac = [2, 0, 0, 0, 0, 1];

    fn driver(kind: Kind) -> (Memory, Driver<Plain>) {
        let memory = Memory::new(1 << 20, 0x100_0000).unwrap();
        let options = Options {
            kind,
            mac: MAC,
            ring: 8,
            head_write_back: false,
        };
        let driver = Driver::new(Plain::default(), &memory, options).unwrap();
        (memory, driver)
    }

    fn tagged(vid: u16) -> Sending {
        Sending {
            vlan: Some(vid),
            checksums: false,
        }
    }

    /// How many contexts were given while these packets were posted.
    fn contexts(kind: Kind, packets: &[Sending]) -> u32 {
        let (memory, mut driver) = driver(kind);
        for &sending in packets {
            let before = driver.queues[0].tx.fill;
            assert!(driver.post(&memory, 0, &[0; 60], sending).unwrap());
            assert!(driver.queues[0].tx.fill > before);
        }
        driver.queues[0].tx.fill - packets.len() as u32
    }

    #[test]
    fn igbvf_gives_a_context_with_each_packet_and_dpdk_keeps_two() {
        let plain = Sending::default();
        assert_eq!(contexts(Kind::Igbvf, &[plain, plain]), 0);
        assert_eq!(contexts(Kind::Igbvf, &[tagged(1), tagged(1)]), 2);
        assert_eq!(contexts(Kind::Dpdk, &[tagged(1), tagged(1), tagged(1)]), 1);
        assert_eq!(
            contexts(Kind::Dpdk, &[tagged(1), tagged(2), tagged(1), tagged(2)]),
            2
        );
        assert_eq!(contexts(Kind::Dpdk, &[tagged(1), tagged(2), tagged(3)]), 3);
    }

    #[test]
    fn a_full_ring_takes_no_more_until_descriptors_are_done() {
        let (memory, mut driver) = driver(Kind::Dpdk);
        for _ in 0..7 {
            assert!(driver
                .post(&memory, 1, &[0; 60], Sending::default())
                .unwrap());
        }
        assert!(!driver
            .post(&memory, 1, &[0; 60], Sending::default())
            .unwrap());
        assert_eq!(driver.reclaim(&memory, 1).unwrap(), 7);
        for index in 0..3 {
            let at = driver.queues[1].tx.descriptor(index);
            let [low, high] = memory.read_descriptor(at).unwrap();
            memory.write_descriptor(at, [low, high | 1 << 32]).unwrap();
        }
        assert_eq!(driver.reclaim(&memory, 1).unwrap(), 4);
        assert!(driver.post(&memory, 1, &[0; 60], tagged(5)).unwrap());
        driver.doorbell(1).unwrap();
        assert_eq!(
            driver.registers.read(reg::TDT + reg::QUEUE_STRIDE).unwrap(),
            1
        );
    }

    #[test]
    fn head_write_back_is_understood_across_the_end() {
        let (memory, mut driver) = driver(Kind::Dpdk);
        driver.queues[1].head_write_back = true;
        let page = driver.queues[1].head_page.iova;
        for (posted, head, left) in [(5, 4, 1), (5, 1, 1), (6, 0, 0)] {
            for _ in 0..posted {
                assert!(driver
                    .post(&memory, 1, &[0; 60], Sending::default())
                    .unwrap());
            }
            memory.write(page, &u32::to_le_bytes(head)).unwrap();
            assert_eq!(driver.reclaim(&memory, 1).unwrap(), left);
        }
    }

    #[test]
    fn received_packets_are_taken_and_their_buffers_given_back() {
        let (memory, mut driver) = driver(Kind::Igbvf);
        driver.start_at(0, 6).unwrap();
        driver.open_queue(&memory, 0).unwrap();
        assert_eq!(driver.registers.read(reg::RDH).unwrap(), 6);
        assert_eq!(driver.registers.read(reg::RDT).unwrap(), 5);
        for (index, number) in [(6, 1), (7, 2), (0, 3)] {
            let id = Id { source: 1, number };
            let packet = frame::build(id, MAC, MAC, 100, false);
            let rx = &driver.queues[0].rx;
            memory.write(rx.buffer(index), &packet).unwrap();
            let done = (packet.len() as u64) << 32 | 3;
            memory
                .write_descriptor(rx.descriptor(index), [0, done])
                .unwrap();
        }
        let (first, _) = driver.receive(&memory, 0, 2).unwrap();
        assert_eq!(
            first.iter().map(|a| a.id.number).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(driver.registers.read(reg::RDT).unwrap(), 7);
        let (rest, foreign) = driver.receive(&memory, 0, 9).unwrap();
        assert_eq!((rest.len(), rest[0].id.number, foreign), (1, 3, 0));
        assert_eq!(driver.registers.read(reg::RDT).unwrap(), 0);
        assert!(driver.receive(&memory, 0, 9).unwrap().0.is_empty());
    }
}

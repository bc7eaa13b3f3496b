// SPDX-License-Identifier: GPL-2.0

//! A VF's side of the mailbox, as igbvf and DPDK's driver use it.

use crate::{
    error::{Error, Result},
    frame::Mac,
    registers::{reg, Registers},
};
use std::{cell::Cell, time::Duration};

const REQ: u32 = 1;
const ACK: u32 = 2;
const VFU: u32 = 4;
const PFSTS: u32 = 0x10;
const PFACK: u32 = 0x20;
const RSTI: u32 = 0x40;
const RSTD: u32 = 0x80;

const ANSWER_ACK: u32 = 1 << 31;
const ANSWER_NACK: u32 = 1 << 30;

const RESET: u32 = 1;
const SET_MAC: u32 = 2;
const SET_MULTICAST: u32 = 3;
const SET_VLAN: u32 = 4;
const SET_MAX_FRAME: u32 = 5;
const SET_PROMISCUOUS: u32 = 6;
const ADD: u32 = 1 << 16;
const CLEAR: u32 = 1 << 16;

/// Drivers wait a second, spinning; the emulated host may be busy.
const LIMIT: Duration = Duration::from_secs(5);

/// The low and the high word of an address.
fn mac_words(mac: Mac) -> [u32; 2] {
    let [a, b, c, d, e, f] = mac;
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, 0, 0]),
    ]
}

/// Whether an answer grants the request that begins with `head`.
fn is_granted(answer: u32, head: u32) -> bool {
    answer & ANSWER_ACK != 0 && answer & ANSWER_NACK == 0 && answer & 0xffff == head & 0xffff
}

/// A mailbox.
pub struct Mailbox<'r, R> {
    registers: &'r R,
    /// Flags that a read cleared before anybody asked for them.
    seen: Cell<u32>,
}

impl<'r, R: Registers> Mailbox<'r, R> {
    /// The mailbox of the VF with these registers.
    pub fn new(registers: &'r R) -> Self {
        Self {
            registers,
            seen: Cell::new(0),
        }
    }

    fn wait(&self, flag: u32, what: &str) -> Result<()> {
        self.registers.poll(reg::V2PMAILBOX, LIMIT, what, |value| {
            self.seen.set(self.seen.get() | value);
            self.seen.get() & flag != 0
        })?;
        self.seen.set(self.seen.get() & !flag);
        Ok(())
    }

    fn own(&self) -> Result<()> {
        let mut tries = 0;
        loop {
            self.registers.write(reg::V2PMAILBOX, VFU)?;
            let value = self.registers.read(reg::V2PMAILBOX)?;
            self.seen
                .set(self.seen.get() | value & (PFSTS | PFACK | RSTD));
            if value & VFU != 0 {
                return Ok(());
            }
            tries += 1;
            if tries > 1000 {
                return Err(Error::Wrong("the mailbox stays the PF's".into()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Asks, and gives the first three words of the answer.
    pub fn exchange(&self, words: &[u32]) -> Result<[u32; 3]> {
        self.own()?;
        self.seen.set(0);
        let mut at = reg::VMBMEM;
        for &word in words {
            self.registers.write(at, word)?;
            at += 4;
        }
        self.registers.write(reg::V2PMAILBOX, REQ)?;
        self.wait(PFACK, "the PF's acknowledgement of a message")?;
        self.wait(PFSTS, "the PF's answer to a message")?;
        self.own()?;
        let mut answer = [0; 3];
        let mut at = reg::VMBMEM;
        for word in &mut answer {
            *word = self.registers.read(at)?;
            at += 4;
        }
        self.registers.write(reg::V2PMAILBOX, ACK)?;
        Ok(answer)
    }

    /// Asks, and insists on a yes.
    fn request(&self, words: &[u32], what: &str) -> Result<()> {
        let [answer, ..] = self.exchange(words)?;
        match words.first() {
            Some(&head) if is_granted(answer, head) => Ok(()),
            _ => Err(Error::Wrong(format!("{what}: refused with {answer:#x}"))),
        }
    }

    /// Resets the function and tells the PF; the address it gives, if any.
    pub fn reset(&self) -> Result<Option<Mac>> {
        self.registers.write(reg::CTRL, reg::CTRL_RST)?;
        let limit = Duration::from_millis(100);
        // igbvf goes on after some time, too, whatever the bits say.
        let _ = self
            .registers
            .poll(reg::V2PMAILBOX, limit, "reset", |value| {
                value & (RSTI | RSTD) == 0
            });
        let [head, low, high] = self.exchange(&[RESET])?;
        if head == RESET | ANSWER_NACK {
            return Ok(None);
        }
        if head != RESET | ANSWER_ACK {
            return Err(Error::Wrong(format!("reset: the PF answered {head:#x}")));
        }
        let [a, b, c, d] = low.to_le_bytes();
        let [e, f, ..] = high.to_le_bytes();
        Ok(Some([a, b, c, d, e, f]))
    }

    /// The VF's address.
    pub fn set_mac(&self, mac: Mac) -> Result<()> {
        let [low, high] = mac_words(mac);
        self.request(&[SET_MAC, low, high], "the MAC address")
    }

    /// No further addresses.
    pub fn clear_filters(&self) -> Result<()> {
        self.request(&[SET_MAC | CLEAR, 0, 0], "no further addresses")
    }

    /// Multicast groups by their hashes.
    pub fn set_multicast(&self, hashes: &[u16]) -> Result<()> {
        let mut words = vec![SET_MULTICAST | (hashes.len() as u32) << 16];
        for pair in hashes.chunks(2) {
            let high = pair.get(1).copied().unwrap_or(0);
            words.push(u32::from(pair[0]) | u32::from(high) << 16);
        }
        self.request(&words, "multicast hashes")
    }

    /// Joins a VLAN.
    pub fn join_vlan(&self, vid: u16) -> Result<()> {
        self.request(&[SET_VLAN | ADD, vid.into()], "a VLAN")
    }

    /// Largest frame.
    pub fn set_max_frame(&self, bytes: u32) -> Result<()> {
        self.request(&[SET_MAX_FRAME, bytes], "the largest frame")
    }

    /// All multicast.
    pub fn all_multicast(&self) -> Result<()> {
        self.request(&[SET_PROMISCUOUS | 2 << 16], "all multicast")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A PF that answers the first word with ACK, or NACK for `refuses`.
    struct Pf {
        memory: RefCell<[u32; 16]>,
        status: Cell<u32>,
        refuses: u32,
        asked: RefCell<Vec<[u32; 3]>>,
    }

    impl Pf {
        fn new(refuses: u32) -> Self {
            Self {
                memory: RefCell::new([0; 16]),
                status: Cell::new(RSTI),
                refuses,
                asked: RefCell::new(Vec::new()),
            }
        }
    }

    impl Registers for Pf {
        fn read(&self, offset: u32) -> Result<u32> {
            if offset == reg::V2PMAILBOX {
                let status = self.status.get();
                // Read-clear, as the device does.
                self.status.set(status & VFU);
                return Ok(status);
            }
            Ok(self.memory.borrow()[(offset - reg::VMBMEM) as usize / 4])
        }

        fn write(&self, offset: u32, value: u32) -> Result<()> {
            let mut memory = self.memory.borrow_mut();
            match offset {
                reg::CTRL => self.status.set(RSTD),
                reg::V2PMAILBOX if value & REQ != 0 => {
                    self.asked
                        .borrow_mut()
                        .push([memory[0], memory[1], memory[2]]);
                    let refused = memory[0] & 0xffff == self.refuses;
                    memory[0] |= if refused { ANSWER_NACK } else { ANSWER_ACK };
                    if memory[0] & 0xffff == RESET {
                        (memory[1], memory[2]) = (0x0403_0201, 0x0605);
                    }
                    self.status.set(PFSTS | PFACK);
                }
                reg::V2PMAILBOX => self.status.set(self.status.get() | value & VFU),
                _ => memory[(offset - reg::VMBMEM) as usize / 4] = value,
            }
            Ok(())
        }
    }

    #[test]
    fn a_reset_gives_the_address() {
        let pf = Pf::new(0);
        assert_eq!(Mailbox::new(&pf).reset().unwrap(), Some([1, 2, 3, 4, 5, 6]));
        let pf = Pf::new(RESET);
        assert_eq!(Mailbox::new(&pf).reset().unwrap(), None);
    }

    #[test]
    fn messages_are_those_of_the_drivers() {
        let pf = Pf::new(SET_VLAN);
        let mailbox = Mailbox::new(&pf);
        mailbox.set_mac([2, 0, 0, 0, 0, 9]).unwrap();
        mailbox.set_multicast(&[1, 2, 3]).unwrap();
        assert!(mailbox.join_vlan(100).is_err());
        mailbox.set_max_frame(1522).unwrap();
        let asked = pf.asked.borrow();
        assert_eq!(asked[0], [2, 2, 0x0900]);
        assert_eq!(asked[1], [0x0003_0003, 0x0002_0001, 3]);
        assert_eq!(asked[2][..2], [0x0001_0004, 100]);
        assert_eq!(asked[3][..2], [5, 1522]);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A fake 82576: its registers with the behaviour of the datasheet where QEMU's
//! model falls short of it, and the VFs' side of them. Runs on the host over
//! `tests/host/kernel` and under KUnit over the kernel crate.

// The signatures are those of the kernel crate.
#![allow(clippy::needless_lifetimes)]

use super::queues::{
    Queues,
    PER_VF,
    RX_QUEUES,
    TX_QUEUES_END,
    VTIVAR, //
};
use crate::regs::BAR_SIZE;
use core::cell::Cell;
use kernel::{
    io::{
        IoBackend,
        IoBase,
        IoCapable,
        Region, //
    },
    ptr::KnownSize, //
};

/// Words of BAR0.
pub(crate) const WORDS: usize = BAR_SIZE / 4;

pub(crate) const CTRL: usize = 0x0000;
pub(crate) const STATUS: usize = 0x0008;
pub(crate) const CTRL_EXT: usize = 0x0018;
pub(crate) const ICR: usize = 0x00c0;
pub(crate) const ICS: usize = 0x00c8;
pub(crate) const VMBMEM: usize = 0x0800;
pub(crate) const P2VMAILBOX: usize = 0x0c00;
pub(crate) const V2PMAILBOX: usize = 0x0c40;
pub(crate) const MBVFICR: usize = 0x0c80;
pub(crate) const MBVFIMR: usize = 0x0c84;
pub(crate) const VFLRE: usize = 0x0c88;
pub(crate) const VFRE: usize = 0x0c8c;
pub(crate) const VFTE: usize = 0x0c90;
pub(crate) const EIAC: usize = 0x152c;
pub(crate) const WVBR: usize = 0x3554;
pub(crate) const RTTDQSEL: usize = 0x3604;
pub(crate) const RTTBCNRC: usize = 0x36b0;
pub(crate) const UTA: usize = 0xa000;

/// ICR: a VF wants something.
pub(crate) const VMMB: u32 = 1 << 8;

// V2PMAILBOX.
pub(crate) const REQ: u32 = 1;
pub(crate) const ACK: u32 = 2;
pub(crate) const VFU: u32 = 4;
pub(crate) const PFU: u32 = 8;
pub(crate) const PFSTS: u32 = 0x10;
pub(crate) const PFACK: u32 = 0x20;
pub(crate) const RSTI: u32 = 0x40;
pub(crate) const RSTD: u32 = 0x80;

/// The device; `cells` are its registers, [`WORDS`] of them.
pub(crate) struct Fake<'m> {
    cells: &'m [Cell<u32>],
    /// Queues and what they do.
    pub(crate) queues: Queues<'m>,
    /// V2PMAILBOX of each VF.
    mailboxes: [Cell<u32>; 8],
    /// RTTBCNRC of each queue.
    limits: [Cell<u32>; 16],
    /// The PF has read a V2PMAILBOX, and so taken notices from a VF.
    pub(crate) stolen: Cell<bool>,
    /// Reads and writes by the PF.
    pub(crate) reads: Cell<usize>,
    pub(crate) writes: Cell<usize>,
}

impl<'m> Fake<'m> {
    /// A device after power-up.
    pub(crate) fn new(cells: &'m [Cell<u32>]) -> Self {
        let fake = Self {
            cells,
            queues: Queues::new(),
            mailboxes: [const { Cell::new(0) }; 8],
            limits: [const { Cell::new(0) }; 16],
            stolen: Cell::new(false),
            reads: Cell::new(0),
            writes: Cell::new(0),
        };
        fake.reset();
        fake
    }

    /// A register as it is, without the effects of a read.
    pub(crate) fn get(&self, offset: usize) -> u32 {
        self.cells[offset / 4].get()
    }

    /// Sets a register without the effects of a write.
    pub(crate) fn put(&self, offset: usize, value: u32) {
        self.cells[offset / 4].set(value);
    }

    pub(super) fn set_bits(&self, offset: usize, bits: u32) {
        self.put(offset, self.get(offset) | bits);
    }

    pub(super) fn clear_bits(&self, offset: usize, bits: u32) {
        self.put(offset, self.get(offset) & !bits);
    }

    fn take(&self, offset: usize) -> u32 {
        self.cells[offset / 4].replace(0)
    }

    /// A reset of the PF: filters and the like become undefined, which here is
    /// what hurts most, all ones.
    fn reset(&self) {
        for (index, cell) in self.cells.iter().enumerate() {
            let undefined = match index * 4 {
                0x5200..0x5800 | 0x5d00..0x5d80 | UTA..0xa200 => !0,
                _ => 0,
            };
            cell.set(undefined);
        }
        for mailbox in &self.mailboxes {
            mailbox.set(RSTI);
        }
        for limit in &self.limits {
            limit.set(0);
        }
        self.put(VFRE, 0xff);
        self.put(VFTE, 0xff);
    }

    /// A read by the PF.
    fn read(&self, offset: usize) -> u32 {
        self.reads.set(self.reads.get() + 1);
        match offset {
            ICR | WVBR => self.take(offset),
            P2VMAILBOX..0x0c20 => self.mailboxes[(offset - P2VMAILBOX) / 4].get() & (VFU | PFU),
            V2PMAILBOX..0x0c60 => {
                self.stolen.set(true);
                self.vf_read((offset - V2PMAILBOX) / 4)
            }
            RTTDQSEL | RTTBCNRC | UTA..0xa200 => 0,
            _ => self.get(offset),
        }
    }

    /// A write by the PF.
    fn write(&self, offset: usize, value: u32) {
        self.writes.set(self.writes.get() + 1);
        match offset {
            STATUS => {}
            PER_VF..0x1_0800 => self.write_vf((offset - PER_VF) / 0x100, offset % 0x100, value),
            RX_QUEUES..TX_QUEUES_END => self.write_queue(offset, value),
            VTIVAR..0x1_1720 => self.write_vtivar((offset - VTIVAR) / 4, value),
            ICS => self.set_bits(ICR, value),
            V2PMAILBOX..0x0c60 => self.vf_write((offset - V2PMAILBOX) / 4, value),
            CTRL if value & 1 << 26 != 0 => self.reset(),
            CTRL_EXT => {
                if value & 1 << 14 != 0 {
                    for mailbox in &self.mailboxes {
                        mailbox.set(mailbox.get() & !RSTI | RSTD);
                    }
                }
                self.put(offset, value & !(1 << 14));
            }
            MBVFICR | VFLRE => self.clear_bits(offset, value),
            EIAC => self.set_bits(offset, value),
            VFRE | VFTE => self.put(offset, value & 0xff),
            P2VMAILBOX..0x0c20 => self.write_p2v((offset - P2VMAILBOX) / 4, value),
            RTTBCNRC => self.limits[self.get(RTTDQSEL) as usize & 15].set(value),
            _ => self.put(offset, value),
        }
    }

    fn write_p2v(&self, vf: usize, value: u32) {
        let mut mailbox = self.mailboxes[vf].get();
        if value & 1 != 0 {
            mailbox |= PFSTS;
        }
        if value & 2 != 0 {
            mailbox |= PFACK;
        }
        if value & 0x10 != 0 {
            mailbox &= !VFU;
            self.clear_bits(MBVFICR, 0x1_0001 << vf);
        }
        if value & PFU == 0 {
            mailbox &= !PFU;
        } else if mailbox & VFU == 0 {
            mailbox |= PFU;
        }
        self.mailboxes[vf].set(mailbox);
    }

    /// VF `vf` reads V2PMAILBOX.
    pub(crate) fn vf_read(&self, vf: usize) -> u32 {
        let mailbox = self.mailboxes[vf].get();
        self.mailboxes[vf].set(mailbox & !(PFSTS | PFACK | RSTD));
        mailbox
    }

    /// VF `vf` writes V2PMAILBOX.
    pub(crate) fn vf_write(&self, vf: usize, value: u32) {
        let mut mailbox = self.mailboxes[vf].get();
        if value & VFU == 0 {
            mailbox &= !VFU;
        } else if mailbox & PFU == 0 {
            mailbox |= VFU;
        }
        self.mailboxes[vf].set(mailbox);
        if value & REQ != 0 {
            self.set_bits(MBVFICR, 1 << vf);
        }
        if value & ACK != 0 {
            self.set_bits(MBVFICR, 1 << (16 + vf));
        }
        if value & (REQ | ACK) != 0 && self.get(MBVFIMR) & 1 << vf != 0 {
            self.set_bits(ICR, VMMB);
        }
    }

    /// VF `vf` sends a message: lock, write, notice.
    pub(crate) fn vf_send(&self, vf: usize, words: &[u32]) {
        self.vf_write(vf, VFU);
        assert!(self.vf_read(vf) & VFU != 0);
        for (index, &word) in words.iter().enumerate() {
            self.put(VMBMEM + 0x40 * vf + 4 * index, word);
        }
        self.vf_write(vf, REQ);
    }

    /// VF `vf` looks for a message, reads its first `N` words and says so.
    pub(crate) fn vf_receive<const N: usize>(&self, vf: usize) -> Option<[u32; N]> {
        if self.vf_read(vf) & PFSTS == 0 {
            return None;
        }
        let words = core::array::from_fn(|i| self.get(VMBMEM + 0x40 * vf + 4 * i));
        self.vf_write(vf, ACK);
        Some(words)
    }

    /// VF `vf` is reset, by VTCTRL or by FLR.
    pub(crate) fn vf_reset(&self, vf: usize) {
        self.clear_bits(VFRE, 1 << vf);
        self.clear_bits(VFTE, 1 << vf);
        self.stop_queues(vf);
        self.set_bits(VFLRE, 1 << vf);
        self.set_bits(ICR, VMMB);
    }

    /// The rate limit of a queue: whole and fraction of its factor.
    pub(crate) fn limit(&self, queue: usize) -> Option<(u32, u32)> {
        let value = self.limits[queue].get();
        (value & 1 << 31 != 0).then_some((value >> 14 & 0x3fff, value & 0x3fff))
    }
}

/// The backend of [`Fake`].
pub(crate) struct FakeBackend;

/// A view of the registers of a [`Fake`]; the pointer is an offset.
pub(crate) struct FakeView<'a, T: ?Sized> {
    fake: &'a Fake<'a>,
    at: *mut T,
}

impl<T: ?Sized> Copy for FakeView<'_, T> {}
impl<T: ?Sized> Clone for FakeView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, T: ?Sized + KnownSize> IoBase<'a> for FakeView<'a, T> {
    type Backend = FakeBackend;
    type Target = T;

    fn as_view(self) -> Self {
        self
    }
}

impl IoBackend for FakeBackend {
    type View<'a, T: ?Sized + KnownSize> = FakeView<'a, T>;

    fn as_ptr<'a, T: ?Sized + KnownSize>(view: Self::View<'a, T>) -> *mut T {
        view.at
    }

    unsafe fn project_view<'a, T: ?Sized + KnownSize, U: ?Sized + KnownSize>(
        view: Self::View<'a, T>,
        ptr: *mut U,
    ) -> Self::View<'a, U> {
        FakeView {
            fake: view.fake,
            at: ptr,
        }
    }
}

impl IoCapable<u32> for FakeBackend {
    fn io_read<'a>(view: Self::View<'a, u32>) -> u32 {
        view.fake.read(view.at.addr())
    }

    fn io_write<'a>(view: Self::View<'a, u32>, value: u32) {
        view.fake.write(view.at.addr(), value)
    }
}

/// BAR0 of the fake.
pub(crate) type FakeBar<'a> = FakeView<'a, Region<BAR_SIZE>>;

impl<'m> Fake<'m> {
    /// BAR0 as the driver sees it.
    pub(crate) fn bar(&self) -> FakeBar<'_> {
        FakeView {
            fake: self,
            at: Region::ptr_from_raw_parts_mut(core::ptr::null_mut(), BAR_SIZE),
        }
    }
}

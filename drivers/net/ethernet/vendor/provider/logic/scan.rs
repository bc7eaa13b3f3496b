// SPDX-License-Identifier: GPL-2.0

//! The scan of a receive ring: which memory the device has written to. Pure.
//!
//! The device overwrites the addresses in a descriptor that it is done with. So they are
//! read before the device gets the descriptor, which is when the driver is about to move
//! the tail (*harvest*), and looked up when the head has passed it (*retire*).
//!
//! All that a driver sets may be nonsense. Each call reads at most each descriptor of the
//! ring once more than it must, and positions beyond the end of the ring are those of a
//! device that does nothing.

#[cfg(vfm_faults)]
use super::faults::Faults;
use super::{
    contexts::{
        Descriptor,
        CHUNK, //
    },
    marks::Together,
    queues::DESCRIPTOR,
    shape::{
        is_done,
        Before,
        Shape, //
    }, //
};

/// Longest ring that can be scanned, in descriptors.
pub(crate) const MAX_DESCRIPTORS: usize = 4096;

/// A descriptor that offers nothing.
pub(crate) const NULL: Descriptor = [0; 2];

/// The memory of the guest, as the VF sees it.
pub(crate) trait Guest {
    /// Why it cannot be read, other than that there is none.
    type Error;

    /// Reads descriptors from `iova` on; `false` where the VF sees no memory.
    fn read(&mut self, iova: u64, room: &mut [Descriptor]) -> Result<bool, Self::Error>;

    /// The device has written there. Neither null nor beyond the end of all addresses.
    fn mark(&mut self, iova: u64, len: u64);
}

/// A ring with more than [`MAX_DESCRIPTORS`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooLong;

/// Where a ring is, and what its descriptors are like.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct RxRing {
    base: u64,
    count: u16,
    shape: Shape,
}

/// Cuts `len` descriptors from `first` on into runs of at most [`CHUNK`] that are in one
/// piece in a ring of `count`.
fn runs(count: u16, first: u16, len: u16) -> impl Iterator<Item = (u16, u16)> {
    let (mut at, mut left) = (first, len);
    // A chunk is a few.
    let chunk = u16::try_from(CHUNK).unwrap_or(1);
    core::iter::from_fn(move || {
        let run = left.min(count.saturating_sub(at)).min(chunk);
        if run == 0 {
            return None;
        }
        let this = (at, run);
        left -= run;
        at += run;
        if at == count {
            at = 0;
        }
        Some(this)
    })
}

impl RxRing {
    /// With its base, and its length in bytes.
    pub(crate) fn new(base: u64, length: u32, shape: Shape) -> Result<Self, TooLong> {
        let count = usize::try_from(length / DESCRIPTOR).map_err(|_| TooLong)?;
        if count > MAX_DESCRIPTORS {
            return Err(TooLong);
        }
        let count = u16::try_from(count).map_err(|_| TooLong)?;
        Ok(Self { base, count, shape })
    }

    /// Where `len` descriptors from `index` on are; [`None`] if they are beyond the end of
    /// all addresses.
    fn address(&self, index: u16, len: u16) -> Option<u64> {
        let bytes = |descriptors: u16| u64::from(descriptors) * u64::from(DESCRIPTOR);
        let start = self.base.checked_add(bytes(index))?;
        start.checked_add(bytes(len)).map(|_| start)
    }

    /// How many descriptors are from `from` to before `to`; none if either is no position.
    fn distance(&self, from: u16, to: u16) -> u16 {
        if from >= self.count || to >= self.count {
            return 0;
        }
        if to >= from {
            to - from
        } else {
            self.count - from + to
        }
    }

    /// The position `by` further than `from`.
    fn advance(&self, from: u16, by: u16) -> u16 {
        let left = self.count.saturating_sub(from);
        if by >= left {
            by - left
        } else {
            from + by
        }
    }

    /// Reads a run; descriptors where the VF sees no memory offer nothing to it either.
    fn read_run<G: Guest>(
        &self,
        first: u16,
        room: &mut [Descriptor],
        guest: &mut G,
    ) -> Result<(), G::Error> {
        let len = u16::try_from(room.len()).unwrap_or(0);
        if let Some(iova) = self.address(first, len) {
            if guest.read(iova, room)? {
                return Ok(());
            }
        }
        for (index, place) in (first..).zip(room.chunks_mut(1)) {
            let there = match self.address(index, 1) {
                Some(iova) => guest.read(iova, place)?,
                None => false,
            };
            if !there {
                place.fill(NULL);
            }
        }
        Ok(())
    }
}

/// Says that the device has written `len` bytes at `address`, where the range may go over
/// the end of all addresses. (Of these the last byte is left out.)
fn mark<G: Guest>(guest: &mut G, (address, len): (u64, u32)) {
    let len = u64::from(len);
    let left = u64::MAX - address;
    let before = len.min(left);
    if before != 0 {
        guest.mark(address, before);
    }
    let rest = len.saturating_sub(left).saturating_sub(1);
    if rest != 0 {
        guest.mark(0, rest);
    }
}

/// The scan of a ring that is in use. With it go the descriptors that were harvested, each
/// at its index: at least [`MAX_DESCRIPTORS`] of them.
///
/// Those from `head` to `tail` are the device's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RxScan {
    ring: RxRing,
    head: u16,
    tail: u16,
    /// What the descriptor before `head` was.
    before: Before,
    #[cfg(vfm_faults)]
    faults: Faults,
}

impl RxScan {
    /// Takes up a ring as it is: harvests what the device may use. Errors: it cannot be
    /// read.
    pub(crate) fn take_up<G: Guest>(
        ring: RxRing,
        head: u16,
        tail: u16,
        slots: &mut [Descriptor],
        guest: &mut G,
    ) -> Result<Self, G::Error> {
        let scan = Self {
            ring,
            head,
            tail,
            before: Before::Unknown,
            #[cfg(vfm_faults)]
            faults: Faults::default(),
        };
        scan.harvest(head, ring.distance(head, tail), slots, guest)?;
        Ok(scan)
    }

    /// What was used up to `head` is none of the scan's: it was not yet to be known.
    pub(crate) fn skip_to(&mut self, head: u16) {
        self.head = head;
    }

    fn harvest<G: Guest>(
        &self,
        first: u16,
        len: u16,
        slots: &mut [Descriptor],
        guest: &mut G,
    ) -> Result<(), G::Error> {
        for (at, run) in runs(self.ring.count, first, len) {
            let end = usize::from(at) + usize::from(run);
            if let Some(room) = slots.get_mut(usize::from(at)..end) {
                self.ring.read_run(at, room, guest)?;
            }
        }
        Ok(())
    }

    /// The device is at `head`: tells what it has written since it was last looked at.
    pub(crate) fn retire<G: Guest>(&mut self, head: u16, slots: &[Descriptor], guest: &mut G) {
        let passed = self.ring.distance(self.head, head);
        let mut chunk = [NULL; CHUNK];
        let mut together = Together::new(guest);
        let guest = &mut together;
        for (at, run) in runs(self.ring.count, self.head, passed) {
            let Some(room) = chunk.get_mut(..usize::from(run)) else {
                continue;
            };
            if self.ring.read_run(at, room, guest).is_err() {
                // How much was written is not known then.
                room.fill(NULL);
            }
            for (index, &now) in (at..).zip(&*room) {
                let posted = slots.get(usize::from(index)).copied().unwrap_or(NULL);
                let (buffers, this) = self.ring.shape.written(posted, now, self.before);
                self.before = this;
                for buffer in buffers.into_iter().flatten() {
                    self.mark_buffer(buffer, guest);
                }
            }
            self.mark_ring(at, run, guest);
        }
        together.tell();
        self.head = head;
    }

    #[cfg(not(vfm_faults))]
    fn mark_buffer<G: Guest>(&self, buffer: (u64, u32), guest: &mut G) {
        mark(guest, buffer);
    }

    #[cfg(vfm_faults)]
    fn mark_buffer<G: Guest>(&mut self, buffer: (u64, u32), guest: &mut G) {
        for part in self.faults.told(buffer) {
            mark(guest, part);
        }
    }

    fn mark_ring<G: Guest>(&self, first: u16, len: u16, guest: &mut G) {
        if let Some(iova) = self.ring.address(first, len) {
            guest.mark(iova, u64::from(len) * u64::from(DESCRIPTOR));
        }
    }

    /// The tail is about to be moved to `tail`: harvests what the device will get by that.
    /// [`retire`](Self::retire) comes first, for what is posted again was used. Errors: the
    /// ring cannot be read.
    pub(crate) fn post<G: Guest>(
        &mut self,
        tail: u16,
        slots: &mut [Descriptor],
        guest: &mut G,
    ) -> Result<(), G::Error> {
        let had = self.ring.distance(self.head, self.tail);
        let has = self.ring.distance(self.head, tail);
        let first = self.ring.advance(self.head, had);
        self.tail = tail;
        self.harvest(first, has.saturating_sub(had), slots, guest)
    }

    /// Where head and tail are, as far as was looked.
    pub(crate) fn positions(&self) -> (u16, u16) {
        (self.head, self.tail)
    }

    /// The tail is there in fact.
    pub(crate) fn set_tail(&mut self, tail: u16) {
        self.tail = tail;
    }

    /// The head is about to be moved to `head`: harvests what the device will get by that,
    /// beside what it has. Errors: the ring cannot be read.
    pub(crate) fn reach_back<G: Guest>(
        &self,
        head: u16,
        slots: &mut [Descriptor],
        guest: &mut G,
    ) -> Result<(), G::Error> {
        let had = self.ring.distance(self.head, self.tail);
        let has = self.ring.distance(head, self.tail);
        self.harvest(head, has.saturating_sub(had), slots, guest)
    }

    /// The head has been moved to `head`: it no longer tells what was used until then, but
    /// descriptors do. Those the device may get as they are now.
    pub(crate) fn rewound<G: Guest>(&mut self, head: u16, slots: &mut [Descriptor], guest: &mut G) {
        let had = self.ring.distance(self.head, self.tail);
        let mut together = Together::new(guest);
        let guest = &mut together;
        for (at, run) in runs(self.ring.count, self.head, had) {
            for index in at..at.saturating_add(run) {
                let mut now = [NULL];
                let Some(slot) = slots.get_mut(usize::from(index)) else {
                    continue;
                };
                if self.ring.read_run(index, &mut now, guest).is_err() {
                    continue;
                }
                let [now] = now;
                if is_done(*slot, now) {
                    // What it tells may be of a second use, since the head was moved.
                    for buffer in self.ring.shape.buffers(*slot).into_iter().flatten() {
                        mark(guest, buffer);
                    }
                    self.mark_ring(index, 1, guest);
                    *slot = now;
                }
            }
        }
        together.tell();
        self.head = head;
        self.before = Before::Unknown;
    }
}

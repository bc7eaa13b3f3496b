// SPDX-License-Identifier: GPL-2.0

//! Transmit offload contexts. Pure.
//!
//! The device keeps, for each queue, the last context descriptor of each of two
//! indices, and nobody can read them. Some drivers write one for each packet, some
//! rely on one for as long as nothing changes: so the last ones are looked for in the
//! ring, backwards from the head, and put before the device again elsewhere.

use super::{
    queues::Ring,
    state::QUEUES, //
};

/// Indices of contexts of a queue.
pub(crate) const INDICES: usize = 2;

/// A descriptor as it is in memory: two little-endian words.
pub(crate) type Descriptor = [u64; 2];

/// Advanced descriptor, in both of these.
const ADVANCED: u64 = 1 << 29;
const TYPE: u64 = 0xf << 20;
const CONTEXT: u64 = 0x2 << 20;
const DATA: u64 = 0x3 << 20;
/// The packet ends here.
const EOP: u64 = 1 << 24;
/// Report when done.
const REPORT: u64 = 1 << 27;
/// Insert the context's VLAN.
const VLAN: u64 = 1 << 30;
/// Segment by the context.
const SEGMENT: u64 = 1 << 31;
/// Of a data descriptor: check the context, insert checksums by it.
const NEEDS: u64 = 0x3f80_u64 << 32;
/// Where both kinds have the index of the context.
const INDEX_SHIFT: u32 = 32 + 4;

/// A context descriptor.
///
/// # Invariants
///
/// It is one, and the device does not report it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Context(Descriptor);

/// Index of the context that a descriptor speaks of.
fn index(words: Descriptor) -> usize {
    let [_, second] = words;
    if second >> INDEX_SHIFT & 1 == 0 {
        0
    } else {
        1
    }
}

impl Context {
    /// Takes `words` for a context; [`None`] if they are something else.
    pub(crate) fn new(words: Descriptor) -> Option<Self> {
        let [first, second] = words;
        // INVARIANT: Checked here, and without the bit that asks for a report.
        (second & (ADVANCED | TYPE) == ADVANCED | CONTEXT)
            .then_some(Self([first, second & !REPORT]))
    }

    /// Which of a queue's contexts it is.
    pub(crate) fn index(self) -> usize {
        index(self.0)
    }

    /// The descriptor.
    pub(crate) fn words(self) -> Descriptor {
        self.0
    }
}

/// Which context a descriptor needs, if it is one of data that needs any.
fn needs(words: Descriptor) -> Option<usize> {
    let [_, second] = words;
    if second & (ADVANCED | TYPE) != ADVANCED | DATA {
        return None;
    }
    (second & (VLAN | SEGMENT | NEEDS) != 0).then(|| index(words))
}

/// Contexts of one queue, by index.
pub(crate) type QueueContexts = [Option<Context>; INDICES];

/// Contexts of all queues.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Contexts(pub(crate) [QueueContexts; QUEUES]);

/// Why a queue cannot be moved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ContextFault<E> {
    /// Packets need the context of this index, which the ring no longer holds.
    Gone(usize),
    /// A descriptor cannot be read.
    Unreadable(E),
}

/// Descriptors that are read at a time.
pub(crate) const CHUNK: usize = 32;

/// Reads descriptors a chunk at a time.
struct Cached<F> {
    fetch: F,
    chunk: [Descriptor; CHUNK],
    /// First descriptor of the chunk, if there is one.
    first: Option<u16>,
}

impl<E, F: FnMut(u16, &mut [Descriptor]) -> Result<(), E>> Cached<F> {
    fn get(&mut self, ring: &Ring, at: u16) -> Result<Descriptor, E> {
        let offset = usize::from(at) % CHUNK;
        // Offsets within a chunk are small.
        let first = at.saturating_sub(u16::try_from(offset).unwrap_or(0));
        if self.first != Some(first) {
            self.first = None;
            let left = ring.descriptors().saturating_sub(u32::from(first));
            let count = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            if let Some(room) = self.chunk.get_mut(..count) {
                (self.fetch)(first, room)?;
            }
            self.first = Some(first);
        }
        Ok(self.chunk.get(offset).copied().unwrap_or([0; 2]))
    }
}

/// Finds the contexts that the device holds of a queue. `fetch` reads descriptors of
/// the ring from an index on; `ring` has been checked.
///
/// The walk goes back from the head to the tail, over what the device has sent, and
/// then over what is queued. A context that is needed and not there is an error even
/// if nothing queued needs it, if what was sent tells that the driver relies on it and
/// will not write it again: a packet needed it, and it did not come right before.
pub(crate) fn find<E>(
    ring: &Ring,
    fetch: impl FnMut(u16, &mut [Descriptor]) -> Result<(), E>,
) -> Result<QueueContexts, ContextFault<E>> {
    let mut memory = Cached {
        fetch,
        chunk: [[0; 2]; CHUNK],
        first: None,
    };
    let mut read = |at| memory.get(ring, at).map_err(ContextFault::Unreadable);
    let total = ring.descriptors();
    let mut found: QueueContexts = [None; INDICES];
    let mut relied_on = [false; INDICES];
    // Of the packet that the walk is in the midst of.
    let mut wanted = None;
    let mut at = u32::from(ring.head);
    for _ in 0..total.saturating_sub(ring.queued()) {
        at = at.checked_sub(1).unwrap_or(total.saturating_sub(1));
        let words = read(u16::try_from(at).unwrap_or(0))?;
        if let Some(context) = Context::new(words) {
            if let Some(place) = found.get_mut(context.index()) {
                place.get_or_insert(context);
            }
            if wanted == Some(context.index()) {
                wanted = None;
            }
        } else {
            let before = wanted.filter(|_| ends_packet(words));
            if let Some(relied_on) = before.and_then(|index| relied_on.get_mut(index)) {
                *relied_on = true;
            }
            let goes_on = wanted.filter(|_| !ends_packet(words));
            wanted = needs(words).or(goes_on);
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    let mut there = found.map(|context| context.is_some());
    // A packet's first descriptor tells what all of it needs.
    let mut begins = true;
    let mut at = u32::from(ring.head);
    for _ in 0..ring.queued() {
        let words = read(u16::try_from(at).unwrap_or(0))?;
        if let Some(context) = Context::new(words) {
            if let Some(there) = there.get_mut(context.index()) {
                *there = true;
            }
        } else {
            let missing = needs(words).filter(|&index| there.get(index) == Some(&false));
            if let Some(index) = missing.filter(|_| begins) {
                return Err(ContextFault::Gone(index));
            }
            begins = ends_packet(words);
        }
        at = if at + 1 >= total { 0 } else { at + 1 };
    }
    match gone(relied_on, there) {
        Some(index) => Err(ContextFault::Gone(index)),
        None => Ok(found),
    }
}

/// Whether a packet ends with a descriptor that is no context; so it does with one that
/// the device has written over.
fn ends_packet([_, second]: Descriptor) -> bool {
    second & EOP != 0 || second & ADVANCED == 0
}

/// The first index that is needed and not there.
fn gone(needed: [bool; INDICES], there: [bool; INDICES]) -> Option<usize> {
    needed
        .iter()
        .zip(there)
        .position(|(&needed, there)| needed && !there)
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_contexts))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const LEN: usize = 64;

    /// A context of index `index` that tells of VLAN `vlan`.
    fn context(index: u64, vlan: u64) -> Descriptor {
        [
            vlan << 16 | 14 << 9 | 20,
            ADVANCED | CONTEXT | index << INDEX_SHIFT,
        ]
    }

    /// A packet that needs the context of index `index`, or none.
    fn packet(index: Option<u64>) -> Descriptor {
        let offload = index.map_or(0, |index| VLAN | index << INDEX_SHIFT);
        [0x1000, ADVANCED | DATA | EOP | REPORT | offload | 60]
    }

    struct Driver {
        slots: [Descriptor; LEN],
        tail: u16,
        laps: u32,
    }

    impl Driver {
        fn new() -> Self {
            Self {
                slots: [[0; 2]; LEN],
                tail: 0,
                laps: 0,
            }
        }

        fn put(&mut self, words: Descriptor) {
            self.slots[usize::from(self.tail)] = words;
            self.tail += 1;
            if usize::from(self.tail) == LEN {
                self.tail = 0;
                self.laps += 1;
            }
        }

        /// With the last `queued` descriptors still to be sent.
        fn find(&self, queued: u16) -> Result<QueueContexts, ContextFault<()>> {
            let len = LEN as u16;
            let ring = Ring {
                base: 0,
                length: 16 * LEN as u32,
                head: (self.tail + len - queued) % len,
                tail: self.tail,
            };
            find(&ring, |first, room| {
                let first = usize::from(first);
                room.copy_from_slice(&self.slots[first..first + room.len()]);
                Ok(())
            })
        }
    }

    fn both(zero: Option<Descriptor>, one: Option<Descriptor>) -> QueueContexts {
        [zero.and_then(Context::new), one.and_then(Context::new)]
    }

    #[test]
    fn the_last_of_each_index_is_found() {
        let mut driver = Driver::new();
        assert_eq!(driver.find(0), Ok([None; 2]));
        driver.put(context(0, 5));
        driver.put(packet(Some(0)));
        driver.put(context(1, 6));
        driver.put(packet(Some(1)));
        driver.put(context(0, 7));
        driver.put(packet(None));
        assert_eq!(
            driver.find(0),
            Ok(both(Some(context(0, 7)), Some(context(1, 6))))
        );
        // What is queued the device has not seen.
        assert_eq!(
            driver.find(2),
            Ok(both(Some(context(0, 5)), Some(context(1, 6))))
        );
    }

    #[test]
    fn a_driver_that_reuses_is_followed_over_the_end_of_the_ring() {
        let mut driver = Driver::new();
        for _ in 0..LEN - 4 {
            driver.put(packet(None));
        }
        driver.put(context(0, 9));
        for _ in 0..20 {
            driver.put(packet(Some(0)));
        }
        assert_eq!(driver.laps, 1);
        for queued in 0..20 {
            assert_eq!(driver.find(queued), Ok(both(Some(context(0, 9)), None)));
        }
        // The context is queued itself, with all that needs it.
        assert_eq!(driver.find(21), Ok([None; 2]));
    }

    #[test]
    fn a_context_that_has_left_the_ring_is_missed() {
        let mut driver = Driver::new();
        driver.put(context(1, 9));
        for _ in 0..LEN - 1 {
            driver.put(packet(Some(1)));
        }
        assert_eq!(driver.find(0), Ok(both(None, Some(context(1, 9)))));
        driver.put(packet(Some(1)));
        for queued in [0, 1, 30, 63] {
            assert_eq!(driver.find(queued), Err(ContextFault::Gone(1)));
        }
        // Until it is written again.
        driver.put(context(1, 9));
        assert_eq!(driver.find(0), Ok(both(None, Some(context(1, 9)))));
        assert_eq!(driver.find(1), Ok([None; 2]));
        assert_eq!(driver.find(2), Err(ContextFault::Gone(1)));
    }

    #[test]
    fn a_driver_that_writes_one_for_each_packet_can_always_be_moved() {
        let mut driver = Driver::new();
        for step in 0..5 * LEN {
            // Few packets need one, so that now and then none is left in the ring.
            if step % 50 == 0 {
                driver.put(context(0, 9));
                let [address, second] = packet(Some(0));
                driver.put([address, second & !EOP]);
            }
            driver.put(packet(None));
            for queued in [0, 1, 5, 40, 63] {
                assert!(driver.find(queued).is_ok());
            }
        }
    }

    #[test]
    fn only_what_is_queued_may_need_it() {
        let mut driver = Driver::new();
        driver.put(context(0, 9));
        for _ in 0..LEN {
            driver.put(packet(None));
        }
        assert_eq!(driver.find(0), Ok([None; 2]));
        driver.put(packet(Some(0)));
        assert_eq!(driver.find(1), Err(ContextFault::Gone(0)));
    }

    #[test]
    fn a_packets_further_descriptors_tell_nothing() {
        let mut driver = Driver::new();
        let [address, second] = packet(None);
        driver.put([address, second & !EOP]);
        driver.put(packet(Some(1)));
        assert_eq!(driver.find(2), Ok([None; 2]));
    }

    #[test]
    fn a_context_is_never_reported() {
        let [first, second] = context(1, 3);
        let reported = Context::new([first, second | REPORT]);
        assert_eq!(reported.map(Context::words), Some([first, second]));
        assert_eq!(Context::new(packet(Some(1))), None);
        assert_eq!(Context::new([0; 2]), None);
    }

    #[test]
    fn rings_that_cannot_be_read_are_told_of() {
        let ring = Ring {
            base: 0,
            length: 128,
            head: 1,
            tail: 1,
        };
        assert_eq!(
            find(&ring, |_, _| Err(14)),
            Err(ContextFault::Unreadable(14))
        );
        assert_eq!(find(&Ring::default(), |_, _| Err(14)), Ok([None; 2]));
    }
}

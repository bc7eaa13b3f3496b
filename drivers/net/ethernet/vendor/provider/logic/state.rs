// SPDX-License-Identifier: GPL-2.0

//! The state of a VF that is stopped, as its driver could tell it. Pure.

use super::{
    contexts::Contexts,
    queues::{
        Ring,
        RxQueue,
        TxQueue, //
    },
    statistics::Statistics, //
};
use crate::vf::logic::{
    exchange::Mailbox,
    state::{
        AdminState,
        GuestState, //
    }, //
};

/// Queues of a VF, of each kind.
pub(crate) const QUEUES: usize = 2;

/// Vectors of a VF.
pub(crate) const VECTORS: usize = 3;

/// All vectors, a bit each.
pub(crate) const ALL_VECTORS: u8 = 0b111;

/// Marks an entry of the vector tables as in use.
const ENTRY_VALID: u8 = 0x80;

/// What of a throttle register is the driver's: the interval, and whether it is cut
/// short for packets that cannot wait. The rest are counters.
const THROTTLE: u32 = 0xfffc;

/// How a VF's interrupts are set up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Interrupts {
    /// Vectors that may fire, a bit each.
    pub(crate) enabled: u8,
    /// Vectors whose cause clears when they fire.
    pub(crate) auto_clear: u8,
    /// Vectors that are masked when they fire.
    pub(crate) auto_mask: u8,
    /// Vectors of queue 0's receive and transmit, then queue 1's.
    pub(crate) queues: [u8; 2 * QUEUES],
    /// Vector of the mailbox.
    pub(crate) mailbox: u8,
    /// Throttles of the vectors, as the registers hold them.
    pub(crate) throttles: [u32; VECTORS],
}

impl Interrupts {
    /// Without what has no meaning: of registers that a guest may have filled with
    /// anything, what the device heeds.
    pub(crate) fn sanitized(self) -> Self {
        Self {
            enabled: self.enabled & ALL_VECTORS,
            auto_clear: self.auto_clear & ALL_VECTORS,
            auto_mask: self.auto_mask & ALL_VECTORS,
            queues: self.queues.map(sanitized_entry),
            mailbox: sanitized_entry(self.mailbox),
            throttles: self.throttles.map(|throttle| throttle & THROTTLE),
        }
    }

    /// Whether it is what [`sanitized`](Self::sanitized) may give.
    pub(crate) fn is_valid(&self) -> bool {
        self.sanitized() == *self
    }

    /// The vector that is the mailbox's and no queue's, as a bit; 0 if there is none.
    pub(crate) fn of_mailbox_alone(&self) -> u8 {
        let bit = |entry: u8| match sanitized_entry(entry) {
            0 => 0,
            entry => 1u8 << (entry & 0b11),
        };
        let of_queues = self.queues.iter().fold(0, |bits, &entry| bits | bit(entry));
        bit(self.mailbox) & !of_queues
    }
}

/// A vector beyond the VF's own would be its neighbour's.
fn sanitized_entry(entry: u8) -> u8 {
    let entry = entry & (ENTRY_VALID | 0b11);
    let vector = usize::from(entry & 0b11);
    if entry & ENTRY_VALID == 0 || vector >= VECTORS {
        return 0;
    }
    entry
}

/// All that registers hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Device {
    /// Receive queues.
    pub(crate) rx: [RxQueue; QUEUES],
    /// Transmit queues.
    pub(crate) tx: [TxQueue; QUEUES],
    /// Shapes of packets whose headers are split off.
    pub(crate) split_types: u32,
    /// Interrupts.
    pub(crate) interrupts: Interrupts,
}

impl Device {
    /// With queues that have nothing to do.
    pub(crate) fn without_posted(self) -> Self {
        let idle = |ring: Ring| Ring {
            tail: ring.head,
            ..ring
        };
        Self {
            rx: self.rx.map(|queue| RxQueue {
                ring: idle(queue.ring),
                ..queue
            }),
            tx: self.tx.map(|queue| TxQueue {
                ring: idle(queue.ring),
                ..queue
            }),
            ..self
        }
    }
}

/// All that only a VF that is stopped can tell.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stopped {
    /// What registers hold.
    pub(crate) device: Device,
    /// What the PF holds of the mailbox.
    pub(crate) mailbox: Mailbox,
    /// What the guest sees in its counters.
    pub(crate) statistics: Statistics,
    /// What the device holds of offloads.
    pub(crate) contexts: Contexts,
}

/// What the PF's driver knows of a VF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Known {
    /// What the administrator has set. Stated, to be compared; never loaded.
    pub(crate) admin: AdminState,
    /// What the guest has set.
    pub(crate) guest: GuestState,
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_state))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn no_vector_but_the_vfs_own_is_kept() {
        let interrupts = Interrupts {
            enabled: 0xff,
            auto_clear: 0xf2,
            auto_mask: 4,
            queues: [0x80, 0x81, 0x83, 0x02],
            mailbox: 0xfe,
            throttles: [0x8000_01e8, 0xffff_ffff, 3],
        };
        assert!(!interrupts.is_valid());
        let kept = interrupts.sanitized();
        assert!(kept.is_valid());
        assert_eq!((kept.enabled, kept.auto_clear, kept.auto_mask), (7, 2, 4));
        assert_eq!(kept.queues, [0x80, 0x81, 0, 0]);
        assert_eq!(kept.mailbox, 0x82);
        assert_eq!(kept.throttles, [0x1e8, 0xfffc, 0]);
    }
}

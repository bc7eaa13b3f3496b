// SPDX-License-Identifier: GPL-2.0

//! Properties of the log of what a VF writes that hold whatever its driver does.

use crate::{
    fake::user,
    provider::logic::{
        contexts::Descriptor,
        scan::{Guest, RxRing, RxScan, MAX_DESCRIPTORS, NULL},
        shape::Shape,
    },
};
use proptest::prelude::*;

/// Memory of which some is there, and holds anything; it counts what is asked of it.
struct Noise {
    fill: Vec<Descriptor>,
    reads: usize,
}

impl Guest for Noise {
    type Error = ();

    fn read(&mut self, iova: u64, room: &mut [Descriptor]) -> Result<bool, ()> {
        let bytes = room.len() as u64 * 16;
        assert!(iova.checked_add(bytes).is_some());
        self.reads += room.len();
        for (at, place) in (iova / 16..).zip(&mut *room) {
            *place = self.fill[at as usize % self.fill.len()];
        }
        // Pages that are a multiple of three are not there.
        Ok((iova..iova + bytes)
            .step_by(16)
            .all(|at| at >> 12 != 0 && (at >> 12) % 3 != 0))
    }

    fn mark(&mut self, iova: u64, len: u64) {
        assert!(len != 0 && iova.checked_add(len).is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What the device has written is marked, and nothing else: whatever its driver does
    /// that drivers do, in whatever order.
    #[test]
    fn what_is_written_is_what_is_marked(numbers in prop::collection::vec(any::<u32>(), 100..2000)) {
        let mut at = 0;
        user::run(500, &mut |bound| {
            at += 1;
            // Other numbers in each round, or steps would repeat.
            let round = (at / numbers.len()) as u32;
            (numbers[at % numbers.len()] ^ round.wrapping_mul(0x9e37_79b9)) % bound.max(1)
        });
    }

    /// Any ring and any positions: work is bounded by the ring, and all stays in bounds.
    #[test]
    fn any_ring_is_scanned(
        base in prop_oneof![any::<u64>(), (0u64..1 << 20), Just(u64::MAX - 0x7f)],
        length in 0u32..=16 * 4096,
        [srrctl, default] in any::<[u32; 2]>(),
        fill in prop::collection::vec(any::<Descriptor>(), 1..40),
        moves in prop::collection::vec((0u8..4, any::<u16>(), 0u16..4200), 1..12),
    ) {
        let ring = RxRing::new(base, length, Shape::new(srrctl, default & 3)).unwrap();
        let mut noise = Noise { fill, reads: 0 };
        let mut slots = vec![NULL; MAX_DESCRIPTORS];
        let mut scan = RxScan::default();
        for (kind, any, near) in moves {
            let position = if any % 4 == 0 { any } else { near };
            noise.reads = 0;
            match kind {
                0 => scan = RxScan::take_up(ring, near, position, &mut slots, &mut noise).unwrap(),
                1 => scan.post(position, &mut slots, &mut noise).unwrap(),
                2 => {
                    scan.reach_back(position, &mut slots, &mut noise).unwrap();
                    scan.rewound(position, &mut slots, &mut noise);
                }
                _ => scan.retire(position, &slots, &mut noise),
            }
            // Twice for what is there in part, and twice if the head is moved.
            prop_assert!(noise.reads <= 4 * (length as usize / 16));
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Tests of the scan of receive rings.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_scan))]
#[cfg(any(test, kunit_module))]
mod tests {
    use crate::provider::logic::{
        contexts::Descriptor,
        scan::*,
        shape::Shape, //
    };

    const BASE: u64 = 0x1000;
    const COUNT: usize = 16;
    /// One buffer of 2 KiB; header buffers of 128 bytes, where they fit, and always.
    const ONE: u32 = 0x0200_0002;
    const FITS: u32 = 0x0400_0202;
    const ALWAYS: u32 = 0x0a00_0202;

    /// A ring in memory, and what was marked: the first few ranges.
    struct Ram {
        ring: [Descriptor; COUNT],
        /// Descriptors that are not there.
        missing: [bool; COUNT],
        reads: usize,
        marks: [(u64, u64); 16],
        marked: usize,
        fails: bool,
    }

    impl Ram {
        fn new() -> Self {
            Self {
                ring: core::array::from_fn(|i| [0x10_0000 + 0x1000 * i as u64, 0]),
                missing: [false; COUNT],
                reads: 0,
                marks: [(0, 0); 16],
                marked: 0,
                fails: false,
            }
        }

        /// The device writes a descriptor back.
        fn write_back(&mut self, at: usize, len: u64, end: bool) {
            self.ring[at] = [0, len << 32 | u64::from(end) << 1 | 1];
        }

        fn take(&mut self) -> [(u64, u64); 16] {
            self.marked = 0;
            core::mem::take(&mut self.marks)
        }
    }

    impl Guest for Ram {
        type Error = ();

        fn read(&mut self, iova: u64, room: &mut [Descriptor]) -> Result<bool, ()> {
            if self.fails {
                return Err(());
            }
            for (i, place) in room.iter_mut().enumerate() {
                self.reads += 1;
                let index = (iova.wrapping_sub(BASE) / 16) as usize + i;
                match self.ring.get(index) {
                    Some(words) if !self.missing[index] => *place = *words,
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }

        fn mark(&mut self, iova: u64, len: u64) {
            assert!(len != 0 && iova.checked_add(len).is_some());
            self.marks[self.marked % 16] = (iova, len);
            self.marked += 1;
        }
    }

    /// A ring of which the device has descriptors `head` to `tail`.
    fn scan(ram: &mut Ram, srrctl: u32, head: u16, tail: u16) -> (RxScan, [Descriptor; COUNT]) {
        let ring = RxRing::new(BASE, 16 * COUNT as u32, Shape::new(srrctl, 0)).unwrap_or_default();
        let mut slots = [NULL; COUNT];
        let scan = RxScan::take_up(ring, head, tail, &mut slots, ram).unwrap_or_default();
        (scan, slots)
    }

    #[test]
    fn what_was_written_is_told_by_its_lengths() {
        let mut ram = Ram::new();
        let (mut scan, slots) = scan(&mut ram, ONE, 2, 10);
        ram.write_back(2, 60, true);
        ram.write_back(3, 9000, false);
        ram.ring[4] = [0x55_5000, 0];
        scan.retire(5, &slots, &mut ram);
        // One is clamped, one was taken back.
        assert_eq!(
            ram.take()[..5],
            [
                (0x10_2000, 60),
                (0x10_3000, 2048),
                (0x10_4000, 2048),
                (BASE + 32, 48),
                (0, 0)
            ]
        );
        scan.retire(5, &slots, &mut ram);
        assert_eq!(ram.marked, 0);
    }

    #[test]
    fn one_taken_back_with_the_same_buffer_counts_as_a_whole() {
        let mut ram = Ram::new();
        ram.ring[0] = [0x7000, 1 | 60 << 32];
        let (mut scan, slots) = scan(&mut ram, ONE, 0, 2);
        scan.retire(1, &slots, &mut ram);
        assert_eq!(ram.take()[0], (0x7000, 2048));
    }

    #[test]
    fn rings_wrap() {
        let mut ram = Ram::new();
        let (mut scan, mut slots) = scan(&mut ram, ONE, 14, 1);
        assert_eq!(ram.reads, 3);
        for at in [14, 15, 0] {
            ram.write_back(at, 100, true);
        }
        scan.retire(1, &slots, &mut ram);
        let marks = ram.take();
        assert_eq!(marks[2], (BASE + 14 * 16, 32));
        assert_eq!((marks[3], marks[4]), ((0x10_0000, 100), (BASE, 16)));
        // All but one, so that the tail comes around.
        ram.reads = 0;
        assert_eq!(scan.post(0, &mut slots, &mut ram), Ok(()));
        assert_eq!(ram.reads, 15);
    }

    #[test]
    fn what_is_read_is_what_is_posted() {
        let mut ram = Ram::new();
        let (mut scan, mut slots) = scan(&mut ram, ONE, 0, 4);
        ram.reads = 0;
        ram.ring[5] = [0xaa_0000, 0];
        assert_eq!(scan.post(6, &mut slots, &mut ram), Ok(()));
        assert_eq!((ram.reads, slots[5]), (2, [0xaa_0000, 0]));
        // A tail that goes back takes descriptors from the device, and gives none.
        assert_eq!(scan.post(3, &mut slots, &mut ram), Ok(()));
        assert_eq!(ram.reads, 2);
        assert_eq!(scan.post(5, &mut slots, &mut ram), Ok(()));
        assert_eq!(ram.reads, 4);
    }

    #[test]
    fn headers_are_where_they_were_split_off() {
        let header = |i: u64| 0x20_0000 + 0x100 * i;
        let split = 1 << 31 | 40 << 21;
        for (srrctl, info, expected) in [
            (FITS, split, true),
            (FITS, 128 << 21, false),
            (ALWAYS, split, true),
            (ALWAYS, 128 << 21, true),
            (ONE, split, false),
        ] {
            let mut ram = Ram::new();
            for (i, words) in (0..).zip(&mut ram.ring) {
                words[1] = header(i);
            }
            let (mut scan, slots) = scan(&mut ram, srrctl, 0, 15);
            // A packet of two descriptors, the second of which tells of the header too; and
            // one more.
            for (at, len, end) in [(0, 2048, false), (1, 10, true), (2, 20, true)] {
                ram.write_back(at, len, end);
                ram.ring[at][0] = info;
            }
            scan.retire(1, &slots, &mut ram);
            // Nobody knows what was before the first.
            let first = ram.take();
            assert_eq!(first.contains(&(header(0), 128)), expected);
            assert_eq!(first[0], (0x10_0000, 2048));
            scan.retire(2, &slots, &mut ram);
            let _ = ram.take();
            scan.retire(3, &slots, &mut ram);
            assert_eq!(ram.take().contains(&(header(2), 128)), expected);
        }
    }

    #[test]
    fn a_packets_further_descriptors_have_no_header() {
        let mut ram = Ram::new();
        for words in &mut ram.ring {
            words[1] = words[0] + 0x800;
        }
        let (mut scan, slots) = scan(&mut ram, ALWAYS, 0, 15);
        ram.write_back(0, 60, true);
        ram.write_back(1, 2048, false);
        ram.write_back(2, 60, true);
        scan.retire(3, &slots, &mut ram);
        let marks = ram.take();
        // Behind the packet, and told with it.
        assert!(marks.contains(&(0x10_1000, 2048 + 128)));
        assert!(marks.contains(&(0x10_2000, 60)) && !marks.contains(&(0x10_2800, 128)));
        // A null buffer is skipped, and with it the packet may be lost.
        ram.write_back(3, 2048, false);
        ram.write_back(5, 60, true);
        let mut slots = slots;
        slots[4] = [0, 0x30_0000];
        ram.write_back(4, 0, false);
        scan.retire(6, &slots, &mut ram);
        let marks = ram.take();
        assert!(marks.contains(&(0x10_5800, 128)));
        assert!(!marks.iter().any(|&(at, len)| at == 0 && len != 0));
    }

    #[test]
    fn the_default_size_is_the_ports() {
        let mut ram = Ram::new();
        for (default, size) in [(0, 2048), (1, 1024), (2, 512), (3, 256)] {
            let ring = RxRing::new(BASE, 256, Shape::new(0, default)).unwrap_or_default();
            let mut slots = [NULL; COUNT];
            let scan = RxScan::take_up(ring, 0, 4, &mut slots, &mut ram);
            scan.unwrap_or_default().retire(1, &slots, &mut ram);
            assert_eq!(ram.take()[0], (0x10_0000, size));
        }
    }

    #[test]
    fn buffers_may_go_over_the_end() {
        let mut ram = Ram::new();
        ram.ring[0] = [u64::MAX - 99, 0];
        ram.ring[1] = [u64::MAX, 0];
        let (mut scan, slots) = scan(&mut ram, ONE, 0, 4);
        scan.retire(2, &slots, &mut ram);
        assert_eq!(
            ram.take()[..4],
            [(u64::MAX - 99, 99), (0, 2047), (BASE, 32), (0, 0)]
        );
    }

    #[test]
    fn nonsense_is_bounded() {
        assert!(RxRing::new(0, 16 * 4096, Shape::default()).is_ok());
        assert!(RxRing::new(0, 16 * 4104, Shape::default()).is_err());
        for (base, length) in [
            (0, 0),
            (u64::MAX - 0x7f, 256),
            (BASE, 256),
            (0x10, 0xf_ff80 >> 4),
        ] {
            let ring = RxRing::new(base, length, Shape::new(ALWAYS, 0)).unwrap_or_default();
            let mut ram = Ram::new();
            let mut slots = [NULL; COUNT];
            for (head, tail) in [(0, 0), (3, u16::MAX), (u16::MAX, 3), (5, 4), (200, 100)] {
                ram.reads = 0;
                let mut scan =
                    RxScan::take_up(ring, head, tail, &mut slots, &mut ram).unwrap_or_default();
                for position in [0, 1, u16::MAX, 15, 16, 3] {
                    assert_eq!(scan.reach_back(position, &mut slots, &mut ram), Ok(()));
                    scan.rewound(position, &mut slots, &mut ram);
                    assert_eq!(scan.post(position, &mut slots, &mut ram), Ok(()));
                    scan.retire(position, &slots, &mut ram);
                }
                assert!(ram.reads <= 4 * 7 * 4096);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_offers_nothing() {
        let mut ram = Ram::new();
        ram.missing[1] = true;
        let (mut scan, slots) = scan(&mut ram, ONE, 0, 3);
        assert_eq!(slots[..3], [[0x10_0000, 0], NULL, [0x10_2000, 0]]);
        // Nor is it known what was written if that cannot be read any more.
        ram.missing[2] = true;
        ram.write_back(0, 60, true);
        scan.retire(3, &slots, &mut ram);
        assert_eq!(ram.take()[..2], [(0x10_0000, 60), (0x10_2000, 2048)]);
        ram.fails = true;
        let mut slots = slots;
        assert_eq!(scan.post(6, &mut slots, &mut ram), Err(()));
    }

    #[test]
    fn a_head_that_is_moved_leaves_nothing_untold() {
        let mut ram = Ram::new();
        let (mut scan, mut slots) = scan(&mut ram, ONE, 4, 10);
        ram.reads = 0;
        assert_eq!(scan.reach_back(1, &mut slots, &mut ram), Ok(()));
        assert_eq!((ram.reads, slots[1], slots[0]), (3, [0x10_1000, 0], NULL));
        // In between one more packet came.
        ram.write_back(4, 70, true);
        scan.rewound(1, &mut slots, &mut ram);
        assert_eq!(
            ram.take()[..3],
            [(0x10_4000, 2048), (BASE + 64, 16), (0, 0)]
        );
        assert_eq!(slots[4], ram.ring[4]);
        ram.write_back(1, 80, true);
        scan.retire(2, &slots, &mut ram);
        assert_eq!(ram.take()[0], (0x10_1000, 80));
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Logging what a VF writes, on the fake device.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_tracking))]
#[cfg(any(test, kunit_module))]
mod tracking {
    use super::super::{
        memory,
        queues::*,
        rig::Rig,
        traffic::Incoming,
        user,
        world::World, //
    };
    use crate::provider::{
        logic::window::{
            Page,
            OTHER, //
        },
        page0,
        platform::Fault,
        tracking::Tracking,
        tracking_tx::Transmit, //
    };

    const RING: u32 = 0x1000;
    const SMALL: Incoming = Incoming {
        len: 60,
        header: None,
    };

    type Log = Tracking<memory::Slots>;

    /// What a device of which one watches what it writes needs.
    struct Cells {
        registers: memory::Memory,
        ram: memory::Memory,
        notes: memory::Memory,
    }

    impl Cells {
        fn new() -> Self {
            Self {
                registers: memory::Memory::new(),
                ram: memory::Memory::new(),
                notes: memory::Memory::new(),
            }
        }

        fn rig(&self) -> Rig<'_> {
            let mut rig = Rig::running(&self.registers, 2);
            rig.fake.queues.set_ram(self.ram.cells());
            rig.fake.queues.set_notes(self.notes.cells());
            rig
        }
    }

    fn write(world: &World<'_>, log: &mut Log, offset: u32, value: u32) {
        let written = log.write(world, Page::Receive, offset, &value.to_le_bytes());
        assert_eq!(written, Ok(()));
    }

    fn start(world: &World<'_>) -> Log {
        let mut log = Tracking::new(1);
        let slots = [memory::slots(), memory::slots()];
        assert_eq!(log.start(world, slots), Ok(()));
        log
    }

    /// Queue 0 of VF 1 with 64 descriptors, of which the device gets `posted`.
    fn open(world: &World<'_>, log: &mut Log, posted: u32) {
        for (offset, value) in [
            (0x800, RING),
            (0x804, 0),
            (0x808, 1024),
            (0x80c, 0x0200_0001),
            (0x810, 0),
            (0x828, ENABLE),
        ] {
            write(world, log, offset, value);
        }
        for _ in 0..4 {
            world.fake.tick();
        }
        for at in 0..u64::from(posted) {
            let words = [0x8000 + 0x400 * at, 0];
            let place = u64::from(RING) + 16 * at;
            world.fake.queues.put_descriptor(place, words);
        }
        write(world, log, 0x818, posted);
    }

    /// How many words are noted as dirty; none are after that.
    fn marked(world: &World<'_>) -> usize {
        let notes = world.fake.queues.notes().iter();
        notes.filter(|word| word.replace(0) & MARKED != 0).count()
    }

    /// A number that follows from the one before.
    fn xorshift(state: &mut u32) -> u32 {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        *state
    }

    #[test]
    fn what_is_written_is_what_is_marked() {
        for seed in 1..13 {
            let mut state = 0x9e37_79b9_u32.wrapping_mul(seed);
            user::run(300, &mut |bound| xorshift(&mut state) % bound.max(1));
        }
    }

    #[test]
    fn a_queue_is_followed_from_its_first_packet_on() {
        let cells = Cells::new();
        let mut rig = cells.rig();
        let world = rig.world();
        let mut log = start(&world);
        open(&world, &mut log, 10);
        assert!(world.fake.receive_packet(1, SMALL));
        assert_eq!(log.sync(&world, Transmit::IfActive), Ok(()));
        // 60 bytes, and a descriptor.
        assert_eq!(marked(&world), 15 + 4);
        assert_eq!(log.sync(&world, Transmit::IfActive), Ok(()));
        assert_eq!(marked(&world), 0);
        // It is said once more of a packet that came in before a reset.
        assert!(world.fake.receive_packet(1, SMALL));
        world.fake.vf_reset(1);
        assert_eq!(log.sync(&world, Transmit::Always), Ok(()));
        assert_eq!(marked(&world), 15 + 4);
    }

    #[test]
    fn writes_reach_the_device_and_are_shown() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let world = rig.world();
        // Logged or not.
        let mut idle = Tracking::new(1);
        let mut logged = start(&world);
        assert_eq!(world.shown.get(), Some((Page::Transmit, 0x93c, 0)));
        for (log, value) in [(&mut idle, 0x02), (&mut logged, 0x03)] {
            write(&world, log, 0x90c, value);
            assert_eq!(world.fake.get(rx(9, 0x0c)), value);
            let bytes = [0x80, 0, 0, 0, 7, 0, 0, 0];
            let written = log.write(&world, Page::Transmit, 0x838, &bytes);
            assert_eq!(written, Ok(()));
            assert_eq!(world.fake.get(tx(1, 0x38)), 0x80);
            assert_eq!(world.fake.get(tx(1, 0x3c)), 7);
            assert_eq!(log.show(&world, Page::Transmit, 0x83c, &[0; 4]), Ok(()));
            assert_eq!(world.shown.get(), Some((Page::Transmit, 0x828, 0)));
            // A register that is none.
            let before = world.fake.writes.get();
            for offset in [OTHER, 0x840, 0x80e] {
                assert_eq!(log.write(&world, Page::Receive, offset, &[1, 0]), Ok(()));
            }
            assert_eq!(world.fake.writes.get(), before);
            assert_eq!(log.show(&world, Page::Receive, 0x840, &[1]), Ok(()));
            assert_eq!(world.shown.get(), Some((Page::Receive, 0x840, 0)));
        }
    }

    #[test]
    fn a_doorbell_reads_no_register_but_the_head() {
        let cells = Cells::new();
        let mut rig = cells.rig();
        let world = rig.world();
        let mut log = start(&world);
        let counts = || (world.fake.reads.get(), world.fake.writes.get());
        let ring = |log: &mut Log, tail: u32| {
            let (reads, writes) = counts();
            write(&world, log, 0x818, tail);
            let bytes = tail.to_le_bytes();
            assert_eq!(log.show(&world, Page::Receive, 0x818, &bytes), Ok(()));
            let (reads_after, writes_after) = counts();
            (reads_after - reads, writes_after - writes)
        };
        open(&world, &mut log, 10);
        assert!(world.fake.receive_packet(1, SMALL));
        assert_eq!(ring(&mut log, 11), (1, 1));
        // Where the head is.
        assert_eq!(world.shown.get(), Some((Page::Receive, 0x810, 1)));
        assert_eq!(world.fake.get(rx(1, TAIL)), 11);
        assert_eq!(marked(&world), 15 + 4);
        // It may be that the device has not taken what it is told while it is switched off.
        write(&world, &mut log, 0x828, 0);
        assert_eq!(ring(&mut log, 12).0, 6);
        assert_eq!(world.shown.get(), Some((Page::Receive, 0x828, ENABLE)));
    }

    #[test]
    fn rings_that_are_too_long_are_told_of() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        rig.fake.queues.latency.set(0);
        let world = rig.world();
        let mut log = start(&world);
        // As long as it does not run it may be anything.
        write(&world, &mut log, 0x908, 16 * 4104);
        assert_eq!(log.sync(&world, Transmit::IfActive), Ok(()));
        write(&world, &mut log, 0x928, ENABLE);
        assert_eq!(world.fake.get(rx(9, CONTROL)), ENABLE);
        let too_long = Err(Fault::TooLong(1));
        assert_eq!(log.sync(&world, Transmit::IfActive), too_long);
        // What was lost is lost.
        write(&world, &mut log, 0x908, 16 * 8);
        assert_eq!(world.fake.get(rx(9, LENGTH)), 16 * 8);
        assert_eq!(log.sync(&world, Transmit::Always), too_long);
        log.stop();
        assert_eq!(log.sync(&world, Transmit::IfActive), Ok(()));
        let slots = || [memory::slots(), memory::slots()];
        assert_eq!(log.start(&world, slots()), Ok(()));
        log.stop();
        world.fake.put(rx(9, LENGTH), 0xf_ff80);
        assert_eq!(log.start(&world, slots()), too_long);
    }

    #[test]
    fn transmit_rings_count_when_something_was_sent() {
        let cells = Cells::new();
        let mut rig = cells.rig();
        let world = rig.world();
        for (register, value) in [
            (0, 0x2000),
            (LENGTH, 128),
            (0x38, 0x3005),
            (CONTROL, ENABLE),
        ] {
            world.fake.put(tx(1, register), value);
        }
        let mut log = start(&world);
        assert_eq!(log.sync(&world, Transmit::IfActive), Ok(()));
        assert_eq!(marked(&world), 0);
        // All around, so that the head is where it was.
        world.fake.put(PER_VF + 0x114, 8);
        assert_eq!(log.sync(&world, Transmit::IfActive), Ok(()));
        assert_eq!(marked(&world), 32 + 1);
        world.fake.put(tx(1, HEAD), 3);
        assert_eq!(log.sync(&world, Transmit::IfActive), Ok(()));
        assert_eq!(marked(&world), 32 + 1);
        // One that has been moved, and one that has been switched off.
        world.fake.put(tx(1, 0), 0x2400);
        assert_eq!(log.sync(&world, Transmit::Always), Ok(()));
        assert_eq!(marked(&world), 64 + 1);
        world.fake.vf_reset(1);
        assert_eq!(log.sync(&world, Transmit::Always), Ok(()));
        assert_eq!(marked(&world), 32 + 1);
        assert_eq!(log.sync(&world, Transmit::Always), Ok(()));
        assert_eq!(marked(&world), 0);
    }

    #[test]
    fn resets_are_seen() {
        let reset = (1u32 << 26).to_le_bytes();
        assert!(page0::resets(0, &reset));
        assert!(page0::resets(4, &reset));
        assert!(page0::resets(0, &[0, 0, 0, 0, 0, 0, 0, 4]));
        assert!(!page0::resets(8, &reset));
        assert!(!page0::resets(0, &[0, 0, 0, 0xfb]));
        assert!(!page0::resets(3, &[4]));
        assert!(!page0::resets(1 << 32, &reset));
    }

    #[test]
    fn random_writes_do_no_harm() {
        let cells = Cells::new();
        let mut rig = cells.rig();
        rig.fake.queues.latency.set(0);
        let world = rig.world();
        let mut log = start(&world);
        let mut state = 0x1234_5678;
        for _ in 0..1500 {
            let bits = xorshift(&mut state);
            let page = Page::ALL[bits as usize % 2];
            let offset = 0x800 + (bits >> 8 & 0x100) + (bits >> 4 & 0x3c);
            // Small numbers often, or hardly anything would be a ring.
            let value = xorshift(&mut state) >> (bits >> 20 & 0x1f);
            let width = 1usize << (bits >> 2 & 3);
            let bytes = u64::from(value).to_le_bytes();
            let written = log.write(&world, page, offset, &bytes[..width.min(8)]);
            assert_eq!(written, Ok(()));
            world
                .fake
                .receive_packet(1 + 8 * (bits as usize >> 30 & 1), SMALL);
        }
        // Others are as they were.
        for register in [0, 4, LENGTH, HEAD, TAIL, CONTROL] {
            for queue in [0, 2, 8, 10] {
                assert_eq!(world.fake.get(rx(queue, register)), 0);
                assert_eq!(world.fake.get(tx(queue, register)), 0);
            }
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Holding back, on the fake device, what a VF would do in memory that is missing.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_prefault))]
#[cfg(any(test, kunit_module))]
mod prefault {
    use super::super::{
        memory,
        queues::*,
        rig::Rig,
        world::World, //
    };
    use crate::provider::{
        levels::{
            Level,
            Machine, //
        },
        logic::{
            contexts::Context,
            posted::Gap,
            state::Stopped,
            window::Page, //
        },
        prefault::Prefault,
    };

    const RING: u32 = 0x1000;
    /// There, and nowhere.
    const HERE: u64 = 0x8000;
    const AWAY: u64 = 0x40_0000;

    fn gap(iova: u64, pages: u64) -> Option<Gap> {
        Some(Gap {
            iova,
            len: pages * 0x1000,
        })
    }

    /// Queue 0 each way of VF 1, on, with 64 descriptors and nothing posted.
    fn open(rig: &Rig<'_>) {
        for queue in [rx(1, 0), tx(1, 0)] {
            rig.fake.put(queue, RING);
            rig.fake.put(queue + LENGTH, 0x400);
            rig.fake.put(queue + HEAD, 20);
            rig.fake.put(queue + TAIL, 20);
            rig.fake.put(queue + CONTROL, ENABLE);
        }
        // 2 KiB.
        rig.fake.put(rx(1, 0xc), 0x0200_0002);
    }

    fn post(world: &World<'_>, index: u64, address: u64) {
        let words = [address, 0x2b30_0800];
        let place = u64::from(RING) + 16 * index;
        world.fake.queues.put_descriptor(place, words);
    }

    fn asked(
        prefault: &Prefault,
        world: &World<'_>,
        page: Page,
        offset: u32,
        value: u32,
    ) -> Option<Gap> {
        match prefault.gap(world, page, offset, &value.to_le_bytes()) {
            Ok(gap) => gap,
            Err(_) => gap(u64::MAX, 0),
        }
    }

    #[test]
    fn only_what_a_write_gives_is_looked_at() {
        let (memory, ram) = (memory::Memory::new(), memory::Memory::new());
        let mut rig = Rig::running(&memory, 2);
        rig.fake.queues.set_ram(ram.cells());
        open(&rig);
        let world = &rig.world();
        let prefault = Prefault::new(1);
        for index in 0..64 {
            post(world, index, HERE);
        }
        post(world, 23, AWAY - 0x10);
        for page in [Page::Receive, Page::Transmit] {
            let ask = |offset, value| asked(&prefault, world, page, offset, value);
            assert_eq!(ask(0x818, 23), None);
            // Over two pages, neither of which is there.
            assert_eq!(ask(0x818, 24), gap(AWAY - 0x1000, 2));
            // Eight bytes are two registers.
            let wide = [24, 0, 0, 0, 9, 0, 0, 0];
            assert_eq!(
                prefault.gap(world, page, 0x818, &wide),
                Ok(gap(AWAY - 0x1000, 2))
            );
            // Beyond the ring, the other queue, registers that give nothing.
            for (offset, value) in [(0x818, 64), (0x918, 24), (0x814, 1), (0x828, ENABLE)] {
                assert_eq!(ask(offset, value), None);
            }
            // The head behind it; and another ring.
            assert_eq!(ask(0x810, 22), gap(AWAY - 0x1000, 2));
            assert_eq!(ask(0x810, 24 + 64), None);
            assert_eq!(ask(0x800, 0x40_0000), None);
        }
        // A queue that is off is looked at when it is switched on.
        for queue in [rx(1, 0), tx(1, 0)] {
            world.fake.put(queue + CONTROL, 0);
            world.fake.put(queue + TAIL, 30);
        }
        for page in [Page::Receive, Page::Transmit] {
            let ask = |offset, value| asked(&prefault, world, page, offset, value);
            assert_eq!(ask(0x818, 40), None);
            assert_eq!(ask(0x828, ENABLE), gap(AWAY - 0x1000, 2));
        }
    }

    #[test]
    fn what_was_posted_is_held_back_until_its_memory_is_there() {
        let (memory, ram) = (memory::Memory::new(), memory::Memory::new());
        let mut rig = Rig::running(&memory, 2);
        rig.fake.queues.set_ram(ram.cells());
        open(&rig);
        rig.fake.put(rx(1, TAIL), 30);
        let world = &rig.world();
        for index in 0..64 {
            post(world, index, HERE);
        }
        post(world, 29, AWAY);
        let mut machine = Machine::new(1);
        let mut prefault = Prefault::new(1);
        assert_eq!(machine.quiesce(world, Level::Stopped), Ok(()));
        machine.hold(true);
        prefault.set(true);
        let stopped = *machine.stopped();
        assert_eq!(machine.quiesce(world, Level::Quiet), Ok(()));
        prefault.hold(&stopped.device);
        assert_eq!(world.fake.get(rx(1, TAIL)), 20);
        assert!(machine.resume(world).is_ok());
        assert_eq!(world.fake.get(rx(1, TAIL)), 20);
        let mut given = 0;
        let retried = prefault.retry(world, |_, _| given += 1);
        assert_eq!((retried, given), (Ok(gap(AWAY, 1)), 0));
        // It is what it was, wherever it stops next.
        assert_eq!(machine.quiesce(world, Level::Stopped), Ok(()));
        assert_eq!(machine.stopped().device.rx[0].ring.tail, 20);
        prefault.put_back(&mut machine.stopped().device);
        assert_eq!(machine.stopped().device.rx[0].ring.tail, 30);
        let stopped = *machine.stopped();
        assert_eq!(machine.quiesce(world, Level::Quiet), Ok(()));
        prefault.hold(&stopped.device);
        // A write of the tail takes its place, one that is refused does not.
        assert_eq!(
            asked(&prefault, world, Page::Receive, 0x818, 31),
            gap(AWAY, 1)
        );
        post(world, 29, HERE);
        assert_eq!(asked(&prefault, world, Page::Receive, 0x818, 31), None);
        let mut tail = 0;
        let retried = prefault.retry(world, |place, value| {
            assert_eq!((place.page(), place.offset()), (Page::Receive, 0x818));
            tail = value;
        });
        assert_eq!((retried, tail), (Ok(None), 30));
        assert_eq!(prefault.retry(world, |_, _| tail = 0), Ok(None));
        assert_eq!(tail, 30);
        for (offset, value) in [(0x818, 31), (0x828, 0)] {
            prefault.hold(&stopped.device);
            prefault.wrote(Page::Receive, offset, &u32::to_le_bytes(value));
            assert_eq!(prefault.retry(world, |_, _| tail = 0), Ok(None));
        }
        assert_eq!(tail, 30);
    }

    #[test]
    fn contexts_need_their_place_in_the_ring() {
        let (memory, ram) = (memory::Memory::new(), memory::Memory::new());
        let mut rig = Rig::running(&memory, 2);
        rig.fake.queues.set_ram(ram.cells());
        let world = &rig.world();
        let prefault = Prefault::new(1);
        let mut stopped = Stopped::default();
        let queue = &mut stopped.device.tx[0];
        queue.ring.base = AWAY;
        queue.ring.length = 0x2000;
        queue.ring.tail = 0x101;
        queue.control = ENABLE;
        assert_eq!(prefault.gap_before_start(world, &stopped), Ok(None));
        stopped.contexts.0[0][0] = Context::new([0, 0x2020_0400]);
        let missing = gap(AWAY + 0x1000, 1);
        assert_eq!(prefault.gap_before_start(world, &stopped), Ok(missing));
        stopped.device.tx[0].ring.base = RING.into();
        assert_eq!(prefault.gap_before_start(world, &stopped), Ok(None));
    }
}

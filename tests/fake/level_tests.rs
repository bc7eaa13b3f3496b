// SPDX-License-Identifier: GPL-2.0

//! Quiescing a VF on the fake device, and letting it go on.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_levels))]
#[cfg(any(test, kunit_module))]
mod levels {
    use super::super::{
        device::{
            ICR,
            VFRE,
            VFTE,
            VMMB, //
        },
        memory,
        queues::*,
        rig::*, //
    };
    use crate::{
        provider::{
            levels::{
                Level,
                Machine,
                Resumed, //
            },
            platform::Fault,
            probe, //
        },
        vf::logic::{
            admin::Setting,
            message::Request,
            state::{
                LinkPolicy,
                PfLink, //
            }, //
        },
    };

    /// Sets up queue 0 of VF `vf` as a driver does, each ring with 10 descriptors.
    fn open(rig: &Rig<'_>, vf: usize) {
        for queue in [rx(vf, 0), tx(vf, 0)] {
            rig.fake.put(queue, 0x1000);
            rig.fake.put(queue + LENGTH, 0x400);
            rig.fake.put(queue + HEAD, 20);
            rig.fake.put(queue + TAIL, 20);
            rig.fake.put(queue + CONTROL, ENABLE);
        }
        rig.fake.put(rx(vf, TAIL), 30);
        rig.fake.put(EIMS, 7 << (22 - 3 * vf));
    }

    #[test]
    fn a_quiet_vf_takes_doorbells_and_starts_nothing() {
        let (memory, ram) = (memory::Memory::new(), memory::Memory::new());
        let mut rig = Rig::running(&memory, 2);
        rig.fake.queues.set_ram(ram.cells());
        open(&rig, 0);
        open(&rig, 1);
        let mut machine = Machine::new(0);
        assert_eq!(machine.quiesce(&rig.world(), Level::Quiet), Ok(()));
        assert_eq!((rig.fake.get(VFRE), rig.fake.get(VFTE)), (0b110, 0b110));
        assert!(!rig.fake.receive(0) && rig.fake.receive(1));
        let bar = rig.fake.bar();
        use kernel::io::Io;
        assert_eq!(bar.try_write(tx(0, TAIL), 25u32), Ok(()));
        assert_eq!(rig.fake.get(tx(0, HEAD)), 20);
        assert_eq!(rig.fake.get(tx(0, TAIL)), 25);
        // Whatever else happens to it.
        assert_eq!(rig.ask(0, &Request::MaxFrame(9018)), 0xa000_0005);
        assert_eq!(rig.set(0, Setting::Rate { min: 0, max: 5 }), Ok(()));
        assert_eq!(rig.set(0, Setting::Link(LinkPolicy::Enable)), Ok(()));
        let down = PfLink::default();
        assert_eq!(rig.vfs.set_link(rig.fake.bar(), down, rig.now), Ok(()));
        rig.start(0);
        assert_eq!((rig.fake.get(VFRE), rig.fake.get(VFTE)), (0b110, 0b110));
        // The reset has switched the queues off; its driver switches them on again.
        open(&rig, 0);
        rig.fake.put(tx(0, TAIL), 25);
        rig.fake.put(ICR, 0);
        assert_eq!(machine.resume(&rig.world()), Ok(Resumed::Here));
        assert_eq!(rig.fake.get(VFTE), 0b111);
        assert_eq!(rig.fake.get(tx(0, HEAD)), 25);
        assert_eq!(rig.fake.queues.raised.get(), 7 << 22);
        assert_eq!(rig.fake.get(ICR), VMMB);
    }

    #[test]
    fn a_stopped_vf_stands_still_and_goes_on() {
        let (memory, ram) = (memory::Memory::new(), memory::Memory::new());
        let mut rig = Rig::running(&memory, 2);
        rig.fake.queues.set_ram(ram.cells());
        open(&rig, 1);
        rig.fake.put(rx(1, 0x0c), 0x0200_0002);
        let before: [u32; 16] = core::array::from_fn(|i| rig.fake.get(rx(1, 4 * i)));
        let mut machine = Machine::new(1);
        assert_eq!(machine.quiesce(&rig.world(), Level::Stopped), Ok(()));
        let control = |rig: &Rig<'_>| rig.fake.get(rx(1, CONTROL)) | rig.fake.get(tx(1, CONTROL));
        assert_eq!(control(&rig) & ENABLE, 0);
        assert_eq!(rig.fake.get(EIMS), 0);
        assert!(!rig.fake.receive(1));
        // Nothing is answered while it stands.
        rig.fake.vf_send(1, &[5, 9018]);
        rig.serve();
        assert!(rig.vfs.states()[1].guest.max_frame.is_none());
        assert_eq!(
            machine.resume(&rig.world()),
            Err(Fault::Errno(kernel::prelude::EBUSY))
        );
        assert_eq!(machine.quiesce(&rig.world(), Level::Quiet), Ok(()));
        let after: [u32; 16] = core::array::from_fn(|i| rig.fake.get(rx(1, 4 * i)));
        assert_eq!(after, before);
        assert_eq!(rig.fake.get(EIMS), 7 << 19);
        rig.serve();
        assert_eq!(rig.vfs.states()[1].guest.max_frame, Some(9018));
        assert!(!rig.fake.receive(1));
        assert_eq!(machine.resume(&rig.world()), Ok(Resumed::Here));
        assert!(rig.fake.receive(1));
    }

    /// Vectors that are raised when VF 0 goes on.
    fn raised(rig: &mut Rig<'_>, before: impl FnOnce(&mut Rig<'_>)) -> u32 {
        let mut machine = Machine::new(0);
        assert_eq!(machine.quiesce(&rig.world(), Level::Quiet), Ok(()));
        before(rig);
        rig.fake.queues.raised.set(0);
        assert_eq!(machine.resume(&rig.world()), Ok(Resumed::Here));
        rig.serve();
        rig.fake.queues.raised.get() >> 22
    }

    #[test]
    fn the_mailbox_s_vector_is_raised_if_there_is_something_in_it() {
        let (memory, ram) = (memory::Memory::new(), memory::Memory::new());
        let mut rig = Rig::running(&memory, 1);
        rig.fake.queues.set_ram(ram.cells());
        open(&rig, 0);
        // igbvf's vectors: transmit, receive, mailbox.
        rig.fake.put(VTIVAR, 0x8081);
        rig.fake.put(VTIVAR + 0x20, 0x82);
        assert_eq!(raised(&mut rig, |_| ()), 0b011);
        let down = PfLink::default();
        let link = |rig: &mut Rig<'_>, to| {
            assert_eq!(rig.vfs.set_link(rig.fake.bar(), to, rig.now), Ok(()))
        };
        // Said and not read; then read, but the link is down.
        assert_eq!(raised(&mut rig, |rig| link(rig, down)), 0b111);
        assert!(rig.fake.vf_receive::<1>(0).is_some());
        rig.serve();
        assert_eq!(raised(&mut rig, |_| ()), 0b111);
        link(&mut rig, UP);
        assert!(rig.fake.vf_receive::<1>(0).is_some());
        rig.serve();
        assert_eq!(raised(&mut rig, |_| ()), 0b011);
        // It is the queues', too, or the last user's who did not tell which it is.
        rig.fake.put(VTIVAR, 0x8282);
        assert_eq!(raised(&mut rig, |_| ()), 0b111);
        rig.fake.put(VTIVAR + 0x20, 0x02);
        assert_eq!(raised(&mut rig, |_| ()), 0b111);
        // A driver that must start anew waits to be told.
        rig.fake.put(VTIVAR, 0x8081);
        rig.fake.put(VTIVAR + 0x20, 0x82);
        rig.fake.vf_reset(0);
        rig.serve();
        assert_eq!(raised(&mut rig, |_| ()), 0b111);
    }

    #[test]
    fn a_queue_that_does_not_stop_is_told_of() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        open(&rig, 0);
        let world = rig.world();
        world.fake.queues.latency.set(1000);
        let mut machine = Machine::new(0);
        assert_eq!(machine.quiesce(&world, Level::Stopped), Err(Fault::Busy));
        assert!(world.pauses.get() < 1000);
    }

    #[test]
    fn nothing_is_left_to_the_next_user() {
        const SHAPE: usize = 0x0c;
        const WRITE_BACK: usize = 0x38;
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        for vf in 0..2 {
            open(&rig, vf);
            rig.fake.put(rx(vf, SHAPE), 0x0200_0002);
            rig.fake.put(tx(vf, WRITE_BACK), 0x5001);
            rig.fake.put(IVAR + 4 * vf, 0x8180);
        }
        rig.fake.put(EIMS, 0x3f << 19);
        rig.fake.vf_reset(1);
        rig.serve();
        assert_eq!(rig.fake.get(tx(1, WRITE_BACK)), 0x5001);
        assert_eq!(Machine::new(1).scrub(&rig.world()), Ok(()));
        // Tails are lost on a queue that is off.
        for register in [0, LENGTH, HEAD] {
            assert_eq!(rig.fake.get(rx(1, register)), 0);
            assert_eq!(rig.fake.get(tx(1, register)), 0);
        }
        assert_eq!(rig.fake.get(rx(1, SHAPE)), 0);
        assert_eq!(rig.fake.get(tx(1, WRITE_BACK)), 0);
        assert_eq!(rig.fake.get(IVAR + 4), 0);
        assert_eq!(rig.fake.get(EIMS), 7 << 22);
        // Its neighbour goes on.
        assert_eq!(rig.fake.get(tx(0, WRITE_BACK)), 0x5001);
        assert_eq!(rig.fake.get(IVAR), 0x8180);
        assert_eq!(rig.fake.get(rx(0, TAIL)), 30);
    }

    #[test]
    fn a_reset_ends_it_at_any_level() {
        let memory = memory::Memory::new();
        for level in [Level::Runs, Level::Quiet, Level::Stopped] {
            let mut rig = Rig::running(&memory, 2);
            let mut machine = Machine::new(1);
            assert_eq!(machine.quiesce(&rig.world(), level), Ok(()));
            rig.fake.vf_reset(1);
            assert_eq!(machine.reset(&rig.world()), Ok(()));
            rig.serve();
            assert_eq!(rig.fake.get(VFRE), 0b101);
            assert_eq!(rig.ask(1, &Request::Reset), 0x4000_0001);
            assert_eq!(rig.fake.get(VFRE), 0b111);
            assert_eq!(machine.resume(&rig.world()), Ok(Resumed::Here));
        }
    }

    #[test]
    fn whether_heads_can_be_written_is_tried() {
        let memory = memory::Memory::new();
        let rig = Rig::with_vfs(&memory, 1);
        assert_eq!(probe::heads_can_be_written(rig.fake.bar()), Ok(true));
        rig.fake.queues.fixed_heads.set(true);
        assert_eq!(probe::heads_can_be_written(rig.fake.bar()), Ok(false));
        for register in [0, 4, LENGTH, HEAD, TAIL, CONTROL] {
            assert_eq!(rig.fake.get(rx(15, register)), 0);
            assert_eq!(rig.fake.get(tx(15, register)), 0);
        }
    }
}

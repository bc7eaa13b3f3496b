// SPDX-License-Identifier: GPL-2.0

//! Moving a VF from one fake device to another.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_move))]
#[cfg(any(test, kunit_module))]
mod moves {
    use super::super::{
        device::*,
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
            logic::{
                codec::{
                    Malformed,
                    MAX_SIZE, //
                },
                compare::Misfit, //
            },
            page0,
            platform::Fault, //
        },
        vf::logic::{
            admin::Setting,
            message::Request,
            policy::Denial,
            state::LinkPolicy, //
        },
    };

    const RING: u32 = 0x1000;
    const CONTEXT: [u64; 2] = [5 << 16, 1 << 29 | 2 << 20 | 1 << 36];
    const PACKET: [u64; 2] = [0xabc0, 1 << 30 | 1 << 29 | 1 << 24 | 3 << 20 | 1 << 36];

    /// Both queues of VF `vf`, interrupts and counters as of a driver at work.
    fn work(rig: &Rig<'_>, vf: usize) {
        let fake = &rig.fake;
        for (k, queue) in (1..).zip([vf, vf + 8]) {
            for (i, value) in [RING * k, k, 0x400, 0x0200_0002, 20 + k]
                .into_iter()
                .enumerate()
            {
                fake.put(rx(queue, 4 * i), value);
            }
            fake.put(rx(queue, TAIL), 10 * k);
            fake.put(rx(queue, CONTROL), ENABLE | 0x0001_0810);
            for (i, value) in [RING * (k + 2), 0, 0x400, 0, 30 + k, 0x2a00]
                .into_iter()
                .enumerate()
            {
                fake.put(tx(queue, 4 * i), value);
            }
            fake.put(tx(queue, TAIL), 30 + k);
            fake.put(tx(queue, CONTROL), ENABLE | 0x0010_0108);
            fake.put(tx(queue, 0x38), 0x8001 + 0x1000 * k);
            fake.put(tx(queue, 0x3c), k);
        }
        fake.put(EIMS, 0b101 << (22 - 3 * vf));
        fake.put(EIAC, 0b111 << (22 - 3 * vf));
        fake.put(PER_VF + 0x100 * vf + 0x30, 0b011);
        fake.write_vtivar(vf, 0x8180);
        fake.put(VTIVAR + 0x20 + 4 * vf, 0x82);
        for i in 0..3 {
            fake.put(0x1680 + 4 * (22 - 3 * vf + i), 0x100 * (i as u32 + 1));
        }
        for at in [0x10, 0x14, 0x18, 0x34, 0x3c, 0x40, 0x44, 0x48, 0x50] {
            fake.put(PER_VF + 0x100 * vf + at, at as u32 * 0x0101_0101);
        }
    }

    /// Everything of VF `vf` that a driver could see, but for counters.
    fn seen(rig: &Rig<'_>, vf: usize) -> [u32; 16 * 4 + 10] {
        let mut seen = [0; 16 * 4 + 10];
        let fake = &rig.fake;
        let queue = |i: usize| match i / 16 {
            0 => rx(vf, 4 * (i % 16)),
            1 => rx(vf + 8, 4 * (i % 16)),
            2 => tx(vf, 4 * (i % 16)),
            _ => tx(vf + 8, 4 * (i % 16)),
        };
        for (i, place) in seen.iter_mut().enumerate() {
            let shift = 22 - 3 * vf;
            let bits = |word: u32| word >> shift & 7;
            *place = match i {
                0..64 => fake.get(queue(i)),
                64 => bits(fake.get(EIMS)),
                65 => bits(fake.get(EIAC)),
                66 => fake.get(PER_VF + 0x100 * vf + 0x30),
                67 => fake.get(VTIVAR + 4 * vf),
                68 => fake.get(VTIVAR + 0x20 + 4 * vf),
                // Vectors count from the VF's first.
                69 => fake.get(IVAR + 4 * vf) & 0x1f1f,
                70..73 => fake.get(0x1680 + 4 * (shift + i - 70)),
                _ => fake.get(VMBMEM + 0x40 * vf),
            };
        }
        seen[69] = seen[69].wrapping_sub(0x101 * (22 - 3 * vf as u32));
        seen
    }

    fn save(rig: &mut Rig<'_>, machine: &mut Machine) -> ([u8; MAX_SIZE], usize) {
        let mut bytes = [0; MAX_SIZE];
        assert_eq!(machine.quiesce(&rig.world(), Level::Stopped), Ok(()));
        let len = machine.save(&rig.world(), &mut bytes);
        assert!(len.is_ok());
        (bytes, len.unwrap_or(0))
    }

    fn load(rig: &mut Rig<'_>, machine: &mut Machine, bytes: &[u8]) -> Result<(), Fault> {
        assert_eq!(machine.quiesce(&rig.world(), Level::Stopped), Ok(()));
        machine.load(&rig.world(), bytes)
    }

    fn go_on(rig: &mut Rig<'_>, machine: &mut Machine) -> Result<Resumed, Fault> {
        machine.quiesce(&rig.world(), Level::Quiet)?;
        machine.resume(&rig.world())
    }

    #[test]
    fn a_vf_is_the_same_elsewhere() {
        let memories = [memory::Memory::new(), memory::Memory::new()];
        let mut source = Rig::running(&memories[0], 2);
        work(&source, 0);
        assert_eq!(source.ask(0, &Request::AddFilter(mac(0x50))), 0xa002_0002);
        assert_eq!(
            source.ask(0, &Request::Vlan { vid: 9, add: true }),
            0xa001_0004
        );
        assert_eq!(source.ask(0, &Request::MaxFrame(9018)), 0xa000_0005);
        let before = seen(&source, 0);
        let guest = source.vfs.states()[0].guest;
        let (bytes, len) = save(&mut source, &mut Machine::new(0));

        // A device that somebody has used before.
        let mut there = Rig::with_vfs(&memories[1], 7);
        work(&there, 5);
        there.fake.put(IVAR + 4 * 5, 0x9f9f);
        there.fake.put(tx(13, 0x38), 0x7777);
        there.fake.put(EIMS, !0);
        let others = seen(&there, 4);
        let mut machine = Machine::new(5);
        assert_eq!(load(&mut there, &mut machine, &bytes[..len]), Ok(()));
        assert_eq!(there.fake.get(VFRE) & 1 << 5, 0);
        assert_eq!(go_on(&mut there, &mut machine), Ok(Resumed::FromElsewhere));
        assert_eq!(seen(&there, 5), before);
        assert_eq!(seen(&there, 4), others);
        assert!(there.vfs.states()[5].guest == guest);
        assert!(there.fake.get(VFRE) & there.fake.get(VFTE) & 1 << 5 != 0);
        assert!(there.fake.receive(5) && there.fake.receive(13));
        // And it can go further at once.
        let (_, again_len) = save(&mut there, &mut machine);
        assert_eq!(len, again_len);
        assert!(go_on(&mut there, &mut machine) == Ok(Resumed::Here));
    }

    #[test]
    fn a_reset_that_was_not_served_yet_is_older_than_what_is_put_down() {
        let memories = [memory::Memory::new(), memory::Memory::new()];
        let mut source = Rig::running(&memories[0], 1);
        work(&source, 0);
        let guest = source.vfs.states()[0].guest;
        let (bytes, len) = save(&mut source, &mut Machine::new(0));
        let mut there = Rig::with_vfs(&memories[1], 2);
        there.fake.vf_reset(1);
        let mut machine = Machine::new(1);
        assert_eq!(load(&mut there, &mut machine, &bytes[..len]), Ok(()));
        there.serve();
        assert_eq!(go_on(&mut there, &mut machine), Ok(Resumed::FromElsewhere));
        there.serve();
        assert!(there.vfs.states()[1].guest == guest);
    }

    #[test]
    fn counters_go_on() {
        let memories = [memory::Memory::new(), memory::Memory::new()];
        let mut source = Rig::running(&memories[0], 1);
        work(&source, 0);
        let (bytes, len) = save(&mut source, &mut Machine::new(0));
        let mut there = Rig::with_vfs(&memories[1], 2);
        let mut machine = Machine::new(1);
        assert_eq!(load(&mut there, &mut machine, &bytes[..len]), Ok(()));
        there.fake.put(PER_VF + 0x110, 7);
        let mut value = [0; 4];
        let world = there.world();
        let read = page0::read(&world, 1, &machine.ahead(), 0xf10, &mut value);
        assert_eq!(read, Ok(true));
        assert_eq!(u32::from_le_bytes(value), 0x1010_1010 + 7);
    }

    #[test]
    fn another_link_is_told_of() {
        use crate::vf::logic::state::PfLink;
        let memories = [memory::Memory::new(), memory::Memory::new()];
        const PING: u32 = 0x0100;
        const CTS: u32 = 1 << 29;
        for (here, there, told) in [
            (true, true, None),
            (true, false, Some(PING)),
            (false, true, Some(PING | CTS)),
            (false, false, None),
        ] {
            let link = |up| PfLink { up, ..UP };
            let mut source = Rig::running(&memories[0], 1);
            work(&source, 0);
            if !here {
                let set = source
                    .vfs
                    .set_link(source.fake.bar(), link(here), source.now);
                assert_eq!(set, Ok(()));
                assert!(source.fake.vf_receive::<1>(0).is_some());
                source.serve();
            }
            let (bytes, len) = save(&mut source, &mut Machine::new(0));
            let mut target = Rig::with_vfs(&memories[1], 2);
            let set = target
                .vfs
                .set_link(target.fake.bar(), link(there), target.now);
            assert_eq!(set, Ok(()));
            let mut machine = Machine::new(1);
            assert_eq!(load(&mut target, &mut machine, &bytes[..len]), Ok(()));
            assert!(go_on(&mut target, &mut machine).is_ok());
            target.serve();
            assert_eq!(target.fake.vf_receive(1).map(|[head]| head), told);
        }
    }

    /// Phases of an exchange: who has said what when the VF is stopped.
    #[test]
    fn an_exchange_goes_on_elsewhere_in_each_phase() {
        let memories = [memory::Memory::new(), memory::Memory::new()];
        for phase in 0..7 {
            let mut source = Rig::running(&memories[0], 1);
            let mut machine = Machine::new(0);
            let request = Request::MaxFrame(9018).encode();
            let words = request.as_slice();
            match phase {
                // Nothing; the memory taken; written; asked; answered; read; and asked
                // only when it was stopped already.
                0 => {}
                6 => {
                    let stopped = machine.quiesce(&source.world(), Level::Stopped);
                    assert_eq!(stopped, Ok(()));
                    source.fake.vf_send(0, words);
                }
                1 => source.fake.vf_write(0, VFU),
                2 => {
                    source.fake.vf_write(0, VFU);
                    source.fake.put(VMBMEM, words[0]);
                    source.fake.put(VMBMEM + 4, words[1]);
                }
                3 => source.fake.vf_send(0, words),
                4 => {
                    source.fake.vf_send(0, words);
                    source.serve();
                }
                _ => {
                    source.fake.vf_send(0, words);
                    source.serve();
                    assert_eq!(source.fake.vf_receive(0), Some([0xa000_0005]));
                }
            }
            let (bytes, len) = save(&mut source, &mut machine);
            let mut there = Rig::with_vfs(&memories[1], 2);
            let mut machine = Machine::new(1);
            assert_eq!(load(&mut there, &mut machine, &bytes[..len]), Ok(()));
            assert!(go_on(&mut there, &mut machine).is_ok());
            there.serve();
            let register = |there: &mut Rig<'_>| {
                let mut value = [0; 4];
                let world = there.world();
                let ahead = machine.ahead();
                match page0::read(&world, 1, &ahead, 0xc40, &mut value) {
                    Ok(true) => u32::from_le_bytes(value),
                    _ => there.fake.vf_read(1),
                }
            };
            match phase {
                0 => assert_eq!(register(&mut there), 0),
                1 | 2 => {
                    assert_eq!(register(&mut there), VFU);
                    // The PF keeps out until the VF is done.
                    let link = Setting::Link(LinkPolicy::Enable);
                    assert_eq!(there.set(1, link), Ok(()));
                    there.serve();
                    assert_eq!(register(&mut there), VFU);
                    there.fake.put(VMBMEM + 0x40, words[0]);
                    there.fake.put(VMBMEM + 0x44, words[1]);
                    there.fake.put(ICR, 0);
                    let asked = page0::write(&there.world(), 1, 0xc40, &REQ.to_le_bytes());
                    assert!(asked && there.fake.get(ICR) == VMMB);
                    there.serve();
                    // From now on the device knows.
                    let world = there.world();
                    assert!(!page0::write(&world, 1, 0xc40, &VFU.to_le_bytes()));
                }
                _ => {}
            }
            if phase != 0 {
                if phase == 5 {
                    assert_eq!(register(&mut there), 0);
                } else {
                    let notices = register(&mut there);
                    assert_eq!(notices & (PFSTS | PFACK), PFSTS | PFACK);
                    // Once.
                    assert_eq!(register(&mut there) & (PFSTS | PFACK), 0);
                    assert_eq!(there.fake.get(VMBMEM + 0x40) & !(1 << 29), 0x8000_0005);
                }
                assert_eq!(there.vfs.states()[1].guest.max_frame, Some(9018));
            }
        }
    }

    #[test]
    fn contexts_are_put_before_the_other_device() {
        let memories = [memory::Memory::new(), memory::Memory::new()];
        let rams = [memory::Memory::new(), memory::Memory::new()];
        let mut source = Rig::running(&memories[0], 1);
        let mut there = Rig::with_vfs(&memories[1], 3);
        work(&source, 0);
        // The head is at 31; VLANs are inserted by a context 40 descriptors before.
        for ram in &rams {
            source.fake.queues.set_ram(ram.cells());
            let base = u64::from(RING) * 3;
            source.fake.queues.put_descriptor(base + 16 * 55, CONTEXT);
            for slot in (56..64).chain(0..31) {
                source.fake.queues.put_descriptor(base + 16 * slot, PACKET);
            }
            // What the guest has put there and not yet told of.
            source.fake.queues.put_descriptor(base + 16 * 31, PACKET);
        }
        source.fake.queues.set_ram(rams[0].cells());
        there.fake.queues.set_ram(rams[1].cells());
        let (bytes, len) = save(&mut source, &mut Machine::new(0));
        let mut machine = Machine::new(2);
        assert_eq!(load(&mut there, &mut machine, &bytes[..len]), Ok(()));
        assert!(go_on(&mut there, &mut machine).is_ok());
        assert_eq!(there.fake.queues.context(2, 1), CONTEXT);
        assert_eq!(there.fake.queues.context(2, 0), [0; 2]);
        assert_eq!(there.fake.queues.packets.get(), 0);
        assert_eq!(there.fake.get(tx(2, HEAD)), 31);
        assert!(rams[0].cells().iter().eq(rams[1].cells()));
        // The guest rings the bell.
        use kernel::io::Io;
        assert_eq!(there.fake.bar().try_write(tx(2, TAIL), 32u32), Ok(()));
        let sent = Sent {
            queue: 2,
            address: PACKET[0],
            context: CONTEXT,
        };
        assert_eq!(there.fake.queues.last.get(), Some(sent));
    }

    #[test]
    fn a_context_that_is_gone_is_told_of_while_the_vf_runs() {
        let (memory, ram) = (memory::Memory::new(), memory::Memory::new());
        let mut rig = Rig::running(&memory, 1);
        rig.fake.queues.set_ram(ram.cells());
        work(&rig, 0);
        for slot in 0..64 {
            let at = u64::from(RING) * 4 + 16 * slot;
            rig.fake.queues.put_descriptor(at, PACKET);
        }
        let machine = Machine::new(0);
        let mut bytes = [0; MAX_SIZE];
        let known = machine.save_known(&rig.world(), &mut bytes);
        assert_eq!(known, Err(Fault::Context(1, 1)));
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let memories = [memory::Memory::new(), memory::Memory::new()];
        let mut source = Rig::running(&memories[0], 1);
        work(&source, 0);
        assert_eq!(source.set(0, Setting::Trust(true)), Ok(()));
        source.start(0);
        assert_eq!(source.ask(0, &Request::SetMac(mac(0x70))), 0xa000_0002);
        let all = Request::Promiscuous {
            unicast: true,
            multicast: false,
        };
        assert_eq!(source.ask(0, &all), 0xa001_0006);
        let mut known = [0; MAX_SIZE];
        let mut machine = Machine::new(0);
        let known_len = machine.save_known(&source.world(), &mut known).unwrap_or(0);
        let (bytes, len) = save(&mut source, &mut machine);

        let mut there = Rig::running(&memories[1], 2);
        let mut machine = Machine::new(1);
        let misfit = Err(Fault::Misfit(Misfit::Trust(Denial::Untrusted)));
        let known = &known[..known_len];
        assert_eq!(machine.check_known(&there.world(), known), misfit);
        let before = (seen(&there, 1), there.vfs.states()[1].guest);
        assert_eq!(load(&mut there, &mut machine, &bytes[..len]), misfit);
        let cut = load(&mut there, &mut machine, &bytes[..len - 1]);
        assert!(matches!(cut, Err(Fault::Malformed(Malformed::Records(_)))));
        assert!((seen(&there, 1), there.vfs.states()[1].guest) == before);
        // With the address of another it fits as little.
        assert_eq!(there.set(1, Setting::Trust(true)), Ok(()));
        assert_eq!(machine.check_known(&there.world(), known), Ok(()));
        assert_eq!(there.set(0, Setting::Mac(mac(0x70))), Ok(()));
        assert_eq!(machine.check_known(&there.world(), known), Ok(()));
        assert_eq!(there.set(1, Setting::Trust(false)), Ok(()));
        let misfit = Err(Fault::Misfit(Misfit::Trust(Denial::MacTaken)));
        assert_eq!(machine.check_known(&there.world(), known), misfit);
    }

    #[test]
    fn a_vf_that_runs_is_neither_saved_nor_loaded() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        let mut machine = Machine::new(0);
        let busy = Fault::Errno(kernel::prelude::EBUSY);
        let mut bytes = [0; MAX_SIZE];
        assert_eq!(machine.save(&rig.world(), &mut bytes), Err(busy));
        assert_eq!(machine.load(&rig.world(), &bytes), Err(busy));
    }
}

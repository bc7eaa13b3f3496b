// SPDX-License-Identifier: GPL-2.0

//! Where packets go on the fake device, by what PF and VFs have set.
//! What QEMU's model lacks is proved here, and named so.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_switch))]
#[cfg(any(test, kunit_module))]
mod switch {
    use super::super::{
        device::WVBR,
        memory,
        rig::*,
        switch::{
            hash,
            Fate,
            Packet, //
        }, //
    };
    use crate::vf::logic::{
        admin::{
            AdminFault,
            Setting, //
        },
        list::List,
        mac::Mac,
        message::Request,
        state::PfLink, //
    };

    #[test]
    fn pf_and_vfs_reach_each_other() {
        let memory = memory::Memory::new();
        let rig = Rig::running(&memory, 2);
        let to = |from, src, dst| rig.send(from, src, dst, None);
        assert_eq!(to(Some(0), mac(0), mac(1)), Fate::Received(0b010, None));
        assert_eq!(to(Some(0), mac(0), PF_MAC), Fate::Received(0b100, None));
        assert_eq!(to(Some(2), PF_MAC, mac(0)), Fate::Received(0b001, None));
        assert_eq!(to(None, mac(9), EVERYBODY), Fate::Received(0b111, None));
        // To nobody we know: the default pool, the PF's.
        assert_eq!(to(None, mac(9), mac(8)), Fate::Received(0b100, None));
    }

    #[test]
    fn not_in_the_model_source_pruning() {
        let memory = memory::Memory::new();
        let rig = Rig::running(&memory, 2);
        assert_eq!(
            rig.send(Some(0), mac(0), EVERYBODY, None),
            Fate::Received(0b110, None)
        );
    }

    #[test]
    fn not_in_the_model_spoof_check() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        assert_eq!(rig.send(Some(0), mac(1), PF_MAC, None), Fate::Spoofed);
        assert_eq!(rig.send(Some(0), mac(0), PF_MAC, Some(7)), Fate::Spoofed);
        assert_eq!(rig.fake.get(WVBR), 1);
        assert_eq!(rig.set(0, Setting::Spoofchk(false)), Ok(()));
        assert_eq!(
            rig.send(Some(0), mac(1), PF_MAC, None),
            Fate::Received(0b100, None)
        );
        assert_eq!(rig.send(Some(1), mac(0), PF_MAC, None), Fate::Spoofed);
        // The PF is not checked.
        assert_eq!(
            rig.send(Some(2), mac(9), mac(0), None),
            Fate::Received(0b001, None)
        );
    }

    #[test]
    fn not_in_the_model_rate_limit() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        assert_eq!(rig.set(1, Setting::Rate { min: 0, max: 400 }), Ok(()));
        assert_eq!(rig.fake.limit(1), Some((2, 1 << 13)));
        assert_eq!(rig.fake.limit(9), Some((2, 1 << 13)));
        assert_eq!(rig.fake.limit(0), None);
        // It is kept at another speed, and not needed at a lower one.
        let slow = |mbps| PfLink { up: true, mbps };
        for (mbps, limit) in [(100, None), (0, None), (1000, Some((2, 1 << 13)))] {
            let link = slow(mbps);
            assert_eq!(rig.vfs.set_link(rig.fake.bar(), link, rig.now), Ok(()));
            assert_eq!(rig.fake.limit(1), limit);
        }
        assert_eq!(rig.set(1, Setting::Rate { min: 0, max: 0 }), Ok(()));
        assert_eq!(rig.fake.limit(1), None);
        assert_eq!(
            rig.set(1, Setting::Rate { min: 1, max: 2 }),
            Err(AdminFault::MinRate)
        );
    }

    #[test]
    fn not_in_the_model_promiscuity_with_vfs_on() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let ask = Request::Promiscuous {
            unicast: true,
            multicast: true,
        };
        assert_eq!(rig.ask(0, &ask), 0x6003_0006);
        // Its driver need not start anew for that.
        assert_eq!(rig.set(0, Setting::Trust(true)), Ok(()));
        assert_eq!(rig.ask(0, &ask), 0xa003_0006);
        assert_eq!(
            rig.send(None, mac(9), mac(1), None),
            Fate::Received(0b011, None)
        );
        let group = Mac([1, 0, 0x5e, 1, 2, 3]);
        assert_eq!(
            rig.send(None, mac(9), group, None),
            Fate::Received(0b001, None)
        );
        assert_eq!(rig.set(0, Setting::Trust(false)), Ok(()));
        assert_eq!(
            rig.send(None, mac(9), mac(1), None),
            Fate::Received(0b010, None)
        );
    }

    #[test]
    fn not_in_the_model_all_multicast_of_an_overflow() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let overflow = Request::Multicast {
            hashes: List::filled_with(0),
            overflow: true,
        };
        assert_eq!(rig.ask(1, &overflow), 0xa080_0003);
        let group = Mac([1, 0, 0x5e, 1, 2, 3]);
        assert_eq!(
            rig.send(None, mac(9), group, None),
            Fate::Received(0b010, None)
        );
    }

    #[test]
    fn groups_are_received_by_their_members() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let group = Mac([1, 0, 0x5e, 1, 2, 3]);
        let mut hashes = List::filled_with(0);
        assert_eq!(hashes.push(hash(group)), Ok(()));
        let join = Request::Multicast {
            hashes,
            overflow: false,
        };
        let members = |rig: &Rig<'_>| rig.send(None, mac(9), group, None);
        assert_eq!(members(&rig), Fate::Received(0, None));
        assert_eq!(rig.ask(1, &join), 0xa001_0003);
        assert_eq!(members(&rig), Fate::Received(0b010, None));
        rig.start(1);
        assert_eq!(members(&rig), Fate::Received(0, None));
    }

    #[test]
    fn a_port_vlan_holds_its_vf() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 3);
        let vlan = |vid| Setting::Vlan {
            vid,
            qos: 3,
            protocol: 0x8100,
        };
        for vf in 0..2 {
            assert_eq!(rig.set(vf, vlan(5)), Ok(()));
        }
        // Both in it hear each other, the third neither.
        assert_eq!(
            rig.send(Some(0), mac(0), mac(1), None),
            Fate::Received(0b0010, Some(5))
        );
        assert_eq!(
            rig.send(Some(0), mac(0), EVERYBODY, None),
            Fate::Received(0b0010, Some(5))
        );
        // A tag of its own is replaced.
        assert_eq!(
            rig.send(Some(0), mac(0), mac(1), Some(6)),
            Fate::Received(0b0010, Some(5))
        );
        assert_eq!(
            rig.send(Some(2), mac(2), EVERYBODY, None),
            Fate::Received(0b1000, None)
        );
        let join = Request::Vlan { vid: 6, add: true };
        assert_eq!(rig.ask(0, &join), 0x6001_0004);
        assert_eq!(rig.fake.get(0x3700), 5 | 3 << 13 | 1 << 30);
        assert_eq!(rig.set(0, vlan(0)), Ok(()));
        let out = Setting::Vlan {
            vid: 0,
            qos: 0,
            protocol: 0x8100,
        };
        assert_eq!(rig.set(0, out), Ok(()));
        assert_eq!(rig.fake.get(0x3700), 0);
        assert_eq!(rig.fake.vf_receive(0), Some([0x4000_0000]));
    }

    #[test]
    fn vlans_are_received_by_their_members() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let tagged = |rig: &Rig<'_>| rig.send(Some(0), mac(0), mac(1), Some(7));
        for vf in 0..2 {
            assert_eq!(tagged(&rig), Fate::Spoofed);
            let join = Request::Vlan { vid: 7, add: true };
            assert_eq!(rig.ask(1 - vf, &join), 0xa001_0004);
        }
        assert_eq!(tagged(&rig), Fate::Received(0b010, Some(7)));
        let leave = Request::Vlan { vid: 7, add: false };
        assert_eq!(rig.ask(1, &leave), 0xa000_0004);
        assert_eq!(tagged(&rig), Fate::Received(0b100, Some(7)));
    }

    #[test]
    fn the_pf_receives_all_of_its_vlans() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let to = |rig: &Rig<'_>, dst| rig.send(None, mac(9), dst, Some(7));
        assert_eq!(to(&rig, EVERYBODY), Fate::Received(0, Some(7)));
        let mut pf = *rig.vfs.pf();
        pf.vlans[0] = 1 << 7;
        assert_eq!(rig.vfs.set_pf(rig.fake.bar(), &pf), Ok(()));
        for dst in [EVERYBODY, PF_MAC] {
            assert_eq!(to(&rig, dst), Fate::Received(0b100, Some(7)));
        }
        // However many it has, VFs come first.
        pf.vlans = [!0; 128];
        assert_eq!(rig.vfs.set_pf(rig.fake.bar(), &pf), Ok(()));
        for vid in 100..110 {
            assert_eq!(rig.ask(1, &Request::Vlan { vid, add: true }), 0xa001_0004);
        }
        assert_eq!(
            rig.send(None, mac(9), EVERYBODY, Some(109)),
            Fate::Received(0b110, Some(109))
        );
    }

    #[test]
    fn a_check_leaves_the_queues_of_the_pf_as_they_are() {
        const MRQC: usize = 0x5818;
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        let spread = 0x0033_0000 | 5;
        rig.fake.put(MRQC, spread);
        for on in [false, true] {
            assert_eq!(rig.set(0, Setting::Spoofchk(on)), Ok(()));
            assert_eq!(rig.fake.get(MRQC), spread);
        }
    }

    #[test]
    fn further_addresses_come_and_go() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let to = |rig: &Rig<'_>| rig.send(None, mac(9), mac(0x20), None);
        assert_eq!(rig.ask(1, &Request::AddFilter(mac(0x20))), 0xa002_0002);
        assert_eq!(to(&rig), Fate::Received(0b010, None));
        assert_eq!(rig.ask(1, &Request::ClearFilters), 0xa001_0002);
        assert_eq!(to(&rig), Fate::Received(0b100, None));
    }

    #[test]
    fn each_of_24_addresses_works() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        for last in 0x20..0x20 + 11 {
            assert_eq!(rig.ask(0, &Request::AddFilter(mac(last))), 0xa002_0002);
        }
        let mut pf = *rig.vfs.pf();
        for last in 0x40..0x40 + 11 {
            assert_eq!(pf.filters.push(mac(last)), Ok(()));
        }
        assert_eq!(rig.vfs.set_pf(rig.fake.bar(), &pf), Ok(()));
        for last in 0x20..0x20 + 11 {
            let fate = rig.send(None, mac(9), mac(last), None);
            assert_eq!(fate, Fate::Received(0b01, None));
        }
        for last in 0x40..0x40 + 11 {
            let fate = rig.send(None, mac(9), mac(last), None);
            assert_eq!(fate, Fate::Received(0b10, None));
        }
        assert_eq!(pf.filters.push(mac(0x60)), Ok(()));
        assert_eq!(
            rig.vfs.set_pf(rig.fake.bar(), &pf),
            Err(kernel::prelude::ENOSPC)
        );
        assert_eq!(rig.ask(0, &Request::AddFilter(mac(0x61))), 0x6002_0002);
    }

    #[test]
    fn the_pf_takes_no_address_of_a_vfs() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        let mut pf = *rig.vfs.pf();
        pf.mac = mac(0);
        assert!(rig.vfs.is_robbed_by(&pf));
        pf.mac = mac(9);
        assert!(!rig.vfs.is_robbed_by(&pf));
        // What it has already it keeps, though a trusted VF takes it, too.
        assert_eq!(rig.vfs.set_pf(rig.fake.bar(), &pf), Ok(()));
        assert_eq!(rig.set(0, Setting::Trust(true)), Ok(()));
        rig.start(0);
        assert_eq!(rig.ask(0, &Request::AddFilter(mac(9))), 0xa002_0002);
        assert!(!rig.vfs.is_robbed_by(&pf));
    }

    #[test]
    fn long_frames_need_to_be_asked_for() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        let send = |rig: &Rig<'_>, len| {
            let packet = Packet {
                dst: mac(0),
                src: mac(9),
                vlan: None,
                len,
            };
            rig.fake.deliver(None, &packet) == Fate::Received(0b01, None)
        };
        assert!(send(&rig, 1518) && !send(&rig, 1519));
        assert_eq!(rig.ask(0, &Request::MaxFrame(9018)), 0xa000_0005);
        assert!(send(&rig, 9018) && !send(&rig, 9019));
    }
}

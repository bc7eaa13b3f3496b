// SPDX-License-Identifier: GPL-2.0

//! Mailboxes, resets and settings on the fake device.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_service))]
#[cfg(any(test, kunit_module))]
mod service {
    use super::super::{
        device::*,
        memory,
        rig::*,
        switch::Fate, //
    };
    use crate::vf::{
        logic::{
            admin::Setting,
            bucket::REFILL_NS,
            message::Request,
            policy::Denial,
            state::{
                LinkPolicy,
                PfLink, //
            }, //
        },
        service::Later,
        vfs::Note, //
    };

    #[test]
    fn enabling_prepares_the_device_and_lets_the_vfs_go() {
        let memory = memory::Memory::new();
        let rig = Rig::with_vfs(&memory, 2);
        let fake = &rig.fake;
        assert_eq!(fake.get(0x5818), 3);
        assert_eq!(fake.get(0x581c), 1 << 30 | 2 << 7);
        assert_eq!(fake.get(0x3500), 1 << 31 | 0x0303);
        assert_eq!(fake.get(0x5af0), 1 << 30);
        assert_eq!(fake.get(0x3590), 8);
        assert_eq!(fake.get(0x2408), 0xffff);
        assert_eq!(fake.get(MBVFIMR), 0b11);
        assert_eq!((fake.get(VFRE), fake.get(VFTE)), (0b100, 0b100));
        assert_eq!(fake.vf_read(0), RSTD);
        assert_eq!(fake.vf_read(0), 0);
        // The PF's address is in its new pool, and no register is left undefined.
        assert_eq!(fake.get(0x5404), 1 << 31 | 1 << 20 | 0xff00);
        assert_eq!(fake.get(0x551c), 0);
        assert_eq!(fake.get(0x5200), 0);
        assert_eq!(fake.get(UTA), 0);
    }

    #[test]
    fn a_driver_starts_as_igbvf_does() {
        let memory = memory::Memory::new();
        let mut rig = Rig::with_vfs(&memory, 2);
        rig.fake.vf_reset(0);
        assert_eq!(rig.fake.get(ICR), VMMB);
        rig.fake.vf_send(0, &[1]);
        assert_eq!(rig.serve(), Later(None));
        assert!(rig.fake.get(VFLRE) == 0 && rig.fake.get(MBVFICR) == 0);
        let notices = rig.fake.vf_read(0);
        assert_eq!(notices & (PFSTS | PFACK | PFU), PFSTS | PFACK);
        // No address is set: NACK, without CTS, three words.
        let memory = |i: usize| rig.fake.get(VMBMEM + 4 * i);
        assert_eq!([memory(0), memory(1), memory(2)], [0x4000_0001, 0, 0]);
        assert_eq!(rig.fake.get(VFRE), 0b101);
        rig.fake.vf_write(0, ACK);
        rig.serve();
        assert_eq!(rig.ask(0, &Request::SetMac(mac(1))), 0xa000_0002);
        assert_eq!(rig.ask(0, &Request::Reset), 0x8000_0001);
        assert_eq!(rig.fake.get(VMBMEM + 4), 2);
        assert_eq!(rig.fake.get(VMBMEM + 8), 0x0100);
        assert!(!rig.fake.stolen.get());
    }

    #[test]
    fn a_reset_of_the_function_comes_before_its_request() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        assert_eq!(
            rig.ask(0, &Request::Vlan { vid: 5, add: true }),
            0xa001_0004
        );
        // Both notices are there at once.
        rig.fake.vf_reset(0);
        rig.fake.vf_send(0, &[1]);
        rig.serve();
        assert_eq!(rig.fake.get(VFRE), 0b11);
        assert!(rig.vfs.states()[0].guest.vlans.is_empty());
        assert!(rig.vfs.states()[0].guest.cts);
    }

    #[test]
    fn a_reset_ends_what_the_vf_had() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        rig.fake.vf_reset(0);
        rig.serve();
        assert_eq!(rig.fake.get(VFRE), 0b110);
        assert_eq!(
            rig.send(Some(1), mac(1), mac(0), None),
            Fate::Received(0b100, None)
        );
        // It must tell of its reset first.
        assert_eq!(rig.ask(0, &Request::SetMac(mac(0))), 0x4000_0002);
        assert_eq!(rig.notes.as_slice(), &[(0, Note::Denied(Denial::NotReady))]);
    }

    #[test]
    fn hostile_messages_are_answered_nack_and_noted_once() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        let before = rig.vfs.states()[0];
        for _ in 0..3 {
            assert_eq!(rig.ask_words(0, &[0x0042]), 0x6000_0042);
            assert_eq!(rig.ask_words(0, &[0x001f_0003]), 0x601f_0003);
            assert_eq!(rig.ask_words(0, &[0x1f00_0005, 9]), 0x7f00_0005);
        }
        // Nor does it help to look like an answer, but to be the last one.
        for words in [0xc000_0001, 0x8000_0001, 0x4000_0001] {
            assert_eq!(rig.ask_words(0, &[words]), 0x6000_0001);
        }
        assert_eq!(rig.ask_words(0, &[0x6000_0001]), 0);
        assert!(rig.vfs.states()[0] == before);
        assert_eq!(rig.notes.len(), 2);
    }

    #[test]
    fn a_flood_is_slowed_down_and_noted_once() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        rig.now += SECOND;
        let mut served = 0;
        for _ in 0..1000 {
            rig.fake.vf_send(0, &[5, 1522]);
            if rig.serve() == Later(None) {
                served += 1;
            } else {
                break;
            }
        }
        assert_eq!(served, 128);
        assert_eq!(rig.notes.as_slice(), &[(0, Note::Flood)]);
        assert_eq!(rig.serve(), Later(Some(REFILL_NS)));
        // The other VF is served as ever.
        assert_eq!(rig.ask(1, &Request::MaxFrame(1522)), 0xa000_0005);
        rig.now += REFILL_NS;
        assert_eq!(rig.serve(), Later(None));
        rig.fake.vf_send(0, &[5, 1522]);
        rig.serve();
        assert_eq!(rig.notes.len(), 1);
        // Resets count as well.
        rig.fake.vf_reset(0);
        assert!(rig.serve() != Later(None));
    }

    #[test]
    fn a_vf_that_keeps_its_mailbox_is_given_up() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        rig.fake.vf_write(0, VFU | REQ);
        for _ in 0..9 {
            assert_eq!(rig.serve(), Later(Some(MILLISECOND)));
            rig.now += MILLISECOND;
        }
        assert_eq!(rig.serve(), Later(None));
        assert_eq!(rig.notes.as_slice(), &[(0, Note::MailboxHeld)]);
        assert_eq!(rig.fake.get(MBVFICR), 0);
        assert!(!rig.vfs.states()[0].guest.cts);
    }

    #[test]
    fn a_ping_waits_until_an_answer_was_read() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        rig.fake.vf_send(0, &[5, 1522]);
        rig.serve();
        let down = PfLink::default();
        assert_eq!(rig.vfs.set_link(rig.fake.bar(), down, rig.now), Ok(()));
        assert_eq!(rig.fake.vf_receive(0), Some([0xa000_0005]));
        assert_eq!(rig.serve(), Later(None));
        assert_eq!(rig.fake.vf_receive(0), Some([0x100]));
        rig.serve();
        // One that never reads is not waited for.
        assert_eq!(rig.vfs.set_link(rig.fake.bar(), UP, rig.now), Ok(()));
        assert_eq!(rig.vfs.set_link(rig.fake.bar(), down, rig.now), Ok(()));
        assert_eq!(rig.serve(), Later(Some(MILLISECOND)));
        rig.now += 2 * SECOND;
        assert_eq!(rig.serve(), Later(None));
        assert_eq!(rig.fake.vf_receive(0), Some([0x100]));
    }

    #[test]
    fn an_old_acknowledgement_is_not_for_the_new_answer() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        rig.fake.vf_send(0, &[5, 1522]);
        rig.serve();
        assert_eq!(rig.fake.vf_receive(0), Some([0xa000_0005]));
        // Read and asked again before the PF has looked.
        rig.fake.vf_send(0, &[5, 1500]);
        rig.serve();
        let down = PfLink::default();
        assert_eq!(rig.vfs.set_link(rig.fake.bar(), down, rig.now), Ok(()));
        assert_eq!(rig.fake.vf_receive(0), Some([0xa000_0005]));
        rig.serve();
        assert_eq!(rig.fake.vf_receive(0), Some([0x100]));
    }

    #[test]
    fn the_link_is_what_the_administrator_says() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        assert_eq!(rig.set(0, Setting::Link(LinkPolicy::Disable)), Ok(()));
        assert_eq!(rig.fake.vf_receive(0), Some([0x100]));
        rig.serve();
        assert_eq!(rig.fake.get(VFRE), 0b10);
        assert_eq!(rig.fake.get(VFTE), 0b10);
        assert_eq!(rig.set(0, Setting::Link(LinkPolicy::Enable)), Ok(()));
        assert_eq!(rig.fake.vf_receive(0), Some([0x2000_0100]));
        rig.serve();
        assert_eq!(rig.fake.get(VFRE), 0b11);
        let down = PfLink::default();
        assert_eq!(rig.vfs.set_link(rig.fake.bar(), down, rig.now), Ok(()));
        assert_eq!(rig.fake.vf_receive(0), Some([0x2000_0100]));
    }

    #[test]
    fn a_new_address_makes_the_driver_start_anew() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 1);
        assert_eq!(rig.set(0, Setting::Mac(mac(9))), Ok(()));
        assert_eq!(rig.fake.vf_receive(0), Some([0x4000_0000]));
        rig.serve();
        assert_eq!(rig.start(0), 0x8000_0001);
        assert_eq!(rig.fake.get(VMBMEM + 8), 0x0900);
        assert_eq!(rig.ask(0, &Request::SetMac(mac(9))), 0xa000_0002);
        assert_eq!(rig.ask(0, &Request::SetMac(mac(0))), 0x6000_0002);
        assert_eq!(rig.notes.as_slice(), &[(0, Note::Denied(Denial::AdminMac))]);
    }

    #[test]
    fn who_loses_an_address_starts_anew() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        assert_eq!(rig.set(0, Setting::Mac(mac(1))), Ok(()));
        for vf in 0..2 {
            assert_eq!(rig.fake.vf_receive(vf), Some([0x4000_0000]));
        }
        rig.serve();
        assert_eq!(rig.start(1), 0x4000_0001);
        let taken = (1, Note::Denied(Denial::MacTaken));
        assert_eq!(rig.ask(1, &Request::SetMac(mac(1))), 0x6000_0002);
        assert_eq!(rig.notes.as_slice(), &[taken]);
        assert_eq!(rig.ask(1, &Request::SetMac(mac(2))), 0xa000_0002);
    }

    #[test]
    fn a_reset_of_the_pf_is_survived() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let vlan = Setting::Vlan {
            vid: 5,
            qos: 0,
            protocol: 0x8100,
        };
        assert_eq!(rig.set(1, vlan), Ok(()));
        use crate::regs::mac::CTRL;
        use kernel::io::Io;
        let ctrl = CTRL::from_raw(1 << 26);
        rig.fake.bar().write_reg(ctrl);
        assert_eq!(rig.fake.get(VFRE), 0xff);
        assert_eq!(rig.vfs.restore(rig.fake.bar()), Ok(()));
        assert_eq!(rig.fake.get(VFRE), 0b100);
        assert_eq!(rig.fake.vf_read(1), RSTD);
        assert_eq!(rig.fake.get(0x3704), 5 | 1 << 30);
        assert_eq!(rig.start(0) >> 30, 0b01);
        assert_eq!(rig.fake.get(VFRE), 0b101);
    }

    #[test]
    fn disabling_leaves_a_plain_device() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 7);
        assert_eq!(
            rig.vfs.enable(rig.fake.bar(), 1),
            Err(kernel::prelude::EBUSY)
        );
        assert_eq!(rig.vfs.disable(rig.fake.bar()), Ok(()));
        assert_eq!(rig.fake.get(0x5818), 0);
        assert_eq!(rig.fake.get(0x581c), 0);
        assert_eq!(rig.fake.get(0x3500), 0);
        assert_eq!(rig.fake.get(MBVFIMR), 0);
        assert_eq!(rig.fake.get(VFRE), 0xff);
        assert_eq!(rig.fake.get(0x5404), 1 << 31 | 1 << 18 | 0xff00);
        for index in 1..16 {
            assert_eq!(rig.fake.get(0x5404 + 8 * index), 0);
        }
        assert!(rig.vfs.enable(rig.fake.bar(), 0).is_err());
        assert!(rig.vfs.enable(rig.fake.bar(), 8).is_err());
        assert_eq!(rig.vfs.enable(rig.fake.bar(), 7), Ok(()));
    }

    #[test]
    fn nothing_is_written_that_does_not_change() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let before = rig.fake.writes.get();
        assert_eq!(rig.ask(0, &Request::MaxFrame(1522)), 0xa000_0005);
        // Notices, lock, answer; VFRE and VFTE twice; VMOLR and VMVIR of pool 0.
        assert!(rig.fake.writes.get() - before <= 14);
    }

    #[test]
    fn statistics_count_from_when_the_vfs_were_enabled() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        rig.fake.put(0x1_0110, 7);
        rig.fake.put(0x1_0118, 700);
        let Ok(stats) = rig.vfs.stats(rig.fake.bar(), 1) else {
            return assert_eq!("an answer", "an error");
        };
        assert_eq!((stats.rx_packets, stats.rx_bytes), (7, 700));
        assert_eq!(rig.vfs.disable(rig.fake.bar()), Ok(()));
        assert_eq!(rig.vfs.enable(rig.fake.bar(), 2), Ok(()));
        let Ok(stats) = rig.vfs.stats(rig.fake.bar(), 1) else {
            return assert_eq!("an answer", "an error");
        };
        assert_eq!((stats.rx_packets, stats.rx_bytes), (0, 0));
        assert!(rig.vfs.stats(rig.fake.bar(), 2).is_err());
    }
}

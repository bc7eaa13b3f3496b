// SPDX-License-Identifier: GPL-2.0

//! What the PF writes to choose receive queues and for flow control. QEMU's model chooses no
//! queue within a pool and knows no pause frames, so this is the proof.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_receive))]
#[cfg(any(test, kunit_module))]
mod receive {
    use super::super::{
        device::{
            Fake,
            CTRL, //
        },
        memory, //
    };
    use crate::{
        netdev::rss::{
            Rss,
            KEY_BYTES, //
        },
        pf::{
            flow::{
                self,
                Ways, //
            },
            receive, //
        },
    };

    const MRQC: usize = 0x5818;
    const RXCSUM: usize = 0x5000;
    const RETA: usize = 0x5c00;
    const RSSRK: usize = 0x5c80;
    const FCAL: usize = 0x0028;
    const FCTTV: usize = 0x0170;
    const FCRTL: usize = 0x2160;
    const FCRTH: usize = 0x2168;
    const RXPBS: usize = 0x2404;
    const RFCE: u32 = 1 << 27;
    const TFCE: u32 = 1 << 28;
    const VME: u32 = 1 << 30;
    /// IPv4, IPv6, and TCP over both.
    const FIELDS: u32 = 0x0037_0000;

    #[test]
    fn a_hash_chooses_between_all_queues() {
        let memory = memory::Memory::new();
        let fake = Fake::new(memory.cells());
        let mut rss = Rss::new([0x6d; KEY_BYTES], 4);
        assert_eq!(receive::write_rss(fake.bar(), &rss, 4, false), Ok(()));
        assert_eq!(fake.get(MRQC), FIELDS | 2);
        // Checksums of IP, TCP and UDP, SCTP; and the hash in the descriptor.
        assert_eq!(fake.get(RXCSUM) & 0x2b00, 0x2b00);
        assert_eq!(fake.get(RETA), 0x0302_0100);
        assert_eq!(fake.get(RETA + 31 * 4), 0x0302_0100);
        assert_eq!(fake.get(RSSRK + 9 * 4), 0x6d6d_6d6d);
        (rss.udp4, rss.udp6) = (true, true);
        assert_eq!(receive::write_rss(fake.bar(), &rss, 4, false), Ok(()));
        assert_eq!(fake.get(MRQC), FIELDS | 0x00c0_0000 | 2);
    }

    #[test]
    fn not_in_the_model_a_hash_within_a_pool() {
        let memory = memory::Memory::new();
        let fake = Fake::new(memory.cells());
        let rss = Rss::new([0; KEY_BYTES], 2);
        assert_eq!(receive::write_rss(fake.bar(), &rss, 2, true), Ok(()));
        assert_eq!(fake.get(MRQC), FIELDS | 5);
        // Bit 3 of each entry chooses the queue of the pool.
        assert_eq!(fake.get(RETA), 0x0800_0800);
        // With a single queue pools alone are left.
        let one = Rss::new([0; KEY_BYTES], 1);
        assert_eq!(receive::write_rss(fake.bar(), &one, 1, true), Ok(()));
        assert_eq!(fake.get(MRQC), FIELDS | 3);
        assert_eq!(fake.get(RETA), 0);
    }

    #[test]
    fn tags_are_taken_out_and_left_in() {
        let memory = memory::Memory::new();
        let fake = Fake::new(memory.cells());
        let before = fake.get(CTRL);
        receive::write_strip(fake.bar(), true);
        assert_eq!(fake.get(CTRL), before | VME);
        receive::write_strip(fake.bar(), false);
        assert_eq!(fake.get(CTRL), before & !VME);
    }

    #[test]
    fn not_in_the_model_pause_frames() {
        let memory = memory::Memory::new();
        let fake = Fake::new(memory.cells());
        let both = Ways { rx: true, tx: true };
        fake.put(RXPBS, 64);
        assert_eq!(flow::write(fake.bar(), both), Ok(()));
        assert_eq!(fake.get(CTRL) & (RFCE | TFCE), RFCE | TFCE);
        assert_eq!(fake.get(FCAL), 0x00c2_8001);
        assert_eq!(fake.get(FCTTV), 0xffff);
        // Two of the longest frames fit above the high mark; the low one is a unit below.
        assert_eq!(fake.get(FCRTH), 64 * 1024 - 2 * 9728);
        assert_eq!(fake.get(FCRTL), 1 << 31 | (64 * 1024 - 2 * 9728 - 16));
        assert_eq!(flow::write(fake.bar(), Ways::NONE), Ok(()));
        assert_eq!(fake.get(CTRL) & (RFCE | TFCE), 0);
        assert_eq!((fake.get(FCRTL), fake.get(FCRTH)), (0, 0));
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The first page of a VF's BAR, as a guest sees it after a move.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_page0))]
#[cfg(any(test, kunit_module))]
mod page0 {
    use super::super::{
        memory,
        queues::PER_VF,
        rig::Rig, //
    };
    use crate::provider::{
        logic::statistics::Statistics,
        page0, //
    };

    fn read<const N: usize>(rig: &mut Rig<'_>, ahead: &[u32; 9], offset: u64) -> Option<[u8; N]> {
        let mut bytes = [0xaa; N];
        let ahead = Statistics(*ahead);
        let done = page0::read(&rig.world(), 1, &ahead, offset, &mut bytes);
        assert!(done.is_ok());
        (done == Ok(true)).then_some(bytes)
    }

    #[test]
    fn what_is_the_same_passes() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        for offset in (0..0x1000).step_by(4) {
            assert_eq!(read::<4>(&mut rig, &[0; 9], offset), None);
        }
        assert!(!rig.fake.stolen.get());
    }

    #[test]
    fn counters_are_ahead_by_parts_too() {
        let memory = memory::Memory::new();
        let mut rig = Rig::running(&memory, 2);
        let ahead = [0x1000, 0, 0xffff_ffff, 0x10, 0, 0, 0, 0, 0];
        rig.fake.put(PER_VF + 0x110, 0x234);
        rig.fake.put(PER_VF + 0x114, 0x99);
        rig.fake.put(PER_VF + 0x118, 2);
        rig.fake.put(PER_VF + 0x134, 4);
        assert_eq!(read(&mut rig, &ahead, 0xf10), Some(0x1234u32.to_le_bytes()));
        assert_eq!(read(&mut rig, &ahead, 0xf11), Some([0x12]));
        assert_eq!(read(&mut rig, &ahead, 0xf12), Some([0, 0]));
        assert_eq!(read::<4>(&mut rig, &ahead, 0xf14), None);
        let pair = Some(0x99_0000_1234u64.to_le_bytes());
        assert_eq!(read(&mut rig, &ahead, 0xf10), pair);
        assert_eq!(read(&mut rig, &ahead, 0xf18), Some(1u32.to_le_bytes()));
        assert_eq!(
            read(&mut rig, &ahead, 0xf30),
            Some((0x14u64 << 32).to_le_bytes())
        );
        assert_eq!(read::<4>(&mut rig, &ahead, 0xf00), None);
    }
}

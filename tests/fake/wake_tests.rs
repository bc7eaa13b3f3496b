// SPDX-License-Identifier: GPL-2.0

//! What the PF writes before it sleeps, and when it wakes. QEMU's model wakes nobody, so this
//! is the proof.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_wake))]
#[cfg(any(test, kunit_module))]
mod wake {
    use super::super::{
        device::{
            Fake,
            CTRL, //
        },
        memory, //
    };
    use crate::pf::wake::{
        self,
        Wake, //
    };

    const RCTL: usize = 0x0100;
    const WUC: usize = 0x5800;
    const WUFC: usize = 0x5808;
    const WUS: usize = 0x5810;
    const ADVD3WUC: u32 = 1 << 20;
    const MPE: u32 = 1 << 4;
    const PME_EN: u32 = 1 << 1;

    #[test]
    fn nothing_wakes_unless_it_is_wished_for() {
        let memory = memory::Memory::new();
        let fake = Fake::new(memory.cells());
        wake::arm(fake.bar(), Wake::MAGIC);
        wake::arm(fake.bar(), Wake::NONE);
        assert_eq!((fake.get(WUC), fake.get(WUFC)), (0, 0));
    }

    #[test]
    fn each_cause_has_its_filter() {
        let memory = memory::Memory::new();
        let fake = Fake::new(memory.cells());
        let none = Wake::NONE;
        let causes = [
            (Wake { link: true, ..none }, 1),
            (Wake::MAGIC, 2),
            (
                Wake {
                    unicast: true,
                    ..none
                },
                4,
            ),
            (
                Wake {
                    multicast: true,
                    ..none
                },
                8,
            ),
            (
                Wake {
                    broadcast: true,
                    ..none
                },
                0x10,
            ),
        ];
        for (cause, bits) in causes {
            wake::arm(fake.bar(), cause);
            assert_eq!(fake.get(WUFC), bits);
            assert_eq!(fake.get(WUC), PME_EN);
            assert_eq!(fake.get(CTRL) & ADVD3WUC, ADVD3WUC);
        }
    }

    #[test]
    fn any_group_wakes() {
        let memory = memory::Memory::new();
        let fake = Fake::new(memory.cells());
        wake::arm(fake.bar(), Wake::MAGIC);
        assert_eq!(fake.get(RCTL) & MPE, 0);
        let multicast = Wake {
            multicast: true,
            ..Wake::NONE
        };
        wake::arm(fake.bar(), multicast);
        assert_eq!(fake.get(RCTL) & MPE, MPE);
    }

    #[test]
    fn a_link_that_is_there_does_not_wake() {
        let both = Wake {
            link: true,
            ..Wake::MAGIC
        };
        assert_eq!(both.with_link(true), Wake::MAGIC);
        assert_eq!(both.with_link(false), both);
    }

    #[test]
    fn who_is_awake_forgets_what_woke_it() {
        let memory = memory::Memory::new();
        let fake = Fake::new(memory.cells());
        wake::arm(fake.bar(), Wake::MAGIC);
        wake::disarm(fake.bar());
        assert_eq!((fake.get(WUC), fake.get(WUFC)), (0, 0));
        assert_eq!(fake.get(WUS), u32::MAX);
    }
}

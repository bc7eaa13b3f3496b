// SPDX-License-Identifier: GPL-2.0

//! States that anybody may have made up, loaded on the fake device.

use super::{
    memory,
    queues::{
        rx,
        tx,
        EIMS,
        IVAR,
        PER_VF,
        VTIVAR, //
    },
    rig::{
        mac,
        Rig,
        PF_MAC, //
    }, //
};
use crate::{
    provider::levels::{
        Level,
        Machine, //
    },
    vf::logic::{
        admin::Setting,
        mac::Mac,
        state::{
            AdminState,
            GuestState, //
        }, //
    },
};

/// What came of a state.
pub(crate) struct Loaded {
    /// What the guest has then, if the state was accepted.
    pub(crate) accepted: Option<GuestState>,
    /// What the administrator has set then.
    pub(crate) admin: AdminState,
    /// Nothing of the other VFs has changed.
    pub(crate) neighbours_unchanged: bool,
    /// Addresses of others.
    pub(crate) taken: [Mac; 3],
}

/// The VF that states are loaded into; the others run.
const VF: usize = 1;

/// Sums up all that belongs to other VFs.
fn neighbours(rig: &Rig<'_>) -> u64 {
    let mut sum = 0u64;
    let mut add = |value: u32| sum = sum.wrapping_mul(0x100_0000_01b3) ^ u64::from(value);
    for vf in (0..8).filter(|&vf| vf != VF) {
        for queue in [vf, vf + 8] {
            for register in (0..0x40).step_by(4) {
                add(rig.fake.get(rx(queue, register)));
                add(rig.fake.get(tx(queue, register)));
            }
        }
        for register in (0..0x100).step_by(4) {
            add(rig.fake.get(PER_VF + 0x100 * vf + register));
        }
        for register in [
            IVAR,
            VTIVAR,
            VTIVAR + 0x20,
            0x0800 + 0x3c * vf,
            0x3700,
            0x5ad0,
        ] {
            add(rig.fake.get(register + 4 * vf));
        }
        for vector in 0..3 {
            add(rig.fake.get(0x1680 + 4 * (22 + vector - 3 * vf.min(6))));
        }
    }
    let own = 7 << (22 - 3 * VF);
    add(rig.fake.get(EIMS) & !own);
    for register in [super::device::VFRE, super::device::VFTE] {
        add(rig.fake.get(register) & !(1 << VF));
    }
    sum
}

/// Has a VF, trusted or not, load `bytes` and go on.
pub(crate) fn load(bytes: &[u8], trusted: bool) -> Loaded {
    let memory = memory::Memory::new();
    let mut rig = Rig::running(&memory, 3);
    rig.fake.queues.latency.set(0);
    rig.fake.vf_reset(VF);
    rig.serve();
    assert_eq!(rig.set(VF, Setting::Trust(trusted)), Ok(()));
    let before = neighbours(&rig);
    let states = [rig.vfs.states()[0], rig.vfs.states()[2]];
    let mut machine = Machine::new(VF);
    assert_eq!(machine.quiesce(&rig.world(), Level::Stopped), Ok(()));
    let loaded = machine.load(&rig.world(), bytes).is_ok();
    // Contexts need memory to be put before the device; there is none.
    let _ = machine.quiesce(&rig.world(), Level::Quiet);
    let _ = machine.resume(&rig.world());
    let state = rig.vfs.states()[VF];
    Loaded {
        accepted: loaded.then_some(state.guest),
        admin: state.admin,
        neighbours_unchanged: neighbours(&rig) == before
            && states == [rig.vfs.states()[0], rig.vfs.states()[2]],
        taken: [PF_MAC, mac(0), mac(2)],
    }
}

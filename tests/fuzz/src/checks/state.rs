// SPDX-License-Identifier: GPL-2.0

//! The provider's part of a load: any bytes as a VF's state, read, compared with
//! what the administrator has set here, and installed.

use crate::{
    input::Input,
    provider::logic::{
        codec, compare,
        state::{Known, Stopped},
    },
    vf::logic::{
        install,
        mac::Mac,
        state::{PfLink, PfState, PortVlan, VfState},
        tables::Tables,
    },
};

use super::mailbox::{judge_message, judge_state};

const PF_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xff]);
const NEIGHBOUR: Mac = Mac([2, 0, 0, 0, 0, 2]);
const MAX: usize = codec::MAX_SIZE;

/// A PF with two VFs: one that takes a state, and its neighbour, which has an
/// address and a VLAN. Settings of the first come from `settings`.
fn vfs(settings: u8) -> [VfState; 2] {
    let mut vfs = [VfState::new(); 2];
    vfs[1].guest.enabled = true;
    vfs[1].guest.cts = true;
    vfs[1].guest.mac = Some(NEIGHBOUR);
    assert_eq!(vfs[1].guest.vlans.push(7), Ok(()));
    let admin = &mut vfs[0].admin;
    admin.mac = (settings & 1 != 0).then_some(Mac([2, 0, 0, 0, 0, 1]));
    admin.port_vlan = (settings & 2 != 0).then_some(PortVlan { vid: 5, qos: 0 });
    admin.trusted = settings & 4 != 0;
    admin.spoofchk = settings & 8 == 0;
    vfs
}

/// What was read can be written and read again, and is within what registers and
/// tables take.
fn judge_values(known: &Known, stopped: &Stopped) {
    let mut bytes = [0; MAX];
    let used = codec::encode(known, stopped, &mut bytes).expect("what was read fits");
    let again = codec::decode(&bytes[..used]).expect("what was written is read");
    assert!(
        (again.0 == *known) && (again.1 == *stopped),
        "it became something else"
    );
    let device = &stopped.device;
    let rings = device
        .rx
        .iter()
        .map(|queue| queue.ring)
        .chain(device.tx.iter().map(|queue| queue.ring));
    for ring in rings {
        let last = ring.descriptors().saturating_sub(1);
        assert!(u32::from(ring.head) <= last && u32::from(ring.tail) <= last);
        assert!(ring.queued() <= last);
        assert!(ring.base.checked_add(ring.length.into()).is_some());
    }
    assert!(device.rx.iter().all(|queue| queue.sanitized() == *queue));
    assert!(device.tx.iter().all(|queue| queue.sanitized() == *queue));
    assert!(device.interrupts.is_valid());
}

/// Carries a load out as the provider does.
fn load(known: &Known, settings: u8) {
    let pf = PfState {
        mac: PF_MAC,
        ..PfState::new()
    };
    let mut vfs = vfs(settings);
    let before = vfs;
    let fits = compare::check(&mut vfs, &pf, 0, known).is_ok();
    assert!(vfs == before, "a comparison changed something");
    let installed = install::install(&mut vfs, &pf, 0, &known.guest).is_ok();
    if !installed {
        assert!(!fits, "what was compared is refused");
        assert!(vfs == before, "what was refused changed something");
        return;
    }
    judge_message(&before, &vfs, &pf, 0);
    let (current, mut next) = (Tables::new(), Tables::new());
    let link = PfLink {
        up: true,
        mbps: 1000,
    };
    assert!(
        next.compute(&current, &vfs, &pf, &link).is_ok(),
        "a filter does not fit"
    );
    judge_state(&vfs, &next);
}

/// Any state, into a VF with any settings.
pub(crate) fn load_any(settings: u8, bytes: &[u8], is_final: bool) {
    if is_final {
        if let Ok((known, stopped)) = codec::decode(bytes) {
            judge_values(&known, &stopped);
            load(&known, settings);
        }
    } else if let Ok(known) = codec::decode_known(bytes) {
        let mut again = [0; MAX];
        let used = codec::encode_known(&known, &mut again).expect("what was read fits");
        assert!(codec::decode_known(&again[..used]) == Ok(known));
        load(&known, settings);
    }
}

/// The first byte has the settings, the rest is the state.
pub fn state(data: &[u8]) {
    let mut input = Input(data);
    let settings = input.byte();
    let bytes = input.take(usize::MAX);
    load_any(settings, bytes, settings & 0x10 == 0);
}

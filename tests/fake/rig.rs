// SPDX-License-Identifier: GPL-2.0

//! A driver's control of VFs on the fake device, for tests of it.

use super::{
    device::Fake,
    memory,
    switch::{
        Fate,
        Packet, //
    }, //
};
use crate::vf::{
    logic::{
        admin::{
            AdminFault,
            Setting, //
        },
        list::List,
        mac::Mac,
        message::Request,
        state::{
            PfLink,
            PfState, //
        }, //
    },
    service::Later,
    vfs::Note, //
};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const MILLISECOND: u64 = 1_000_000;
pub(super) const PF_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xff]);
pub(super) const UP: PfLink = PfLink {
    up: true,
    mbps: 1000,
};
pub(super) const EVERYBODY: Mac = Mac([0xff; 6]);

pub(super) fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

/// A driver and its device.
pub(super) struct Rig<'m> {
    pub(super) fake: Fake<'m>,
    pub(super) vfs: memory::BoxedVfs,
    pub(super) now: u64,
    pub(super) notes: List<(usize, Note), 32>,
}

impl<'m> Rig<'m> {
    /// With `num` VFs on and nobody in them yet.
    pub(super) fn with_vfs(memory: &'m memory::Memory, num: usize) -> Self {
        let mut rig = Self {
            fake: Fake::new(memory.cells()),
            vfs: memory::vfs(),
            now: 100 * SECOND,
            notes: List::filled_with((0, Note::Flood)),
        };
        let pf = PfState {
            mac: PF_MAC,
            ..PfState::new()
        };
        assert_eq!(rig.vfs.set_pf(rig.fake.bar(), &pf), Ok(()));
        assert_eq!(rig.vfs.set_link(rig.fake.bar(), UP, rig.now), Ok(()));
        assert_eq!(rig.vfs.enable(rig.fake.bar(), num), Ok(()));
        rig
    }

    /// With `num` VFs whose drivers run, VF n at `mac(n)`.
    pub(super) fn running(memory: &'m memory::Memory, num: usize) -> Self {
        let mut rig = Self::with_vfs(memory, num);
        for vf in 0..num {
            rig.start(vf);
            assert_eq!(rig.ask(vf, &Request::SetMac(mac(vf as u8))) >> 29, 0b101);
        }
        rig
    }

    pub(super) fn serve(&mut self) -> Later {
        let notes = &mut self.notes;
        let later = self.vfs.serve(self.fake.bar(), self.now, &mut |vf, note| {
            assert_eq!(notes.push((vf, note)), Ok(()));
        });
        let Ok(later) = later else {
            assert_eq!("an answer", "an error");
            return Later(None);
        };
        later
    }

    /// VF `vf` sends words; the first word of the answer, or 0.
    pub(super) fn ask_words(&mut self, vf: usize, words: &[u32]) -> u32 {
        self.fake.vf_send(vf, words);
        self.serve();
        let [answer] = self.fake.vf_receive(vf).unwrap_or([0]);
        self.serve();
        answer
    }

    pub(super) fn ask(&mut self, vf: usize, request: &Request) -> u32 {
        self.ask_words(vf, request.encode().as_slice())
    }

    /// What a VF driver does first: reset, tell so.
    pub(super) fn start(&mut self, vf: usize) -> u32 {
        self.fake.vf_reset(vf);
        self.ask(vf, &Request::Reset)
    }

    pub(super) fn set(&mut self, vf: usize, setting: Setting) -> Result<(), AdminFault> {
        match self.vfs.set(self.fake.bar(), vf, setting, self.now) {
            Ok(answer) => answer,
            Err(_) => {
                assert_eq!("an answer", "an error");
                Ok(())
            }
        }
    }

    pub(super) fn send(&self, from: Option<usize>, src: Mac, dst: Mac, vlan: Option<u16>) -> Fate {
        let packet = Packet {
            dst,
            src,
            vlan,
            len: 64,
        };
        self.fake.deliver(from, &packet)
    }
}

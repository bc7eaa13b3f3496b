// SPDX-License-Identifier: GPL-2.0

//! Frames that tell a network where a VF's addresses are now. Pure.
//!
//! Switches learn from the source of any frame; a broadcast reaches all of them.
//! RARP requests serve, as hypervisors send them, for nobody answers.

use crate::vf::logic::{
    mac::Mac,
    state::{
        PortVlan,
        VfState, //
    }, //
};

/// Bytes of a frame without a tag: the least there may be.
const PLAIN: usize = 60;

/// Bytes of a VLAN tag.
const TAG: usize = 4;

/// Most frames of one announcement.
pub(crate) const MAX_FRAMES: usize = 64;

/// RARP, a request, for Ethernet and IPv4.
const REQUEST: [u8; 10] = [0x80, 0x35, 0, 1, 0x08, 0x00, 6, 4, 0, 3];

/// A frame, tagged or not.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    bytes: [u8; PLAIN + TAG],
    len: usize,
}

impl Frame {
    /// Announces `mac`, in a VLAN or in none.
    pub(crate) fn new(mac: Mac, vlan: Option<PortVlan>) -> Self {
        let mut frame = Self {
            bytes: [0; PLAIN + TAG],
            len: 0,
        };
        frame.put(&[0xff; 6]);
        frame.put(&mac.0);
        if let Some(PortVlan { vid, qos }) = vlan {
            let [high, low] = (vid & 0xfff | u16::from(qos & 7) << 13).to_be_bytes();
            frame.put(&[0x81, 0x00, high, low]);
        }
        frame.put(&REQUEST);
        // Whose address is asked for, and by whom.
        for _ in 0..2 {
            frame.put(&mac.0);
            frame.put(&[0; 4]);
        }
        frame.len = if vlan.is_some() { PLAIN + TAG } else { PLAIN };
        frame
    }

    fn put(&mut self, part: &[u8]) {
        let end = self.len + part.len();
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(part);
            self.len = end;
        }
    }

    /// From destination to padding.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// What to send for `vf`: its own address in each VLAN, then its further addresses in
/// the VLAN that it is in without knowing of it.
pub(crate) fn frames(vf: &VfState) -> impl Iterator<Item = Frame> + '_ {
    let port = vf.admin.port_vlan.filter(|port| port.vid != 0);
    let own = vf.mac();
    let vlans = vf.guest.vlans.as_slice().iter();
    let in_vlans = vlans.map(|&vid| Some(PortVlan { vid, qos: 0 }));
    let own = own.into_iter().flat_map(move |mac| {
        let vlans = in_vlans.clone();
        core::iter::once(port)
            .chain(vlans)
            .map(move |vlan| Frame::new(mac, vlan))
    });
    let further = vf.guest.filters.as_slice().iter();
    own.chain(further.map(move |&mac| Frame::new(mac, port)))
        .take(MAX_FRAMES)
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_announce))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);

    #[test]
    fn a_frame_is_a_rarp_request() {
        let frame = Frame::new(OWN, None);
        let bytes = frame.bytes();
        assert_eq!(bytes.len(), 60);
        assert_eq!(bytes[..6], [0xff; 6]);
        assert_eq!(bytes[6..12], OWN.0);
        assert_eq!(bytes[12..22], REQUEST);
        assert_eq!(bytes[22..28], OWN.0);
        assert_eq!(bytes[32..38], OWN.0);
        assert!(bytes[38..].iter().all(|&byte| byte == 0));
        let tagged = Frame::new(OWN, Some(PortVlan { vid: 0x123, qos: 5 }));
        assert_eq!(tagged.bytes().len(), 64);
        assert_eq!(tagged.bytes()[12..16], [0x81, 0, 0xa1, 0x23]);
        assert_eq!(tagged.bytes()[16..], bytes[12..]);
    }

    #[test]
    fn every_vlan_learns_the_address() {
        let mut vf = VfState::new();
        assert_eq!(frames(&vf).count(), 0);
        vf.guest.mac = Some(OWN);
        assert_eq!(frames(&vf).count(), 1);
        for vid in [5, 6] {
            assert_eq!(vf.guest.vlans.push(vid), Ok(()));
        }
        assert_eq!(vf.guest.filters.push(Mac([2, 0, 0, 0, 0, 2])), Ok(()));
        let lengths = [60, 64, 64, 60];
        assert!(frames(&vf).map(|frame| frame.bytes().len()).eq(lengths));
        assert!(frames(&vf)
            .last()
            .is_some_and(|frame| frame.bytes()[11] == 2));
        vf.guest.vlans.clear();
        vf.admin.port_vlan = Some(PortVlan { vid: 9, qos: 3 });
        assert!(frames(&vf).all(|frame| frame.bytes()[14..16] == [0x60, 9]));
    }
}

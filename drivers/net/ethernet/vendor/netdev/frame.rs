// SPDX-License-Identifier: GPL-2.0

//! Lengths of frames. Pure.

/// Ethernet header, VLAN tag and CRC, in bytes.
const OVERHEAD: u32 = 14 + 4 + 4;

/// Least MTU in bytes.
pub(crate) const MIN_MTU: u32 = 68;

/// Largest MTU in bytes.
pub(crate) const MAX_MTU: u32 = 9216;

/// Longest frame that the port receives for anybody, in bytes with tag and CRC.
pub(crate) const MAX_BYTES: u32 = 9728;

/// Longest frame of an interface, in bytes with tag and CRC.
pub(crate) const fn bytes(mtu: u32) -> u32 {
    let bytes = mtu.saturating_add(OVERHEAD);
    if bytes > MAX_BYTES {
        MAX_BYTES
    } else {
        bytes
    }
}

/// Whether a buffer of `buffer` bytes holds any frame of an interface: the tag that is in none
/// of these bytes, a second one, is no longer than the CRC, which is not received.
pub(crate) const fn fits(mtu: u32, buffer: u32) -> bool {
    bytes(mtu) <= buffer
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_frame))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn frames_have_an_overhead() {
        assert_eq!(bytes(1500), 1522);
        assert_eq!(bytes(MAX_MTU), 9238);
        assert_eq!(bytes(u32::MAX), MAX_BYTES);
    }

    #[test]
    fn a_buffer_holds_frames_up_to_its_size() {
        assert!(fits(MIN_MTU, 3072));
        assert!(fits(3050, 3072));
        assert!(!fits(3051, 3072));
        assert!(!fits(u32::MAX, 3072));
    }
}

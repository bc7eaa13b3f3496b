// SPDX-License-Identifier: GPL-2.0

//! The list of VF ids in `include/linux/vfio_mediate_ids.h`, read at compile
//! time: "vendor:device" pairs in hexadecimal, separated by blanks.

/// Vendor and device id of a VF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct VfId {
    /// PCI vendor id.
    pub(crate) vendor: u16,
    /// PCI device id.
    pub(crate) device: u16,
}

/// Number of ids in `list`, of which each has one colon.
pub(crate) const fn count(list: &[u8]) -> usize {
    let mut n = 0;
    let mut at = 0;
    while at < list.len() {
        if list[at] == b':' {
            n += 1;
        }
        at += 1;
    }
    n
}

/// The ids of `list`; `None` if it is malformed or does not hold `N` of them.
pub(crate) const fn parse<const N: usize>(list: &[u8]) -> Option<[VfId; N]> {
    let mut ids = [VfId {
        vendor: 0,
        device: 0,
    }; N];
    let mut n = 0;
    let mut at = 0;
    while at < list.len() {
        if list[at] == b' ' {
            at += 1;
            continue;
        }
        let (Some(vendor), Some(device)) = (hex4(list, at), hex4(list, at + 5)) else {
            return None;
        };
        if n == N || list[at + 4] != b':' {
            return None;
        }
        ids[n] = VfId { vendor, device };
        n += 1;
        at += 9;
        if at < list.len() && list[at] != b' ' {
            return None;
        }
    }
    if n == N {
        Some(ids)
    } else {
        None
    }
}

/// Four hexadecimal digits from `at`.
const fn hex4(list: &[u8], at: usize) -> Option<u16> {
    let mut value: u16 = 0;
    let mut i = at;
    while i < at + 4 {
        if i >= list.len() {
            return None;
        }
        let digit = match list[i] {
            c @ b'0'..=b'9' => c - b'0',
            c @ b'a'..=b'f' => c - b'a' + 10,
            _ => return None,
        };
        value = (value << 4) | u16::from_be_bytes([0, digit]);
        i += 1;
    }
    Some(value)
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_vf_ids))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn id(vendor: u16, device: u16) -> VfId {
        VfId { vendor, device }
    }

    #[test]
    fn lists_are_read() {
        assert_eq!(parse::<0>(b""), Some([]));
        assert_eq!(parse::<1>(b"1234:abcd"), Some([id(0x1234, 0xabcd)]));
        assert_eq!(
            parse::<2>(b" 1234:abcd  0001:0002 "),
            Some([id(0x1234, 0xabcd), id(1, 2)])
        );
        assert_eq!(count(b"1234:abcd 0001:0002"), 2);
    }

    #[test]
    fn malformed_lists_are_refused() {
        assert_eq!(parse::<1>(b"1234:abc"), None);
        assert_eq!(parse::<1>(b"1234-abcd"), None);
        assert_eq!(parse::<1>(b"1234:ABCD"), None);
        assert_eq!(parse::<1>(b"1234:abcde"), None);
        assert_eq!(parse::<1>(b"1234:abcd,0001:0002"), None);
        assert_eq!(parse::<2>(b"1234:abcd"), None);
        assert_eq!(parse::<1>(b"1234:abcd 0001:0002"), None);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! What the kernel says of a device's region, from the bytes it says it in.

use crate::abi::uapi::{
    VFIO_REGION_INFO_CAP_SPARSE_MMAP, VFIO_REGION_INFO_CAP_TYPE, VFIO_REGION_INFO_FLAG_CAPS,
    VFIO_REGION_INFO_FLAG_MMAP,
};

/// A part of a region.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Area {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// A region of a device's file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Region {
    /// Which.
    pub index: u32,
    /// VFIO_REGION_INFO_FLAG_…
    pub flags: u32,
    /// Bytes.
    pub size: u64,
    /// Where it begins in the device's file.
    pub offset: u64,
    /// Type and subtype of one that is none of PCI's.
    pub kind: Option<(u32, u32)>,
    /// Capabilities, by number.
    pub capabilities: Vec<u16>,
    /// What may be mapped of it.
    pub areas: Vec<Area>,
}

fn bytes<const N: usize>(info: &[u8], at: usize) -> Option<[u8; N]> {
    info.get(at..)?.first_chunk().copied()
}

fn word(info: &[u8], at: usize) -> Option<u32> {
    bytes(info, at).map(u32::from_ne_bytes)
}

fn quad(info: &[u8], at: usize) -> Option<u64> {
    bytes(info, at).map(u64::from_ne_bytes)
}

impl Region {
    /// Reads `struct vfio_region_info` with its capabilities; None if something
    /// is not where it is said to be.
    pub fn parse(info: &[u8]) -> Option<Self> {
        let mut region = Self {
            flags: word(info, 4)?,
            index: word(info, 8)?,
            size: quad(info, 16)?,
            offset: quad(info, 24)?,
            ..Self::default()
        };
        let mut sparse = None;
        if region.flags & VFIO_REGION_INFO_FLAG_CAPS != 0 {
            let mut at = usize::try_from(word(info, 12)?).ok()?;
            while at != 0 {
                let id = u16::from_ne_bytes(bytes(info, at)?);
                region.capabilities.push(id);
                if u32::from(id) == VFIO_REGION_INFO_CAP_SPARSE_MMAP {
                    sparse = Some(sparse_areas(info, at)?);
                }
                if u32::from(id) == VFIO_REGION_INFO_CAP_TYPE {
                    region.kind = Some((word(info, at + 8)?, word(info, at + 12)?));
                }
                let next = usize::try_from(word(info, at + 4)?).ok()?;
                // The chain only goes forward, so it ends.
                if next != 0 && next <= at {
                    return None;
                }
                at = next;
            }
        }
        let whole = Area {
            offset: 0,
            size: region.size,
        };
        if region.flags & VFIO_REGION_INFO_FLAG_MMAP != 0 && region.size != 0 {
            region.areas = sparse.unwrap_or_else(|| vec![whole]);
        }
        let within = |area: &Area| {
            area.offset
                .checked_add(area.size)
                .is_some_and(|end| end <= region.size)
        };
        region.areas.iter().all(within).then_some(region)
    }
}

fn sparse_areas(info: &[u8], at: usize) -> Option<Vec<Area>> {
    let count = usize::try_from(word(info, at + 8)?).ok()?;
    (0..count)
        .map(|index| {
            let place = at.checked_add(16)?.checked_add(index.checked_mul(16)?)?;
            Some(Area {
                offset: quad(info, place)?,
                size: quad(info, place + 8)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which area holds all of `size` bytes from `offset`, and where in it.
    fn locate(region: &Region, offset: u64, size: u64) -> Option<(usize, u64)> {
        region.areas.iter().enumerate().find_map(|(index, area)| {
            let inside = offset.checked_sub(area.offset)?;
            let end = inside.checked_add(size)?;
            (end <= area.size).then_some((index, inside))
        })
    }

    /// Information of a 16 KiB region with the given capabilities after it.
    fn info(flags: u32, cap_offset: u32, rest: &[u32]) -> Vec<u8> {
        let mut words = vec![0, flags, 2, cap_offset, 0x4000, 0, 0, 0x200];
        words.extend(rest);
        words
            .iter()
            .flat_map(|word: &u32| word.to_ne_bytes())
            .collect()
    }

    const ALL: u32 = 0xf;

    #[test]
    fn without_capabilities_all_may_be_mapped_or_nothing() {
        let region = Region::parse(&info(7, 0, &[])).unwrap();
        assert_eq!(
            (region.index, region.size, region.offset),
            (2, 0x4000, 0x200_0000_0000)
        );
        assert_eq!(locate(&region, 0x3ffc, 4), Some((0, 0x3ffc)));
        assert_eq!(locate(&region, 0x3ffd, 4), None);
        assert_eq!(Region::parse(&info(3, 0, &[])).unwrap().areas, []);
    }

    #[test]
    fn sparse_areas_are_found_behind_other_capabilities() {
        let caps = [
            // MSI-X mappable, then two areas: pages 1 and 3.
            3 | 1 << 16,
            40,
            1 | 1 << 16,
            0,
            2,
            0,
            0x1000,
            0,
            0x1000,
            0,
            0x3000,
            0,
            0x1000,
            0,
        ];
        let region = Region::parse(&info(ALL, 32, &caps)).unwrap();
        assert_eq!(region.capabilities, [3, 1]);
        assert_eq!(region.areas.len(), 2);
        assert_eq!(locate(&region, 0x0c40, 4), None);
        assert_eq!(locate(&region, 0x1000, 4), Some((0, 0)));
        assert_eq!(locate(&region, 0x1ffe, 4), None);
        assert_eq!(locate(&region, 0x3818, 4), Some((1, 0x818)));
        assert_eq!(locate(&region, u64::MAX, 4), None);
    }

    #[test]
    fn regions_of_other_kinds_say_which() {
        let caps = [2 | 1 << 16, 0, 0x4d45_4454, 1];
        let region = Region::parse(&info(ALL & !4, 32, &caps)).unwrap();
        assert_eq!(region.kind, Some((0x4d45_4454, 1)));
        assert_eq!(Region::parse(&info(ALL, 32, &caps[..3])), None);
        assert_eq!(Region::parse(&info(7, 0, &[])).unwrap().kind, None);
    }

    #[test]
    fn no_area_at_all_may_be_mapped_with_an_empty_list() {
        let region = Region::parse(&info(ALL, 32, &[1 | 1 << 16, 0, 0, 0])).unwrap();
        assert_eq!(region.areas, []);
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        // Cut, a chain that goes back, an area behind the end, too many areas.
        assert_eq!(Region::parse(&info(7, 0, &[])[..31]), None);
        assert_eq!(Region::parse(&info(ALL, 4000, &[])), None);
        assert_eq!(Region::parse(&info(ALL, 32, &[3, 32])), None);
        let outside = [1 | 1 << 16, 0, 1, 0, 0x3000, 0, 0x1001, 0];
        assert_eq!(Region::parse(&info(ALL, 32, &outside)), None);
        assert_eq!(
            Region::parse(&info(ALL, 32, &[1 | 1 << 16, 0, u32::MAX, 0])),
            None
        );
    }
}

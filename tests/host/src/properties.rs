// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for any input, hostile ones included.

use crate::{
    access::{accesses, MAX_WIDTH},
    region::{Region, FLAG_MMAP, MAX_AREAS},
    span::{Span, PAGE_SIZE},
    vf_ids::{self, VfId},
    window::Window,
};
use proptest::prelude::*;

fn any_span() -> impl Strategy<Value = Span> {
    let edge = prop_oneof![
        any::<u64>(),
        (0u64..64).prop_map(|p| p * PAGE_SIZE),
        (0u64..64).prop_map(|p| u64::MAX - p * PAGE_SIZE),
        0u64..0x1_0000,
    ];
    (edge.clone(), edge).prop_map(|(offset, size)| Span { offset, size })
}

/// What a provider may answer: mostly ascending pages, sometimes anything.
fn any_areas() -> impl Strategy<Value = Vec<Span>> {
    let tidy = prop::collection::btree_set(0u64..32, 0..MAX_AREAS + 2).prop_map(|pages| {
        pages
            .into_iter()
            .map(|page| Span {
                offset: page * PAGE_SIZE,
                size: PAGE_SIZE,
            })
            .collect()
    });
    prop_oneof![tidy, prop::collection::vec(any_span(), 0..MAX_AREAS + 2)]
}

proptest! {
    /// Accesses cover the range once, in order, aligned, as wide as they can be.
    #[test]
    fn accesses_tile_the_range(offset in 0..u64::MAX - 0x2000, count in 0usize..0x1000) {
        let mut at = offset;
        let end = offset + count as u64;
        for access in accesses(offset, count) {
            prop_assert_eq!(access.offset, at);
            prop_assert!(access.width.is_power_of_two() && access.width <= MAX_WIDTH);
            let width = access.width as u64;
            prop_assert_eq!(at % width, 0);
            let wider = width * 2;
            prop_assert!(access.width == MAX_WIDTH || at % wider != 0 || at + wider > end);
            at += width;
        }
        prop_assert_eq!(at, end);
    }

    /// Near the end of the address space accesses end, without overflow.
    #[test]
    fn accesses_always_end(offset in u64::MAX - 0x100.., count in any::<usize>()) {
        prop_assert!(accesses(offset, count).take(0x200).count() <= 0x101);
    }

    /// A narrowed region never allows more than the whole one, and what it
    /// allows to be mapped is inside its areas, page by page.
    #[test]
    fn narrowing_only_takes_away(
        size in (0u64..64).prop_map(|p| p * PAGE_SIZE),
        flags in 0u32..16,
        answered in (0u32..32, any_span(), any_areas()),
        map in any_span(),
    ) {
        let whole = Region::whole(flags, size);
        let (new_flags, new_size, areas) = answered;
        if let Ok(narrowed) = whole.narrowed(new_flags, new_size.size, &areas) {
            prop_assert_eq!(narrowed.flags & !whole.flags, 0);
            prop_assert!(narrowed.size <= whole.size);
            prop_assert_eq!(narrowed.areas(), &areas[..]);
            if map.check_pages().is_ok() && narrowed.may_map(map) {
                prop_assert!(whole.may_map(map));
                prop_assert!(narrowed.flags & FLAG_MMAP != 0);
                if !areas.is_empty() {
                    let mut page = map.offset;
                    while page < map.offset + map.size {
                        let inside = |a: &Span| a.offset <= page && page < a.offset + a.size;
                        prop_assert!(areas.iter().any(inside));
                        page += PAGE_SIZE;
                    }
                }
            }
        }
    }

    /// Any pages inside the areas of a region can be mapped.
    #[test]
    fn each_area_can_be_mapped(areas in any_areas()) {
        let whole = Region::whole(FLAG_MMAP, 32 * PAGE_SIZE);
        if let Ok(narrowed) = whole.narrowed(FLAG_MMAP, 32 * PAGE_SIZE, &areas) {
            for area in &areas {
                prop_assert!(narrowed.may_map(*area));
            }
        }
    }

    /// Clipping answers what is left, for offsets inside alone.
    #[test]
    fn clip_stays_inside(size in any::<u64>(), offset in any::<u64>(), count in any::<usize>()) {
        match Region::whole(0, size).clip(offset, count) {
            None => prop_assert!(offset >= size),
            Some(n) => {
                prop_assert!(n <= count && offset < size);
                prop_assert!(n as u64 <= size - offset);
                prop_assert!(n == count || n as u64 == size - offset);
            }
        }
    }

    /// Overlap of windows is symmetric and means a common byte.
    #[test]
    fn overlap_is_a_common_byte(
        a in (0u32..2, 0u64..64, 1u64..32),
        b in (0u32..2, 0u64..64, 1u64..32),
    ) {
        let window = |(region, offset, size): (u32, u64, u64)| Window {
            region,
            span: Span { offset, size },
            optional: false,
        };
        let common = a.0 == b.0 && (a.1..a.1 + a.2).any(|x| (b.1..b.1 + b.2).contains(&x));
        prop_assert_eq!(window(a).overlaps(&window(b)), common);
        prop_assert_eq!(window(b).overlaps(&window(a)), common);
    }

    /// What is printed as ids is read as such.
    #[test]
    fn printed_ids_are_read(ids in prop::collection::vec(any::<(u16, u16)>(), 3)) {
        let list = ids
            .iter()
            .map(|(vendor, device)| format!("{vendor:04x}:{device:04x}"))
            .collect::<Vec<_>>()
            .join(" ");
        let expected = [0, 1, 2].map(|i: usize| VfId { vendor: ids[i].0, device: ids[i].1 });
        prop_assert_eq!(vf_ids::parse::<3>(list.as_bytes()), Some(expected));
        prop_assert_eq!(vf_ids::count(list.as_bytes()), 3);
    }

    /// Any bytes at all are read or refused.
    #[test]
    fn any_id_list_ends(list in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = vf_ids::parse::<2>(&list);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! What a device has written to the ranges that are logged, a bit for each page. Pure; all
//! memory is taken when a log begins.

use super::{
    bit_tree::BitTree,
    span::PAGE_SIZE, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

/// Bytes of an address space: the first and the last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Extent {
    /// The first.
    pub(crate) first: u64,
    /// The last, which is not before the first.
    pub(crate) last: u64,
}

impl Extent {
    /// `len` bytes from `iova` on, as far as there are any; `None` for none.
    pub(crate) fn of(iova: u64, len: u64) -> Option<Self> {
        Some(Self {
            first: iova,
            last: iova.saturating_add(len.checked_sub(1)?),
        })
    }

    /// The bytes of both; `None` if there are none.
    fn and(&self, other: &Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(Self { first, last })
    }

    fn has(&self, other: &Self) -> bool {
        self.and(other) == Some(*other)
    }
}

/// Why ranges cannot be logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LogFault {
    /// The page size is not a power of two.
    PageSize,
    /// A range has no bytes.
    Empty,
    /// Ranges do not ascend.
    Order,
}

/// The size of the pages that are told apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Granule(u32);

impl Granule {
    /// What a user who asks for pages of `bytes` bytes gets: these, or the smallest there are.
    pub(crate) fn new(bytes: u64) -> Result<Self, LogFault> {
        if bytes.is_power_of_two() {
            Ok(Self(bytes.max(PAGE_SIZE).trailing_zeros()))
        } else {
            Err(LogFault::PageSize)
        }
    }

    /// Bytes.
    pub(crate) fn bytes(self) -> u64 {
        1 << self.0
    }

    /// Which page a byte is in.
    fn page(self, iova: u64) -> u64 {
        iova >> self.0
    }

    /// The first byte of a page.
    fn first(self, page: u64) -> u64 {
        page << self.0
    }

    /// The last byte of a page.
    fn last(self, page: u64) -> u64 {
        self.first(page) | (self.bytes() - 1)
    }
}

/// Pages next to each other that are logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    first: u64,
    last: u64,
    /// The bit of the first.
    bit: u64,
}

impl Place {
    fn bits(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// Where the pages of `ranges`, which ascend, have their bits: `add` is called for each piece,
/// ascending. Answers how many bits there are.
pub(crate) fn arrange<E: From<LogFault>>(
    ranges: impl Iterator<Item = Extent>,
    granule: Granule,
    mut add: impl FnMut(Place) -> Result<(), E>,
) -> Result<u64, E> {
    let mut current: Option<Place> = None;
    let mut before = None;
    for range in ranges {
        if range.last < range.first {
            return Err(LogFault::Empty.into());
        }
        if before.is_some_and(|before| before >= range.first) {
            return Err(LogFault::Order.into());
        }
        before = Some(range.last);
        let (first, last) = (granule.page(range.first), granule.page(range.last));
        let bit = match &mut current {
            Some(place) if place.last + 1 >= first => {
                place.last = last;
                continue;
            }
            Some(place) => {
                add(*place)?;
                place.bit + place.bits()
            }
            None => 0,
        };
        current = Some(Place { first, last, bit });
    }
    let Some(place) = current else {
        return Ok(0);
    };
    add(place)?;
    Ok(place.bit + place.bits())
}

/// Which pages were written.
pub(crate) struct Written<P, W> {
    granule: Granule,
    places: P,
    bits: BitTree<W>,
}

impl<P: Deref<Target = [Place]>, W: DerefMut<Target = [u64]>> Written<P, W> {
    /// None of the pages of `places`, in memory of `words` that is all zeroes. `None` unless
    /// there are as many words as the bits of [`arrange`] need.
    pub(crate) fn new(granule: Granule, places: P, words: W) -> Option<Self> {
        let bits = places.last().map_or(0, |place| place.bit + place.bits());
        Some(Self {
            granule,
            places,
            bits: BitTree::new(words, bits)?,
        })
    }

    /// The place that begins at `page` or is the last before it.
    fn place_before(&self, page: u64) -> Option<usize> {
        self.places
            .partition_point(|place| place.first <= page)
            .checked_sub(1)
    }

    /// Notes that the bytes of `extent` were written, as far as they are logged; answers how
    /// many pages had not been noted.
    pub(crate) fn insert(&mut self, extent: Extent) -> u64 {
        let (first, last) = (
            self.granule.page(extent.first),
            self.granule.page(extent.last),
        );
        let mut count = 0;
        let from = self.place_before(first).unwrap_or(0);
        let places = self.places.get(from..).unwrap_or_default();
        for place in places.iter().take_while(|place| place.first <= last) {
            for page in place.first.max(first)..=place.last.min(last) {
                count += u64::from(self.bits.set(place.bit + (page - place.first)));
            }
        }
        count
    }

    /// Whether all of `extent` is logged.
    pub(crate) fn covers(&self, extent: Extent) -> bool {
        self.place_of(extent).is_some()
    }

    fn place_of(&self, extent: Extent) -> Option<Place> {
        let place = self
            .place_before(self.granule.page(extent.first))
            .and_then(|index| self.places.get(index))?;
        (self.granule.page(extent.last) <= place.last).then_some(*place)
    }

    /// Puts what was written of `extent` into `runs`, ascending, and forgets it. Answers how
    /// many there are: if all of `runs`, there may be more behind the last.
    ///
    /// A page of which `extent` has but a part is told by that part and not forgotten: nobody
    /// has been told of the rest.
    pub(crate) fn take(&mut self, extent: Extent, runs: &mut [Extent]) -> usize {
        let Some(place) = self.place_of(extent) else {
            return 0;
        };
        let granule = self.granule;
        let behind = place.bit + (granule.page(extent.last) - place.first) + 1;
        let mut bit = place.bit + (granule.page(extent.first) - place.first);
        let mut count = 0_usize;
        while let Some(found) = self.bits.next(bit).filter(|&found| found < behind) {
            let page = place.first + (found - place.bit);
            let whole = Extent {
                first: granule.first(page),
                last: granule.last(page),
            };
            let Some(part) = whole.and(&extent) else {
                break;
            };
            let joined = match count.checked_sub(1).and_then(|at| runs.get_mut(at)) {
                Some(run) if found == bit => {
                    run.last = part.last;
                    true
                }
                _ => false,
            };
            if !joined {
                let Some(run) = runs.get_mut(count) else {
                    break;
                };
                *run = part;
                count += 1;
            }
            if extent.has(&whole) {
                self.bits.clear(found);
            }
            bit = found + 1;
        }
        count
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_written))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const fn extent(first: u64, last: u64) -> Extent {
        Extent { first, last }
    }

    const NONE: Place = Place {
        first: 0,
        last: 0,
        bit: 0,
    };

    /// Pieces of `ranges`, and how many bits there are.
    fn arranged(ranges: &[Extent], page: u64) -> Result<([Place; 4], usize, u64), LogFault> {
        let mut places = [NONE; 4];
        let mut count = 0;
        let bits = arrange(
            ranges.iter().copied(),
            Granule::new(page)?,
            |place| -> Result<(), LogFault> {
                places[count] = place;
                count += 1;
                Ok(())
            },
        )?;
        Ok((places, count, bits))
    }

    #[test]
    fn page_sizes_are_powers_of_two_from_4_kib_on() {
        let bytes = |page| Granule::new(page).map(Granule::bytes);
        for page in [0, 3, 4095, 4097, 3 << 20, u64::MAX] {
            assert_eq!(bytes(page), Err(LogFault::PageSize));
        }
        for (page, given) in [
            (1, 4096),
            (512, 4096),
            (4096, 4096),
            (1 << 21, 1 << 21),
            (1 << 63, 1 << 63),
        ] {
            assert_eq!(bytes(page), Ok(given));
        }
    }

    #[test]
    fn ranges_that_touch_are_one() -> Result<(), LogFault> {
        let found = arranged(
            &[
                extent(0, 0xfff),
                extent(0x1000, 0x2fff),
                extent(0x8000, 0x8fff),
            ],
            4096,
        );
        let (places, count, bits) = found?;
        assert_eq!((count, bits), (2, 4));
        assert_eq!(
            places[0],
            Place {
                first: 0,
                last: 2,
                bit: 0
            }
        );
        assert_eq!(
            places[1],
            Place {
                first: 8,
                last: 8,
                bit: 3
            }
        );
        // Pages are larger than what was asked for.
        let found = arranged(
            &[
                extent(0, 0x1ff),
                extent(0x400, 0x5ff),
                extent(0x1200, 0x13ff),
            ],
            512,
        );
        assert_eq!(found.map(|(_, count, bits)| (count, bits)), Ok((1, 2)));
        Ok(())
    }

    #[test]
    fn ranges_without_bytes_or_order_are_refused() {
        let fault = |ranges: &[Extent]| arranged(ranges, 4096).map(|(_, _, bits)| bits);
        assert_eq!(fault(&[]), Ok(0));
        assert_eq!(fault(&[extent(0x1000, 0xfff)]), Err(LogFault::Empty));
        assert_eq!(
            fault(&[extent(0x1000, 0x1fff), extent(0, 0xfff)]),
            Err(LogFault::Order)
        );
        assert_eq!(
            fault(&[extent(0, 0x1fff), extent(0x1000, 0x2fff)]),
            Err(LogFault::Order)
        );
        assert_eq!(fault(&[extent(0, u64::MAX)]), Ok(1 << 52));
    }

    fn take<const N: usize>(
        written: &mut Written<&[Place], &mut [u64]>,
        first: u64,
        last: u64,
    ) -> ([Extent; N], usize) {
        let mut runs = [extent(0, 0); N];
        let count = written.take(extent(first, last), &mut runs);
        (runs, count)
    }

    #[test]
    fn what_is_logged_is_told_once() -> Result<(), LogFault> {
        let (places, count, _) = arranged(
            &[extent(0x4000, 0x7fff), extent(0x10_0000, 0x10_1fff)],
            4096,
        )?;
        let mut words = [0; 1];
        let granule = Granule::new(4096)?;
        let mut written =
            Written::new(granule, &places[..count], &mut words[..]).ok_or(LogFault::Order)?;
        // Only the last two bytes of the first, and the first of the second, are logged.
        assert_eq!(written.insert(extent(0, 0x4001)), 1);
        assert_eq!(written.insert(extent(0x4fff, 0x5000)), 1);
        assert_eq!(written.insert(extent(0x7fff, 0x10_0000)), 2);
        assert_eq!(written.insert(extent(0x8000, 0xf_ffff)), 0);
        assert_eq!(
            take::<4>(&mut written, 0x4000, 0x7fff),
            (
                [
                    extent(0x4000, 0x5fff),
                    extent(0x7000, 0x7fff),
                    extent(0, 0),
                    extent(0, 0)
                ],
                2
            )
        );
        assert_eq!(take::<4>(&mut written, 0x4000, 0x7fff).1, 0);
        assert_eq!(
            take::<1>(&mut written, 0x10_0000, 0x10_1fff),
            ([extent(0x10_0000, 0x10_0fff)], 1)
        );
        assert!(written.covers(extent(0x4000, 0x7fff)));
        assert!(!written.covers(extent(0x4000, 0x8000)));
        assert!(!written.covers(extent(0x3fff, 0x4000)));
        assert!(!written.covers(extent(0x4000, 0x10_0000)));
        assert!(!written.covers(extent(0x20_0000, 0x20_0fff)));
        Ok(())
    }

    #[test]
    fn a_page_that_is_told_in_part_is_not_forgotten() -> Result<(), LogFault> {
        let (places, count, _) = arranged(&[extent(0, (4 << 16) - 1)], 1 << 16)?;
        let mut words = [0; 1];
        let granule = Granule::new(1 << 16)?;
        let mut written =
            Written::new(granule, &places[..count], &mut words[..]).ok_or(LogFault::Order)?;
        assert_eq!(written.insert(extent(0, (3 << 16) - 1)), 3);
        // All of the second, half of the first and the third.
        let told = extent(0x8000, 0x2_7fff);
        assert_eq!(take::<1>(&mut written, told.first, told.last), ([told], 1));
        assert_eq!(
            take::<2>(&mut written, 0, 0x3_ffff),
            ([extent(0, 0xffff), extent(0x2_0000, 0x2_ffff)], 2)
        );
        assert_eq!(take::<2>(&mut written, 0, 0x3_ffff).1, 0);
        Ok(())
    }
}

// SPDX-License-Identifier: GPL-2.0

//! What of a region a VMM may see: vfio-pci's default, narrowed by a provider.
//! Pure. A provider can take away, never add.

use super::span::{
    Span,
    SpanFault,
    PAGE_SIZE, //
};
use core::fmt;

/// Most mmap-able areas of one region (`VFIO_MEDIATE_MAX_AREAS`).
pub(crate) const MAX_AREAS: usize = 16;

/// Number of BARs of a PCI function; only they are shown to providers.
pub(crate) const BARS: usize = 6;

/// `VFIO_REGION_INFO_FLAG_MMAP` of `include/uapi/linux/vfio.h`.
pub(crate) const FLAG_MMAP: u32 = 1 << 2;

/// A region as reported and enforced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Region {
    /// `VFIO_REGION_INFO_FLAG_*`.
    pub(crate) flags: u32,
    /// Size in bytes.
    pub(crate) size: u64,
    nr_areas: usize,
    areas: [Span; MAX_AREAS],
}

/// Why a provider's answer about a region cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RegionFault {
    /// It sets flags that vfio-pci did not.
    MoreFlags(u32),
    /// It is larger than the BAR.
    Larger(u64),
    /// More areas than [`MAX_AREAS`].
    TooManyAreas(usize),
    /// An area's range cannot be used.
    Area(usize, SpanFault),
    /// An area begins before the end of the one before it.
    Order(usize),
    /// An area ends behind the region.
    Outside(usize),
}

impl fmt::Display for RegionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoreFlags(flags) => write!(f, "it adds flags {flags:#x}"),
            Self::Larger(size) => write!(f, "its size {size:#x} is beyond the BAR"),
            Self::TooManyAreas(n) => write!(f, "it has {n} areas, at most {MAX_AREAS} fit"),
            Self::Area(i, fault) => write!(f, "area {i} {fault}"),
            Self::Order(i) => write!(f, "area {i} is not behind the one before it"),
            Self::Outside(i) => write!(f, "area {i} ends behind the region"),
        }
    }
}

impl Region {
    /// vfio-pci's own view: mmap-able as a whole, if at all.
    pub(crate) fn whole(flags: u32, size: u64) -> Self {
        Self {
            flags,
            size,
            nr_areas: 0,
            areas: [Span { offset: 0, size: 0 }; MAX_AREAS],
        }
    }

    /// This view narrowed to what a provider answered.
    pub(crate) fn narrowed(
        &self,
        flags: u32,
        size: u64,
        areas: &[Span],
    ) -> Result<Self, RegionFault> {
        if flags & !self.flags != 0 {
            return Err(RegionFault::MoreFlags(flags & !self.flags));
        }
        if size > self.size {
            return Err(RegionFault::Larger(size));
        }
        let mut narrowed = Self::whole(flags, size);
        let mut end = 0;
        for (i, area) in areas.iter().enumerate() {
            area.check_pages().map_err(|f| RegionFault::Area(i, f))?;
            if area.offset < end {
                return Err(RegionFault::Order(i));
            }
            end = area.end().ok_or(RegionFault::Outside(i))?;
            if end > size {
                return Err(RegionFault::Outside(i));
            }
            *narrowed
                .areas
                .get_mut(i)
                .ok_or(RegionFault::TooManyAreas(areas.len()))? = *area;
        }
        narrowed.nr_areas = areas.len();
        Ok(narrowed)
    }

    /// The mmap-able areas if they are not simply the whole region.
    pub(crate) fn areas(&self) -> &[Span] {
        self.areas.get(..self.nr_areas).unwrap_or_default()
    }

    /// What lies between and around the mmap-able areas, if there are any.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = Span> + '_ {
        let ends = self.areas().iter().map(|a| a.offset + a.size);
        let starts = self.areas().iter().map(|a| a.offset).skip(1);
        // From 0 to the first, from each to the next, and from the last to the end.
        let first = self.areas().first().map(|a| (0, a.offset));
        let others = ends.zip(starts.chain([self.size]));
        first
            .into_iter()
            .chain(others)
            .filter(|(from, to)| from < to)
            .map(|(from, to)| Span {
                offset: from,
                size: to - from,
            })
    }

    /// Whether `span` may be mapped. The whole region may where no areas are
    /// given, rounded up to a page as vfio-pci does for small BARs.
    pub(crate) fn may_map(&self, span: Span) -> bool {
        let Some(end) = span.end() else {
            return false;
        };
        if self.flags & FLAG_MMAP == 0 {
            return false;
        }
        if self.nr_areas == 0 {
            return end.checked_sub(PAGE_SIZE - 1) <= Some(self.size);
        }
        // Neighbouring areas may be mapped in one go.
        let mut at = span.offset;
        for area in self.areas() {
            if area.offset <= at && at < area.offset + area.size {
                at = area.offset + area.size;
            }
        }
        at >= end
    }

    /// How many of `count` bytes from `offset` are inside the region; `None` if
    /// `offset` is not.
    pub(crate) fn clip(&self, offset: u64, count: usize) -> Option<usize> {
        let left = self.size.checked_sub(offset).filter(|left| *left > 0)?;
        Some(usize::try_from(left).map_or(count, |left| left.min(count)))
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_region))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn span(offset: u64, size: u64) -> Span {
        Span { offset, size }
    }

    fn bar() -> Region {
        Region::whole(7, 0x4000)
    }

    #[test]
    fn a_provider_can_only_take_away() {
        assert_eq!(
            bar().narrowed(15, 0x4000, &[]),
            Err(RegionFault::MoreFlags(8))
        );
        assert_eq!(
            bar().narrowed(7, 0x4001, &[]),
            Err(RegionFault::Larger(0x4001))
        );
        assert_eq!(bar().narrowed(3, 0x3000, &[]), Ok(Region::whole(3, 0x3000)));
    }

    #[test]
    fn areas_are_checked() {
        let check = |areas: &[Span]| bar().narrowed(7, 0x4000, areas).err();
        assert_eq!(check(&[span(0, 0x1000), span(0x3000, 0x1000)]), None);
        assert_eq!(
            check(&[span(0, 0)]),
            Some(RegionFault::Area(0, SpanFault::Empty))
        );
        assert_eq!(
            check(&[span(0x1000, 0x2000), span(0x2000, 0x1000)]),
            Some(RegionFault::Order(1))
        );
        assert_eq!(
            check(&[span(0x4000, 0x1000)]),
            Some(RegionFault::Outside(0))
        );
        let many = [span(0, 0x1000); MAX_AREAS + 1];
        assert_eq!(check(&many), Some(RegionFault::Order(1)));
    }

    #[test]
    fn too_many_areas_are_refused() {
        let large = Region::whole(7, 0x100_0000);
        let mut many = [span(0, 0x1000); MAX_AREAS + 1];
        for (i, area) in many.iter_mut().enumerate() {
            area.offset = i as u64 * 0x1000;
        }
        assert_eq!(
            large.narrowed(7, 0x100_0000, &many),
            Err(RegionFault::TooManyAreas(MAX_AREAS + 1))
        );
        assert!(large.narrowed(7, 0x100_0000, &many[1..]).is_ok());
    }

    #[test]
    fn mapping_is_kept_to_the_areas() {
        let whole = bar();
        assert!(whole.may_map(span(0, 0x4000)));
        assert!(!whole.may_map(span(0x1000, 0x4000)));
        assert!(!whole.may_map(span(u64::MAX - 0xfff, 0x1000)));
        assert!(!Region::whole(3, 0x4000).may_map(span(0, 0x1000)));
        assert!(Region::whole(7, 0x200).may_map(span(0, 0x1000)));
        let neighbours = [span(0x1000, 0x1000), span(0x2000, 0x1000)];
        let parts = whole.narrowed(7, 0x4000, &neighbours).unwrap_or(whole);
        assert_eq!(parts.areas(), neighbours);
        assert!(parts.may_map(span(0x1000, 0x2000)));
        assert!(!parts.may_map(span(0, 0x1000)));
        assert!(!parts.may_map(span(0, 0x4000)));
        assert!(!parts.may_map(span(0x2000, 0x2000)));
    }

    #[test]
    fn what_is_hidden_lies_around_the_areas() {
        let hidden = |areas: &[Span], expected: &[Span]| {
            let narrowed = bar().narrowed(7, 0x4000, areas).unwrap_or(bar());
            assert!(narrowed.hidden().eq(expected.iter().copied()));
        };
        hidden(&[], &[]);
        hidden(&[span(0, 0x4000)], &[]);
        hidden(&[span(0x1000, 0x3000)], &[span(0, 0x1000)]);
        hidden(
            &[span(0, 0x1000), span(0x2000, 0x1000)],
            &[span(0x1000, 0x1000), span(0x3000, 0x1000)],
        );
        hidden(
            &[span(0x1000, 0x1000), span(0x2000, 0x2000)],
            &[span(0, 0x1000)],
        );
    }

    #[test]
    fn accesses_are_clipped_to_the_region() {
        assert_eq!(bar().clip(0, 8), Some(8));
        assert_eq!(bar().clip(0x3ffe, 8), Some(2));
        assert_eq!(bar().clip(0x4000, 1), None);
        assert_eq!(bar().clip(u64::MAX, 1), None);
    }
}

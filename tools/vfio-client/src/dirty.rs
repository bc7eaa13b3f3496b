// SPDX-License-Identifier: GPL-2.0

//! Which pages a device wrote, as sets, and as the kernel reports them.

use crate::{
    abi::dirty,
    device::Device,
    error::{Context, Result},
    memory::{Memory, PAGE},
};

/// A set of the pages of one memory, by their number in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pages {
    bits: Vec<u64>,
    count: u64,
}

impl Pages {
    /// None of `count` pages.
    pub fn none(count: u64) -> Self {
        let words = usize::try_from(count.div_ceil(u64::BITS.into())).unwrap_or(0);
        Self {
            bits: vec![0; words],
            count,
        }
    }

    /// None of a memory's pages.
    pub fn none_of(memory: &Memory) -> Self {
        Self::none(memory.size() / PAGE)
    }

    fn place(page: u64) -> (usize, u64) {
        let bits = u64::from(u64::BITS);
        ((page / bits) as usize, 1 << (page % bits))
    }

    /// Adds a page.
    pub fn insert(&mut self, page: u64) {
        let (word, bit) = Self::place(page);
        if let Some(word) = self.bits.get_mut(word).filter(|_| page < self.count) {
            *word |= bit;
        }
    }

    /// Takes a page out.
    pub fn remove(&mut self, page: u64) {
        let (word, bit) = Self::place(page);
        if let Some(word) = self.bits.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Adds every page that `size` bytes from `offset` on touch.
    pub fn insert_bytes(&mut self, offset: u64, size: u64) {
        if size > 0 {
            for page in offset / PAGE..=(offset + size - 1) / PAGE {
                self.insert(page);
            }
        }
    }

    /// Whether it holds a page.
    pub fn contains(&self, page: u64) -> bool {
        let (word, bit) = Self::place(page);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Those of either.
    pub fn or(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a | b)
    }

    /// Those that `other` has not.
    pub fn without(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a & !b)
    }

    fn combine(&self, other: &Self, how: impl Fn(u64, u64) -> u64) -> Self {
        let pairs = self.bits.iter().zip(&other.bits);
        Self {
            bits: pairs.map(|(&a, &b)| how(a, b)).collect(),
            count: self.count,
        }
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.bits.fill(0);
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.bits
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|&word| word == 0)
    }

    /// Their numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.count).filter(|&page| self.contains(page))
    }
}

/// How the kernel reports them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Channel {
    /// VFIO_DEVICE_FEATURE_DMA_LOGGING_…, of the device.
    Log,
    /// VFIO_IOMMU_DIRTY_PAGES, of the container that the device is in.
    Scope,
}

impl Channel {
    /// From now on the kernel notes what the device writes to `memory`. On
    /// `scope` the device itself has to go to PRE_COPY after that.
    pub fn start(self, device: &Device, memory: &Memory) -> Result<()> {
        self.start_range(device, memory.iova(), memory.size())
    }

    /// As [`start`](Self::start), of so many bytes of the device's addresses, whatever is
    /// there.
    pub fn start_range(self, device: &Device, iova: u64, size: u64) -> Result<()> {
        match self {
            Self::Log => {
                dirty::log_start(device.file(), PAGE, &[[iova, size]]).context("DMA_LOGGING_START")
            }
            Self::Scope => dirty::scope_start(device.container()?).context("DIRTY_PAGES START"),
        }
    }

    /// What was written since the last report.
    pub fn report(self, device: &Device, memory: &Memory) -> Result<Pages> {
        self.report_range(device, memory.iova(), memory.size())
    }

    /// As [`report`](Self::report), of a range; on `scope` it holds all mappings.
    pub fn report_range(self, device: &Device, iova: u64, size: u64) -> Result<Pages> {
        let mut pages = Pages::none(size / PAGE);
        self.report_into(device, iova, size, &mut pages)?;
        Ok(pages)
    }

    /// As [`report_range`](Self::report_range), into a set of that many pages.
    pub fn report_into(
        self,
        device: &Device,
        iova: u64,
        size: u64,
        pages: &mut Pages,
    ) -> Result<()> {
        let bits = &mut pages.bits;
        match self {
            Self::Log => dirty::log_report(device.file(), iova, size, PAGE, bits)
                .context("DMA_LOGGING_REPORT"),
            Self::Scope => dirty::scope_report(device.container()?, iova, size, PAGE, bits)
                .context("DIRTY_PAGES GET_BITMAP"),
        }
    }

    /// Ends it.
    pub fn stop(self, device: &Device) -> Result<()> {
        match self {
            Self::Log => dirty::log_stop(device.file()).context("DMA_LOGGING_STOP"),
            Self::Scope => dirty::scope_stop(device.container()?).context("DIRTY_PAGES STOP"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(numbers: &[u64]) -> Pages {
        let mut pages = Pages::none(130);
        numbers.iter().for_each(|&page| pages.insert(page));
        pages
    }

    #[test]
    fn bytes_touch_all_pages_between_their_ends() {
        let mut set = Pages::none(130);
        set.insert_bytes(0x0fff, 0);
        assert!(set.is_empty());
        set.insert_bytes(0x0fff, 2);
        set.insert_bytes(64 * PAGE, 2 * PAGE);
        set.insert_bytes(129 * PAGE, 5 * PAGE);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 1, 64, 65, 129]);
        assert_eq!(set.len(), 5);
        set.clear();
        assert_eq!(set, Pages::none(130));
    }

    #[test]
    fn sets_are_combined() {
        let (a, b) = (pages(&[1, 2, 128]), pages(&[2, 3]));
        assert_eq!(a.or(&b), pages(&[1, 2, 3, 128]));
        assert_eq!(a.without(&b), pages(&[1, 128]));
        assert!(!a.contains(3) && a.contains(128) && !a.contains(1000));
    }
}

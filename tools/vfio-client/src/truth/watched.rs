// SPDX-License-Identifier: GPL-2.0

//! A guest's memory with a copy of what its driver wrote: where the two differ,
//! a device wrote.

use crate::{
    dirty::Pages,
    error::Result,
    memory::{Memory, PAGE},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the memory held when it was last looked at.
struct Image {
    bytes: Vec<u8>,
    /// Pages where the driver was about to write over what a device wrote.
    overwritten: Pages,
    /// For each page, the first and the last byte that a device was seen to change.
    changes: Vec<(usize, usize)>,
}

/// The memory, and the copy.
pub struct Watched {
    memory: Arc<Memory>,
    image: Mutex<Image>,
}

impl Watched {
    /// Memory that is still all zeroes.
    pub fn new(memory: Memory) -> Result<Self> {
        let mut bytes = vec![0; memory.size() as usize];
        memory.read(memory.iova(), &mut bytes)?;
        let overwritten = Pages::none_of(&memory);
        let changes = vec![(0, 0); (memory.size() / PAGE) as usize];
        Ok(Self {
            memory: Arc::new(memory),
            image: Mutex::new(Image {
                bytes,
                overwritten,
                changes,
            }),
        })
    }

    /// The memory, for everything but writing.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        self.image.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where an address is in the memory.
    pub fn offset(&self, iova: u64) -> u64 {
        iova - self.memory.iova()
    }

    /// Writes as the driver. These bytes must not be the device's to write.
    pub fn write(&self, iova: u64, bytes: &[u8]) -> Result<()> {
        let mut image = self.image();
        let mut old = vec![0; bytes.len()];
        self.memory.read(iova, &mut old)?;
        let offset = self.offset(iova);
        let start = offset as usize;
        let known = &mut image.bytes[start..start + bytes.len()];
        let mut changed = Vec::new();
        if *known != old[..] {
            let pairs = (offset..).zip(known.iter().zip(&old));
            let different = pairs.filter(|(_, (known, old))| known != old);
            changed.extend(different.map(|(at, _)| at / PAGE));
        }
        known.copy_from_slice(bytes);
        for page in changed {
            image.overwritten.insert(page);
        }
        self.memory.write(iova, bytes)
    }

    /// Writes a descriptor as the driver.
    pub fn write_descriptor(&self, iova: u64, [low, high]: [u64; 2]) -> Result<()> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&low.to_le_bytes());
        bytes[8..].copy_from_slice(&high.to_le_bytes());
        self.write(iova, &bytes)
    }

    /// Reads a descriptor.
    pub fn read_descriptor(&self, iova: u64) -> Result<[u64; 2]> {
        self.memory.read_descriptor(iova)
    }

    /// The first and the last byte of a page that changed when it last did.
    pub fn change(&self, page: u64) -> (usize, usize) {
        let change = self.image().changes.get(page as usize).copied();
        change.unwrap_or_default()
    }

    /// Looks at every page: which ones did a device write since it was looked at?
    pub fn scan(&self) -> Result<Pages> {
        let mut found = Pages::none_of(&self.memory);
        let mut now = vec![0; PAGE as usize];
        for page in 0..self.memory.size() / PAGE {
            // The driver goes on between pages.
            let mut image = self.image();
            let start = (page * PAGE) as usize;
            self.memory
                .read(self.memory.iova() + page * PAGE, &mut now)?;
            let Image { bytes, changes, .. } = &mut *image;
            let known = &mut bytes[start..start + now.len()];
            if known != now {
                let differs = |at: &usize| known[*at] != now[*at];
                let first = (0..now.len()).find(differs);
                let last = (0..now.len()).rfind(differs);
                changes[page as usize] = first.zip(last).unwrap_or_default();
                known.copy_from_slice(&now);
                found.insert(page);
            }
            if image.overwritten.contains(page) {
                image.overwritten.remove(page);
                found.insert(page);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IOVA: u64 = 0x10_0000;

    fn watched() -> Watched {
        Watched::new(Memory::new(4 * PAGE as usize, IOVA).unwrap()).unwrap()
    }

    fn found(watched: &Watched) -> Vec<u64> {
        watched.scan().unwrap().iter().collect()
    }

    #[test]
    fn what_the_driver_writes_is_not_the_devices() {
        let watched = watched();
        watched.write(IOVA + PAGE - 2, &[1; 4]).unwrap();
        watched.write_descriptor(IOVA + 3 * PAGE, [1, 2]).unwrap();
        assert_eq!(watched.read_descriptor(IOVA + 3 * PAGE).unwrap(), [1, 2]);
        assert!(found(&watched).is_empty());
    }

    #[test]
    fn what_a_device_writes_is_found_once() {
        let watched = watched();
        watched
            .memory()
            .write(IOVA + 2 * PAGE - 1, &[7; 2])
            .unwrap();
        assert_eq!(found(&watched), [1, 2]);
        assert!(found(&watched).is_empty());
        // The same bytes again are no change.
        watched
            .memory()
            .write(IOVA + 2 * PAGE - 1, &[7; 2])
            .unwrap();
        assert!(found(&watched).is_empty());
    }

    #[test]
    fn what_the_driver_writes_over_is_found_too() {
        let watched = watched();
        watched.write_descriptor(IOVA, [1, 2]).unwrap();
        // Written back, and refilled.
        watched.memory().write_descriptor(IOVA, [0, 3]).unwrap();
        watched.write_descriptor(IOVA, [1, 2]).unwrap();
        assert_eq!(found(&watched), [0]);
        assert!(found(&watched).is_empty());
        // Beside what the driver writes.
        watched.memory().write(IOVA + 64, &[1]).unwrap();
        watched.write_descriptor(IOVA, [4, 5]).unwrap();
        assert_eq!(found(&watched), [0]);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A guest's memory that comes after it: a page at a time, each when it is touched, when its
//! VF needs it, or in the background, and mapped for DMA when it has come.

use crate::{
    abi::uffd::Uffd,
    device::Device,
    error::{Context, Error, Result},
    memory::{Memory, Piece, PAGE},
    trap_region::TrapRegion,
};
use std::sync::{
    atomic::{AtomicBool, AtomicU64, Ordering},
    Arc, Mutex, MutexGuard, PoisonError,
};

/// Where a page is on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Page {
    Away,
    Here,
    Mapped,
}

/// The memory on its way to a destination.
pub struct Fetch {
    source: Arc<Memory>,
    /// Our own address of the destination's first byte.
    address: u64,
    device: Arc<Device>,
    uffd: Uffd,
    pages: Mutex<Vec<Page>>,
    /// How often something was refused for missing memory.
    pub prefaults: AtomicU64,
    ended: AtomicBool,
}

impl Fetch {
    /// From `source` to `target`, which is as large and has not been touched.
    pub fn new(source: Arc<Memory>, target: &Memory, device: Arc<Device>) -> Result<Self> {
        let pages = source.size() / PAGE;
        let uffd = Uffd::new(target.address(), target.size()).context("userfaultfd")?;
        Ok(Self {
            address: target.address(),
            device,
            uffd,
            pages: Mutex::new(vec![Page::Away; pages as usize]),
            source,
            prefaults: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        })
    }

    /// The memory that it comes from.
    pub fn source(&self) -> &Memory {
        &self.source
    }

    /// How many pages there are.
    pub fn count(&self) -> u64 {
        self.source.size() / PAGE
    }

    fn pages(&self) -> MutexGuard<'_, Vec<Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetch(&self, pages: &mut [Page], page: u64) -> Result<()> {
        let Some(state) = pages.get_mut(page as usize) else {
            return Err(Error::Wrong(format!("there is no page {page:#x}")));
        };
        if *state == Page::Away {
            let mut bytes = [0; PAGE as usize];
            self.source
                .read(self.source.iova() + page * PAGE, &mut bytes)?;
            self.uffd
                .give(self.address + page * PAGE, &bytes)
                .context("UFFDIO_COPY")?;
            *state = Page::Here;
        }
        Ok(())
    }

    /// Has a page come, and maps it for DMA.
    pub fn map(&self, page: u64) -> Result<()> {
        let mut pages = self.pages();
        self.fetch(&mut pages, page)?;
        if let Some(state) = pages.get_mut(page as usize).filter(|s| **s == Page::Here) {
            let piece = Piece {
                iova: self.source.iova() + page * PAGE,
                size: PAGE,
            };
            self.device.map_piece(self.address + page * PAGE, piece)?;
            *state = Page::Mapped;
        }
        Ok(())
    }

    /// The same of all pages that a piece touches; of none if it has no bytes.
    pub fn map_piece(&self, piece: Piece) -> Result<()> {
        let Some(last) = piece.size.checked_sub(1) else {
            return Ok(());
        };
        let Some(first) = piece.iova.checked_sub(self.source.iova()) else {
            return Err(Error::Wrong(format!("{piece:x?} is not the guest's")));
        };
        (first / PAGE..=(first + last) / PAGE).try_for_each(|page| self.map(page))
    }

    /// Something was refused for missing memory: maps what the region names.
    pub fn resolve(&self, region: &TrapRegion) -> Result<()> {
        self.prefaults.fetch_add(1, Ordering::Relaxed);
        // Somebody else may have asked anew meanwhile, and nothing be named: then it is
        // refused again.
        let (iova, size) = region.view()?.fault;
        self.map_piece(Piece { iova, size })
    }

    /// Does something again and again, until it is not refused for missing memory.
    pub fn until_there<T>(
        &self,
        region: &TrapRegion,
        mut f: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        loop {
            match f() {
                Err(error) if error.errno() == Some(libc::EFAULT) => self.resolve(region)?,
                other => return other,
            }
        }
    }

    /// Has pages come that somebody touches, until it is ended.
    pub fn serve(&self) -> Result<()> {
        while !self.ended.load(Ordering::Relaxed) {
            if !self.uffd.wait(50).context("waiting for a userfaultfd")? {
                continue;
            }
            while let Some(address) = self.uffd.waiting().context("reading a userfaultfd")? {
                let page = address.wrapping_sub(self.address) / PAGE;
                self.fetch(&mut self.pages(), page)?;
            }
        }
        Ok(())
    }

    /// Ends that.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Which pages of the guest's memory its VF has written, told to the VMM.
//!
//! By the *scope* of the container: once this driver has pinned a page, the container reports
//! of this device's writes only what was pinned since it was asked last. So a page is marked
//! by pinning and unpinning it.

use super::counters::Counters;
use crate::{
    abi::{
        pin::BATCH,
        vfio_device::Core, //
    },
    logic::pages::{
        batches,
        Batch, //
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};

/// For how long pages of a mapping that is on its way out are not pinned.
const GOING_MS: i64 = 10;

/// A mapping for DMA on its way out: its pages must not be pinned while the container waits
/// for all pins to go. (It gives up with a BUG after ten attempts.)
struct Going {
    iova: u64,
    size: u64,
    since: Instant<Monotonic>,
}

impl Going {
    fn has(&self, batch: &Batch) -> bool {
        let end = self.iova.saturating_add(self.size);
        batch.iova < end && self.iova < batch.end()
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() >= Delta::from_millis(GOING_MS)
    }
}

/// The log of one device.
#[pin_data]
pub(crate) struct DirtyLog {
    /// Whether writes are to be told.
    on: Atomic<bool>,
    /// Whether something could not be told since it was switched on.
    lost: Atomic<bool>,
    /// Whether something was told since it was switched on.
    told: Atomic<bool>,
    /// Protects pages between being pinned and unpinned: one batch at a time. Under the
    /// provider's locks, over the container's.
    #[pin]
    pins: Mutex<Option<Going>>,
    counters: Arc<Counters>,
}

impl DirtyLog {
    /// A log that is off.
    pub(crate) fn new(counters: Arc<Counters>) -> impl PinInit<Self> {
        pin_init!(Self {
            on: Atomic::new(false),
            lost: Atomic::new(false),
            told: Atomic::new(false),
            pins <- new_mutex!(None),
            counters,
        })
    }

    /// Begins.
    pub(crate) fn start(&self) {
        self.lost.store(false, Relaxed);
        self.told.store(false, Relaxed);
        self.on.store(true, Release);
    }

    /// Ends.
    pub(crate) fn stop(&self) {
        self.on.store(false, Release);
    }

    /// Whether something could not be told.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.load(Acquire)
    }

    /// Whether something was told.
    pub(crate) fn has_told(&self) -> bool {
        self.told.load(Acquire)
    }

    /// The VF has written `len` bytes at `iova`. What is not mapped is left out, for it cannot
    /// have. May sleep.
    pub(crate) fn mark(&self, dev: &Core<'_>, iova: u64, len: u64) {
        if !self.on.load(Acquire) {
            return;
        }
        for batch in batches(iova, len, BATCH) {
            if self.mark_batch(dev, &batch).is_ok() {
                continue;
            }
            for page in batch.pages() {
                match self.mark_batch(dev, &page) {
                    Ok(()) => {}
                    Err(errno) if errno == EFAULT => {}
                    Err(errno) => {
                        pr_debug!("marking {:#x}: {errno:?}\n", page.iova);
                        self.lost.store(true, Release);
                    }
                }
            }
        }
    }

    fn mark_batch(&self, dev: &Core<'_>, batch: &Batch) -> Result {
        let mut pins = self.pins.lock();
        while pins
            .as_ref()
            .is_some_and(|going| going.has(batch) && !going.is_over())
        {
            drop(pins);
            fsleep(Delta::from_millis(1));
            pins = self.pins.lock();
        }
        dev.mark_written(batch.iova, batch.count)?;
        drop(pins);
        dev.trace_dirty(batch.iova, batch.end() - batch.iova);
        self.told.store(true, Release);
        let count = u64::try_from(batch.count)?;
        self.counters.dirty_pages.fetch_add(count, Relaxed);
        Ok(())
    }

    /// A mapping for DMA is on its way out, and its pages must not be pinned when this
    /// returns, nor for a moment after.
    pub(crate) fn unmapped(&self, iova: u64, size: u64) {
        *self.pins.lock() = Some(Going {
            iova,
            size,
            since: Instant::now(),
        });
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Which pages of the guest's memory its VF has written, told to the VMM by one of two
//! channels, or both.
//!
//! By the *scope* of the container: once this driver has pinned a page, the container reports
//! of this device's writes only what was pinned since it was asked last. So a page is marked
//! by pinning and unpinning it.
//!
//! By the device's own *log*, where the kernel has what that takes: a bit for each page of the
//! ranges that the VMM has named, which it reads and clears.

use super::counters::Counters;
use crate::{
    abi::{
        log_ops::{
            host_memory,
            LogRanges, //
        },
        pin::BATCH,
        vfio_core::Core, //
    },
    logic::{
        bit_tree::words_for,
        pages::{
            batches,
            Batch, //
        },
        written::{
            arrange,
            Extent,
            Granule,
            LogFault,
            Place,
            Written, //
        }, //
    },
};
use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        AllocError, //
    },
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

/// The part of the host's memory that the bits of one device may take at most: those of all
/// its memory take a 32768th.
const MOST_OF_MEMORY: u64 = 16;

/// The pages of the device's own log, all its memory taken.
pub(crate) struct LogPages {
    written: Written<KVec<Place>, VVec<u64>>,
    page_size: u64,
}

/// Why there is none.
enum NoPages {
    Fault(LogFault),
    Memory,
}

impl From<LogFault> for NoPages {
    fn from(fault: LogFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<AllocError> for NoPages {
    fn from(_: AllocError) -> Self {
        Self::Memory
    }
}

impl LogPages {
    /// Bits for the pages of `ranges`, for a user who wants pages of `page_size` bytes. May
    /// sleep.
    ///
    /// Errors: `EINVAL` if the page size is not a power of two or a range has no bytes;
    /// `ENOMEM`.
    pub(crate) fn new(ranges: LogRanges<'_>, page_size: u64) -> Result<Self> {
        Self::make(ranges, page_size).map_err(|why| match why {
            NoPages::Fault(LogFault::PageSize | LogFault::Empty | LogFault::Order) => EINVAL,
            NoPages::Memory => ENOMEM,
        })
    }

    fn make(ranges: LogRanges<'_>, page_size: u64) -> Result<Self, NoPages> {
        let granule = Granule::new(page_size)?;
        let mut places = KVec::with_capacity(ranges.most(), GFP_KERNEL_ACCOUNT)?;
        let bits = arrange(ranges, granule, |place| -> Result<(), NoPages> {
            Ok(places.push(place, GFP_KERNEL_ACCOUNT)?)
        })?;
        // Rather than have somebody killed for it.
        if bits / 8 > host_memory() / MOST_OF_MEMORY {
            return Err(NoPages::Memory);
        }
        let count = words_for(bits).ok_or(NoPages::Memory)?;
        let words = VVec::from_elem(0, count, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)?;
        Ok(Self {
            written: Written::new(granule, places, words).ok_or(NoPages::Memory)?,
            page_size: granule.bytes(),
        })
    }

    /// Bytes of the pages that are told apart.
    pub(crate) fn page_size(&self) -> u64 {
        self.page_size
    }
}

/// The log of one device.
#[pin_data]
pub(crate) struct DirtyLog {
    /// Whether writes are told by the scope of the container.
    scoped: Atomic<bool>,
    /// Whether writes are told by the device's own log.
    logging: Atomic<bool>,
    /// Whether something could not be told since the first of them was switched on.
    lost: Atomic<bool>,
    /// Whether the scope was told something since it was switched on.
    told: Atomic<bool>,
    /// Protects pages between being pinned and unpinned: one batch at a time. Under the
    /// provider's locks, over the container's.
    #[pin]
    pins: Mutex<Option<Going>>,
    /// Protects the device's own log. Under the provider's locks; a leaf.
    #[pin]
    pages: Mutex<Option<LogPages>>,
    counters: Arc<Counters>,
}

impl DirtyLog {
    /// A log that is off.
    pub(crate) fn new(counters: Arc<Counters>) -> impl PinInit<Self> {
        pin_init!(Self {
            scoped: Atomic::new(false),
            logging: Atomic::new(false),
            lost: Atomic::new(false),
            told: Atomic::new(false),
            pins <- new_mutex!(None),
            pages <- new_mutex!(None),
            counters,
        })
    }

    /// Begins to tell the scope.
    pub(crate) fn start_scope(&self) {
        self.begin();
        self.told.store(false, Relaxed);
        self.scoped.store(true, Release);
    }

    /// Ends that.
    pub(crate) fn stop_scope(&self) {
        self.scoped.store(false, Release);
    }

    /// Begins to keep the device's own log.
    pub(crate) fn start_log(&self, pages: LogPages) {
        self.begin();
        *self.pages.lock() = Some(pages);
        self.logging.store(true, Release);
    }

    /// Ends that. May sleep.
    pub(crate) fn stop_log(&self) {
        self.logging.store(false, Release);
        let pages = self.pages.lock().take();
        drop(pages);
    }

    fn begin(&self) {
        if !self.is_on() {
            self.lost.store(false, Relaxed);
        }
    }

    /// Whether writes are told by the scope of the container.
    pub(crate) fn is_scoped(&self) -> bool {
        self.scoped.load(Acquire)
    }

    /// Whether writes are told by the device's own log.
    pub(crate) fn is_logging(&self) -> bool {
        self.logging.load(Acquire)
    }

    /// Whether writes are told.
    pub(crate) fn is_on(&self) -> bool {
        self.is_scoped() || self.is_logging()
    }

    /// Something that was written may not be told: what is on is of no use any more.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Release);
    }

    /// Whether something could not be told.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.load(Acquire)
    }

    /// Whether the scope was told something.
    pub(crate) fn has_told(&self) -> bool {
        self.told.load(Acquire)
    }

    /// The VF has written `len` bytes at `iova`. May sleep.
    pub(crate) fn mark(&self, dev: &Core<'_>, iova: u64, len: u64) {
        if self.is_logging() {
            self.note(dev, iova, len);
        }
        if self.is_scoped() {
            self.mark_scope(dev, iova, len);
        }
    }

    /// Notes it in the device's own log. What is not of its ranges is left out.
    fn note(&self, dev: &Core<'_>, iova: u64, len: u64) {
        let Some(extent) = Extent::of(iova, len) else {
            return;
        };
        dev.trace_dirty(iova, len);
        if let Some(pages) = &mut *self.pages.lock() {
            let count = pages.written.insert(extent);
            self.counters.dirty_pages.fetch_add(count, Relaxed);
        }
    }

    /// Whether all of `extent` is in the device's own log.
    pub(crate) fn covers(&self, extent: Extent) -> bool {
        let pages = self.pages.lock();
        pages
            .as_ref()
            .is_some_and(|pages| pages.written.covers(extent))
    }

    /// Takes what the device's own log has of `extent`, see [`Written::take`].
    pub(crate) fn take(&self, extent: Extent, runs: &mut [Extent]) -> usize {
        match &mut *self.pages.lock() {
            Some(pages) => pages.written.take(extent, runs),
            None => 0,
        }
    }

    /// Marks it in the scope. What is not mapped is left out, for it cannot have been written.
    /// May sleep.
    pub(crate) fn mark_scope(&self, dev: &Core<'_>, iova: u64, len: u64) {
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
                        self.lose();
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

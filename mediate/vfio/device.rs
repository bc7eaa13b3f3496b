// SPDX-License-Identifier: GPL-2.0

//! A mediated device: vfio-pci, with its provider asked first.
//!
//! Without a provider each operation is exactly vfio-pci's.

use crate::{
    abi::{
        bar::{
            Fault,
            Mapped, //
        },
        binding::Answer,
        data_file::NewFile,
        host::{
            HostParts,
            Transport, //
        },
        log_ops::{
            LogRanges,
            UserBitmap, //
        },
        param,
        vfio_core::Core,
        vfio_device::Operations,
        vfio_requests::{
            FileIo,
            Mapping,
            RegionInfo, //
        },
        work::Work,
    },
    logic::{
        access::{
            accesses,
            MAX_WIDTH, //
        },
        region::Region,
        span::Span,
        written::Extent, //
    },
    trap::{
        kvm,
        region,
        switch::Switch, //
    },
    vfio::{
        counters::Counters,
        debug,
        dirty_log::{
            DirtyLog,
            LogPages, //
        },
        last_error::LastError,
        migration::{
            Migration,
            Sizes, //
        },
        provided::{
            self,
            Provided, //
        },
        refresh::{
            Refresh,
            INTERVAL_MS, //
        },
        trap_region::TrapRegion, //
    },
};
use kernel::{
    debugfs::Scope,
    new_mutex,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::Relaxed,
        Arc,
        Mutex, //
    },
};

/// The state of one bound device, which its debugfs files show.
#[pin_data]
pub(crate) struct Shared {
    /// Protects which provider, if any, is in force: set in open, cleared in
    /// close. A leaf, held for the look-up alone; users take a reference that they
    /// drop before the device can be closed.
    #[pin]
    pub(crate) provided: Mutex<Option<Arc<Provided>>>,
    /// Protects the name of who opened the device, for the log. A leaf.
    #[pin]
    user: Mutex<Option<User>>,
    /// Why something failed last, shared with the host handle.
    pub(crate) last_error: Arc<LastError>,
    /// Its migration, shared with the data files.
    pub(crate) migration: Arc<Migration>,
    /// What it has written, shared with the host handle.
    pub(crate) log: Arc<DirtyLog>,
    /// Has the VMM switch things on and off in the trap region one at a time. Over the
    /// state lock.
    #[pin]
    control: Mutex<()>,
    pub(crate) counters: Arc<Counters>,
    /// Dropped, and with that waited for, when the device is unbound.
    #[pin]
    refresh: Work<Refresh>,
}

impl Shared {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            counters: Arc::new(Counters::new(), GFP_KERNEL)?,
            log: Arc::pin_init(DirtyLog::new(counters.clone()), GFP_KERNEL)?,
            provided <- new_mutex!(None),
            control <- new_mutex!(()),
            user <- new_mutex!(None),
            last_error: Arc::pin_init(LastError::new(), GFP_KERNEL)?,
            migration: Arc::pin_init(Migration::new(), GFP_KERNEL)?,
            refresh <- Work::new(
                c"vfio_pci_mediate::refresh",
                [static_lock_class!(), static_lock_class!()],
                Refresh(migration.clone()),
            ),
        })
    }
}

/// One bound device.
#[pin_data]
pub(crate) struct MediatedDevice {
    shared: Pin<KBox<Scope<Shared>>>,
}

/// The task that opened the device.
struct User {
    pid: i32,
}

impl MediatedDevice {
    /// Has the device looked at now and then while it is logged.
    fn begin_refresh(&self) {
        if self.shared.log.is_on() {
            self.shared.refresh.schedule(INTERVAL_MS);
        }
    }

    fn provided(&self) -> Option<Arc<Provided>> {
        self.shared.provided.lock().clone()
    }

    pub(super) fn migration(&self) -> &Migration {
        &self.shared.migration
    }

    pub(super) fn control(&self) -> &Mutex<()> {
        &self.shared.control
    }

    /// The VMM will obey the trap region: a device that is as under vfio-pci is mediated from
    /// now on. Errors: `EBUSY` if a BAR is mapped already, `EOPNOTSUPP` if it could not be
    /// moved, the provider's.
    pub(super) fn opt_in(
        &self,
        dev: &Core<'_>,
        provided: &Provided,
        trap: &region::Trap,
    ) -> Result {
        let binding = &provided.binding;
        if provided.transport != Transport::None {
            return Ok(());
        }
        binding.set_transport(Transport::Region);
        let mediated = Sizes::ask(binding).and_then(|sizes| {
            let bars = provided::view(dev, binding)?;
            trap.mediate(dev, &bars)?;
            Ok((sizes, bars))
        });
        let (sizes, bars) = mediated.inspect_err(|_| binding.set_transport(Transport::None))?;
        let mediated = Arc::new(
            Provided {
                binding: binding.clone(),
                transport: Transport::Region,
                trap: provided.trap.clone(),
                region: provided.region.clone(),
                bars,
            },
            GFP_KERNEL,
        );
        let mediated = mediated?;
        let tracking = mediated.tracking(&self.shared.log);
        let is_followed = tracking.is_some();
        *self.shared.provided.lock() = Some(mediated);
        self.shared
            .migration
            .open(Some((binding.clone(), sizes, tracking)));
        dev.offer_migration(true);
        dev.offer_log::<Self>(is_followed);
        dev_info!(dev, "the VMM obeys the trap region: migration is offered\n");
        Ok(())
    }

    /// One access after another, each offered to the provider first.
    fn rw_bar(
        &self,
        dev: &Core<'_>,
        io: &mut FileIo,
        provided: &Provided,
        index: u32,
        offset: u64,
        count: usize,
    ) -> Result<usize> {
        let mut done = 0;
        for access in accesses(offset, count) {
            let mut bytes = [0; MAX_WIDTH];
            let bytes = bytes.get_mut(..access.width).ok_or(EINVAL)?;
            if io.is_write() {
                io.fetch(done, bytes)?;
            }
            let answer = provided
                .binding
                .rw(index, access.offset, bytes, io.is_write())?;
            match answer {
                Answer::Done => {
                    dev.trace_trap(index, access.offset, bytes, io.is_write());
                    if io.is_write() {
                        self.shared.counters.trapped_writes.fetch_add(1, Relaxed);
                    } else {
                        io.store(done, bytes)?;
                    }
                }
                Answer::Pass => {
                    if io.pass(dev, done, access.width)? != access.width {
                        return Err(EIO);
                    }
                }
            }
            done += access.width;
        }
        Ok(done)
    }
}

impl Operations for MediatedDevice {
    fn new(dev: &Core<'_>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            shared: {
                let root = debug::root()?;
                KBox::pin_init(
                    root.scope(Shared::new(), dev.name(), debug::files),
                    GFP_KERNEL,
                )?
            },
        })
    }

    fn open(&self, dev: &Core<'_>) -> Result {
        let choice = param::transport();
        let transport = provided::transport(choice, dev);
        let plain = Arc::pin_init(region::Trap::new(), GFP_KERNEL)?;
        let trap: Arc<dyn Switch> = match transport {
            Transport::Kvm => {
                let counters = self.shared.counters.clone();
                Arc::pin_init(kvm::Trap::new(counters), GFP_KERNEL)?
            }
            Transport::None | Transport::Fixed | Transport::Region => plain.clone(),
        };
        let parts = HostParts {
            transport,
            last_error: self.shared.last_error.clone(),
            log: self.shared.log.clone(),
            trap: trap.clone(),
        };
        let binding = dev.bind_provider(parts).inspect_err(|errno| {
            dev_err!(dev, "its provider refuses to open it: {errno:?}\n");
        })?;
        let mut movable = None;
        let provided = match binding {
            None => None,
            Some(binding) => {
                let binding = Arc::new(binding, GFP_KERNEL)?;
                movable = provided::movable_sizes(dev, &binding, choice, transport);
                // What is as under vfio-pci has been given no access to memory by iommufd.
                let is_plain = transport == Transport::None;
                let has_region =
                    provided::has_region(choice, transport) && !(is_plain && dev.has_iommufd());
                let may_be_moved = movable.is_some() || is_plain && has_region;
                let bars = provided::view(dev, &binding)?;
                let mut region = None;
                if may_be_moved && binding.can_log() {
                    let mut windows = KVec::new();
                    for window in (0..).zip(binding.windows()) {
                        windows.push(window, GFP_KERNEL)?;
                    }
                    trap.set_windows(&windows)?;
                    if movable.is_some() {
                        plain.mediate(dev, &bars)?;
                    }
                    if has_region {
                        let index = dev.add_trap_region()?;
                        region = Some(Arc::new(TrapRegion { index, trap: plain }, GFP_KERNEL)?);
                    }
                }
                dev_info!(dev, "opened with provider {:?}\n", binding.name());
                let provided = Provided {
                    binding,
                    transport,
                    trap,
                    region,
                    bars,
                };
                Some(Arc::new(provided, GFP_KERNEL)?)
            }
        };
        let movable = provided.as_ref().and_then(|p| {
            let tracking = p.tracking(&self.shared.log);
            Some((p.binding.clone(), movable?, tracking))
        });
        dev.offer_migration(movable.is_some());
        dev.offer_log::<Self>(
            movable
                .as_ref()
                .is_some_and(|(.., tracking)| tracking.is_some()),
        );
        self.shared.migration.open(movable);
        *self.shared.provided.lock() = provided;
        *self.shared.user.lock() = Some(User {
            pid: kernel::current!().pid(),
        });
        Ok(())
    }

    fn close(&self, dev: &Core<'_>) {
        self.shared.migration.close();
        // As before the first open.
        dev.offer_migration(true);
        dev.offer_log::<Self>(false);
        let provided = self.shared.provided.lock().take();
        *self.shared.user.lock() = None;
        // Not under the lock: this may call the provider's release.
        drop(provided);
    }

    fn region_info(&self, _dev: &Core<'_>, info: &mut RegionInfo<'_>) -> Result {
        match self.provided() {
            None => Ok(()),
            Some(provided) => match provided.bar(info.index()) {
                None => Ok(()),
                Some(bar) => info.set(bar.flags, bar.size, bar.areas()),
            },
        }
    }

    fn rw(&self, dev: &Core<'_>, io: &mut FileIo) -> Result<usize> {
        let provided = self.provided();
        let (index, offset) = io.target();
        if let Some((provided, region)) = provided
            .as_ref()
            .and_then(|p| Some((p, p.region.as_ref().filter(|r| r.index == index)?)))
        {
            return self.rw_trap_region(dev, io, provided, region, offset);
        }
        match provided.as_ref().and_then(|p| Some((p, p.bar(index)?))) {
            None => io.pass(dev, 0, io.count()),
            Some((provided, bar)) => {
                let count = bar.clip(offset, io.count()).ok_or(EINVAL)?;
                self.shared.migration.settle();
                self.rw_bar(dev, io, provided, index, offset, count)
            }
        }
    }

    fn mmap(&self, dev: &Core<'_>, mapping: &Mapping<'_>) -> Result {
        let provided = self.provided();
        let bar = provided
            .as_ref()
            .and_then(|p| Some((p, p.bar(mapping.region())?)));
        let Some((provided, bar)) = bar else {
            return dev.mmap(mapping);
        };
        if !bar.may_map(mapping.span()) {
            return Err(EINVAL);
        }
        if let Some(region) = &provided.region {
            if !region.trap.allows(mapping.region(), mapping.span()) {
                return Err(EBUSY);
            }
        }
        match provided.binding.mmap(mapping)? {
            Answer::Done => Ok(()),
            Answer::Pass if provided.owns(mapping.region(), mapping.span()) => {
                dev.mmap_own::<Self>(mapping)
            }
            Answer::Pass => dev.mmap(mapping),
        }
    }

    fn mediates(&self, region: u32, span: Span) -> bool {
        self.provided().is_some_and(|provided| {
            if provided.transport == Transport::None {
                if let Some(region) = &provided.region {
                    region.trap.bypassed();
                }
                return false;
            }
            let hidden = |bar: &Region| bar.hidden().any(|hidden| hidden.overlaps(&span));
            provided.bar(region).is_some_and(hidden) || provided.trap.concerns(region, span)
        })
    }

    fn fault(&self, fault: &Fault<'_>) -> Mapped {
        match self.provided() {
            Some(provided) => provided.trap.fault(fault),
            // Nobody has the device open, so nobody has it mapped.
            None => Fault::REFUSED,
        }
    }

    fn dma_unmapped(&self, iova: u64, size: u64) {
        self.shared.log.unmapped(iova, size);
    }

    fn reset_done(&self) {
        self.shared.migration.reset_done();
    }

    fn set_migration_state(&self, _dev: &Core<'_>, state: u32) -> Result<Option<NewFile>> {
        let file = Migration::set_state(&self.shared.migration, state);
        self.begin_refresh();
        file
    }

    fn start_log(&self, dev: &Core<'_>, ranges: LogRanges<'_>, page_size: u64) -> Result<u64> {
        let pages = LogPages::new(ranges, page_size).inspect_err(|errno| {
            if *errno == ENOMEM {
                dev_err!(
                    dev,
                    "no memory for a bit for each of the pages that the VMM wants to know of: no \
                     log; free memory, or let the VMM log fewer or larger pages\n"
                );
            }
        })?;
        let page_size = pages.page_size();
        self.shared.migration.start_log(pages)?;
        self.begin_refresh();
        Ok(page_size)
    }

    fn stop_log(&self) {
        self.shared.migration.stop_log();
    }

    fn report_log(&self, asked: Extent, bitmap: &mut UserBitmap<'_>) -> Result {
        self.shared.migration.report_log(asked, bitmap)
    }

    #[cfg(CONFIG_IOMMUFD)]
    fn attached(&self, dev: &Core<'_>, read: impl FnOnce() -> Result) {
        self.detached();
        // Another device is exactly as under vfio-pci.
        if self.shared.migration.seen_state().is_none() {
            return;
        }
        let reads = read();
        // A migration that is under way fails by itself.
        dev.offer_migration(reads.is_ok() || self.shared.log.is_on());
        if let Err(errno) = reads {
            dev_info!(
                dev,
                "the memory that the VMM gives it through iommufd cannot be read ({errno:?}), as \
                 there are several address spaces or a guest's own tables: no migration is \
                 offered; give each VMM an iommufd with one address space and no virtual IOMMU\n"
            );
        }
    }

    #[cfg(CONFIG_IOMMUFD)]
    fn detached(&self) {
        // Until it is attached again nothing is read, and what it was given is not seen.
        if self.shared.log.is_on() {
            self.shared.log.lose();
        }
    }

    fn migration_state(&self) -> Result<u32> {
        self.shared.migration.state()
    }

    fn migration_data_size(&self) -> Result<u64> {
        self.shared.migration.data_size()
    }

    fn request(&self, dev: &Core<'_>, count: u32) {
        // Once, and then about every ten minutes: vfio asks every ten seconds.
        if count % 60 == 0 {
            if let Some(user) = self.shared.user.lock().as_ref() {
                dev_notice!(
                    dev,
                    "the host wants it back and waits: in use by the VMM with pid {}; \
                     shut that down or unplug the device from it\n",
                    user.pid
                );
            }
        }
        dev.request(count);
    }
}

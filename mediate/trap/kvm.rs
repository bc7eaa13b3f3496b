// SPDX-License-Identifier: GPL-2.0

//! The transport `kvm`: windows of a BAR that are passed through, and trapped while the VF
//! is logged, by KVM's write tracking and without the VMM.
//!
//! While a window is trapped a *shadow* page of memory is mapped in its place. KVM emulates
//! the guest's writes: into the shadow, and then by a call of [`Trap::written`], in the
//! virtual CPU's task, before the guest goes on. Reads cost nothing.
//!
//! Tracking is armed by faults, and by nothing else: trapping a window only takes its
//! mappings away, and whoever faults then finds the guest's pages at that address, has them
//! tracked, and only after that maps the shadow. So a memory slot that goes away and comes
//! back needs no more than the window to be unmapped again.
//!
//! KVM (7.3) makes the first mapping writable all the same, tracked or not, where it had noted
//! that the guest's page is nobody's: make_spte() takes such a note for a mapping that was
//! writable before. It had if the guest used its BAR while it was not there. So each page is
//! *suspect* at first: soon after it has been mapped it is unmapped again, and what has been
//! stored to the shadow past us meanwhile is told to the provider then. After that KVM maps it
//! as it should: the note is gone.
//!
//! On the way back there may be a virtual CPU that has decided to emulate a store, but has
//! not copied yet. KVM copies byte by byte, which a register must never see. So there is a
//! phase *settling*, in which nothing is mapped: such a copy fails, which makes KVM hand the
//! store to the VMM as a whole, and everybody else waits until no virtual CPU can be in the
//! midst of a store.
//!
//! Locks, in this order: KVM's slots_lock, mmap_lock, vfio's memory_lock, `tracking`, KVM's
//! mmu_lock. The provider's hooks are called with none of them. `phase` changes with
//! memory_lock held for write, but for the end of settling, which only lets go on who waits.

use super::{
    place::{
        Place,
        WORD, //
    },
    switch::Switch, //
};
use crate::{
    abi::{
        bar::{
            Accessor,
            Fault,
            Mapped, //
        },
        binding::Binding,
        kvm::{
            Tracker,
            Vcpu, //
        },
        vfio_core::Core,
        work::{
            Run,
            Work, //
        }, //
    },
    logic::{
        access::accesses,
        span::PAGE_SIZE,
        tracked::{
            At,
            Tracked, //
        },
        window::Window, //
    },
    vfio::counters::Counters,
};
use kernel::{
    new_mutex,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex,
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta,
        Msecs, //
    },
};

/// How long to pause while settling, and how often at most: 200 ms in all.
const PAUSE_US: i64 = 100;
const SETTLE_PAUSES: u32 = 2000;

/// Looks at suspect pages.
struct Recheck(Arc<Trap>);

impl Run for Recheck {
    fn run(&self) -> Option<Msecs> {
        self.0.recheck();
        None
    }
}

/// What faults in a window do.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Phase {
    /// Map the BAR.
    Passing,
    /// Map the shadow.
    Trapped,
    /// Wait.
    Settling,
}

impl Phase {
    const fn raw(self) -> u32 {
        match self {
            Self::Passing => 0,
            Self::Trapped => 1,
            Self::Settling => 2,
        }
    }

    const fn from_raw(raw: u32) -> Self {
        match raw {
            1 => Self::Trapped,
            2 => Self::Settling,
            _ => Self::Passing,
        }
    }
}

/// What there is while windows are not passed through.
struct Tracking {
    tracker: Arc<Tracker>,
    binding: Arc<Binding>,
    pages: Tracked,
    /// Owns the trap, until it is off.
    recheck: Pin<KBox<Work<Recheck>>>,
}

/// The trap of one open device.
#[pin_data]
pub(crate) struct Trap {
    /// Set when the device has been opened, and never changed.
    places: SetOnce<KVec<Place>>,
    phase: Atomic<u32>,
    /// Virtual CPUs that wait for the end of settling.
    parked: Atomic<u32>,
    /// Protects which pages of the guest's are tracked, and by whom, and what is known of the
    /// shadows. Under memory_lock and KVM's slots_lock; over KVM's mmu_lock.
    #[pin]
    tracking: Mutex<Option<Tracking>>,
    counters: Arc<Counters>,
}

impl Trap {
    /// A trap without windows.
    pub(crate) fn new(counters: Arc<Counters>) -> impl PinInit<Self> {
        pin_init!(Self {
            places: SetOnce::new(),
            phase: Atomic::new(Phase::Passing.raw()),
            parked: Atomic::new(0),
            tracking <- new_mutex!(None),
            counters,
        })
    }

    fn places(&self) -> &[Place] {
        self.places.as_ref().map_or(&[], |places| places)
    }

    fn phase(&self) -> Phase {
        Phase::from_raw(self.phase.load(Acquire))
    }

    fn set_phase(&self, phase: Phase) {
        self.phase.store(phase.raw(), Release);
    }

    fn windows(&self) -> impl Iterator<Item = &Window> {
        self.places().iter().map(|place| &place.window)
    }

    fn place(&self, number: usize) -> Option<&Place> {
        self.places().iter().find(|place| place.number == number)
    }

    /// Waits until no virtual CPU can be in the midst of a store that began before settling;
    /// whether it was in time.
    fn settle(&self, tracker: &Tracker) -> bool {
        let mut left = KVec::new();
        for index in 0.. {
            match tracker.vcpu(index) {
                None => break,
                Some(Vcpu::Away) => {}
                Some(Vcpu::Exited(exits)) => {
                    if left.push((index, exits), GFP_KERNEL).is_err() {
                        return false;
                    }
                }
            }
        }
        for _ in 0..SETTLE_PAUSES {
            // One that is seen elsewhere, or has left the guest again, is through.
            left.retain(|(index, exits)| tracker.vcpu(*index) == Some(Vcpu::Exited(*exits)));
            let parked = usize::try_from(self.parked.load(Acquire)).unwrap_or(usize::MAX);
            if left.len() <= parked {
                return true;
            }
            fsleep(Delta::from_micros(PAUSE_US));
        }
        false
    }

    /// Has the guest's pages tracked that the VMM has at `address`. Errors: `ENOENT` if there
    /// is none, and others.
    fn arm(&self, address: usize, at: At) -> Result {
        let mut tracking = self.tracking.lock();
        let Some(tracking) = &mut *tracking else {
            return Err(ENOENT);
        };
        let (tracker, pages) = (&tracking.tracker, &mut tracking.pages);
        let mut suspect = false;
        for gfn in tracker.pages_at(address)? {
            if let Some(is_suspect) = pages.is_suspect(gfn) {
                suspect |= is_suspect;
                continue;
            }
            suspect = true;
            if !pages.has_room() {
                return Err(E2BIG);
            }
            tracker.track(gfn)?;
            pages.add(gfn, at);
        }
        if suspect {
            // If it comes before KVM has mapped the page, KVM asks again, and so do we.
            tracking.recheck.schedule(tracking.pages.pause_ms());
        }
        Ok(())
    }

    /// Looks whether the guest has stored to suspect pages past us. May sleep.
    fn recheck(&self) {
        let binding = {
            let tracking = self.tracking.lock();
            let Some(tracking) = &*tracking else {
                return;
            };
            if !tracking.pages.any_suspect() {
                return;
            }
            tracking.binding.clone()
        };
        let dev = binding.dev();
        for window in self.windows() {
            dev.unmap(window.region, window.span);
        }
        self.tell_strays(&binding);
    }

    /// The first store to the page at `page` of a window, from `from` on, that went past us,
    /// if the page is suspect.
    fn stray(&self, place: &Place, page: u64, from: u64) -> Option<(u64, u32)> {
        let tracking = self.tracking.lock();
        let at = At {
            window: place.number,
            offset: page,
        };
        let is_suspect = tracking.as_ref()?.pages.is_suspect_at(at);
        is_suspect.then(|| place.stray(page, from)).flatten()
    }

    /// Tells the provider what was stored to suspect pages past us. May sleep.
    ///
    /// Of each register once: a guest that goes on storing to one as fast as it can, which
    /// costs the provider 4096 descriptors each time, must not hold this up. What it stores
    /// after that the next look finds.
    fn tell_strays(&self, binding: &Binding) {
        let mut found = false;
        for place in self.places() {
            for page in place.page_offsets() {
                let mut from = page;
                while let Some((offset, value)) = self.stray(place, page, from) {
                    self.tell(binding, place.number, offset, &value.to_le_bytes());
                    from = offset + WORD;
                    found = true;
                }
            }
        }
        if let Some(tracking) = &mut *self.tracking.lock() {
            tracking.pages.end_look(found);
        }
    }

    /// Tells the provider of a store to a window.
    fn tell(&self, binding: &Binding, window: usize, offset: u64, bytes: &[u8]) {
        let Some(Window { region, span, .. }) = self.place(window).map(|place| place.window) else {
            return;
        };
        binding
            .dev()
            .trace_trap(region, span.offset + offset, bytes, true);
        self.counters.trapped_writes.fetch_add(1, Relaxed);
        binding.trap_write(window, offset, bytes);
    }

    /// KVM has stored `len` bytes at the guest's `gpa`: who is to know of it, and to which
    /// offset of which window that was.
    fn take_note(&self, gpa: u64, len: usize) -> Option<(Arc<Binding>, usize, u64)> {
        let mut tracking = self.tracking.lock();
        let Some(tracking) = &mut *tracking else {
            return None;
        };
        let At { window, offset } = tracking.pages.note(gpa / PAGE_SIZE)?;
        let start = offset + gpa % PAGE_SIZE;
        self.place(window)?.told(start, len);
        Some((tracking.binding.clone(), window, start))
    }

    /// The guest has written to a page; in the virtual CPU's task, which may not be one of
    /// ours.
    pub(crate) fn written(&self, gpa: u64, bytes: &[u8]) {
        let Some((binding, window, start)) = self.take_note(gpa, bytes.len()) else {
            return;
        };
        for access in accesses(start, bytes.len()) {
            let Ok(from) = usize::try_from(access.offset - start) else {
                return;
            };
            let Some(piece) = bytes.get(from..from + access.width) else {
                return;
            };
            self.tell(&binding, window, access.offset, piece);
        }
    }

    /// A memory slot of the guest's is going away; under KVM's slots_lock.
    pub(crate) fn removed(&self, gfn: u64, nr_pages: u64) {
        let binding = {
            let mut tracking = self.tracking.lock();
            let Some(tracking) = &mut *tracking else {
                return;
            };
            if !tracking.pages.remove(gfn, nr_pages) {
                return;
            }
            tracking.binding.clone()
        };
        // Whoever uses it next arms the slot that there is then.
        let dev = binding.dev();
        for window in self.windows() {
            dev.unmap(window.region, window.span);
        }
    }
}

impl Switch for Trap {
    fn set_windows(&self, windows: &[(usize, Window)]) -> Result {
        let mut places = KVec::new();
        for &(number, window) in windows.iter().filter(|(_, window)| !window.optional) {
            places.push(Place::new(number, window)?, GFP_KERNEL)?;
        }
        if self.places.populate(places) {
            Ok(())
        } else {
            Err(EBUSY)
        }
    }

    fn window(&self, index: usize) -> Option<(Window, bool)> {
        let place = self.places().get(index)?;
        Some((place.window, self.phase() == Phase::Trapped))
    }

    /// Errors: `EOPNOTSUPP` if the device has no virtual machine that can be tracked, `ESRCH`
    /// in the wrong task, `EBUSY` if it is on, `ENOMEM`.
    fn on(self: Arc<Self>, binding: &Arc<Binding>) -> Result {
        if self.phase() != Phase::Passing {
            return Err(EBUSY);
        }
        let recheck = KBox::pin_init(
            Work::new(
                c"vfm_recheck",
                [static_lock_class!(), static_lock_class!()],
                Recheck(self.clone()),
            ),
            GFP_KERNEL,
        )?;
        let dev = binding.dev();
        let tracker = Arc::new(Tracker::new(&dev, self.clone())?, GFP_KERNEL)?;
        *self.tracking.lock() = Some(Tracking {
            tracker,
            binding: binding.clone(),
            pages: Tracked::new(),
            recheck,
        });
        let memory = dev.write_memory();
        for Place { window, .. } in self.places() {
            dev.unmap(window.region, window.span);
        }
        // Nobody can write to the registers now.
        for place in self.places() {
            let Window { region, span, .. } = place.window;
            for offset in (0..span.size).step_by(size_of::<u32>()) {
                let value = memory.register(region, span.offset + offset);
                place.begin(offset, value.unwrap_or(0));
            }
        }
        self.set_phase(Phase::Trapped);
        Ok(())
    }

    fn off(&self, dev: &Core<'_>) {
        let found = self.tracking.lock().as_ref().map(|tracking| {
            let Tracking {
                tracker, binding, ..
            } = tracking;
            (tracker.clone(), binding.clone())
        });
        let Some((tracker, binding)) = found else {
            return;
        };
        let slots = tracker.lock_slots();
        let memory = dev.write_memory();
        self.set_phase(Phase::Settling);
        for window in self.windows() {
            dev.unmap(window.region, window.span);
        }
        if let Some(tracking) = &mut *self.tracking.lock() {
            for gfn in tracking.pages.disarm() {
                if let Err(errno) = tracker.untrack(&slots, gfn) {
                    // The slot is gone, and its page with it.
                    pr_debug!("untracking {gfn:#x}: {errno:?}\n");
                }
            }
        }
        drop(memory);
        drop(slots);
        if !self.settle(&tracker) {
            self.counters.unsettled.fetch_add(1, Relaxed);
            dev_warn!(
                dev,
                "a virtual CPU stood still for 200 ms while its doorbells were given back: \
                 should the guest's network hang now, restart its interface\n"
            );
        }
        self.tell_strays(&binding);
        // Who is in `written` is waited for, and still finds its page.
        tracker.end();
        drop(tracker);
        let tracking = self.tracking.lock().take();
        drop(tracking);
        self.set_phase(Phase::Passing);
    }

    fn fault(&self, fault: &Fault<'_>) -> Mapped {
        let (region, offset) = fault.page();
        let place = self.places().iter().find_map(|place| {
            let at = offset.checked_sub(place.window.span.offset)?;
            (place.window.region == region && at < place.window.span.size).then_some((place, at))
        });
        for _ in 0..=SETTLE_PAUSES {
            let memory = fault.lock();
            let Some((place, at)) = place else {
                return fault.map_bar(&memory);
            };
            match self.phase() {
                Phase::Passing => return fault.map_bar(&memory),
                Phase::Trapped => {
                    let page = At {
                        window: place.number,
                        offset: at,
                    };
                    return match place.shadow(at) {
                        Some(shadow) if self.arm(fault.address(), page).is_ok() => {
                            fault.map(&memory, shadow.pfn())
                        }
                        // Not in the guest's address space, so nobody may look at it: a
                        // page that is mapped now would be found by a slot made later,
                        // and the guest's writes would be lost.
                        _ => Fault::REFUSED,
                    };
                }
                Phase::Settling => {}
            }
            drop(memory);
            match fault.accessor() {
                Accessor::Copy => return Fault::REFUSED,
                Accessor::Kvm => {
                    self.parked.fetch_add(1, Release);
                    fsleep(Delta::from_micros(PAUSE_US));
                    self.parked.fetch_sub(1, Release);
                }
                Accessor::User | Accessor::Remote => fsleep(Delta::from_micros(PAUSE_US)),
            }
        }
        // The end of settling takes longer where processors are few: it waits for KVM, too.
        Fault::LATER
    }

    fn show(&self, window: usize, offset: u64, value: u32) {
        let _known = self.tracking.lock();
        if let Some(place) = self.place(window) {
            place.show(offset, value);
        }
    }
}

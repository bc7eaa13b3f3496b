// SPDX-License-Identifier: GPL-2.0

//! The transport `region`: windows of a BAR that are passed through, and are not to be mapped
//! while they are trapped, which the VMM is told by the dynamic-trap region. What it does then
//! comes through the device's file. And the transport `fixed`, where the windows that are
//! trapped for a migration can never be mapped.
//!
//! Nothing depends on what the VMM says: a window counts as trapped when nobody has it mapped,
//! found in the tree of the file's mappings with memory_lock held for write, and from then on
//! faults in it fail. The VMM's acknowledgement only says when to look.
//!
//! Locks, in this order: `inner`, vfio's memory_lock, the tree's. Faults and mmap look at
//! `trapped` and `wanted` alone.

use super::switch::Switch;
use crate::{
    abi::{
        bar::{
            Fault,
            Mapped, //
        },
        binding::Binding,
        eventfd::EventFd,
        vfio_core::Core, //
    },
    logic::{
        region::{
            Region,
            BARS, //
        },
        span::{
            Span,
            PAGE_SIZE, //
        },
        trap_region::{
            Control,
            View,
            MAX_WINDOWS, //
        },
        window::Window, //
    },
};
use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex,
        SetOnce, //
    },
    time::msecs_to_jiffies, //
};

/// How long a VMM may take to obey, in milliseconds.
const PATIENCE_MS: u32 = 5000;

/// What windows are trapped for.
#[derive(Clone, Copy)]
enum Purpose {
    /// Following what the VF writes.
    Log,
    /// Holding back doorbells whose memory is missing.
    Prefault,
}

/// What the VMM and the rest of the mediator want.
struct Inner {
    /// What the VMM has switched on.
    control: Control,
    /// Whether the VF is logged.
    log: bool,
    /// How often `wanted` has changed.
    sequence: u32,
    /// What the VMM has acknowledged last.
    ack: u32,
    /// Whom to tell that it has changed.
    event: Option<EventFd>,
}

/// The trap of one open device.
#[pin_data]
pub(crate) struct Trap {
    /// Set when the device has been opened, and never changed.
    windows: SetOnce<KVec<Window>>,
    /// What of each BAR may be mapped at all; set when the VF is mediated from then on, with
    /// memory_lock held for write.
    bars: SetOnce<[Region; BARS]>,
    /// Windows that are not to be mapped, a bit each. Changes with `inner` locked.
    wanted: Atomic<u32>,
    /// Windows that cannot be mapped, a bit each. Grows with memory_lock held for write.
    trapped: Atomic<u32>,
    /// Whether there is, or was, a way round mappings and the file, from before the VF was
    /// mediated.
    bypassed: Atomic<bool>,
    /// Protects what is wanted.
    #[pin]
    inner: Mutex<Inner>,
    /// Notified when the VMM has acknowledged.
    #[pin]
    acknowledged: CondVar,
    /// Protects which memory was missing last. A leaf.
    #[pin]
    missing: Mutex<(u64, u64)>,
}

fn bit(index: usize) -> u32 {
    u32::try_from(index)
        .ok()
        .and_then(|index| 1u32.checked_shl(index))
        .unwrap_or(0)
}

impl Trap {
    /// A trap without windows.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            windows: SetOnce::new(),
            bars: SetOnce::new(),
            wanted: Atomic::new(0),
            trapped: Atomic::new(0),
            bypassed: Atomic::new(false),
            inner <- new_mutex!(Inner {
                control: Control::default(),
                log: false,
                sequence: 0,
                ack: 0,
                event: None,
            }),
            acknowledged <- new_condvar!(),
            missing <- new_mutex!((0, 0)),
        })
    }

    fn windows(&self) -> &[Window] {
        self.windows.as_ref().map_or(&[], |windows| windows)
    }

    /// Whether a window can be mapped at all.
    fn is_mappable(&self, window: &Window) -> bool {
        let bar = usize::try_from(window.region).ok();
        self.bars
            .as_ref()
            .and_then(|bars| bars.get(bar?))
            .is_none_or(|bar| bar.may_map(window.span))
    }

    /// The windows of `bits`.
    fn each(&self, bits: u32) -> impl Iterator<Item = &Window> {
        (0..)
            .zip(self.windows())
            .filter(move |(index, _)| bits & bit(*index) != 0)
            .map(|(_, window)| window)
    }

    fn bits(&self, of: impl Fn(&Window) -> bool) -> u32 {
        (0..)
            .zip(self.windows())
            .filter(|(_, window)| of(window))
            .fold(0, |bits, (index, _)| bits | bit(index))
    }

    /// Windows that are trapped for a purpose, but those that cannot be mapped anyhow.
    fn needed(&self, purpose: Purpose) -> u32 {
        self.bits(|window| {
            self.is_mappable(window)
                && match purpose {
                    Purpose::Log => !window.optional,
                    Purpose::Prefault => true,
                }
        })
    }

    /// What `inner` wants, of windows.
    fn wanted_by(&self, inner: &Inner) -> u32 {
        let bits = |on: bool, purpose| if on { self.needed(purpose) } else { 0 };
        bits(inner.log, Purpose::Log) | bits(inner.control.prefault, Purpose::Prefault)
    }

    /// Whether nothing of `span` of BAR `region` is in the windows of `bits`.
    fn is_outside(&self, bits: u32, region: u32, span: Span) -> bool {
        let asked = Window {
            region,
            span,
            optional: false,
        };
        !self.each(bits).any(|window| window.overlaps(&asked))
    }

    /// Whether `span` of BAR `region` may be mapped now.
    pub(crate) fn allows(&self, region: u32, span: Span) -> bool {
        let bits = self.wanted.load(Acquire) | self.trapped.load(Acquire);
        self.is_outside(bits, region, span)
    }

    /// An ioeventfd or a dma-buf of a BAR is made, before the VF is mediated: it cannot be
    /// then.
    pub(crate) fn bypassed(&self) {
        self.bypassed.store(true, Release);
    }

    /// The VF is mediated from now on, and of its BARs nothing can be mapped that `bars` do
    /// not say. May sleep. Errors: `EBUSY` if something of a BAR is mapped, or can be reached
    /// in another way.
    pub(crate) fn mediate(&self, dev: &Core<'_>, bars: &[Region; BARS]) -> Result {
        if self.bypassed.load(Acquire) {
            return Err(EBUSY);
        }
        let memory = dev.write_memory();
        for (region, bar) in (0..).zip(bars) {
            let all = Span {
                offset: 0,
                size: bar.size.next_multiple_of(PAGE_SIZE),
            };
            if bar.size != 0 && dev.is_mapped(region, all) {
                return Err(EBUSY);
            }
        }
        // One that maps it just now faults after this.
        let first = self.bars.populate(*bars);
        drop(memory);
        if first {
            Ok(())
        } else {
            Err(EBUSY)
        }
    }

    /// Tells the VMM what is wanted now.
    fn announce(&self, inner: &mut Inner) {
        let wanted = self.wanted_by(inner);
        if self.wanted.load(Acquire) != wanted {
            self.wanted.store(wanted, Release);
            inner.sequence = inner.sequence.wrapping_add(1);
            if let Some(event) = &inner.event {
                event.signal();
            }
        }
    }

    /// Traps what is wanted. Errors: `EBUSY` if it is still mapped.
    fn catch(&self, dev: &Core<'_>) -> Result {
        let memory = dev.write_memory();
        let wanted = self.wanted.load(Acquire);
        for window in self.each(wanted & !self.trapped.load(Acquire)) {
            if dev.is_mapped(window.region, window.span) {
                return Err(EBUSY);
            }
        }
        // One that maps it just now faults after this.
        self.trapped.store(wanted, Release);
        drop(memory);
        Ok(())
    }

    /// Lets go of what is no longer wanted, and tells the VMM.
    fn release(&self, inner: &mut Inner) {
        let wanted = self.wanted_by(inner);
        let trapped = self.trapped.load(Acquire);
        self.trapped.store(trapped & wanted, Release);
        self.announce(inner);
    }

    /// Traps all windows for pre-fault, or no longer. The VMM must not have them mapped.
    /// May sleep. Errors: `EBUSY` if it has.
    pub(crate) fn set_prefault(&self, dev: &Core<'_>, on: bool) -> Result {
        let mut inner = self.inner.lock();
        inner.control.prefault = on;
        if !on {
            self.release(&mut inner);
            return Ok(());
        }
        self.announce(&mut inner);
        // It has obeyed already, or has not.
        inner.ack = inner.sequence;
        self.catch(dev).inspect_err(|_| {
            inner.control.prefault = false;
            self.release(&mut inner);
        })
    }

    /// What the VMM has switched on.
    pub(crate) fn control(&self) -> Control {
        self.inner.lock().control
    }

    /// The VMM takes part.
    pub(crate) fn opted_in(&self) {
        self.inner.lock().control.opt_in = true;
    }

    /// Tells of changes by this eventfd from now on.
    pub(crate) fn set_event(&self, event: Option<EventFd>) {
        let old = core::mem::replace(&mut self.inner.lock().event, event);
        drop(old);
    }

    /// The VMM says that it has obeyed what `sequence` is of. Errors: `ESTALE` if that has
    /// changed since, `EBUSY` if a window is mapped that must not be.
    pub(crate) fn acknowledge(&self, dev: &Core<'_>, sequence: u32) -> Result {
        let mut inner = self.inner.lock();
        if sequence != inner.sequence {
            return Err(ESTALE);
        }
        let wanted = self.wanted.load(Acquire);
        if self
            .each(wanted)
            .any(|window| dev.is_mapped(window.region, window.span))
        {
            return Err(EBUSY);
        }
        inner.ack = sequence;
        drop(inner);
        self.acknowledged.notify_all();
        Ok(())
    }

    /// No memory is known to be missing.
    pub(crate) fn forget_missing(&self) {
        *self.missing.lock() = (0, 0);
    }

    /// What is to be read in the region, without the windows.
    pub(crate) fn view(&self) -> View {
        let fault = *self.missing.lock();
        let inner = self.inner.lock();
        let never = self.bits(|window| !self.is_mappable(window));
        View {
            control: inner.control,
            wanted: self.wanted.load(Acquire),
            sequence: inner.sequence,
            ack: inner.ack,
            trapped: self.trapped.load(Acquire) | never,
            fault,
        }
    }

    /// The windows, and whether each can be mapped at all.
    pub(crate) fn listed(&self) -> impl ExactSizeIterator<Item = (Window, bool)> + '_ {
        self.windows()
            .iter()
            .map(|window| (*window, self.is_mappable(window)))
    }

    /// Has the VMM obey, and traps. Errors as of `on`.
    fn demand(&self, binding: &Binding) -> Result {
        let mut inner = self.inner.lock();
        inner.log = true;
        self.announce(&mut inner);
        let asked = inner.sequence;
        let mut left = msecs_to_jiffies(PATIENCE_MS);
        let dev = binding.dev();
        // Without an eventfd it has obeyed already, or has not.
        while inner.event.is_some() && inner.ack != asked && self.catch(&dev).is_err() {
            match self
                .acknowledged
                .wait_interruptible_timeout(&mut inner, left)
            {
                CondVarTimeoutResult::Woken { jiffies } => left = jiffies,
                CondVarTimeoutResult::Signal { .. } => return Err(EINTR),
                CondVarTimeoutResult::Timeout => {
                    binding.explain(format_args!(
                        "the VMM has not unmapped what is to be trapped within 5 s: migrate \
                         again, with a VMM that obeys the trap region"
                    ));
                    return Err(ETIMEDOUT);
                }
            }
        }
        self.catch(&dev).inspect_err(|_| {
            binding.explain(format_args!(
                "the VMM has mapped what is to be trapped: it must unmap that first, or give \
                 the trap region an eventfd"
            ));
        })
    }
}

impl Switch for Trap {
    fn set_windows(&self, windows: &[(usize, Window)]) -> Result {
        if windows.len() > MAX_WINDOWS {
            return Err(E2BIG);
        }
        let mut list = KVec::new();
        for (_, window) in windows {
            list.push(*window, GFP_KERNEL)?;
        }
        if self.windows.populate(list) {
            Ok(())
        } else {
            Err(EBUSY)
        }
    }

    fn window(&self, index: usize) -> Option<(Window, bool)> {
        let window = self.windows().get(index)?;
        Some((*window, self.trapped.load(Acquire) & bit(index) != 0))
    }

    fn on(self: Arc<Self>, binding: &Arc<Binding>) -> Result {
        self.demand(binding)
            .inspect_err(|_| self.off(&binding.dev()))
    }

    fn off(&self, _dev: &Core<'_>) {
        let mut inner = self.inner.lock();
        inner.log = false;
        self.release(&mut inner);
    }

    fn fault(&self, fault: &Fault<'_>) -> Mapped {
        let memory = fault.lock();
        let (region, offset) = fault.page();
        let page = Span {
            offset,
            size: PAGE_SIZE,
        };
        let bar = usize::try_from(region).ok();
        let visible = self
            .bars
            .as_ref()
            .and_then(|bars| bars.get(bar?))
            .is_none_or(|bar| bar.may_map(page));
        if visible && self.is_outside(self.trapped.load(Acquire), region, page) {
            fault.map_bar(&memory)
        } else {
            Fault::REFUSED
        }
    }

    fn missing(&self, iova: u64, len: u64) {
        *self.missing.lock() = (iova, len);
    }
}

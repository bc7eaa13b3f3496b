// SPDX-License-Identifier: GPL-2.0

//! Work items that may borrow from a bound device; for the PF driver, too.
//!
//! The kernel crate's work items own themselves while they are queued, so they
//! must be `'static`; these are cancelled when they are dropped instead.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use kernel::{
    bindings as kernel_bindings,
    container_of,
    prelude::*,
    sync::LockClassKey,
    time::{
        msecs_to_jiffies,
        Msecs, //
    },
    types::Opaque, //
};

/// What a work item does.
pub(crate) trait Run: Send + Sync {
    /// Runs in process context and may sleep. Answers in how many milliseconds to
    /// run again, if at all.
    fn run(&self) -> Option<Msecs>;
}

/// A work item on the system's workqueue, cancelled on drop.
///
/// # Invariants
///
/// `work` is initialized, and queued or running only while `self` lives.
#[pin_data(PinnedDrop)]
pub(crate) struct Work<R: Run> {
    #[pin]
    work: Opaque<kernel_bindings::delayed_work>,
    run: R,
}

// SAFETY: Work items may be queued and cancelled from any thread, and `R` is
// `Send` and `Sync`.
unsafe impl<R: Run> Send for Work<R> {}
// SAFETY: As above.
unsafe impl<R: Run> Sync for Work<R> {}

impl<R: Run> Work<R> {
    /// A work item that is not queued. `keys` are for lockdep: of the work and of
    /// its timer.
    pub(crate) fn new(
        name: &'static CStr,
        keys: [Pin<&'static LockClassKey>; 2],
        run: R,
    ) -> impl PinInit<Self> {
        let [work_key, timer_key] = keys;
        // INVARIANT: Initialized, and not queued.
        pin_init!(Self {
            work <- Opaque::ffi_init(|slot: *mut kernel_bindings::delayed_work| {
                // SAFETY: `slot` is valid for writes and stays in place; `callback`
                // expects a `work_struct` inside a `Work<R>`.
                unsafe {
                    kernel_bindings::init_work_with_key(
                        &raw mut (*slot).work,
                        Some(Self::callback),
                        false,
                        name.as_char_ptr(),
                        work_key.as_ptr(),
                    );
                    kernel_bindings::timer_init_key(
                        &raw mut (*slot).timer,
                        Some(kernel_bindings::delayed_work_timer_fn),
                        kernel_bindings::TIMER_IRQSAFE,
                        name.as_char_ptr(),
                        timer_key.as_ptr(),
                    );
                }
            }),
            run,
        })
    }

    /// Queues the item to run in `delay` milliseconds, unless it is queued. May be
    /// called from any context; has no effect once the drop has begun.
    pub(crate) fn schedule(&self, delay: Msecs) {
        // CAST: a small negative constant of an enum, as the C callers pass it.
        let any_cpu = kernel_bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int;
        // SAFETY: `work` is initialized by the invariant; `system_wq` is always there.
        unsafe {
            kernel_bindings::queue_delayed_work_on(
                any_cpu,
                kernel_bindings::system_percpu_wq,
                self.work.get(),
                msecs_to_jiffies(delay),
            )
        };
    }

    /// # Safety
    ///
    /// `work` must be inside a `Work<R>` that is alive.
    unsafe extern "C" fn callback(work: *mut kernel_bindings::work_struct) {
        // SAFETY: The workqueue hands in what `schedule` queued.
        let delayed = unsafe { container_of!(work, kernel_bindings::delayed_work, work) };
        // SAFETY: `delayed` is the field of a `Work<R>`, which is alive by the invariant.
        let this = unsafe { &*container_of!(Opaque::cast_from(delayed), Self, work) };
        if let Some(delay) = this.run.run() {
            this.schedule(delay);
        }
    }
}

#[pinned_drop]
impl<R: Run> PinnedDrop for Work<R> {
    fn drop(self: Pin<&mut Self>) {
        // INVARIANT: From here on it neither runs nor can it be queued.
        // SAFETY: `work` is initialized by the invariant. This waits for a run that
        // has begun, and `schedule` has no effect any more.
        unsafe { kernel_bindings::disable_delayed_work_sync(self.work.get()) };
    }
}

// SPDX-License-Identifier: GPL-2.0

//! NAPI: a device's interrupts turned into polling.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    netdev::NetDevice, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};
use kernel::{
    container_of,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
    },
    types::Opaque, //
};

/// What is polled.
pub(crate) trait Poller: Send + Sync {
    /// State that only the poll touches, there while the NAPI is enabled.
    type Context: Send;

    /// Receives up to `napi.budget()` packets and answers how many; completes sent
    /// ones besides. In a softirq.
    fn poll(&self, context: &mut Self::Context, napi: &NapiRef<'_>) -> u16;

    /// There is no more to do: let the device interrupt again. In a softirq.
    fn done(&self);
}

/// A NAPI that is being polled by this CPU.
pub(crate) struct NapiRef<'a> {
    napi: *mut bindings::napi_struct,
    budget: c_int,
    _napi: PhantomData<&'a ()>,
}

impl NapiRef<'_> {
    /// The raw NAPI, for this layer.
    pub(super) fn as_raw(&self) -> *mut bindings::napi_struct {
        self.napi
    }

    /// How many packets the poll may receive; 0 where only sent ones may be completed.
    pub(crate) fn budget(&self) -> c_int {
        self.budget
    }
}

/// A NAPI of a network device, with what it polls.
///
/// # Invariants
///
/// `napi` is added to the device. `context` is [`Some`] while it is enabled, and is
/// then touched by the poll alone; `enabled` tells which.
#[pin_data(PinnedDrop)]
pub(crate) struct Napi<P: Poller> {
    #[pin]
    napi: Opaque<bindings::napi_struct>,
    context: UnsafeCell<Option<P::Context>>,
    enabled: Atomic<bool>,
    poller: P,
}

// SAFETY: The poll, which the core serializes, has `context` to itself while the NAPI
// is enabled, and otherwise `enable` and `disable`, which exclude each other by
// `enabled`; the rest is shared soundly.
unsafe impl<P: Poller> Send for Napi<P> {}
// SAFETY: As above.
unsafe impl<P: Poller> Sync for Napi<P> {}

impl<P: Poller> Napi<P> {
    /// Adds a NAPI for queue `queue`, disabled, to `dev`, which `poller` must keep alive. What
    /// users set of it stays while others of that queue come and go. Errors: `ENOMEM`.
    pub(crate) fn new(dev: &NetDevice, queue: u8, poller: P) -> Result<Arc<Self>> {
        let dev = dev.as_raw();
        Arc::pin_init(
            // INVARIANT: Added, and not enabled.
            pin_init!(Self {
                napi <- Opaque::ffi_init(|slot: *mut bindings::napi_struct| {
                    // SAFETY: `slot` stays in place; it is zeroed, as the core wants it.
                    unsafe {
                        slot.write_bytes(0, 1);
                        bindings::igb_rs_napi_add(dev, slot, Some(Self::callback), queue.into());
                    }
                }),
                context: UnsafeCell::new(None),
                enabled: Atomic::new(false),
                poller,
            }),
            GFP_KERNEL,
        )
    }

    /// The raw NAPI, for this layer.
    pub(super) fn as_raw(&self) -> *mut bindings::napi_struct {
        self.napi.get()
    }

    /// Tells users which interrupt asks for its polls. Before the device is registered.
    pub(crate) fn set_irq(&self, irq: u32) {
        // SAFETY: Added by the invariant, to a device that nobody else uses.
        unsafe { bindings::igb_rs_napi_set_irq(self.napi.get(), irq) };
    }

    /// Which interrupt asks for its polls, as was said.
    pub(crate) fn irq(&self) -> u32 {
        // SAFETY: Added by the invariant; it was set before anybody else knew of it.
        let irq = unsafe { (*self.napi.get()).irq };
        u32::try_from(irq).unwrap_or(0)
    }

    /// What is polled.
    pub(crate) fn poller(&self) -> &P {
        &self.poller
    }

    /// Lets polls happen, on `context`, which comes back if they may already. May sleep. Callers
    /// serialize with [`disable`](Self::disable).
    pub(crate) fn enable(&self, context: P::Context) -> Result<(), P::Context> {
        if self.enabled.xchg(true, Acquire) {
            return Err(context);
        }
        // SAFETY: Not enabled until now, so no poll runs.
        unsafe { *self.context.get() = Some(context) };
        // SAFETY: Added, and not enabled.
        unsafe { bindings::napi_enable(self.napi.get()) };
        Ok(())
    }

    /// Ends polling, waits for a poll that has begun, and gives the context back if there
    /// is one. May sleep.
    pub(crate) fn disable(&self) -> Option<P::Context> {
        if !self.enabled.load(Relaxed) {
            return None;
        }
        // SAFETY: Added and enabled.
        unsafe { bindings::napi_disable(self.napi.get()) };
        // SAFETY: No poll runs any more.
        let context = unsafe { (*self.context.get()).take() };
        self.enabled.store(false, Release);
        context
    }

    /// Asks for a poll. From any context; has no effect while disabled.
    pub(crate) fn schedule(&self) {
        // SAFETY: Added by the invariant.
        unsafe { bindings::igb_rs_napi_schedule(self.napi.get()) };
    }

    /// # Safety
    ///
    /// `napi` must be that of a `Napi` of this type, which is alive.
    unsafe extern "C" fn callback(napi: *mut bindings::napi_struct, budget: c_int) -> c_int {
        // SAFETY: The core polls what `new` added, which is the field of a `Napi<P>`.
        let this = unsafe { &*container_of!(Opaque::cast_from(napi), Self, napi) };
        let reference = NapiRef {
            napi,
            budget,
            _napi: PhantomData,
        };
        // SAFETY: The NAPI is enabled and the core runs one poll at a time.
        let context = unsafe { &mut *this.context.get() };
        let Some(context) = context else {
            return 0;
        };
        let done = c_int::from(this.poller.poll(context, &reference));
        if budget == 0 || done >= budget {
            return done.min(budget);
        }
        // SAFETY: In the poll of this NAPI.
        if unsafe { bindings::napi_complete_done(napi, done) } {
            this.poller.done();
        }
        done
    }
}

#[pinned_drop]
impl<P: Poller> PinnedDrop for Napi<P> {
    fn drop(self: Pin<&mut Self>) {
        let _ = self.disable();
        // SAFETY: Added by the invariant, to a device that the poller keeps alive.
        unsafe { bindings::igb_rs_napi_del(self.napi.get()) };
    }
}

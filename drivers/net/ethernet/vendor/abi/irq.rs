// SPDX-License-Identifier: GPL-2.0

//! MSI-X vectors together with their handlers.

use core::mem::transmute;
use kernel::{
    device::Bound,
    irq::{
        Flags,
        Handler,
        IrqRequest,
        Registration,
        ThreadedHandler,
        ThreadedRegistration, //
    },
    pci::{
        self,
        IrqType,
        IrqTypes,
        IrqVectorRegistration, //
    },
    prelude::*,
};

/// A vector for a queue, with `Q` in interrupt context, and one for all other
/// causes, with `O` in a thread. Freed on drop, after which neither runs.
///
/// Fields are dropped in order: the handlers before the vectors they borrow.
pub(crate) struct Vectors<'bound, Q: Handler, O: ThreadedHandler> {
    _queue: Pin<KBox<Registration<'bound, Q>>>,
    _other: Pin<KBox<ThreadedRegistration<'bound, O>>>,
    _vectors: KBox<IrqVectorRegistration<'bound>>,
}

/// MSI-X vector of the queue.
pub(crate) const QUEUE: u32 = 0;

/// MSI-X vector of all other causes.
pub(crate) const OTHER: u32 = 1;

impl<'bound, Q: Handler + 'bound, O: ThreadedHandler + 'bound> Vectors<'bound, Q, O> {
    /// Allocates both vectors and installs the handlers, which may run at once. May
    /// sleep. Errors: `ENOSPC` if the device or the host lacks vectors, `ENOMEM`.
    pub(crate) fn new(pdev: &'bound pci::Device<Bound>, queue: Q, other: O) -> Result<Self> {
        let types = IrqTypes::default().with(IrqType::MsiX);
        let vectors = KBox::new(pdev.alloc_irq_vectors(2, 2, types)?, GFP_KERNEL)?;
        // SAFETY: `vectors` is boxed, so what borrows from it does not move, and the
        // field order of `Self` drops the borrowers first; so do the early returns
        // below, in which `vectors` is the oldest local.
        let borrowed: &'bound IrqVectorRegistration<'bound> = unsafe { transmute(&*vectors) };
        let request = |vector: u32| -> Result<IrqRequest<'bound>> {
            Ok(borrowed.index(usize::try_from(vector)?)?.into())
        };
        // SAFETY: The registration is owned by `Self`, whose users do not forget it.
        let other = unsafe {
            ThreadedRegistration::new(
                request(OTHER)?,
                Flags::TRIGGER_NONE,
                c"igb_rs-other",
                Ok::<_, Error>(other),
            )
        };
        let other = KBox::pin_init(other, GFP_KERNEL)?;
        // SAFETY: As above.
        let queue = unsafe {
            Registration::new(
                request(QUEUE)?,
                Flags::TRIGGER_NONE,
                c"igb_rs-queue",
                Ok::<_, Error>(queue),
            )
        };
        let queue = KBox::pin_init(queue, GFP_KERNEL)?;
        Ok(Self {
            _queue: queue,
            _other: other,
            _vectors: vectors,
        })
    }
}

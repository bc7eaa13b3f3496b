// SPDX-License-Identifier: GPL-2.0

//! MSI-X vectors together with their handlers.

use super::bindings;
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

/// Vectors of a device that have no handlers yet: one for all causes that are no queue's, and
/// one for each queue.
pub(crate) struct Allocated<'bound> {
    pdev: &'bound pci::Device<Bound>,
    vectors: KBox<IrqVectorRegistration<'bound>>,
}

impl<'bound> Allocated<'bound> {
    /// Allocates vectors for up to `most` queues. May sleep. Errors: `ENOSPC` if the device or the host lacks vectors, `ENOMEM`.
    pub(crate) fn new(pdev: &'bound pci::Device<Bound>, most: u8) -> Result<Self> {
        let types = IrqTypes::default().with(IrqType::MsiX);
        let vectors = pdev.alloc_irq_vectors(2, u32::from(most) + 1, types)?;
        Ok(Self {
            pdev,
            vectors: KBox::new(vectors, GFP_KERNEL)?,
        })
    }

    /// Interrupt number of queue `index`. Errors: `EINVAL` if it has no vector.
    pub(crate) fn irq(&self, index: u8) -> Result<u32> {
        let request: IrqRequest<'_> = self.vectors.index(usize::from(of_queue(index)))?.into();
        Ok(request.irq())
    }

    /// For how many queues there are vectors.
    pub(crate) fn queues(&self) -> u8 {
        u8::try_from(self.vectors.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }
}

/// Vectors with `Q` in interrupt context for each queue, and `O` in a thread for all other
/// causes. Freed on drop, after which none runs.
///
/// Fields are dropped in order: hints and handlers before the vectors they borrow.
pub(crate) struct Vectors<'bound, Q: Handler, O: ThreadedHandler> {
    _hints: KVec<Hint>,
    _queues: KVec<Pin<KBox<Registration<'bound, Q>>>>,
    _other: Pin<KBox<ThreadedRegistration<'bound, O>>>,
    _vectors: KBox<IrqVectorRegistration<'bound>>,
}

/// MSI-X vector of all causes that are no queue's.
pub(crate) const OTHER: u32 = 0;

/// MSI-X vector of queue `index`.
pub(crate) const fn of_queue(index: u8) -> u8 {
    index.saturating_add(1)
}

/// Names of the queues' vectors.
const NAMES: [&CStr; 8] = [
    c"igb_rs-queue-0",
    c"igb_rs-queue-1",
    c"igb_rs-queue-2",
    c"igb_rs-queue-3",
    c"igb_rs-queue-4",
    c"igb_rs-queue-5",
    c"igb_rs-queue-6",
    c"igb_rs-queue-7",
];

impl<'bound, Q: Handler + 'bound, O: ThreadedHandler + 'bound> Vectors<'bound, Q, O> {
    /// Installs the handlers, which may run at once, and hints at a CPU of its own for each
    /// queue. May sleep. Errors: `ENOMEM`, `EINVAL` for more queues than there are vectors.
    pub(crate) fn new(allocated: Allocated<'bound>, queues: KVec<Q>, other: O) -> Result<Self> {
        let Allocated { pdev, vectors } = allocated;
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
        let mut handlers = KVec::with_capacity(queues.len(), GFP_KERNEL)?;
        let mut hints = KVec::with_capacity(queues.len(), GFP_KERNEL)?;
        for (index, queue) in queues.into_iter().enumerate() {
            let index = u8::try_from(index)?;
            let name = *NAMES.get(usize::from(index)).ok_or(EINVAL)?;
            let request = request(u32::from(of_queue(index)))?;
            let irq = request.irq();
            // SAFETY: As above.
            let handler = unsafe {
                Registration::new(request, Flags::TRIGGER_NONE, name, Ok::<_, Error>(queue))
            };
            handlers.push(KBox::pin_init(handler, GFP_KERNEL)?, GFP_KERNEL)?;
            hints.push(Hint::new(pdev, irq, index), GFP_KERNEL)?;
        }
        Ok(Self {
            _hints: hints,
            _queues: handlers,
            _other: other,
            _vectors: vectors,
        })
    }
}

/// Moves interrupt `irq` to CPU `index` of those near the device, and tells users so until the
/// [`Vectors`] it is of are dropped. Sleeps.
pub(crate) fn move_to(pdev: &pci::Device<Bound>, irq: u32, index: u8) {
    // SAFETY: The device is valid by its type. That the interrupt is not there, or the CPU cannot be
    // had, is no failure: it is a hint.
    unsafe { bindings::igb_rs_hint(super::dma::raw(pdev.as_ref()), irq, index.into()) };
}

/// That users are told of the CPU of a vector, until this is dropped, which must be before
/// its handler is.
struct Hint(u32);

impl Hint {
    /// Moves vector `irq`, which has a handler, to CPU `index` of those near the device.
    fn new(pdev: &pci::Device<Bound>, irq: u32, index: u8) -> Self {
        move_to(pdev, irq, index);
        Self(irq)
    }
}

impl Drop for Hint {
    fn drop(&mut self) {
        // SAFETY: The interrupt still has its handler.
        unsafe { bindings::igb_rs_unhint(self.0) };
    }
}

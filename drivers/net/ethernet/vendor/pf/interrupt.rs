// SPDX-License-Identifier: GPL-2.0

//! Interrupts: which cause goes to which vector, and what happens on all that are no
//! queue's.

use super::port::Port;
use crate::{
    abi::{
        irq,
        work::{
            Run,
            Work, //
        }, //
    },
    regs::{
        interrupt::{
            EIAC,
            EIAM,
            EICS,
            EIMC,
            EIMS,
            EITR,
            GPIE,
            ICR,
            IMS,
            IVAR,
            IVAR_MISC,
            IVAR_VALID, //
        },
        pool::WVBR,
        Bar0, //
    },
};
use kernel::{
    io::{
        register::Array,
        Io, //
    },
    irq::{
        IrqReturn,
        ThreadedHandler,
        ThreadedIrqReturn, //
    },
    num::Bounded,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::Msecs, //
};

/// The bit of vector `vector`, below 32, in EIMS and its siblings.
const fn bit(vector: u32) -> u32 {
    1 << vector
}

/// The bit of queue `index`'s vector.
fn queue_bit(index: u8) -> u32 {
    bit(u32::from(irq::of_queue(index)))
}

/// Least time between two interrupts of all other causes, in microseconds: VFs raise them, and
/// a hostile one as fast as it can write a register. A first message is served at once; igbvf
/// looks for its answer every 500 microseconds, so the next one does not wait for longer.
const OTHER_INTERVAL: u32 = 500;

/// Sets up the vectors after a reset, all masked. The mode comes first: what the other
/// registers mean, and the VFs' ones, depends on it.
pub(super) fn set_up(bar: &Bar0<'_>) {
    bar.write_reg(
        GPIE::zeroed()
            .with_nsicr(true)
            .with_msix_mode(true)
            .with_eiame(true)
            .with_pba_support(true),
    );
    const OTHER_ENTRY: u32 = IVAR_VALID | irq::OTHER;
    bar.write_reg(IVAR_MISC::zeroed().with_const_other::<OTHER_ENTRY>());
    bar.write_reg(EIAC::from(bit(irq::OTHER)));
    bar.write_reg(EIAM::from(bit(irq::OTHER)));
    // By vector.
    const { assert!(irq::OTHER == 0) };
    bar.write(
        EITR::at(0),
        EITR::zeroed().with_const_interval::<OTHER_INTERVAL>(),
    );
}

/// Lets the vector of all causes that are no queue's fire.
pub(super) fn unmask_other(bar: &Bar0<'_>) {
    bar.write_reg(
        IMS::zeroed()
            .with_lsc(true)
            .with_vmmb(true)
            .with_doutsync(true),
    );
    bar.write_reg(EIMS::from(bit(irq::OTHER)));
}

/// The vectors of a pair of queues, each by the queue of the interface that it is named after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairVectors {
    /// That of what is received.
    pub(crate) rx: u8,
    /// That of what was sent, which may be the same.
    pub(crate) tx: u8,
}

impl PairVectors {
    /// The one of queue `index` for both.
    pub(crate) fn one(index: u8) -> Self {
        Self {
            rx: index,
            tx: index,
        }
    }

    /// Whether each direction has one.
    pub(crate) fn are_two(self) -> bool {
        self.rx != self.tx
    }

    fn bits(self) -> u32 {
        queue_bit(self.rx) | queue_bit(self.tx)
    }
}

impl Port<'_> {
    /// Sends the causes of queue `number`, below 16, to `vectors`, or to none.
    pub(crate) fn route_queue(&self, number: u8, vectors: Option<PairVectors>) -> Result {
        let entry = |index| IVAR_VALID | u32::from(irq::of_queue(index));
        // Receive in the lower byte, transmit in the upper one.
        let both = vectors.map_or(0, |vectors| entry(vectors.rx) | entry(vectors.tx) << 8);
        let shift = if number < 8 { 0 } else { 16 };
        let at = || IVAR::try_at(usize::from(number % 8)).ok_or(EINVAL);
        let others = self.bar.read(at()?).entries().get() & !(0xffff << shift);
        self.bar.write(at()?, IVAR::from(others | both << shift));
        Ok(())
    }

    /// Lets these vectors clear and mask themselves when they fire, and of those that are not
    /// the VFs' no other. QEMU's model forgets none.
    pub(crate) fn claim_vectors(&self, vectors: impl Iterator<Item = PairVectors>) {
        let ours = vectors.fold(bit(irq::OTHER), |bits, vectors| bits | vectors.bits());
        // The vectors of VF n are the three from 22 - 3n on.
        let first = 25_u32.saturating_sub(3 * u32::from(self.pool.index()));
        let vfs = u32::MAX << first;
        let others = self.bar.read(EIAC).vectors().get() & vfs;
        self.bar.write_reg(EIAC::from(others | ours));
        let others = self.bar.read(EIAM).vectors().get() & vfs;
        self.bar.write_reg(EIAM::from(others | ours));
    }

    /// Sets the least time between two interrupts of queue `index`'s vector, in microseconds.
    pub(crate) fn set_interval(&self, index: u8, usecs: u16) {
        let value = Bounded::<u32, 13>::try_new(u32::from(usecs));
        if let (Some(at), Some(value)) = (EITR::try_at(irq::of_queue(index).into()), value) {
            let interval = EITR::zeroed().with_interval(value);
            self.bar.write(at, interval.with_keep_counter(true));
        }
    }

    /// Lets `vectors` fire.
    pub(crate) fn unmask_queue(&self, vectors: PairVectors) {
        self.bar.write_reg(EIMS::from(vectors.bits()));
    }

    /// Keeps `vectors` from firing.
    pub(crate) fn mask_queue(&self, vectors: PairVectors) {
        self.bar.write_reg(EIMC::from(vectors.bits()));
    }

    /// Makes queue `index`'s vector fire, once it is not masked.
    pub(crate) fn raise_queue(&self, index: u8) {
        self.bar.write_reg(EICS::from(queue_bit(index)));
    }
}

/// Serves mailboxes again that could not be served when they asked.
pub(crate) struct Retry<'bound>(Arc<Port<'bound>>);

impl Run for Retry<'_> {
    fn run(&self) -> Option<Msecs> {
        self.0.serve_mailboxes()
    }
}

impl Port<'_> {
    /// Serves the VFs' mailboxes; answers in how many milliseconds to do so again, if at
    /// all. From any context.
    fn serve_mailboxes(&self) -> Option<Msecs> {
        let wait = self
            .vfs
            .handle_mailbox_interrupt(self.pdev.as_ref(), &self.bar)?;
        // At least one, or it would run again at once.
        Some(Msecs::try_from(wait.as_millis()).unwrap_or(1).max(1))
    }

    /// Names VFs that sent from an address or VLAN that is not theirs, each once.
    fn name_spoofers(&self) {
        let caught = self.bar.read(WVBR).pools().get();
        let known = self.spoofers.load(Relaxed);
        self.spoofers.store(known | caught, Relaxed);
        // A pool's two queues, n and n + 8.
        let new = (caught & !known) | (caught & !known) >> 8;
        for vf in (0..u32::from(self.pool.index())).filter(|vf| new & (1 << vf) != 0) {
            dev_warn!(
                self.pdev,
                "VF {vf} sends from an address or VLAN that is not its own; dropped\n"
            );
        }
    }
}

/// Handler of all causes that are no queue's: link and VFs.
///
/// Mailboxes are served at once: igbvf waits for its answer spinning, with bottom halves
/// off, and if it does so on this CPU then no thread gets to run. How often a VF is served
/// is limited. All else waits for the thread, which may sleep.
pub(crate) struct OtherCauses<'bound> {
    port: Arc<Port<'bound>>,
    /// Causes that the thread is to look at, as ICR has them.
    left: Atomic<u32>,
    retry: Arc<Work<Retry<'bound>>>,
}

impl<'bound> OtherCauses<'bound> {
    /// The handler for `port`. Errors: `ENOMEM`.
    pub(crate) fn new(port: Arc<Port<'bound>>) -> Result<Self> {
        let retry = Work::new(
            c"igb_rs::retry",
            [static_lock_class!(), static_lock_class!()],
            Retry(port.clone()),
        );
        Ok(Self {
            port,
            left: Atomic::new(0),
            retry: Arc::pin_init(retry, GFP_KERNEL)?,
        })
    }
}

impl ThreadedHandler for OtherCauses<'_> {
    fn handle(&self) -> ThreadedIrqReturn {
        let port = &*self.port;
        let causes = port.bar.read(ICR);
        // A device that has left the bus reads as all ones.
        if causes.causes().get() == u32::MAX {
            return ThreadedIrqReturn::None;
        }
        if causes.vmmb() {
            if let Some(delay) = port.serve_mailboxes() {
                self.retry.schedule(delay);
            }
        }
        if causes.lsc() || causes.doutsync() {
            // The vector is the only writer while it is masked, and it is until the
            // thread is done.
            self.left.store(causes.causes().get(), Relaxed);
            return ThreadedIrqReturn::WakeThread;
        }
        port.bar.write_reg(EIMS::from(bit(irq::OTHER)));
        ThreadedIrqReturn::Handled
    }

    fn handle_threaded(&self) -> IrqReturn {
        let port = &*self.port;
        let causes = ICR::from(self.left.load(Relaxed));
        if causes.doutsync() {
            port.out_of_sync.add(1, Relaxed);
            port.name_spoofers();
        }
        if causes.lsc() {
            port.check_link();
        }
        port.bar.write_reg(EIMS::from(bit(irq::OTHER)));
        IrqReturn::Handled
    }
}

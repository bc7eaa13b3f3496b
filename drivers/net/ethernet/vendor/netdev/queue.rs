// SPDX-License-Identifier: GPL-2.0

//! A pair of queues, one to send and one to receive, behind one vector.

use super::{
    rx::{
        Received,
        RxRing, //
    },
    tx::{
        Sent,
        TxRing, //
    }, //
};
use crate::{
    abi::{
        lock::BottomHalvesOff,
        napi::{
            Napi,
            NapiRef,
            Poller, //
        },
        netdev::Stats,
        skb::SkBuff, //
    },
    pf::port::Port, //
};
use kernel::{
    irq::{
        Handler,
        IrqReturn, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
};

/// What was sent and received, since the device was bound.
struct Counts {
    rx_packets: Atomic<u64>,
    rx_bytes: Atomic<u64>,
    rx_dropped: Atomic<u64>,
    tx_packets: Atomic<u64>,
    tx_bytes: Atomic<u64>,
    tx_dropped: Atomic<u64>,
}

fn add(counter: &Atomic<u64>, value: u32) {
    counter.add(u64::from(value), Relaxed);
}

/// A pair of queues. Its receive ring is the poll's alone; its transmit ring is shared by
/// those who send and by the poll, which takes out what was sent.
#[pin_data]
pub(crate) struct QueuePair<'bound> {
    port: Arc<Port<'bound>>,
    /// There while the interface is open. Taken in softirqs.
    #[pin]
    tx: SpinLock<Option<TxRing<'bound>>>,
    counts: Counts,
}

/// A pair of queues with the NAPI that polls it.
pub(crate) type Queue<'bound> = Napi<Arc<QueuePair<'bound>>>;

impl<'bound> QueuePair<'bound> {
    /// The pair of queues of `port`, closed. Errors: `ENOMEM`.
    pub(crate) fn new(port: Arc<Port<'bound>>) -> Result<Arc<Queue<'bound>>> {
        let counts = Counts {
            rx_packets: Atomic::new(0),
            rx_bytes: Atomic::new(0),
            rx_dropped: Atomic::new(0),
            tx_packets: Atomic::new(0),
            tx_bytes: Atomic::new(0),
            tx_dropped: Atomic::new(0),
        };
        let own = port.clone();
        let pair = Arc::pin_init(
            pin_init!(Self {
                port: own,
                tx <- new_spinlock!(None, "igb_rs::tx"),
                counts,
            }),
            GFP_KERNEL,
        )?;
        Napi::new(&port.netdev, pair)
    }

    /// Sends a packet, or gives it back if there is no room.
    pub(crate) fn xmit(&self, skb: SkBuff, more: bool) -> Option<SkBuff> {
        let netdev = &self.port.netdev;
        let mut tx = self.tx.lock();
        let Some(ring) = &mut *tx else {
            add(&self.counts.tx_dropped, 1);
            return None;
        };
        let must_kick = match ring.send(skb) {
            Sent::Full(skb) => {
                netdev.stop_queue();
                return Some(skb);
            }
            Sent::Dropped => {
                add(&self.counts.tx_dropped, 1);
                // Packets before this one may wait for a kick.
                !more
            }
            Sent::Queued(bytes) => netdev.sent(bytes, more),
        };
        // The poll wakes the queue under the same lock, so no wake is missed.
        if !ring.has_room() {
            netdev.stop_queue();
            ring.kick(&self.port.bar);
        } else if must_kick {
            ring.kick(&self.port.bar);
        }
        None
    }

    /// Puts the transmit ring in place, or takes it out.
    fn exchange_tx(&self, ring: Option<TxRing<'bound>>) -> Option<TxRing<'bound>> {
        let _off = BottomHalvesOff::new();
        // A guard in the last expression would outlive `_off`.
        let mut tx = self.tx.lock();
        core::mem::replace(&mut *tx, ring)
    }

    /// Adds up the statistics.
    pub(crate) fn add_stats(&self, stats: &mut Stats) {
        let counts = &self.counts;
        stats.rx_packets += counts.rx_packets.load(Relaxed);
        stats.rx_bytes += counts.rx_bytes.load(Relaxed);
        stats.rx_dropped += counts.rx_dropped.load(Relaxed);
        stats.tx_packets += counts.tx_packets.load(Relaxed);
        stats.tx_bytes += counts.tx_bytes.load(Relaxed);
        stats.tx_dropped += counts.tx_dropped.load(Relaxed);
    }

    /// Says in the log where the transmit queue hangs.
    pub(crate) fn report_hang(&self) {
        // From a softirq.
        if let Some(ring) = &*self.tx.lock() {
            let (head, tail, oldest, next) = ring.standing(&self.port);
            dev_err!(
                self.port.pdev,
                "transmit queue hangs: head {head}, tail {tail}, oldest {oldest}, next {next}; \
                 restarting the port\n"
            );
        }
    }

    fn reap(&self, napi: &NapiRef<'_>) {
        let mut tx = self.tx.lock();
        let Some(ring) = &mut *tx else {
            return;
        };
        let (packets, bytes) = ring.reap(napi);
        if packets == 0 {
            return;
        }
        add(&self.counts.tx_packets, packets);
        add(&self.counts.tx_bytes, bytes);
        let netdev = &self.port.netdev;
        netdev.completed(packets, bytes);
        if netdev.queue_is_stopped() && netdev.has_carrier() && ring.has_room() {
            netdev.wake_queue();
        }
    }
}

impl<'bound> Poller for Arc<QueuePair<'bound>> {
    type Context = RxRing<'bound>;

    fn poll(&self, ring: &mut RxRing<'bound>, napi: &NapiRef<'_>) -> u16 {
        self.reap(napi);
        let budget = u16::try_from(napi.budget()).unwrap_or(0);
        let mut packets = 0;
        while packets < budget {
            match ring.receive(&self.port.netdev, napi) {
                None => break,
                Some(Received::Whole(skb, bytes)) => {
                    add(&self.counts.rx_packets, 1);
                    add(&self.counts.rx_bytes, bytes);
                    skb.deliver(napi);
                }
                Some(Received::Dropped) => add(&self.counts.rx_dropped, 1),
                // The device has counted it.
                Some(Received::Damaged) => {}
            }
            packets += 1;
        }
        if packets != 0 {
            ring.offer(&self.port.bar);
        }
        packets
    }

    fn done(&self) {
        self.port.unmask_queue();
    }
}

/// Lets the device use both rings of queue `number`.
fn start(port: &Port<'_>, number: u8, tx: &TxRing<'_>, rx: &RxRing<'_>) -> Result {
    port.route_queue(number, true)?;
    tx.start(&port.bar)?;
    // With VFs, a PF that is slow must not hold them up.
    rx.start(&port.bar, number != 0)
}

/// Keeps the device from both rings of queue `number`.
fn halt(port: &Port<'_>, number: u8) {
    let stopped = RxRing::stop(number, &port.bar).and(TxRing::stop(number, &port.bar));
    if let Err(errno) = stopped {
        dev_err!(port.pdev, "queue {number} does not stop: {errno:?}\n");
    }
    // No interrupt finds its way here until the queues are opened again.
    let _ = port.route_queue(number, false);
}

/// Opens the queues at the pool's number, and lets them run. Sleeps. Errors: `ENOMEM`,
/// `ETIMEDOUT` if the device does not start them.
pub(super) fn open(queue: &Queue<'_>) -> Result {
    let pair = queue.poller();
    let port = &pair.port;
    let number = port.pool.index();
    let dev = port.pdev.as_ref();
    let tx = TxRing::new(dev, number)?;
    let rx = RxRing::new(dev, number)?;
    // The rings are freed after the device has let go of them.
    start(port, number, &tx, &rx).inspect_err(|_| halt(port, number))?;
    if let Err(rx) = queue.enable(rx) {
        halt(port, number);
        drop((rx, tx));
        return Err(EBUSY);
    }
    port.netdev.reset_sent();
    pair.exchange_tx(Some(tx));
    port.unmask_queue();
    port.netdev.start_queue();
    // What arrived before the vector was unmasked raised no interrupt.
    queue.schedule();
    Ok(())
}

/// Stops the queues and frees what is in them. Sleeps.
pub(super) fn close(queue: &Queue<'_>) {
    let pair = queue.poller();
    let port = &pair.port;
    let number = port.pool.index();
    port.netdev.disable_tx();
    port.mask_queue();
    let rx = queue.disable();
    halt(port, number);
    let tx = pair.exchange_tx(None);
    drop((rx, tx));
    port.netdev.reset_sent();
}

/// Handler of the queues' vector.
pub(crate) struct QueueInterrupt<'bound>(Arc<Queue<'bound>>);

impl<'bound> QueueInterrupt<'bound> {
    /// The handler for `queue`.
    pub(crate) fn new(queue: Arc<Queue<'bound>>) -> Self {
        Self(queue)
    }
}

impl Handler for QueueInterrupt<'_> {
    fn handle(&self) -> IrqReturn {
        self.0.schedule();
        IrqReturn::Handled
    }
}

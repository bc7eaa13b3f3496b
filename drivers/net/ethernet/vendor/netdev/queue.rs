// SPDX-License-Identifier: GPL-2.0

//! A pair of queues, one to send and one to receive, behind one poll and a vector or two.

use super::{
    layout::Layout,
    moderation::{
        BothWays,
        Moderation,
        Run,
        Traffic, //
    },
    offload::Packet,
    rx::{
        Features,
        Received,
        RxCounts,
        RxRing, //
    },
    settings::Settings,
    tx::{
        Sent,
        TxRing, //
    },
    xdp::Pending, //
};
use crate::{
    abi::{
        feature,
        lock::BottomHalvesOff,
        napi::{
            Napi,
            NapiRef,
            Poller, //
        },
        netdev::Stats,
        page_pool::RxBuffers,
        send_lock::{
            SendLocked,
            Sending, //
        },
        skb::SkBuff, //
    },
    pf::{
        interrupt::PairVectors,
        port::Port, //
    }, //
};
use kernel::{
    irq::{
        Handler,
        IrqReturn, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// What was sent and received, since the device was bound.
pub(crate) struct Counts {
    /// Packets received.
    pub(crate) rx_packets: Atomic<u64>,
    /// Bytes received.
    pub(crate) rx_bytes: Atomic<u64>,
    /// Packets dropped for want of memory, or for they are too long for a program to see.
    pub(crate) rx_dropped: Atomic<u64>,
    /// Packets with a wrong checksum.
    pub(crate) rx_bad_checksums: Atomic<u64>,
    /// Packets sent.
    pub(crate) tx_packets: Atomic<u64>,
    /// Bytes sent.
    pub(crate) tx_bytes: Atomic<u64>,
    /// Packets that could not be sent.
    pub(crate) tx_dropped: Atomic<u64>,
    /// How often a full queue was started again.
    pub(crate) tx_restarts: Atomic<u64>,
}

impl Counts {
    fn new() -> Self {
        Self {
            rx_packets: Atomic::new(0),
            rx_bytes: Atomic::new(0),
            rx_dropped: Atomic::new(0),
            rx_bad_checksums: Atomic::new(0),
            tx_packets: Atomic::new(0),
            tx_bytes: Atomic::new(0),
            tx_dropped: Atomic::new(0),
            tx_restarts: Atomic::new(0),
        }
    }
}

fn add(counter: &Atomic<u64>, value: u32) {
    if value != 0 {
        counter.add(u64::from(value), Relaxed);
    }
}

/// A pair of queues. Its receive ring is the poll's alone; its transmit ring is shared by
/// those who send and by the poll, which takes out what was sent.
pub(crate) struct QueuePair<'bound> {
    pub(super) port: Arc<Port<'bound>>,
    /// Its number among the interface's queues, and so the vector of what it receives.
    pub(super) index: u8,
    /// The queue whose vector is that of what this one has sent.
    tx_vector: Atomic<u32>,
    /// There while the interface is open. Under the lock of the core's queue, which is taken
    /// in softirqs; no lock of the driver's is taken under it.
    pub(super) tx: SendLocked<Option<TxRing<'bound>>>,
    /// What was sent and received.
    pub(crate) counts: Counts,
    /// How often the vector of its number has fired.
    interrupts: Atomic<u32>,
    /// How often its vectors fire: [`BothWays`] in a word.
    moderation: Atomic<u32>,
}

/// What only the poll of a pair of queues touches.
pub(crate) struct RxSide<'bound> {
    ring: RxRing<'bound>,
    /// Its vectors, which are the same while it is open.
    vectors: PairVectors,
    /// The interval that the device has been told, in microseconds.
    interval: u16,
    /// The same of what was sent, if that has a vector of its own.
    tx_interval: u16,
    /// Descriptors of the transmit ring.
    tx_size: u16,
    /// What was done since interrupts were last enabled.
    traffic: Traffic,
}

/// A pair of queues with the NAPI that polls it.
pub(crate) type Queue<'bound> = Napi<Arc<QueuePair<'bound>>>;

impl<'bound> QueuePair<'bound> {
    /// Pair `index` of the queues of `port`, closed. Errors: `ENOMEM`.
    pub(crate) fn new(port: Arc<Port<'bound>>, index: u8) -> Result<Arc<Queue<'bound>>> {
        let own = port.clone();
        let pair = Self {
            port: own,
            index,
            tx_vector: Atomic::new(u32::from(index)),
            tx: SendLocked::new(&port.netdev, index, None),
            counts: Counts::new(),
            interrupts: Atomic::new(0),
            moderation: Atomic::new(BothWays::DEFAULT.to_word()),
        };
        Napi::new(&port.netdev, index, Arc::new(pair, GFP_KERNEL)?)
    }

    /// Sends a packet as `packet` says, or gives it back if there is no room.
    // For each packet: a call less.
    #[inline(always)]
    pub(crate) fn xmit(
        &self,
        sending: &mut Sending<'_>,
        skb: SkBuff,
        packet: Packet,
    ) -> Option<SkBuff> {
        let netdev = &self.port.netdev;
        let more = sending.more();
        let Some(ring) = self.tx.held(sending).and_then(Option::as_mut) else {
            add(&self.counts.tx_dropped, 1);
            return None;
        };
        let must_kick = match ring.send(skb, packet) {
            Sent::Full(skb) => {
                netdev.stop_queue(self.index);
                return Some(skb);
            }
            Sent::Dropped => {
                add(&self.counts.tx_dropped, 1);
                // Packets before this one may wait for a kick.
                !more
            }
            Sent::Queued(bytes) => netdev.sent(self.index, bytes, more),
        };
        // The poll wakes the queue under the same lock, so no wake is missed.
        if !ring.has_room() {
            netdev.stop_queue(self.index);
            ring.kick(&self.port.bar);
        } else if must_kick {
            ring.kick(&self.port.bar);
        }
        None
    }

    /// Its vectors.
    pub(crate) fn vectors(&self) -> PairVectors {
        PairVectors {
            rx: self.index,
            tx: u8::try_from(self.tx_vector.load(Relaxed)).unwrap_or(self.index),
        }
    }

    /// What it has sent is told by the vector of queue `index` from here on; answers whose it was
    /// until now. It must be closed.
    pub(super) fn set_tx_vector(&self, index: u8) -> u8 {
        let before = self.vectors().tx;
        self.tx_vector.store(u32::from(index), Relaxed);
        before
    }

    /// How often the vector of its number has fired, for whom ever.
    pub(crate) fn interrupts(&self) -> u32 {
        self.interrupts.load(Relaxed)
    }

    /// Changes how often its vectors fire, from the next poll on.
    pub(crate) fn set_moderation(&self, moderation: BothWays) {
        self.moderation.store(moderation.to_word(), Relaxed);
    }

    /// Puts the transmit ring in place.
    fn put_tx(&self, ring: TxRing<'bound>) {
        let _off = BottomHalvesOff::new();
        if let Some(mut tx) = self.tx.lock(&self.port.netdev) {
            *tx = Some(ring);
        }
    }

    /// Takes the transmit ring out. The poll must have ended.
    fn take_tx(&self) -> Option<TxRing<'bound>> {
        let _off = BottomHalvesOff::new();
        let netdev = &self.port.netdev;
        // A guard in the last expression would outlive `_off`.
        let mut tx = self.tx.lock(netdev)?;
        // The poll's last run may have woken the queue: what the core has then waits.
        netdev.stop_queue(self.index);
        tx.take()
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
        let tx = self.tx.lock(&self.port.netdev);
        if let Some(ring) = tx.as_ref().and_then(|tx| tx.as_ref()) {
            let (head, tail, oldest, next) = ring.standing(&self.port);
            dev_err!(
                self.port.pdev,
                "transmit queue hangs: head {head}, tail {tail}, oldest {oldest}, next {next}; \
                 restarting the port\n"
            );
        }
    }

    /// Takes out what was sent, and answers it.
    fn reap(&self, napi: &NapiRef<'_>) -> Run {
        let netdev = &self.port.netdev;
        // A poll without a budget may have interrupted who sends.
        let tx = match napi.budget() {
            0 => self.tx.try_lock(netdev),
            _ => self.tx.lock(netdev),
        };
        let Some(mut tx) = tx else {
            return Run::default();
        };
        let Some(ring) = &mut *tx else {
            return Run::default();
        };
        let reaped = ring.reap(napi);
        if reaped.packets == 0 {
            return reaped;
        }
        add(&self.counts.tx_packets, reaped.packets);
        add(&self.counts.tx_bytes, reaped.bytes);
        let is_stopped = netdev.completed(self.index, reaped.packets, reaped.bytes);
        if is_stopped && ring.has_drained() {
            netdev.wake_queue(self.index);
            add(&self.counts.tx_restarts, 1);
        }
        reaped
    }
}

impl<'bound> Poller for Arc<QueuePair<'bound>> {
    type Context = RxSide<'bound>;

    fn poll(&self, side: &mut RxSide<'bound>, napi: &NapiRef<'_>) -> u16 {
        let sent = self.reap(napi);
        let budget = u16::try_from(napi.budget()).unwrap_or(0);
        let enabled = self.port.netdev.features();
        let features = Features {
            checksum: enabled & feature::RX_CHECKSUM != 0,
            hash: enabled & feature::RX_HASH != 0,
            damaged: enabled & feature::RX_ALL != 0,
        };
        let mut counts = RxCounts::default();
        let mut packets = 0;
        let (port, mut pending) = (&self.port, Pending::default());
        let program = port.program.get(napi);
        let program = program.as_ref();
        while packets < budget {
            match side
                .ring
                .receive(port, napi, &features, program, &mut counts)
            {
                None => break,
                Some(Received::Packet(skb)) => skb.deliver(napi, self.index),
                Some(Received::Frame(frame)) => self.send_back(frame, program, &mut pending),
                Some(Received::Redirected) => pending.note_redirected(),
                Some(Received::Dropped) => {}
            }
            packets += 1;
        }
        self.finish(pending, napi);
        if packets != 0 {
            side.ring.offer_batch(&self.port.bar);
            add(&self.counts.rx_packets, counts.packets);
            add(&self.counts.rx_bytes, counts.bytes);
            add(&self.counts.rx_dropped, counts.dropped);
            add(&self.counts.rx_bad_checksums, counts.bad_checksums);
        }
        side.traffic.rx.add(counts.packets, counts.bytes);
        side.traffic.tx.add(sent.packets, sent.bytes);
        if packets < budget {
            // Once this run has ended another may begin elsewhere, so not in `done`.
            side.moderate(self);
        }
        packets
    }

    fn done(&self) {
        self.port.unmask_queue(self.vectors());
    }
}

impl RxSide<'_> {
    /// Tells the device how often to interrupt, by what was done since it was told last.
    fn moderate(&mut self, pair: &QueuePair<'_>) {
        let BothWays { rx, tx } = BothWays::from_word(pair.moderation.load(Relaxed));
        let (vectors, port) = (self.vectors, &pair.port);
        let mut traffic = core::mem::take(&mut self.traffic);
        if vectors.are_two() {
            let sent = core::mem::take(&mut traffic.tx).packets;
            let interval = tx.interval_of_sent(self.tx_interval, sent, self.tx_size);
            tell(port, tx, vectors.tx, interval, &mut self.tx_interval);
        }
        if let Some(interval) = rx.interval(&traffic) {
            tell(port, rx, vectors.rx, interval, &mut self.interval);
        }
    }
}

/// Sets the interval of queue `index`'s vector, unless it was `told` one that is as good by `moderation`.
fn tell(port: &Port<'_>, moderation: Moderation, index: u8, interval: u16, told: &mut u16) {
    if moderation.is_news(*told, interval) {
        *told = interval;
        port.set_interval(index, interval);
    }
}

/// Lets the device use both rings of queue `number`, with the vectors of `pair`.
fn start(pair: &QueuePair<'_>, number: u8, tx: &TxRing<'_>, rx: &mut RxRing<'_>) -> Result {
    let port = &pair.port;
    port.route_queue(number, Some(pair.vectors()))?;
    tx.start(&port.bar)?;
    // With VFs, a PF that is slow must not hold them up; nor one of its queues the others.
    rx.start(&port.bar, number != 0)
}

/// Keeps the device from both rings of queue `number`.
fn halt(port: &Port<'_>, number: u8) {
    let stopped = RxRing::stop(number, &port.bar).and(TxRing::stop(number, &port.bar));
    if let Err(errno) = stopped {
        dev_err!(port.pdev, "queue {number} does not stop: {errno:?}\n");
    }
    // No interrupt finds its way here until the queues are opened again.
    let _ = port.route_queue(number, None);
}

/// Opens a pair of queues at its number in the pool, and lets it run, but for the core's
/// sending. Sleeps. Errors: `ENOMEM`, `ETIMEDOUT` if the device does not start them.
pub(super) fn open<'bound>(
    queue: &Arc<Queue<'bound>>,
    settings: &Settings,
    layout: Layout,
) -> Result {
    let pair = queue.poller();
    let (port, index) = (&pair.port, pair.index);
    let number = port.pool.queue(index);
    let dev = port.pdev.as_ref();
    let size = settings.rx_size;
    let tx = TxRing::new(dev, number, settings.tx_size)?;
    let sends_back = port.program.is_some();
    let buffers = RxBuffers::new(dev, &port.netdev, queue, index, size, layout, sends_back)?;
    let mut rx = RxRing::new(dev, buffers, number, size)?;
    // The rings are freed after the device has let go of them.
    start(pair, number, &tx, &mut rx).inspect_err(|_| halt(port, number))?;
    let (moderation, vectors) = (settings.moderation, pair.vectors());
    pair.set_moderation(moderation);
    let interval = moderation.rx.first_interval();
    let tx_interval = moderation.tx.first_interval();
    if vectors.are_two() {
        port.set_interval(vectors.tx, tx_interval);
    }
    port.set_interval(vectors.rx, interval);
    let side = RxSide {
        ring: rx,
        vectors,
        interval,
        tx_interval,
        tx_size: settings.tx_size,
        traffic: Traffic::default(),
    };
    if let Err(side) = queue.enable(side) {
        halt(port, number);
        drop((side, tx));
        return Err(EBUSY);
    }
    port.netdev.reset_sent(index);
    port.netdev.link_napi(index, queue);
    pair.put_tx(tx);
    port.unmask_queue(vectors);
    // What arrived before the vector was unmasked raised no interrupt.
    queue.schedule();
    Ok(())
}

/// Stops a pair of queues and frees what is in them. Sleeps. The core must not send.
pub(super) fn close(queue: &Queue<'_>) {
    let pair = queue.poller();
    let (port, index) = (&pair.port, pair.index);
    let number = port.pool.queue(index);
    port.mask_queue(pair.vectors());
    port.netdev.unlink_napi(index);
    let rx = queue.disable();
    // XDP's frames are not sent by the core, and find no ring from here on.
    let tx = pair.take_tx();
    halt(port, number);
    // What is sent may be from the pages of what was received.
    drop(tx);
    drop(rx);
    port.netdev.reset_sent(index);
}

/// Handler of a queue's vector.
pub(crate) struct QueueInterrupt<'bound> {
    /// The one of its number.
    queue: Arc<Queue<'bound>>,
    /// The one that it may be lent to.
    borrower: Option<Arc<Queue<'bound>>>,
}

impl<'bound> QueueInterrupt<'bound> {
    /// The handler of `queue`'s vector, which may be lent to `borrower`.
    pub(crate) fn new(queue: Arc<Queue<'bound>>, borrower: Option<Arc<Queue<'bound>>>) -> Self {
        Self { queue, borrower }
    }
}

impl Handler for QueueInterrupt<'_> {
    fn handle(&self) -> IrqReturn {
        let pair = self.queue.poller();
        pair.interrupts.add(1, Relaxed);
        let borrower = self.borrower.as_ref();
        borrower
            .filter(|queue| queue.poller().vectors().tx == pair.index)
            .unwrap_or(&self.queue)
            .schedule();
        IrqReturn::Handled
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A test of the whole way of a frame, but for the wire: the PHY sends back what it is sent.

use super::{
    layout::Layout,
    queue::Queue,
    rx::RxRing,
    tx::{
        Sent,
        TxRing, //
    }, //
};
use crate::{
    abi::{
        page_pool::RxBuffers,
        skb::SkBuff, //
    },
    pf::port::Port, //
};
use kernel::{
    io::poll::read_poll_timeout,
    prelude::*,
    sync::Arc,
    time::Delta, //
};

/// Descriptors of the rings of the test, and frames of a run; they go round more than once.
const RING: u16 = 80;
const FRAMES: u16 = 48;
const RUNS: u16 = 4;

/// How long the frames of a run may take.
const TIMEOUT: Delta = Delta::from_secs(1);
const POLL: Delta = Delta::from_millis(5);

/// Bytes of a frame, without its checksum.
const LENGTH: usize = 256;

/// A type that is for local experiments (IEEE 802): nobody else sends such frames.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

/// A frame to the port itself, different in each run.
fn frame(port: &Port<'_>, run: u16) -> [u8; LENGTH] {
    let [a, b, c, d, e, f] = port.netdev.mac();
    let [g, h] = ETHERTYPE;
    let [i, j] = run.to_be_bytes();
    let header = [a, b, c, d, e, f, a, b, c, d, e, f, g, h, i, j];
    let mut frame = [0xaa; LENGTH];
    for (to, from) in frame.iter_mut().zip(header) {
        *to = from;
    }
    frame
}

/// Whether all frames come back whole, more of them than the rings have descriptors. `queue` is
/// the first one, which must be closed, and no VF may be there; the port must be set up. Leaves
/// the port to be restarted. Sleeps. Errors: `ENOMEM`, `ETIMEDOUT` if the device does not answer.
pub(super) fn passes(port: &Port<'_>, queue: &Arc<Queue<'_>>) -> Result<bool> {
    let dev = port.pdev.as_ref();
    let bar = &port.bar;
    let number = port.pool.queue(0);
    let mut tx = TxRing::new(dev, number, RING)?;
    let buffers = RxBuffers::new(dev, &port.netdev, queue, 0, RING, Layout::Whole, false)?;
    let mut rx = RxRing::new(dev, buffers, number, RING)?;
    let passed = port.loop_back().and_then(|()| {
        tx.start(bar)?;
        rx.start(bar, false)?;
        run_all(port, &mut tx, &mut rx)
    });
    // The rings are freed after the device has let go of them.
    let ended = RxRing::stop(number, bar)
        .and(TxRing::stop(number, bar))
        .and(port.end_loop_back());
    ended.and(passed)
}

fn run_all(port: &Port<'_>, tx: &mut TxRing<'_>, rx: &mut RxRing<'_>) -> Result<bool> {
    for run in 0..RUNS {
        let frame = frame(port, run);
        for _ in 0..FRAMES {
            let skb = SkBuff::new(&port.netdev, &frame).ok_or(ENOMEM)?;
            let packet = skb.describe();
            if !matches!(tx.send(skb, packet), Sent::Queued(_)) {
                return Ok(false);
            }
        }
        tx.kick(&port.bar);
        let mut back = 0;
        let all = read_poll_timeout(
            || {
                back += rx.count_frames(&frame);
                rx.offer(&port.bar);
                Ok(back)
            },
            |back| *back >= FRAMES,
            POLL,
            TIMEOUT,
        );
        tx.forget_sent();
        if all != Ok(FRAMES) {
            dev_err!(
                port.pdev,
                "loopback: {back} of {FRAMES} frames came back whole in run {run}\n"
            );
            return Ok(false);
        }
    }
    Ok(true)
}

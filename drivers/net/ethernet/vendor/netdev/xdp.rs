// SPDX-License-Identifier: GPL-2.0

//! XDP: an interface's program, and what is sent without the stack.

use super::{
    action::Action,
    frame,
    layout::Layout,
    ops::Netdev,
    queue::QueuePair, //
};
use crate::abi::{
    napi::NapiRef,
    netdev_xdp::{
        Explanation,
        Frames,
        XdpOperations, //
    },
    xdp::{
        self,
        Program,
        ProgramRef,
        XdpFrame, //
    }, //
};
use kernel::{
    cpu::CpuId,
    prelude::*, //
};

/// Whether a program may see frames of an interface with this MTU: it sees one buffer.
pub(super) fn fits(mtu: u32) -> bool {
    frame::fits(mtu, u32::from(Layout::Whole.buffer()))
}

/// What a poll has left to do for frames that a program has sent on.
#[derive(Default)]
pub(super) struct Pending {
    /// Some were redirected.
    redirected: bool,
    /// Some were put into the poll's own transmit ring.
    sent_back: bool,
}

impl Pending {
    /// A frame was redirected.
    pub(super) fn note_redirected(&mut self) {
        self.redirected = true;
    }
}

impl<'bound> QueuePair<'bound> {
    /// Puts a frame that this pair has received into its transmit ring, as `program` wants,
    /// or drops it if there is no room. From the poll.
    ///
    /// The ring of the same pair, and not of this CPU as for [`send_frames`](Self::send_frames),
    /// for the frame's page is unmapped when the receive ring is freed: that comes after the
    /// transmit ring.
    pub(super) fn send_back(
        &self,
        frame: XdpFrame,
        program: Option<&ProgramRef<'_>>,
        pending: &mut Pending,
    ) {
        match self.send_frame(frame) {
            Ok(()) => pending.sent_back = true,
            Err(frame) => {
                drop(frame);
                if let Some(program) = program {
                    program.exception(&self.port.netdev, Action::SendBack);
                }
            }
        }
    }

    /// Puts a frame into the ring, or gives it back if that is not possible.
    fn send_frame(&self, frame: XdpFrame) -> Result<(), XdpFrame> {
        let netdev = &self.port.netdev;
        let Some(mut tx) = self.tx.lock(netdev) else {
            return Err(frame);
        };
        let Some(ring) = &mut *tx else {
            return Err(frame);
        };
        netdev.share_queue(self.index);
        let bytes = ring.send_frame(frame)?;
        // The device is told at the end.
        let _ = netdev.sent(self.index, bytes, true);
        if !ring.has_room() {
            netdev.stop_queue(self.index);
            ring.kick(&self.port.bar);
        }
        Ok(())
    }

    /// Sends frames that come from elsewhere, as far as there is room; tells the device if
    /// `flush`. With softirqs disabled. Errors: `ENETDOWN`, and none was sent.
    fn send_frames(&self, frames: &mut Frames<'_>, flush: bool) -> Result {
        let netdev = &self.port.netdev;
        let mut tx = self.tx.lock(netdev).ok_or(ENETDOWN)?;
        let ring = tx.as_mut().ok_or(ENETDOWN)?;
        netdev.share_queue(self.index);
        while let Some(frame) = frames.take() {
            match ring.send_frame(frame) {
                Ok(bytes) => {
                    let _ = netdev.sent(self.index, bytes, true);
                }
                Err(frame) => {
                    frames.put_back(frame);
                    break;
                }
            }
        }
        let is_full = !ring.has_room();
        if is_full {
            netdev.stop_queue(self.index);
        }
        if flush || is_full {
            ring.kick(&self.port.bar);
        }
        Ok(())
    }

    /// Ends what a poll has begun for frames that a program has sent on.
    pub(super) fn finish(&self, pending: Pending, napi: &NapiRef<'_>) {
        if pending.redirected {
            xdp::flush(napi);
        }
        if pending.sent_back {
            let tx = self.tx.lock(&self.port.netdev);
            if let Some(ring) = tx.as_ref().and_then(|tx| tx.as_ref()) {
                ring.kick(&self.port.bar);
            }
        }
    }
}

impl XdpOperations for Netdev<'_> {
    fn set_program(&self, program: Option<Program>, user: &Explanation<'_>) -> Result {
        let netdev = &self.port().netdev;
        let is_some = program.is_some();
        if is_some && !fits(netdev.mtu()) {
            user.set(c"The RX buffer size is too small for the frame size");
            return Err(EINVAL);
        }
        self.interface.set_program(program)?;
        netdev.set_redirect_target(is_some);
        Ok(())
    }

    fn send_frames(&self, frames: &mut Frames<'_>, flush: bool) -> Result {
        let port = self.port();
        // As igb has it: an interface without a program is no target.
        if !port.program.is_some() {
            return Err(ENXIO);
        }
        let queue = CpuId::current().as_u32() % port.netdev.tx_queues();
        let queue = self.interface.queues.get(usize::try_from(queue)?);
        queue.ok_or(ENXIO)?.poller().send_frames(frames, flush)
    }
}

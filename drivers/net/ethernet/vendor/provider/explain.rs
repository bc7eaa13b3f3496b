// SPDX-License-Identifier: GPL-2.0

//! Why a VF cannot be moved, in a line that tells an operator what to do.

use super::{
    logic::{
        compare::Told,
        scan::MAX_DESCRIPTORS, //
    },
    platform::Fault, //
};
use crate::abi::netdev::NetDevice;
use kernel::{
    prelude::*,
    str::CString, //
};

/// The line for VF `vf` of the PF with interface `netdev`. Errors: `ENOMEM`.
pub(super) fn explain(fault: &Fault, netdev: &NetDevice, vf: usize) -> Result<CString> {
    let device = netdev.name().to_str().unwrap_or("DEV");
    match *fault {
        Fault::Errno(errno) => CString::try_from_fmt(format_args!(
            "VF {vf} of {device} cannot be moved: {errno:?}"
        )),
        Fault::Malformed(fault) => CString::try_from_fmt(format_args!(
            "the state for VF {vf} of {device} is refused: {fault}"
        )),
        Fault::Misfit(misfit) => CString::try_from_fmt(format_args!(
            "the guest does not fit VF {vf} of {device}: {}",
            Told { misfit, device, vf }
        )),
        Fault::Queue(queue, _) => CString::try_from_fmt(format_args!(
            "VF {vf} of {device} cannot be moved: its driver has set queue {queue} to what \
             cannot be; restart the driver in the guest"
        )),
        Fault::Context(queue, context) => CString::try_from_fmt(format_args!(
            "VF {vf} of {device} cannot be moved: its driver relies on offload context \
             {context} of transmit queue {queue}, which is no longer in the ring; try again, \
             or switch transmit offloads off in the guest"
        )),
        Fault::Missing => CString::try_from_fmt(format_args!(
            "VF {vf} of {device} waits for memory of its guest's: the VMM must map it for DMA"
        )),
        Fault::Busy => CString::try_from_fmt(format_args!(
            "VF {vf} of {device} cannot be moved: its queues do not stop"
        )),
        Fault::TooLong(queue) => CString::try_from_fmt(format_args!(
            "VF {vf} of {device} cannot be moved: its receive queue {queue} has more than \
             {MAX_DESCRIPTORS} descriptors; choose a shorter ring in the guest"
        )),
    }
    .map_err(|_| ENOMEM)
}

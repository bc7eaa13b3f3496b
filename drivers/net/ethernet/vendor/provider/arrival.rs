// SPDX-License-Identifier: GPL-2.0

//! What the network is told when a VF has come from elsewhere.

use super::logic::announce;
use crate::pf::port::Port;
use kernel::prelude::*;

/// Tells the network where the addresses of VF `vf` are now. It learns by itself as soon as
/// the guest sends, so what cannot be sent is left out.
pub(super) fn announce(port: &Port<'_>, vf: usize) {
    let state = port.vfs.with(|vfs, _| vfs.states().get(vf).copied());
    let Some(state) = state else {
        return;
    };
    let netdev = &port.netdev;
    let mut frames = announce::frames(&state).peekable();
    if frames.peek().is_some() && !netdev.is_running() {
        let name = netdev.name();
        dev_warn!(
            port.pdev,
            "{name} is down, so the network does not learn where VF {vf} is now before its guest \
             sends: ip link set {name} up\n"
        );
        return;
    }
    for frame in frames {
        netdev.broadcast(frame.bytes());
    }
}

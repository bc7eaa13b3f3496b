// SPDX-License-Identifier: GPL-2.0

//! What happens to a packet between filters and queues: checksums, tags, and the choice of
//! queues.

use crate::{
    netdev::rss::Rss,
    regs::{
        mac::CTRL,
        pool::MRQC,
        rss::{
            RETA,
            RSSRK,
            RXCSUM, //
        },
        Registers, //
    }, //
};
use kernel::{
    io::register::Array,
    prelude::*, //
};

/// Lets the hash choose between `queues` queues, of the device or, `with_pools`, of the PF's
/// pool. What pools do is left as it is.
pub(crate) fn write_rss<'a, I: Registers<'a>>(
    io: I,
    rss: &Rss,
    queues: u8,
    with_pools: bool,
) -> Result {
    for index in 0..10 {
        let at = RSSRK::try_at(index).ok_or(EINVAL)?;
        io.try_write(at, RSSRK::from_raw(rss.key_word(index)))?;
    }
    for index in 0..32 {
        let at = RETA::try_at(index).ok_or(EINVAL)?;
        io.try_write(at, RETA::from_raw(rss.table_word(index, with_pools)))?;
    }
    // The hash is written where a checksum of the packet, which nobody reads, would be.
    io.update(RXCSUM, |r| {
        r.with_ip(true)
            .with_layer4(true)
            .with_sctp(true)
            .with_hash(true)
    });
    let hash = MRQC::zeroed()
        .with_ipv4(true)
        .with_tcp4(true)
        .with_ipv6(true)
        .with_tcp6(true)
        .with_tcp6_extended(true)
        .with_udp4(rss.udp4)
        .with_udp6(rss.udp6);
    io.write_reg(match (with_pools, queues) {
        // A hash is had of a single queue's packets, too.
        (false, _) => hash.with_const_mode::<2>(),
        (true, 0 | 1) => hash.with_const_mode::<3>(),
        (true, _) => hash.with_const_mode::<5>(),
    });
    Ok(())
}

/// Takes tags out of packets, or leaves them in, where there are no pools; in pools it is a
/// switch of each.
pub(crate) fn write_strip<'a, I: Registers<'a>>(io: I, on: bool) {
    io.update(CTRL, |r| r.with_vme(on));
}

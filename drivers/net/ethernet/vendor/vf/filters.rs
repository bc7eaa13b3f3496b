// SPDX-License-Identifier: GPL-2.0

//! Writing the tables to the registers: what differs from before, or everything
//! when it is not known what they hold.

use super::logic::{
    mac::Mac,
    slots::Slot,
    tables::{
        Pool,
        Tables, //
    }, //
};
use crate::regs::{
    filter::{
        MTA,
        RAH,
        RAH2,
        RAL,
        RAL2,
        UTA,
        VFTA,
        VLVF, //
    },
    mac::STATUS,
    mailbox::{
        VFRE,
        VFTE, //
    },
    pool::{
        DTXCTL,
        DTXSWC,
        MRQC,
        QDE,
        RPLOLR,
        RTTBCNRC,
        RTTBCNRM,
        RTTDQSEL,
        VMOLR,
        VMVIR,
        VT_CTL, //
    },
    Registers, //
};
use kernel::{
    io::register::Array,
    prelude::*, //
};

/// Receive addresses of the first of the two banks.
const FIRST_BANK: usize = 16;

/// A pool has queue n and queue n + 8.
const SECOND_QUEUE: usize = 8;

/// Brings the registers from `previous`, or from anything, to `next`.
///
/// Pools that lose their right to receive and send do so first, and pools that
/// gain it do so last, when everything else is in place.
pub(super) fn write<'a, I: Registers<'a>>(
    io: I,
    previous: Option<&Tables>,
    next: &Tables,
) -> Result {
    let before = previous.map_or(0, |tables| tables.enabled);
    enable_pools(io, before & next.enabled);
    write_switch(io, previous, next)?;
    for (index, slot) in next.addresses.0.iter().enumerate() {
        let old = previous.and_then(|tables| tables.addresses.0.get(index));
        if old != Some(slot) {
            write_address(io, index, slot)?;
        }
    }
    for (index, slot) in next.pool_vlans.0.iter().enumerate() {
        let old = previous.and_then(|tables| tables.pool_vlans.0.get(index));
        if old != Some(slot) {
            let value = VLVF::zeroed()
                .try_with_vid(slot.key)?
                .try_with_pools(slot.pools)?
                .with_valid(slot.pools != 0);
            io.try_write(VLVF::try_at(index).ok_or(EINVAL)?, value)?;
        }
    }
    for (index, &word) in next.vlans.iter().enumerate() {
        let old = previous.and_then(|tables| tables.vlans.get(index));
        if old != Some(&word) {
            io.try_write(VFTA::try_at(index).ok_or(EINVAL)?, VFTA::from_raw(word))?;
        }
    }
    for (index, &word) in next.multicast.iter().enumerate() {
        let old = previous.and_then(|tables| tables.multicast.get(index));
        if old != Some(&word) {
            io.try_write(MTA::try_at(index).ok_or(EINVAL)?, MTA::from_raw(word))?;
        }
    }
    if previous.map(|tables| tables.all_unicast) != Some(next.all_unicast) {
        let word = if next.all_unicast { !0 } else { 0 };
        for index in 0..next.multicast.len() {
            io.try_write(UTA::try_at(index).ok_or(EINVAL)?, UTA::from_raw(word))?;
        }
    }
    for (index, pool) in next.pools.iter().enumerate() {
        let old = previous.and_then(|tables| tables.pools.get(index));
        if old != Some(pool) {
            write_pool(io, index, pool, old)?;
        }
    }
    enable_pools(io, next.enabled);
    Ok(())
}

/// Lets `pools` and no others receive and send. The tables say what the
/// registers should hold, a VF's reset what they do hold, so always write.
fn enable_pools<'a, I: Registers<'a>>(io: I, pools: u8) {
    let pools = u32::from(pools);
    io.write_reg(VFRE::from_raw(pools));
    io.write_reg(VFTE::from_raw(pools));
}

/// What concerns all pools.
fn write_switch<'a, I: Registers<'a>>(io: I, previous: Option<&Tables>, next: &Tables) -> Result {
    let same_pools = previous.is_some_and(|tables| tables.vmdq == next.vmdq);
    let same_checks = previous.is_some_and(|tables| tables.spoofchk == next.spoofchk);
    if same_pools && same_checks {
        return Ok(());
    }
    // Local loopback stays off: a VF does not get back what it sends to a group.
    let switch = DTXSWC::zeroed()
        .try_with_mac_spoof(next.spoofchk)?
        .try_with_vlan_spoof(next.spoofchk)?;
    if let Some(pf_pool) = next.vmdq {
        io.write_reg(switch.with_loopback(true));
        if same_pools {
            // The PF has set how its own pool is spread over queues, in MRQC.
            return Ok(());
        }
        io.update(DTXCTL, |r| r.with_vlan_added(true));
        io.update(RPLOLR, |r| r.with_strip_vlan(true));
        // A VF that does not receive must not hold up the others.
        io.write_reg(QDE::zeroed().with_const_queues::<0xffff>());
        let pools = VT_CTL::zeroed().with_replication(true);
        io.write_reg(pools.try_with_default_pool(pf_pool)?);
        io.write_reg(MRQC::zeroed().with_const_mode::<3>());
    } else {
        io.write_reg(MRQC::zeroed());
        io.write_reg(VT_CTL::zeroed());
        io.write_reg(QDE::zeroed());
        io.update(RPLOLR, |r| r.with_strip_vlan(false));
        io.update(DTXCTL, |r| r.with_vlan_added(false));
        io.write_reg(DTXSWC::zeroed());
    }
    Ok(())
}

/// One receive address. It is out of use while its halves disagree, and reads
/// keep the writes apart, which a bridge may otherwise join.
fn write_address<'a, I: Registers<'a>>(io: I, index: usize, slot: &Slot<Mac>) -> Result {
    let (low, high) = slot.key.to_words();
    let valid = slot.pools != 0;
    let flush = || {
        let _ = io.read(STATUS);
    };
    if let Some(index) = index.checked_sub(FIRST_BANK) {
        let place = || RAH2::try_at(index).ok_or(EINVAL);
        io.try_write(place()?, RAH2::zeroed())?;
        flush();
        io.try_write(RAL2::try_at(index).ok_or(EINVAL)?, RAL2::from_raw(low))?;
        flush();
        let value = RAH2::zeroed().try_with_octets(high)?;
        io.try_write(
            place()?,
            value.try_with_pools(slot.pools)?.with_valid(valid),
        )
    } else {
        let place = || RAH::try_at(index).ok_or(EINVAL);
        io.try_write(place()?, RAH::zeroed())?;
        flush();
        io.try_write(RAL::try_at(index).ok_or(EINVAL)?, RAL::from_raw(low))?;
        flush();
        let value = RAH::zeroed().try_with_octets(high)?;
        io.try_write(
            place()?,
            value.try_with_pools(slot.pools)?.with_valid(valid),
        )
    }
}

/// What concerns one pool alone.
fn write_pool<'a, I: Registers<'a>>(
    io: I,
    index: usize,
    pool: &Pool,
    old: Option<&Pool>,
) -> Result {
    let receive = VMOLR::zeroed()
        .try_with_max_frame(pool.long_frames.unwrap_or(0))?
        .with_long_frames(pool.long_frames.is_some())
        .with_rss(pool.rss)
        .with_untagged(pool.untagged)
        .with_multicast_table(pool.multicast_table)
        .with_unicast_table(pool.unicast_table)
        .with_broadcast(pool.broadcast)
        .with_all_multicast(pool.all_multicast)
        .with_strip_vlan(pool.strip_vlan);
    io.try_write(VMOLR::try_at(index).ok_or(EINVAL)?, receive)?;
    let insert = match pool.insert {
        None => VMVIR::zeroed(),
        Some(port) => VMVIR::zeroed()
            .try_with_vid(port.vid)?
            .try_with_qos(port.qos)?
            .with_always(true),
    };
    io.try_write(VMVIR::try_at(index).ok_or(EINVAL)?, insert)?;
    if old.map(|old| old.rate) == Some(pool.rate) {
        return Ok(());
    }
    let limit = match pool.rate {
        None => RTTBCNRC::zeroed(),
        Some(factor) => RTTBCNRC::zeroed()
            .try_with_whole(factor.whole)?
            .try_with_fraction(factor.fraction)?
            .with_enable(true),
    };
    // The limit is one of queues. Each of a pool's two gets the whole of it: most
    // drivers use one, and the pool has no limit of its own.
    for queue in [index, index + SECOND_QUEUE] {
        io.write_reg(RTTDQSEL::zeroed().try_with_queue(u32::try_from(queue)?)?);
        io.write_reg(RTTBCNRM::zeroed().with_const_window::<0x14>());
        io.write_reg(limit);
    }
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0

//! A VF's registers, read and written through the PF: the VF's own BAR decodes only
//! while its driver lets it.

use super::logic::{
    queues::{
        Ring,
        RxQueue,
        TxQueue, //
    },
    state::{
        Device,
        Interrupts,
        QUEUES,
        VECTORS, //
    },
    statistics::Statistics, //
};
use crate::{
    regs::{
        interrupt::{
            EIAC,
            EIMS,
            EITR,
            IVAR, //
        },
        rx::{
            RDBAH,
            RDBAL,
            RDH,
            RDLEN,
            RDT,
            RXCTL,
            RXDCTL,
            SRRCTL, //
        },
        tx::{
            TDBAH,
            TDBAL,
            TDH,
            TDLEN,
            TDT,
            TDWBAH,
            TDWBAL,
            TXCTL,
            TXDCTL, //
        },
        vf::{
            PSRTYPE,
            PVFGORC,
            PVFGORLBC,
            PVFGOTC,
            PVFGOTLBC,
            PVFGPRC,
            PVFGPRLBC,
            PVFGPTC,
            PVFGPTLBC,
            PVFMPRC,
            PVTEIAC,
            PVTEIAM,
            PVTEIMC,
            PVTEIMS,
            PVTIVAR,
            PVTIVAR_MISC, //
        },
        Registers, //
    },
    vf::logic::state::MAX_VFS,
};
use kernel::{
    io::register::{
        Array,
        RegisterArray,
        RegisterArrayLoc, //
    },
    prelude::*, //
};

/// A VF's first queue has its number, the second is as many further.
const SECOND_QUEUE: usize = 8;

/// The vectors of VF 0 are bits 22 to 24, those of the next ones each three bits lower.
const FIRST_VECTOR: usize = 22;

/// Number in the device of queue `index` of VF `vf`. Errors: `EINVAL` if there is none.
pub(super) fn queue(vf: usize, index: usize) -> Result<usize> {
    if vf >= MAX_VFS || index >= QUEUES {
        return Err(EINVAL);
    }
    Ok(vf + SECOND_QUEUE * index)
}

fn at<T: Array + RegisterArray>(index: usize) -> Result<RegisterArrayLoc<T>> {
    T::try_at(index).ok_or(EINVAL)
}

fn low(value: u64) -> u32 {
    // Cut on purpose.
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0)
}

fn high(value: u64) -> u32 {
    low(value >> 32)
}

fn join(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

pub(super) fn position(index: u32) -> u16 {
    // The registers hold 16 bits.
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// Reads receive queue `q` of the device.
pub(super) fn read_rx<'a>(io: impl Registers<'a>, q: usize) -> Result<RxQueue> {
    Ok(RxQueue {
        ring: Ring {
            base: join(
                io.try_read(at::<RDBAL>(q)?)?.into_raw(),
                io.try_read(at::<RDBAH>(q)?)?.into_raw(),
            ),
            length: io.try_read(at::<RDLEN>(q)?)?.bytes().get(),
            head: position(io.try_read(at::<RDH>(q)?)?.index().get()),
            tail: position(io.try_read(at::<RDT>(q)?)?.index().get()),
        },
        shape: io.try_read(at::<SRRCTL>(q)?)?.into_raw(),
        control: io.try_read(at::<RXDCTL>(q)?)?.into_raw(),
        hints: io.try_read(at::<RXCTL>(q)?)?.into_raw(),
    })
}

/// Reads transmit queue `q` of the device.
pub(super) fn read_tx<'a>(io: impl Registers<'a>, q: usize) -> Result<TxQueue> {
    Ok(TxQueue {
        ring: Ring {
            base: join(
                io.try_read(at::<TDBAL>(q)?)?.into_raw(),
                io.try_read(at::<TDBAH>(q)?)?.into_raw(),
            ),
            length: io.try_read(at::<TDLEN>(q)?)?.bytes().get(),
            head: position(io.try_read(at::<TDH>(q)?)?.index().get()),
            tail: position(io.try_read(at::<TDT>(q)?)?.index().get()),
        },
        control: io.try_read(at::<TXDCTL>(q)?)?.into_raw(),
        hints: io.try_read(at::<TXCTL>(q)?)?.into_raw(),
        write_back: join(
            io.try_read(at::<TDWBAL>(q)?)?.into_raw(),
            io.try_read(at::<TDWBAH>(q)?)?.into_raw(),
        ),
    })
}

/// Bit of the first of the VF's vectors in the PF's registers.
fn vectors_shift(vf: usize) -> Result<usize> {
    FIRST_VECTOR.checked_sub(VECTORS * vf).ok_or(EINVAL)
}

/// The three bits of the VF's vectors in one of the PF's registers.
fn vectors(word: u32, vf: usize) -> Result<u8> {
    Ok(u8::try_from(word >> vectors_shift(vf)? & 0b111)?)
}

/// Reads how interrupts of VF `vf` are set up. What is masked and what clears itself is
/// in the PF's registers; the VF's ones need not tell.
/// Errors: `EINVAL` if there is no such VF.
pub(super) fn read_interrupts<'a>(io: impl Registers<'a>, vf: usize) -> Result<Interrupts> {
    let mut throttles = [0; VECTORS];
    for (index, throttle) in throttles.iter_mut().enumerate() {
        *throttle = io
            .try_read(at::<EITR>(vectors_shift(vf)? + index)?)?
            .into_raw();
    }
    let auto_mask = io.try_read(at::<PVTEIAM>(vf)?)?.vectors().get();
    let mailbox = io.try_read(at::<PVTIVAR_MISC>(vf)?)?.mailbox().get();
    Ok(Interrupts {
        enabled: vectors(io.read(EIMS).into_raw(), vf)?,
        auto_clear: vectors(io.read(EIAC).into_raw(), vf)?,
        auto_mask: u8::try_from(auto_mask)?,
        queues: io.try_read(at::<PVTIVAR>(vf)?)?.into_raw().to_le_bytes(),
        mailbox: u8::try_from(mailbox)?,
        throttles,
    })
}

/// Reads all that registers hold of VF `vf`, what they hold for good reasons and what
/// not. Errors: `EINVAL` if there is no such VF.
pub(super) fn read<'a, I: Registers<'a>>(io: I, vf: usize) -> Result<Device> {
    let mut device = Device {
        split_types: io.try_read(at::<PSRTYPE>(vf)?)?.into_raw(),
        interrupts: read_interrupts(io, vf)?,
        ..Device::default()
    };
    for (index, place) in device.rx.iter_mut().enumerate() {
        *place = read_rx(io, queue(vf, index)?)?;
    }
    for (index, place) in device.tx.iter_mut().enumerate() {
        *place = read_tx(io, queue(vf, index)?)?;
    }
    Ok(device)
}

/// Puts heads of VF `vf` where they shall be; its queues must be off.
pub(super) fn write_heads<'a, I: Registers<'a>>(io: I, vf: usize, device: &Device) -> Result {
    for (index, queue_state) in device.rx.iter().enumerate() {
        let head = RDH::zeroed().try_with_index(queue_state.ring.head)?;
        io.try_write(at::<RDH>(queue(vf, index)?)?, head)?;
    }
    for (index, queue_state) in device.tx.iter().enumerate() {
        write_tx_head(io, queue(vf, index)?, queue_state.ring.head)?;
    }
    Ok(())
}

/// Puts the head of transmit queue `q` of the device, which is off, where it shall be.
pub(super) fn write_tx_head<'a>(io: impl Registers<'a>, q: usize, head: u16) -> Result {
    io.try_write(at::<TDH>(q)?, TDH::zeroed().try_with_index(head)?)
}

/// Writes all but what makes queues run and vectors fire. The queues must be off, and
/// stay so; tails are written when they run, or would be lost.
pub(super) fn write<'a, I: Registers<'a>>(io: I, vf: usize, device: &Device) -> Result {
    for (index, state) in device.rx.iter().enumerate() {
        let q = queue(vf, index)?;
        let ring = &state.ring;
        io.try_write(at::<RDBAL>(q)?, RDBAL::from_raw(low(ring.base)))?;
        io.try_write(at::<RDBAH>(q)?, RDBAH::from_raw(high(ring.base)))?;
        io.try_write(
            at::<RDLEN>(q)?,
            RDLEN::zeroed().try_with_bytes(ring.length)?,
        )?;
        io.try_write(at::<SRRCTL>(q)?, SRRCTL::from_raw(state.shape))?;
        io.try_write(at::<RXCTL>(q)?, RXCTL::from_raw(state.hints))?;
    }
    for (index, state) in device.tx.iter().enumerate() {
        let q = queue(vf, index)?;
        let ring = &state.ring;
        io.try_write(at::<TDBAL>(q)?, TDBAL::from_raw(low(ring.base)))?;
        io.try_write(at::<TDBAH>(q)?, TDBAH::from_raw(high(ring.base)))?;
        io.try_write(
            at::<TDLEN>(q)?,
            TDLEN::zeroed().try_with_bytes(ring.length)?,
        )?;
        io.try_write(at::<TXCTL>(q)?, TXCTL::from_raw(state.hints))?;
        io.try_write(at::<TDWBAL>(q)?, TDWBAL::from_raw(low(state.write_back)))?;
        io.try_write(at::<TDWBAH>(q)?, TDWBAH::from_raw(high(state.write_back)))?;
    }
    write_heads(io, vf, device)?;
    io.try_write(at::<PSRTYPE>(vf)?, PSRTYPE::from_raw(device.split_types))?;
    write_interrupts(io, vf, &device.interrupts)
}

fn write_interrupts<'a, I: Registers<'a>>(io: I, vf: usize, interrupts: &Interrupts) -> Result {
    // What the VF writes is added to what is there, in QEMU's model: so clear that.
    io.try_write(at::<IVAR>(vf)?, IVAR::zeroed())?;
    let entries = u32::from_le_bytes(interrupts.queues);
    io.try_write(at::<PVTIVAR>(vf)?, PVTIVAR::from_raw(entries))?;
    let mailbox = PVTIVAR_MISC::zeroed().try_with_mailbox(interrupts.mailbox)?;
    io.try_write(at::<PVTIVAR_MISC>(vf)?, mailbox)?;
    for (index, &throttle) in interrupts.throttles.iter().enumerate() {
        let place = at::<EITR>(vectors_shift(vf)? + index)?;
        io.try_write(place, EITR::from_raw(throttle))?;
    }
    let auto_clear = PVTEIAC::zeroed().try_with_vectors(interrupts.auto_clear)?;
    io.try_write(at::<PVTEIAC>(vf)?, auto_clear)?;
    let auto_mask = PVTEIAM::zeroed().try_with_vectors(interrupts.auto_mask)?;
    io.try_write(at::<PVTEIAM>(vf)?, auto_mask)
}

/// Lets the vectors `enabled` of VF `vf` fire, and no others.
pub(super) fn enable_vectors<'a, I: Registers<'a>>(io: I, vf: usize, enabled: u8) -> Result {
    let all = PVTEIMC::zeroed().with_const_vectors::<0b111>();
    io.try_write(at::<PVTEIMC>(vf)?, all)?;
    let enabled = PVTEIMS::zeroed().try_with_vectors(enabled)?;
    io.try_write(at::<PVTEIMS>(vf)?, enabled)
}

/// Reads the counters of VF `vf`.
pub(super) fn read_statistics<'a, I: Registers<'a>>(io: I, vf: usize) -> Result<Statistics> {
    Ok(Statistics([
        io.try_read(at::<PVFGPRC>(vf)?)?.into_raw(),
        io.try_read(at::<PVFGPTC>(vf)?)?.into_raw(),
        io.try_read(at::<PVFGORC>(vf)?)?.into_raw(),
        io.try_read(at::<PVFGOTC>(vf)?)?.into_raw(),
        io.try_read(at::<PVFMPRC>(vf)?)?.into_raw(),
        io.try_read(at::<PVFGPRLBC>(vf)?)?.into_raw(),
        io.try_read(at::<PVFGPTLBC>(vf)?)?.into_raw(),
        io.try_read(at::<PVFGORLBC>(vf)?)?.into_raw(),
        io.try_read(at::<PVFGOTLBC>(vf)?)?.into_raw(),
    ]))
}

// SPDX-License-Identifier: GPL-2.0

//! A VF's transmit rings in its guest's memory: finding the offload contexts that the
//! device holds, and putting them before another device.

use super::{
    logic::{
        contexts::{
            find,
            Context,
            ContextFault,
            Contexts,
            Descriptor,
            CHUNK, //
        },
        queues::{
            Ring,
            TxQueue,
            DESCRIPTOR,
            ENABLE, //
        },
        state::Device, //
    },
    platform::{
        Fault,
        Platform, //
    },
    registers::{
        queue,
        write_tx_head, //
    },
    switches, //
};
use kernel::prelude::*;

/// Bytes of a descriptor.
const SIZE: usize = 16;

/// How often to try a context. Any change to any VF's filters takes the right to send
/// away again that the VF gets for it.
const ATTEMPTS: usize = 5;

/// Where descriptor `index` of `ring` is.
fn address(ring: &Ring, index: u16) -> Result<u64> {
    ring.base
        .checked_add(u64::from(index) * u64::from(DESCRIPTOR))
        .ok_or(EOVERFLOW)
}

fn parse(bytes: &[u8; SIZE]) -> Descriptor {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
    [
        u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        u64::from_le_bytes(rest),
    ]
}

fn bytes([first, second]: Descriptor) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    let parts = bytes.chunks_exact_mut(SIZE / 2).zip([first, second]);
    for (part, word) in parts {
        part.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Reads descriptors from `iova` on, at most [`CHUNK`]. Errors: `EFAULT` where the VF sees
/// no memory.
pub(super) fn read_descriptors<'a, P: Platform<'a>>(
    platform: &P,
    iova: u64,
    room: &mut [Descriptor],
) -> Result {
    let mut memory = [0; CHUNK * SIZE];
    let memory = memory.get_mut(..room.len() * SIZE).ok_or(EINVAL)?;
    platform.read(iova, memory)?;
    for (words, bytes) in room.iter_mut().zip(memory.chunks_exact(SIZE)) {
        *words = parse(bytes.first_chunk().ok_or(EINVAL)?);
    }
    Ok(())
}

/// Finds the contexts that the device holds for the queues of `device`, which have been
/// checked. Errors: a context that is needed and nowhere to be found.
pub(super) fn contexts<'a, P: Platform<'a>>(
    platform: &P,
    device: &Device,
) -> Result<Contexts, Fault> {
    let mut contexts = Contexts::default();
    for (index, (place, queue)) in contexts.0.iter_mut().zip(&device.tx).enumerate() {
        if queue.control & ENABLE == 0 {
            continue;
        }
        let ring = &queue.ring;
        let fetch = |first, room: &mut [Descriptor]| {
            read_descriptors(platform, address(ring, first)?, room)
        };
        match find(ring, fetch) {
            Ok(found) => *place = found,
            Err(ContextFault::Gone(context)) => return Err(Fault::Context(index, context)),
            // What the VF cannot read either it has no contexts from.
            Err(ContextFault::Unreadable(errno)) if errno == EFAULT => {}
            Err(ContextFault::Unreadable(errno)) => return Err(errno.into()),
        }
    }
    Ok(contexts)
}

/// Puts `contexts` before the device, for the queues of VF `vf` that are on in `device`.
/// All of them are off in fact, and stay so; their heads are somewhere else afterwards.
/// Errors: `Busy` if the device does not take a context.
///
/// Each is written to the one slot that is always the driver's, the one at the tail,
/// which gets back what was there; in between the queue consists of that slot alone.
pub(super) fn replay<'a, P: Platform<'a>>(
    platform: &P,
    vf: usize,
    device: &Device,
    contexts: &Contexts,
) -> Result<(), Fault> {
    for (index, (state, contexts)) in device.tx.iter().zip(&contexts.0).enumerate() {
        if state.control & ENABLE == 0 || state.ring.descriptors() == 0 {
            continue;
        }
        for &context in contexts.iter().flatten() {
            put(platform, vf, queue(vf, index)?, state, context)?;
        }
    }
    Ok(())
}

fn put<'a, P: Platform<'a>>(
    platform: &P,
    vf: usize,
    q: usize,
    state: &TxQueue,
    context: Context,
) -> Result<(), Fault> {
    let ring = &state.ring;
    let place = address(ring, ring.tail)?;
    let mut before = [0; SIZE];
    platform.read(place, &mut before)?;
    platform.write(place, &bytes(context.words()))?;
    let mut taken = Err(Fault::Busy);
    for _ in 0..ATTEMPTS {
        taken = take(platform, vf, q, state);
        if taken != Err(Fault::Busy) {
            break;
        }
    }
    // In any case.
    platform.write(place, &before)?;
    taken
}

/// Has the device process the slot at the tail.
fn take<'a, P: Platform<'a>>(
    platform: &P,
    vf: usize,
    q: usize,
    state: &TxQueue,
) -> Result<(), Fault> {
    let slot = state.ring.tail;
    let next = match u32::from(slot) + 1 {
        next if next >= state.ring.descriptors() => 0,
        next => u16::try_from(next).map_err(Error::from)?,
    };
    let io = platform.io();
    write_tx_head(io, q, slot)?;
    // Enabling with head and tail equal does nothing yet.
    switches::set_tx_tail::<P>(io, q, slot)?;
    let let_send = |on| platform.with_vfs(|vfs, _| vfs.let_send(platform.io(), vf, on));
    let_send(true)?;
    switches::set_tx::<P>(io, q, state.control)?;
    let taken = switches::await_tx(platform, q, true).and_then(|on| {
        switches::set_tx_tail::<P>(io, q, next)?;
        Ok(on && switches::await_tx_head(platform, q, next)?)
    });
    switches::set_tx::<P>(io, q, state.control & !ENABLE)?;
    let stopped = switches::await_tx(platform, q, false);
    let_send(false)?;
    if taken? && stopped? {
        Ok(())
    } else {
        Err(Fault::Busy)
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A VF's state as records. Pure. `Documentation/igb-vf-state.rst` has the table.
//!
//! Whoever wrote a state may be an attacker: it is read as a whole, every field of it
//! is checked, and only then is any of it used.

use super::{
    contexts::{
        Context,
        Contexts, //
    },
    fields::{
        Reader,
        Writer, //
    },
    guest,
    queues::{
        QueueFault,
        Ring,
        RxQueue,
        TxQueue, //
    },
    state::{
        Device,
        Interrupts,
        Known,
        Stopped,
        QUEUES,
        VECTORS, //
    },
    statistics::Statistics, //
};
use crate::{
    record::{
        Record,
        RecordFault,
        Records,
        Writer as RecordWriter, //
    },
    vf::logic::exchange::{
        Due,
        Mailbox,
        Notices, //
    }, //
};

/// Raised when a reader of an older version would do harm.
const VERSION: u16 = 1;

/// What the state is of: vendor and device of the VF.
const FUNCTION: [u16; 2] = [0x8086, 0x10ca];

const COMPATIBILITY: u16 = 1;
const ADMIN: u16 = 2;
const GUEST: u16 = 3;
const RX_QUEUE: u16 = 4;
const TX_QUEUE: u16 = 5;
const INTERRUPTS: u16 = 6;
const MAILBOX: u16 = 7;
const STATISTICS: u16 = 8;
const CONTEXT: u16 = 9;

/// Most bytes of a state; a test fills one up.
pub(crate) const MAX_SIZE: usize = 1024;

/// Why a state cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Malformed {
    /// The records do not fit together.
    Records(RecordFault),
    /// It does not begin with what it is.
    NoCompatibility,
    /// It is of another version.
    Version(u16),
    /// It is of another device, or of one with other queues or vectors.
    OtherDevice,
    /// A record is there twice.
    Twice(u16),
    /// A record is not there.
    Missing(u16),
    /// A record cannot be skipped and is not known.
    Unknown(u16),
    /// A record has a size or a value that cannot be.
    Value(u16),
    /// A queue has.
    Queue(QueueFault),
    /// There is no room to write it.
    NoRoom,
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Records(RecordFault::Truncated) => f.write_str("it is cut short"),
            Self::Records(_) => f.write_str("its records do not fit together"),
            Self::NoCompatibility => f.write_str("it does not say what it is of"),
            Self::Version(version) => write!(
                f,
                "it has version {version}, this driver knows {VERSION}: use the same version on \
                 both hosts"
            ),
            Self::OtherDevice => f.write_str("it is of another device than an 82576 VF"),
            Self::Twice(tag) => write!(f, "record {tag} is there twice"),
            Self::Missing(tag) => write!(f, "record {tag} is missing"),
            Self::Unknown(tag) => write!(
                f,
                "record {tag} is not known here: use the same version on both hosts"
            ),
            Self::Value(tag) => write!(f, "record {tag} has an impossible value"),
            Self::Queue(_) => f.write_str("a queue has an impossible value"),
            Self::NoRoom => f.write_str("there is no room for it"),
        }
    }
}

impl From<RecordFault> for Malformed {
    fn from(fault: RecordFault) -> Self {
        match fault {
            RecordFault::NoRoom => Self::NoRoom,
            fault => Self::Records(fault),
        }
    }
}

fn put(
    records: &mut RecordWriter<'_>,
    tag: u16,
    fields: impl FnOnce(&mut Writer),
) -> Result<(), Malformed> {
    let mut writer = Writer::new();
    fields(&mut writer);
    let payload = writer.bytes().ok_or(Malformed::NoRoom)?;
    let record = Record {
        tag,
        optional: false,
        payload,
    };
    Ok(records.put(&record)?)
}

fn put_ring(writer: &mut Writer, ring: &Ring) {
    writer
        .u64(ring.base)
        .u32(ring.length)
        .u16(ring.head)
        .u16(ring.tail);
}

fn ring(reader: &mut Reader<'_>) -> Option<Ring> {
    Some(Ring {
        base: reader.u64()?,
        length: reader.u32()?,
        head: reader.u16()?,
        tail: reader.u16()?,
    })
}

fn put_known(records: &mut RecordWriter<'_>, known: &Known) -> Result<(), Malformed> {
    put(records, COMPATIBILITY, |writer| {
        let [vendor, device] = FUNCTION;
        writer.u16(VERSION).u16(vendor).u16(device);
        writer.count(QUEUES).count(VECTORS);
    })?;
    put(records, ADMIN, |writer| {
        guest::put_admin(writer, &known.admin)
    })?;
    put(records, GUEST, |writer| {
        guest::put_guest(writer, &known.guest)
    })
}

fn put_stopped(records: &mut RecordWriter<'_>, stopped: &Stopped) -> Result<(), Malformed> {
    let Device {
        rx,
        tx,
        split_types,
        interrupts,
    } = &stopped.device;
    for (index, queue) in rx.iter().enumerate() {
        put(records, RX_QUEUE, |writer| {
            writer.count(index);
            put_ring(writer, &queue.ring);
            writer.u32(queue.shape).u32(queue.control).u32(queue.hints);
        })?;
    }
    for (index, queue) in tx.iter().enumerate() {
        put(records, TX_QUEUE, |writer| {
            writer.count(index);
            put_ring(writer, &queue.ring);
            writer.u32(queue.control).u32(queue.hints);
            writer.u64(queue.write_back);
        })?;
    }
    put(records, INTERRUPTS, |writer| {
        writer
            .u8(interrupts.enabled)
            .u8(interrupts.auto_clear)
            .u8(interrupts.auto_mask)
            .put(interrupts.queues)
            .u8(interrupts.mailbox)
            .u32(*split_types);
        for throttle in interrupts.throttles {
            writer.u32(throttle);
        }
    })?;
    put(records, MAILBOX, |writer| {
        let mailbox = &stopped.mailbox;
        writer.u8(mailbox.notices.to_bits()).bool(mailbox.unread);
        writer.u8(match mailbox.due {
            None => 0,
            Some(Due::Link) => 1,
            Some(Due::Restart) => 2,
        });
        for word in mailbox.memory {
            writer.u32(word);
        }
    })?;
    put(records, STATISTICS, |writer| {
        for value in stopped.statistics.0 {
            writer.u32(value);
        }
    })?;
    for (index, contexts) in stopped.contexts.0.iter().enumerate() {
        for context in contexts.iter().flatten() {
            let [first, second] = context.words();
            put(records, CONTEXT, |writer| {
                writer.count(index).u64(first).u64(second);
            })?;
        }
    }
    Ok(())
}

/// Writes what a destination compares with itself; answers the bytes used. Errors:
/// `NoRoom`.
pub(crate) fn encode_known(known: &Known, bytes: &mut [u8]) -> Result<usize, Malformed> {
    let mut records = RecordWriter::new(bytes);
    put_known(&mut records, known)?;
    Ok(records.len())
}

/// Writes all of a VF; answers the bytes used. Errors: `NoRoom`.
pub(crate) fn encode(
    known: &Known,
    stopped: &Stopped,
    bytes: &mut [u8],
) -> Result<usize, Malformed> {
    let mut records = RecordWriter::new(bytes);
    put_known(&mut records, known)?;
    put_stopped(&mut records, stopped)?;
    Ok(records.len())
}

/// What was read so far.
#[derive(Default)]
struct Parts {
    compatible: bool,
    admin: Option<crate::vf::logic::state::AdminState>,
    guest: Option<crate::vf::logic::state::GuestState>,
    rx: [Option<RxQueue>; QUEUES],
    tx: [Option<TxQueue>; QUEUES],
    interrupts: Option<(Interrupts, u32)>,
    mailbox: Option<Mailbox>,
    statistics: Option<Statistics>,
    contexts: Contexts,
}

/// Fills a place that is empty.
fn once<T>(place: Option<&mut Option<T>>, value: T, tag: u16) -> Result<(), Malformed> {
    let place = place.ok_or(Malformed::Value(tag))?;
    if place.is_some() {
        return Err(Malformed::Twice(tag));
    }
    *place = Some(value);
    Ok(())
}

/// Reads all fields of a record.
fn all<'a, T>(
    record: &Record<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Result<T, Malformed> {
    let mut reader = Reader::new(record.payload);
    let value = read(&mut reader);
    value
        .filter(|_| reader.end().is_some())
        .ok_or(Malformed::Value(record.tag))
}

impl Parts {
    fn compatibility(&mut self, record: &Record<'_>) -> Result<(), Malformed> {
        if self.compatible {
            return Err(Malformed::Twice(COMPATIBILITY));
        }
        // Of another version the rest may be anything.
        let mut reader = Reader::new(record.payload);
        match reader.u16() {
            Some(VERSION) => {}
            Some(version) => return Err(Malformed::Version(version)),
            None => return Err(Malformed::Value(COMPATIBILITY)),
        }
        let (function, queues, vectors) = all(record, |reader| {
            reader.u16()?;
            let function = [reader.u16()?, reader.u16()?];
            Some((function, reader.u8()?, reader.u8()?))
        })?;
        let counts = (usize::from(queues), usize::from(vectors));
        if function != FUNCTION || counts != (QUEUES, VECTORS) {
            return Err(Malformed::OtherDevice);
        }
        self.compatible = true;
        Ok(())
    }

    /// Takes in a record of what the PF's driver knows; `false` if it is none.
    fn known(&mut self, record: &Record<'_>) -> Result<bool, Malformed> {
        match record.tag {
            COMPATIBILITY => self.compatibility(record)?,
            _ if !self.compatible => return Err(Malformed::NoCompatibility),
            ADMIN => once(Some(&mut self.admin), all(record, guest::admin)?, ADMIN)?,
            GUEST => once(Some(&mut self.guest), all(record, guest::guest)?, GUEST)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes in a record of a VF that is stopped; `false` if it is none.
    fn stopped(&mut self, record: &Record<'_>) -> Result<bool, Malformed> {
        let tag = record.tag;
        match tag {
            RX_QUEUE => {
                let (index, queue) = all(record, |reader| {
                    let index = reader.u8()?;
                    let queue = RxQueue {
                        ring: ring(reader)?,
                        shape: reader.u32()?,
                        control: reader.u32()?,
                        hints: reader.u32()?,
                    };
                    Some((index, queue))
                })?;
                queue.check().map_err(Malformed::Queue)?;
                once(self.rx.get_mut(usize::from(index)), queue, tag)?;
            }
            TX_QUEUE => {
                let (index, queue) = all(record, |reader| {
                    let index = reader.u8()?;
                    let queue = TxQueue {
                        ring: ring(reader)?,
                        control: reader.u32()?,
                        hints: reader.u32()?,
                        write_back: reader.u64()?,
                    };
                    Some((index, queue))
                })?;
                queue.check().map_err(Malformed::Queue)?;
                once(self.tx.get_mut(usize::from(index)), queue, tag)?;
            }
            INTERRUPTS => {
                let interrupts = all(record, interrupts)?;
                once(Some(&mut self.interrupts), interrupts, tag)?;
            }
            MAILBOX => once(Some(&mut self.mailbox), all(record, mailbox)?, tag)?,
            STATISTICS => {
                let values = all(record, Reader::words)?;
                once(Some(&mut self.statistics), Statistics(values), tag)?;
            }
            CONTEXT => {
                let (index, context) = all(record, |reader| {
                    let index = reader.u8()?;
                    let words = [reader.u64()?, reader.u64()?];
                    let context = Context::new(words)?;
                    // One that asks for a report is no context that is kept.
                    (context.words() == words).then_some((index, context))
                })?;
                let queue = self.contexts.0.get_mut(usize::from(index));
                let place = queue.and_then(|queue| queue.get_mut(context.index()));
                once(place, context, tag)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn into_known(self) -> Result<Known, Malformed> {
        Ok(Known {
            admin: self.admin.ok_or(Malformed::Missing(ADMIN))?,
            guest: self.guest.ok_or(Malformed::Missing(GUEST))?,
        })
    }

    fn take_stopped(&self) -> Result<Stopped, Malformed> {
        let missing = Malformed::Missing;
        let mut device = Device::default();
        for (place, queue) in device.rx.iter_mut().zip(self.rx) {
            *place = queue.ok_or(missing(RX_QUEUE))?;
        }
        for (place, queue) in device.tx.iter_mut().zip(self.tx) {
            *place = queue.ok_or(missing(TX_QUEUE))?;
        }
        (device.interrupts, device.split_types) = self.interrupts.ok_or(missing(INTERRUPTS))?;
        Ok(Stopped {
            device,
            mailbox: self.mailbox.ok_or(missing(MAILBOX))?,
            statistics: self.statistics.ok_or(missing(STATISTICS))?,
            contexts: self.contexts,
        })
    }
}

fn interrupts(reader: &mut Reader<'_>) -> Option<(Interrupts, u32)> {
    let mut interrupts = Interrupts {
        enabled: reader.u8()?,
        auto_clear: reader.u8()?,
        auto_mask: reader.u8()?,
        queues: reader.array()?,
        mailbox: reader.u8()?,
        ..Interrupts::default()
    };
    let split_types = reader.u32()?;
    interrupts.throttles = reader.words()?;
    interrupts.is_valid().then_some((interrupts, split_types))
}

fn mailbox(reader: &mut Reader<'_>) -> Option<Mailbox> {
    Some(Mailbox {
        notices: Notices::from_bits(reader.u8()?)?,
        unread: reader.bool()?,
        due: match reader.u8()? {
            0 => None,
            1 => Some(Due::Link),
            2 => Some(Due::Restart),
            _ => return None,
        },
        memory: reader.words()?,
    })
}

/// Reads records; `take` answers whether it has taken one in.
fn read(
    bytes: &[u8],
    mut take: impl FnMut(&mut Parts, &Record<'_>) -> Result<bool, Malformed>,
) -> Result<Parts, Malformed> {
    let mut parts = Parts::default();
    for record in Records::new(bytes) {
        let record = record?;
        if !take(&mut parts, &record)? && !record.optional {
            return Err(Malformed::Unknown(record.tag));
        }
    }
    if !parts.compatible {
        return Err(Malformed::NoCompatibility);
    }
    Ok(parts)
}

/// Reads what [`encode_known`] writes.
pub(crate) fn decode_known(bytes: &[u8]) -> Result<Known, Malformed> {
    read(bytes, Parts::known)?.into_known()
}

/// Reads what [`encode`] writes.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Known, Stopped), Malformed> {
    let parts = read(bytes, |parts, record| {
        Ok(parts.known(record)? || parts.stopped(record)?)
    })?;
    let stopped = parts.take_stopped()?;
    Ok((parts.into_known()?, stopped))
}

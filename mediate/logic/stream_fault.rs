// SPDX-License-Identifier: GPL-2.0

//! Why a migration stream is refused, in words for an operator. Pure.

use super::stream::{
    MAX_STREAM,
    VERSION, //
};
use core::fmt;

/// Why a stream is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It does not begin as one.
    Magic,
    /// It has another version.
    Version(u32),
    /// A reserved word is not zero.
    Reserved,
    /// A record has undefined flags, or one that must be known is optional.
    Flags(u16),
    /// A record that must be known is not.
    Unknown(u16),
    /// A record is out of order.
    Order(u16),
    /// A record cannot have that size.
    Size(u16, u32),
    /// There is more than a stream can have.
    TooLong,
    /// The HEADER record is malformed.
    Header,
    /// It is of another provider.
    OtherProvider,
    /// It is of a device with other ids.
    OtherDevice(u16, u16),
    /// The checksum is wrong.
    Checksum,
    /// There is something behind the END record.
    Trailing,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("it is not a migration stream of this driver"),
            Self::Version(v) => write!(
                f,
                "it has format version {v}, this host knows {VERSION}: use the same release on both"
            ),
            Self::Reserved => f.write_str("a reserved word is not zero: it is corrupt"),
            Self::Flags(flags) => write!(f, "a record has flags {flags:#x}: it is corrupt"),
            Self::Unknown(tag) => write!(
                f,
                "record {tag} is unknown here and cannot be skipped: use the same release on both hosts"
            ),
            Self::Order(tag) => write!(f, "record {tag} is out of order: it is corrupt"),
            Self::Size(tag, size) => {
                write!(f, "record {tag} has {size} bytes: it is corrupt")
            }
            Self::TooLong => write!(f, "it is longer than {MAX_STREAM} bytes: it is corrupt"),
            Self::Header => f.write_str("its HEADER record is malformed: it is corrupt"),
            Self::OtherProvider => {
                f.write_str("another PF driver made it: use the same one on both hosts")
            }
            Self::OtherDevice(vendor, device) => write!(
                f,
                "it is of a device {vendor:04x}:{device:04x}: choose a VF of that model"
            ),
            Self::Checksum => f.write_str("its checksum is wrong: it is corrupt"),
            Self::Trailing => f.write_str("something follows its end: it is corrupt"),
        }
    }
}

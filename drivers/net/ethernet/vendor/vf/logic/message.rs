// SPDX-License-Identifier: GPL-2.0

//! Mailbox messages between a VF and its PF. Pure.
//!
//! A message is up to 16 words. The low half of the first names it, bits 23:16
//! carry information, and bits 31 (ACK), 30 (NACK) and 29 (CTS, "clear to
//! send") are the PF's answer. The protocol has no document of its own; it is
//! what Intel's drivers for both sides speak.

use super::{
    list::List,
    mac::Mac, //
};

/// Words of a VF's mailbox memory.
pub(crate) const MAILBOX_WORDS: usize = 16;

/// Most multicast hashes in one message.
pub(crate) const MAX_HASHES: usize = 30;

/// Multicast hashes of 12 bits each.
pub(crate) type Hashes = List<u16, MAX_HASHES>;

const ACK: u32 = 1 << 31;
const NACK: u32 = 1 << 30;
const CTS: u32 = 1 << 29;
const ANSWER: u32 = ACK | NACK | CTS;
/// Bits that no message uses.
const UNUSED: u32 = 0x1f00_0000;

const RESET: u32 = 1;
const SET_MAC: u32 = 2;
const SET_MULTICAST: u32 = 3;
const SET_VLAN: u32 = 4;
const SET_MAX_FRAME: u32 = 5;
const SET_PROMISCUOUS: u32 = 6;
const PF_CONTROL: u32 = 0x100;

const MAC_CLEAR_FILTERS: u32 = 1;
const MAC_ADD_FILTER: u32 = 2;
/// There are more multicast groups than fit, as DPDK's driver says it.
const MULTICAST_OVERFLOW: u32 = 0x80;
const PROMISCUOUS_UNICAST: u32 = 1;
const PROMISCUOUS_MULTICAST: u32 = 2;

/// Largest VLAN id that may be on the wire.
pub(crate) const MAX_VID: u16 = 4094;

/// Largest hash: an index of a bit of the 4096-bit multicast table.
pub(crate) const MAX_HASH: u16 = 0xfff;

/// What a VF asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Request {
    /// The VF's driver starts anew: forget what it set.
    Reset,
    /// The VF's own address.
    SetMac(Mac),
    /// Drop the further addresses.
    ClearFilters,
    /// One further address to receive.
    AddFilter(Mac),
    /// Replace the multicast hashes.
    Multicast {
        /// The hashes.
        hashes: Hashes,
        /// There are more: receive all multicast.
        overflow: bool,
    },
    /// Join or leave a VLAN.
    Vlan {
        /// VLAN id, at most [`MAX_VID`].
        vid: u16,
        /// Join, not leave.
        add: bool,
    },
    /// Largest frame to receive, in bytes with header and checksum.
    MaxFrame(u32),
    /// Receive what is not addressed to the VF.
    Promiscuous {
        /// Unicast.
        unicast: bool,
        /// Multicast.
        multicast: bool,
    },
}

/// Why words are no request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It is marked as an answer. If it is the PF's own nothing was asked.
    Answered,
    /// No such message.
    Unknown(u32),
    /// A known message that is too short, too long or out of range.
    Malformed(u32),
}

impl Request {
    /// Reads the words of a mailbox; all of them may be hostile.
    pub(crate) fn parse(words: &[u32]) -> Result<Self, Fault> {
        let (&head, body) = words.split_first().ok_or(Fault::Malformed(0))?;
        if head & (ACK | NACK) != 0 {
            return Err(Fault::Answered);
        }
        let malformed = Fault::Malformed(head);
        let kind = head & 0xffff;
        let info = (head >> 16) & 0xff;
        if !(RESET..=SET_PROMISCUOUS).contains(&kind) {
            return Err(Fault::Unknown(head));
        }
        if head & (UNUSED | CTS) != 0 {
            return Err(malformed);
        }
        let word = |index: usize| body.get(index).copied().ok_or(malformed);
        let address = || {
            let high = word(1)?;
            if high > 0xffff {
                return Err(malformed);
            }
            Ok(Mac::from_words(word(0)?, high))
        };
        match (kind, info) {
            (RESET, 0) => Ok(Self::Reset),
            (SET_MAC, 0) => Ok(Self::SetMac(address()?)),
            (SET_MAC, MAC_CLEAR_FILTERS) => Ok(Self::ClearFilters),
            (SET_MAC, MAC_ADD_FILTER) => Ok(Self::AddFilter(address()?)),
            (SET_MULTICAST, info) => {
                let count = usize::try_from(info & !MULTICAST_OVERFLOW).map_err(|_| malformed)?;
                Ok(Self::Multicast {
                    hashes: parse_hashes(body, count).ok_or(malformed)?,
                    overflow: info & MULTICAST_OVERFLOW != 0,
                })
            }
            (SET_VLAN, info @ 0..=1) => {
                let vid = u16::try_from(word(0)?).map_err(|_| malformed)?;
                if vid > MAX_VID {
                    return Err(malformed);
                }
                Ok(Self::Vlan {
                    vid,
                    add: info == 1,
                })
            }
            (SET_MAX_FRAME, 0) => Ok(Self::MaxFrame(word(0)?)),
            (SET_PROMISCUOUS, info @ 0..=3) => Ok(Self::Promiscuous {
                unicast: info & PROMISCUOUS_UNICAST != 0,
                multicast: info & PROMISCUOUS_MULTICAST != 0,
            }),
            _ => Err(malformed),
        }
    }

    /// The words a VF writes to ask for this.
    #[cfg(any(test, kunit_module))]
    pub(crate) fn encode(&self) -> List<u32, MAILBOX_WORDS> {
        let mut words = List::filled_with(0);
        // Each message fits: the longest is one word and 30 half words.
        let mut put = |word: u32| {
            let _ = words.push(word);
        };
        let mut put_address = |head: u32, mac: Mac| {
            let (low, high) = mac.to_words();
            put(head);
            put(low);
            put(high);
        };
        match *self {
            Self::Reset => put(RESET),
            Self::SetMac(mac) => put_address(SET_MAC, mac),
            Self::ClearFilters => put_address(SET_MAC | MAC_CLEAR_FILTERS << 16, Mac::ZERO),
            Self::AddFilter(mac) => put_address(SET_MAC | MAC_ADD_FILTER << 16, mac),
            Self::Multicast { hashes, overflow } => {
                let count = u32::try_from(hashes.len()).unwrap_or(0);
                let flag = if overflow { MULTICAST_OVERFLOW } else { 0 };
                put(SET_MULTICAST | (count | flag) << 16);
                for pair in hashes.as_slice().chunks(2) {
                    let mut word = 0;
                    for (index, &hash) in pair.iter().enumerate() {
                        word |= u32::from(hash) << (16 * index);
                    }
                    put(word);
                }
            }
            Self::Vlan { vid, add } => {
                put(SET_VLAN | u32::from(add) << 16);
                put(u32::from(vid));
            }
            Self::MaxFrame(bytes) => {
                put(SET_MAX_FRAME);
                put(bytes);
            }
            Self::Promiscuous { unicast, multicast } => {
                put(SET_PROMISCUOUS | u32::from(unicast) << 16 | u32::from(multicast) << 17);
            }
        }
        words
    }
}

/// `count` half words, the lower half first.
fn parse_hashes(body: &[u32], count: usize) -> Option<Hashes> {
    let mut hashes = Hashes::filled_with(0);
    let halves = body.iter().flat_map(|word| {
        let [a, b, c, d] = word.to_le_bytes();
        [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]
    });
    for hash in halves.take(count) {
        if hash > MAX_HASH {
            return None;
        }
        hashes.push(hash).ok()?;
    }
    (hashes.len() == count).then_some(hashes)
}

/// What the PF writes to a VF's mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    /// To [`Request::Reset`]: the VF's address. Without one it is a NACK, which
    /// tells the VF's driver to make an address up, as Linux's PF driver does.
    /// Never with CTS: the drivers compare the whole first word.
    Reset(Option<Mac>),
    /// To anything else: its first word again with the answer.
    Answer {
        /// First word of the request.
        head: u32,
        /// Granted.
        granted: bool,
        /// The VF may go on sending, and its link is up.
        cts: bool,
    },
    /// Not an answer: the VF's driver should look at its link.
    Ping {
        /// The link is up.
        cts: bool,
    },
    /// Not an answer: the VF's driver must start anew.
    Restart,
}

impl Reply {
    /// The words.
    pub(crate) fn encode(&self) -> List<u32, 3> {
        let mut words = List::filled_with(0);
        let mut put = |word: u32| {
            let _ = words.push(word);
        };
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        match *self {
            Self::Reset(mac) => {
                let (low, high) = mac.unwrap_or(Mac::ZERO).to_words();
                put(RESET | if mac.is_some() { ACK } else { NACK });
                put(low);
                put(high);
            }
            Self::Answer { head, granted, cts } => {
                put(head & !ANSWER | if granted { ACK } else { NACK } | flag(cts, CTS));
            }
            Self::Ping { cts } => put(PF_CONTROL | flag(cts, CTS)),
            Self::Restart => put(NACK),
        }
        words
    }
}

/// Whether a VF whose mailbox holds `head`, said by the PF, takes its link to be up.
pub(crate) fn says_link_up(head: u32) -> bool {
    head & CTS != 0
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_message))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 1, 2, 3, 4, 5]);

    fn hashes(items: &[u16]) -> Hashes {
        let mut list = Hashes::filled_with(0);
        for &item in items {
            assert_eq!(list.push(item), Ok(()));
        }
        list
    }

    #[test]
    fn what_igbvf_and_dpdk_send_is_read() {
        let cases: &[(&[u32], Request)] = &[
            (&[0x0000_0001], Request::Reset),
            (&[0x0000_0002, 0x0302_0102, 0x0504], Request::SetMac(MAC)),
            (&[0x0001_0002, 0, 0], Request::ClearFilters),
            (&[0x0002_0002, 0x0302_0102, 0x0504], Request::AddFilter(MAC)),
            (
                &[0x0003_0003, 0x0fff_0001, 0x0002],
                Request::Multicast {
                    hashes: hashes(&[1, 0xfff, 2]),
                    overflow: false,
                },
            ),
            (
                &[0x0081_0003, 0x0000_0001],
                Request::Multicast {
                    hashes: hashes(&[1]),
                    overflow: true,
                },
            ),
            (
                &[0x0001_0004, 100],
                Request::Vlan {
                    vid: 100,
                    add: true,
                },
            ),
            (
                &[0x0000_0004, 100],
                Request::Vlan {
                    vid: 100,
                    add: false,
                },
            ),
            (&[0x0000_0005, 1522], Request::MaxFrame(1522)),
            (
                &[0x0002_0006],
                Request::Promiscuous {
                    unicast: false,
                    multicast: true,
                },
            ),
        ];
        for (words, request) in cases {
            assert_eq!(Request::parse(words), Ok(*request));
        }
    }

    #[test]
    fn requests_survive_the_way_through_the_mailbox() {
        let full: [u16; MAX_HASHES] = core::array::from_fn(|i| 0xfff - i as u16);
        for request in [
            Request::Reset,
            Request::SetMac(MAC),
            Request::ClearFilters,
            Request::AddFilter(MAC),
            Request::Multicast {
                hashes: hashes(&full),
                overflow: true,
            },
            Request::Vlan {
                vid: MAX_VID,
                add: true,
            },
            Request::MaxFrame(9728),
            Request::Promiscuous {
                unicast: true,
                multicast: true,
            },
        ] {
            let words = request.encode();
            assert!(words.len() <= MAILBOX_WORDS);
            assert_eq!(Request::parse(words.as_slice()), Ok(request));
        }
    }

    #[test]
    fn hostile_words_are_named_and_refused() {
        for words in [
            &[][..],
            &[0x0002],
            &[0x0002, 1],
            &[0x0002, 1, 0x1_0000],
            &[0x0003_0002, 1, 2],
            &[0x0001_0001],
            &[0x001f_0003, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x0002_0003],
            &[0x0001_0003, 0x1000],
            &[0x0001_0004, 0xfff],
            &[0x0001_0004, 0x1_0000],
            &[0x0002_0004, 1],
            &[0x0000_0004],
            &[0x0000_0005],
            &[0x0001_0005, 1500],
            &[0x0004_0006],
            &[0x0100_0002, 1, 2],
            &[0x2000_0002, 1, 2],
        ] {
            assert!(matches!(Request::parse(words), Err(Fault::Malformed(_))));
        }
        for head in [0, 7, 0x100, 0xffff, 0x0101_0007] {
            assert_eq!(Request::parse(&[head, 0, 0]), Err(Fault::Unknown(head)));
        }
        for head in [0x8000_0001, 0x4000_0002, 0xffff_ffff] {
            assert_eq!(Request::parse(&[head]), Err(Fault::Answered));
        }
    }

    #[test]
    fn replies_are_those_the_vf_drivers_compare_with() {
        let words = Reply::Reset(Some(MAC)).encode();
        assert_eq!(words.as_slice(), &[0x8000_0001, 0x0302_0102, 0x0504]);
        let words = Reply::Reset(None).encode();
        assert_eq!(words.as_slice(), &[0x4000_0001, 0, 0]);
        let answer = |granted, cts| Reply::Answer {
            head: 0x0001_0004,
            granted,
            cts,
        };
        assert_eq!(answer(true, true).encode().as_slice(), &[0xa001_0004]);
        assert_eq!(answer(false, true).encode().as_slice(), &[0x6001_0004]);
        assert_eq!(answer(false, false).encode().as_slice(), &[0x4001_0004]);
        let forged = Reply::Answer {
            head: 0xffff_ffff,
            granted: false,
            cts: false,
        };
        assert_eq!(forged.encode().as_slice(), &[0x5fff_ffff]);
        assert_eq!(
            Reply::Ping { cts: true }.encode().as_slice(),
            &[0x2000_0100]
        );
        assert_eq!(Reply::Ping { cts: false }.encode().as_slice(), &[0x100]);
        assert_eq!(Reply::Restart.encode().as_slice(), &[0x4000_0000]);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Which packets were sent and which came: nothing may be lost, doubled, or
//! come from nowhere.

use crate::frame::Id;
use std::collections::BTreeMap;

/// What is known of one packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Entry {
    /// It may get lost: it was sent to somebody who could not receive.
    may_be_lost: bool,
    /// The tag it must come with.
    vlan: Option<u16>,
    /// How often it came.
    came: u32,
}

/// The packets of one direction.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    source: u32,
    entries: BTreeMap<Id, Entry>,
    /// How many have not come that must.
    missing: usize,
    wrong: Vec<String>,
}

/// What became of the packets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Balance {
    /// Sent.
    pub sent: usize,
    /// Came, each counted once.
    pub came: usize,
    /// Lost, as they might be.
    pub lost: usize,
    /// Everything that must not be.
    pub wrong: Vec<String>,
}

impl Ledger {
    /// For packets of one source.
    pub fn new(source: u32) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    /// The next packet to send, which comes with this tag.
    pub fn next(&mut self, vlan: Option<u16>, may_be_lost: bool) -> Id {
        let id = Id {
            source: self.source,
            number: self.entries.len() as u64,
        };
        let entry = Entry {
            may_be_lost,
            vlan,
            came: 0,
        };
        self.entries.insert(id, entry);
        self.missing += usize::from(!may_be_lost);
        id
    }

    /// A packet came.
    pub fn came(&mut self, id: Id, vlan: Option<u16>) {
        let Some(entry) = self.entries.get_mut(&id) else {
            self.wrong
                .push(format!("{id:?} came and was never sent to here"));
            return;
        };
        entry.came += 1;
        if entry.came == 1 && !entry.may_be_lost {
            self.missing -= 1;
        }
        if entry.came > 1 {
            self.wrong
                .push(format!("packet {} came {} times", id.number, entry.came));
        }
        if entry.vlan != vlan {
            self.wrong.push(format!(
                "packet {} came with tag {vlan:?}, not {:?}",
                id.number, entry.vlan
            ));
        }
    }

    /// How many packets are missing that must not be.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// The sum.
    pub fn balance(&self) -> Balance {
        let mut wrong = self.wrong.clone();
        let absent = self.entries.iter().filter(|(_, entry)| entry.came == 0);
        let lost: Vec<u64> = absent
            .clone()
            .filter(|(_, entry)| !entry.may_be_lost)
            .map(|(id, _)| id.number)
            .collect();
        if !lost.is_empty() {
            wrong.push(format!("{} packets lost: {lost:?}", lost.len()));
        }
        Balance {
            sent: self.entries.len(),
            came: self.entries.values().filter(|entry| entry.came > 0).count(),
            lost: absent.count() - lost.len(),
            wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_comes_once() {
        let mut ledger = Ledger::new(3);
        let first = ledger.next(None, false);
        let second = ledger.next(Some(5), false);
        let third = ledger.next(None, true);
        assert_eq!(third.number, 2);
        assert_eq!(ledger.missing(), 2);
        ledger.came(first, None);
        ledger.came(second, Some(5));
        assert_eq!(ledger.missing(), 0);
        let balance = ledger.balance();
        assert_eq!((balance.sent, balance.came, balance.lost), (3, 2, 1));
        assert!(balance.wrong.is_empty());
    }

    #[test]
    fn what_is_lost_doubled_changed_or_foreign_is_wrong() {
        let mut ledger = Ledger::new(3);
        let first = ledger.next(None, false);
        ledger.next(None, false);
        ledger.came(first, Some(1));
        ledger.came(first, None);
        assert_eq!(ledger.missing(), 1);
        ledger.came(
            Id {
                source: 4,
                number: 0,
            },
            None,
        );
        assert_eq!(ledger.balance().wrong.len(), 4);
    }
}

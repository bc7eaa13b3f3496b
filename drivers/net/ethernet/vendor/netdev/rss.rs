// SPDX-License-Identifier: GPL-2.0

//! How receive queues are chosen (datasheet 7.1.1.7): a hash of addresses and ports, and a
//! table of queues that its low bits choose from. Pure.

/// Bytes of the key.
pub(crate) const KEY_BYTES: usize = 40;

/// Entries of the table.
pub(crate) const ENTRIES: usize = 128;

/// The hash and the table.
#[derive(Clone, Copy)]
pub(crate) struct Rss {
    /// Key of the Toeplitz hash.
    pub(crate) key: [u8; KEY_BYTES],
    /// Queue for each value of the hash's low bits, below the number of queues.
    pub(crate) table: [u8; ENTRIES],
    /// The administrator has set the table.
    pub(crate) is_set: bool,
    /// The hash covers the ports of UDP over IPv4.
    pub(crate) udp4: bool,
    /// The hash covers the ports of UDP over IPv6.
    pub(crate) udp6: bool,
}

impl Rss {
    /// All `queues` in turn.
    pub(crate) fn new(key: [u8; KEY_BYTES], queues: u8) -> Self {
        let mut rss = Self {
            key,
            table: [0; ENTRIES],
            is_set: false,
            udp4: false,
            udp6: false,
        };
        rss.spread(queues);
        rss
    }

    /// All `queues` in turn, as nobody has set it otherwise.
    fn spread(&mut self, queues: u8) {
        let mut queue = 0;
        for entry in &mut self.table {
            *entry = queue;
            queue = if queue + 1 < queues { queue + 1 } else { 0 };
        }
        self.is_set = false;
    }

    /// Fits the table to `queues`, at least 1: one that was set is kept if all of it is
    /// there.
    pub(crate) fn fit(&mut self, queues: u8) {
        if !self.is_set || !self.fits(queues) {
            self.spread(queues);
        }
    }

    /// Whether all of the table is below `queues`.
    pub(crate) fn fits(&self, queues: u8) -> bool {
        self.table.iter().all(|queue| *queue < queues)
    }

    /// Sets the table. [`None`], and nothing has changed, if a queue is not below `queues` or
    /// there are too few entries.
    pub(crate) fn set(&mut self, table: &[u32], queues: u8) -> Option<()> {
        let mut new = [0; ENTRIES];
        if table.len() != ENTRIES {
            return None;
        }
        for (entry, queue) in new.iter_mut().zip(table) {
            *entry = u8::try_from(*queue).ok().filter(|queue| *queue < queues)?;
        }
        self.table = new;
        self.is_set = true;
        Some(())
    }

    /// Register `index` of the table, four entries each, the first one in the lowest byte;
    /// with pools an entry's queue is in bit 3.
    pub(crate) fn table_word(&self, index: usize, with_pools: bool) -> u32 {
        let shift = if with_pools { 3 } else { 0 };
        word(&self.table, index) << shift
    }

    /// Register `index` of the key.
    pub(crate) fn key_word(&self, index: usize) -> u32 {
        word(&self.key, index)
    }
}

/// Four bytes as one little-endian register.
fn word(bytes: &[u8], index: usize) -> u32 {
    let mut octets = [0; 4];
    let from = bytes.iter().skip(index.saturating_mul(4));
    for (octet, byte) in octets.iter_mut().zip(from) {
        *octet = *byte;
    }
    u32::from_le_bytes(octets)
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_rss))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn key() -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        for (i, byte) in key.iter_mut().enumerate() {
            *byte = i as u8;
        }
        key
    }

    #[test]
    fn queues_take_turns() {
        let rss = Rss::new(key(), 3);
        assert_eq!(rss.table[..7], [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(Rss::new(key(), 1).table, [0; ENTRIES]);
    }

    #[test]
    fn a_table_that_was_set_stays_while_it_fits() {
        let mut rss = Rss::new(key(), 4);
        let mut table = [1; ENTRIES];
        table[127] = 2;
        assert_eq!(rss.set(&table, 2), None);
        assert_eq!(rss.set(&table[1..], 4), None);
        assert!(!rss.is_set);
        assert_eq!(rss.set(&table, 3), Some(()));
        rss.fit(8);
        assert_eq!(rss.table[126..], [1, 2]);
        rss.fit(2);
        assert_eq!(rss.table[126..], [0, 1]);
        assert!(!rss.is_set);
        table[0] = 256;
        assert_eq!(rss.set(&table, 8), None);
    }

    #[test]
    fn registers_hold_four_entries() {
        let rss = Rss::new(key(), 2);
        assert_eq!(rss.table_word(0, false), 0x0100_0100);
        assert_eq!(rss.table_word(31, true), 0x0800_0800);
        assert_eq!(rss.table_word(32, false), 0);
        assert_eq!(rss.key_word(0), 0x0302_0100);
        assert_eq!(rss.key_word(9), 0x2726_2524);
    }
}

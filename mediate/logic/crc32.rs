// SPDX-License-Identifier: GPL-2.0

//! CRC-32 as zlib and Ethernet compute it (reflected polynomial 0xedb88320). Pure.

/// The remainder of each byte value.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    let mut seed = 0;
    while i < 256 {
        let mut value: u32 = seed;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 0 {
                value >> 1
            } else {
                (value >> 1) ^ 0xedb8_8320
            };
            bit += 1;
        }
        table[i] = value;
        i += 1;
        seed += 1;
    }
    table
};

/// A checksum over bytes that arrive in pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    /// The checksum of nothing.
    pub(crate) const fn new() -> Self {
        Self(!0)
    }

    /// Takes in further bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            let remainder = TABLE.get(usize::from(low ^ byte)).copied();
            self.0 = remainder.unwrap_or_default() ^ (self.0 >> 8);
        }
    }

    /// The checksum so far.
    pub(crate) fn value(&self) -> u32 {
        !self.0
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_crc32))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> u32 {
        let mut crc = Crc32::new();
        crc.update(bytes);
        crc.value()
    }

    #[test]
    fn known_values_come_out() {
        assert_eq!(of(b""), 0);
        assert_eq!(of(b"123456789"), 0xcbf4_3926);
        assert_eq!(of(&[0; 32]), 0x190a_55ad);
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let bytes = b"in pieces of any size";
        for cut in 0..bytes.len() {
            let mut crc = Crc32::new();
            crc.update(&bytes[..cut]);
            crc.update(&bytes[cut..]);
            assert_eq!(crc.value(), of(bytes));
        }
    }
}

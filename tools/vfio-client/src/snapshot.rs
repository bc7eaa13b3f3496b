// SPDX-License-Identifier: GPL-2.0

//! All registers of a VF that a guest can read, and what differs between two.

use crate::{
    error::Result,
    registers::{reg, Registers},
};
use serde_json::{json, Map, Value};

/// How a register may differ after a move.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rule {
    /// In none of these bits.
    Exact(u32),
    /// It only grows, modulo 2^32.
    Grows,
}

/// A counter that grew by more than this went backwards.
const PLAUSIBLE: u32 = 1 << 28;

/// Everything of a VF's BAR 0 that can be read without effect, by name.
fn table() -> Vec<(String, u32, Rule)> {
    let all = Rule::Exact(u32::MAX);
    let mut table = vec![
        // Link, duplex and speed; the rest is the PF's.
        ("STATUS".into(), reg::STATUS, Rule::Exact(0xc3)),
        ("GPRC".into(), reg::GPRC, Rule::Grows),
        ("GPTC".into(), reg::GPTC, Rule::Grows),
        ("GORC".into(), reg::GORC, Rule::Grows),
        ("GOTC".into(), reg::GOTC, Rule::Grows),
        ("MPRC".into(), reg::MPRC, Rule::Grows),
        ("EIMS".into(), reg::EIMS, all),
        ("EIAC".into(), reg::EIAC, all),
        ("EIAM".into(), reg::EIAM, all),
        ("IVAR".into(), reg::IVAR, all),
        ("IVAR_MISC".into(), reg::IVAR_MISC, all),
    ];
    for index in 0..16 {
        table.push((format!("VMBMEM{index}"), reg::VMBMEM + 4 * index, all));
    }
    for index in 0..3 {
        table.push((format!("EITR{index}"), reg::EITR + 4 * index, all));
    }
    let queue = [
        ("RDBAL", reg::RDBAL),
        ("RDBAH", reg::RDBAH),
        ("RDLEN", reg::RDLEN),
        ("SRRCTL", reg::SRRCTL),
        ("RDH", reg::RDH),
        ("RDT", reg::RDT),
        ("RXDCTL", reg::RXDCTL),
        ("TDBAL", reg::TDBAL),
        ("TDBAH", reg::TDBAH),
        ("TDLEN", reg::TDLEN),
        ("TDH", reg::TDH),
        ("TXCTL", reg::TXCTL),
        ("TDT", reg::TDT),
        ("TXDCTL", reg::TXDCTL),
        ("TDWBAL", reg::TDWBAL),
        ("TDWBAH", reg::TDWBAH),
    ];
    for index in 0..2 {
        for (name, offset) in queue {
            table.push((
                format!("{name}{index}"),
                offset + index * reg::QUEUE_STRIDE,
                all,
            ));
        }
    }
    table
}

/// The values of all registers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot(Vec<u32>);

impl Snapshot {
    /// Reads them.
    pub fn take(registers: &impl Registers) -> Result<Self> {
        table()
            .iter()
            .map(|(_, offset, _)| registers.read(*offset))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is not in `later` as it must be, a line each.
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let pairs = self.0.iter().zip(&later.0);
        let wrong =
            table()
                .into_iter()
                .zip(pairs)
                .filter(|((_, _, rule), (old, new))| match rule {
                    Rule::Exact(mask) => (*old ^ *new) & mask != 0,
                    Rule::Grows => new.wrapping_sub(**old) > PLAUSIBLE,
                });
        wrong
            .map(|((name, ..), (old, new))| format!("{name}: {old:#x} became {new:#x}"))
            .collect()
    }

    /// Counters of `later` that went backwards, a line each.
    pub fn backwards(&self, later: &Self) -> Vec<String> {
        let pairs = table().into_iter().zip(self.0.iter().zip(&later.0));
        let wrong = pairs.filter(|((_, _, rule), (old, new))| {
            *rule == Rule::Grows && new.wrapping_sub(**old) > PLAUSIBLE
        });
        wrong
            .map(|((name, ..), (old, new))| format!("{name}: {old:#x} became {new:#x}"))
            .collect()
    }

    /// By name.
    pub fn to_json(&self) -> Value {
        let values = table().into_iter().zip(&self.0);
        Value::Object(
            values
                .map(|((name, ..), value)| (name, json!(value)))
                .collect::<Map<_, _>>(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    struct Constant(u32);

    impl Registers for Constant {
        fn read(&self, offset: u32) -> Result<u32> {
            Ok(if offset == reg::GPRC { self.0 } else { 7 })
        }

        fn write(&self, _: u32, _: u32) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_register_is_named_twice() {
        let table = table();
        assert_eq!(
            table
                .iter()
                .map(|(name, ..)| name)
                .collect::<BTreeSet<_>>()
                .len(),
            table.len()
        );
        assert_eq!(
            table
                .iter()
                .map(|(_, at, _)| at)
                .collect::<BTreeSet<_>>()
                .len(),
            table.len()
        );
        assert!(table.iter().all(|&(_, at, _)| at < 0x4000 && at % 4 == 0));
    }

    #[test]
    fn counters_grow_and_the_rest_stays() {
        let before = Snapshot::take(&Constant(u32::MAX)).unwrap();
        let after = Snapshot::take(&Constant(3)).unwrap();
        assert!(before.differences(&after).is_empty());
        assert_eq!(after.differences(&before), ["GPRC: 0x3 became 0xffffffff"]);
        let mut moved = before.clone();
        // The link's bit of STATUS, one that is the PF's, and EIMS.
        moved.0[0] ^= 2;
        assert_eq!(before.differences(&moved).len(), 1);
        moved.0[0] ^= 2 | 1 << 19;
        assert!(before.differences(&moved).is_empty());
        moved.0[6] ^= 1;
        assert_eq!(before.differences(&moved), ["EIMS: 0x7 became 0x6"]);
    }
}

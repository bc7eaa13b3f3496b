// SPDX-License-Identifier: GPL-2.0

//! A VF beside the one that something is done to, which must not notice.

use super::mac;
use crate::{
    bench::{open, Bench, Guest},
    driver::Kind,
    error::{Error, Result},
    frame::Mac,
    iommu::Backend,
    ledger::Ledger,
    snapshot::Snapshot,
};
use rand::{rngs::SmallRng, SeedableRng};

/// Packets at once to who does not receive them, and the source that their numbers tell.
const IN_VAIN: (u32, u32) = (4, 3);

/// The VF beside: its registers, its address, its packets.
pub(super) struct Neighbour {
    bench: Bench,
    registers: Snapshot,
}

impl Neighbour {
    /// Opens it, starts its driver, and has it send to itself.
    pub(super) fn start(address: &str, backend: Backend, seed: u64) -> Result<Self> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let bar = open(address, backend)?;
        let mut bench = Bench::new(Guest::start(bar, Kind::Igbvf, mac(2), &mut rng)?, None, rng);
        bench.traffic(3)?;
        let registers = Snapshot::take(bench.guest.driver.registers())?;
        Ok(Self { bench, registers })
    }

    /// Sends some packets to one that need not receive them; they are out when it returns.
    pub(super) fn send(&mut self, to: Mac) -> Result<()> {
        let (count, source) = IN_VAIN;
        let Bench { guest, rng, .. } = &mut self.bench;
        guest.send(to, count, &mut Ledger::new(source), true, rng)?;
        self.bench.settle()?;
        self.registers = Snapshot::take(self.bench.guest.driver.registers())?;
        Ok(())
    }

    /// Nothing has changed since the last look, and packets come. The address of
    /// a VF that resumes is announced to all, so its neighbour receives something.
    pub(super) fn judge(&mut self) -> Result<()> {
        let now = Snapshot::take(self.bench.guest.driver.registers())?;
        let mut differences = self.registers.differences(&now);
        differences.retain(|line| !line.starts_with("RDH0:"));
        if !differences.is_empty() {
            return Err(Error::Wrong(format!(
                "the neighbour changed: {differences:?}"
            )));
        }
        self.bench.receive()?;
        self.bench.traffic(1)?;
        self.registers = Snapshot::take(self.bench.guest.driver.registers())?;
        let wrong = self.bench.there.balance().wrong;
        if !wrong.is_empty() {
            return Err(Error::Wrong(format!("the neighbour's packets: {wrong:?}")));
        }
        Ok(())
    }
}

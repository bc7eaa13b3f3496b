// SPDX-License-Identifier: GPL-2.0

//! The registers of a VF: where they are, and how they are reached.

use crate::{
    abi::mapping::Mapping,
    device::Device,
    error::{Error, Result},
    region::Region,
};
use std::{
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

/// Registers of a VF by their offset in BAR 0.
pub trait Registers {
    /// Reads one.
    fn read(&self, offset: u32) -> Result<u32>;
    /// Writes one.
    fn write(&self, offset: u32, value: u32) -> Result<()>;

    /// Waits until `done` says so of a register.
    fn poll(
        &self,
        offset: u32,
        limit: Duration,
        what: &str,
        mut done: impl FnMut(u32) -> bool,
    ) -> Result<u32>
    where
        Self: Sized,
    {
        let end = Instant::now() + limit;
        loop {
            let late = Instant::now() > end;
            let value = self.read(offset)?;
            if done(value) {
                return Ok(value);
            }
            if late {
                return Err(Error::Timeout {
                    what: what.into(),
                    seconds: limit,
                });
            }
            sleep(Duration::from_millis(1));
        }
    }
}

impl<R: Registers> Registers for Arc<R> {
    fn read(&self, offset: u32) -> Result<u32> {
        (**self).read(offset)
    }

    fn write(&self, offset: u32, value: u32) -> Result<()> {
        (**self).write(offset, value)
    }
}

/// Names of registers, as the 82576's data sheet has them (NIC facts, section 1).
pub mod reg {
    #![allow(missing_docs)]
    pub const CTRL: u32 = 0x0000;
    pub const STATUS: u32 = 0x0008;
    pub const VMBMEM: u32 = 0x0800;
    pub const V2PMAILBOX: u32 = 0x0c40;
    pub const GPRC: u32 = 0x0f10;
    pub const GPTC: u32 = 0x0f14;
    pub const GORC: u32 = 0x0f18;
    pub const GOTC: u32 = 0x0f34;
    pub const MPRC: u32 = 0x0f3c;
    pub const EICS: u32 = 0x1520;
    pub const EIMS: u32 = 0x1524;
    pub const EIMC: u32 = 0x1528;
    pub const EIAC: u32 = 0x152c;
    pub const EIAM: u32 = 0x1530;
    pub const EICR: u32 = 0x1580;
    pub const EITR: u32 = 0x1680;
    pub const IVAR: u32 = 0x1700;
    pub const IVAR_MISC: u32 = 0x1740;

    /// Offset of queue `queue`'s registers from the first's.
    pub const QUEUE_STRIDE: u32 = 0x100;
    pub const RDBAL: u32 = 0x2800;
    pub const RDBAH: u32 = 0x2804;
    pub const RDLEN: u32 = 0x2808;
    pub const SRRCTL: u32 = 0x280c;
    pub const RDH: u32 = 0x2810;
    pub const RDT: u32 = 0x2818;
    pub const RXDCTL: u32 = 0x2828;
    pub const TDBAL: u32 = 0x3800;
    pub const TDBAH: u32 = 0x3804;
    pub const TDLEN: u32 = 0x3808;
    pub const TDH: u32 = 0x3810;
    pub const TXCTL: u32 = 0x3814;
    pub const TDT: u32 = 0x3818;
    pub const TXDCTL: u32 = 0x3828;
    pub const TDWBAL: u32 = 0x3838;
    pub const TDWBAH: u32 = 0x383c;

    pub const CTRL_RST: u32 = 1 << 26;
    pub const STATUS_LU: u32 = 1 << 1;
    pub const QUEUE_ENABLE: u32 = 1 << 25;
}

/// BAR 0 of a device: mapped where it may be, through the file elsewhere.
pub struct Bar {
    device: Arc<Device>,
    region: Region,
    mappings: Vec<Arc<Mapping>>,
}

impl Bar {
    /// Maps what may be mapped.
    pub fn new(device: Arc<Device>) -> Result<Self> {
        let region = device.region(0)?;
        let mappings = region
            .areas
            .iter()
            .map(|&area| device.map_area(&region, area).map(Arc::new))
            .collect::<Result<_>>()?;
        Ok(Self {
            device,
            region,
            mappings,
        })
    }

    /// What is mapped, and from which offset on.
    pub(crate) fn mapped(&self) -> impl Iterator<Item = (u64, Arc<Mapping>)> + '_ {
        let offsets = self.region.areas.iter().map(|area| area.offset);
        offsets.zip(self.mappings.iter().cloned())
    }

    /// Writes a register through the device's file.
    pub(crate) fn write_by_file(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.device.write(&self.region, offset, bytes)
    }

    /// The device.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// The mapping that holds the register at `offset`, and where in it.
    fn locate(&self, offset: u32) -> Option<(&Mapping, usize)> {
        let (index, inside) = self.region.locate(offset.into(), 4)?;
        Some((self.mappings.get(index)?, usize::try_from(inside).ok()?))
    }
}

impl Registers for Bar {
    fn read(&self, offset: u32) -> Result<u32> {
        if let Some(value) = self.locate(offset).and_then(|(map, at)| map.read(at)) {
            return Ok(value);
        }
        let mut bytes = [0; 4];
        self.device.read(&self.region, offset.into(), &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn write(&self, offset: u32, value: u32) -> Result<()> {
        if self
            .locate(offset)
            .and_then(|(map, at)| map.write(at, value))
            .is_some()
        {
            return Ok(());
        }
        self.write_by_file(offset.into(), &value.to_le_bytes())
    }
}

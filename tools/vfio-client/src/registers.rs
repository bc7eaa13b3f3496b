// SPDX-License-Identifier: GPL-2.0

//! The registers of a VF: where they are, and how they are reached.

use crate::{
    abi::mapping::Mapping,
    device::Device,
    error::{Error, Result},
    region::{Area, Region},
};
use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard},
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

/// A part of a BAR that can be mapped, and is or not.
struct Place {
    area: Area,
    mapping: Option<Arc<Mapping>>,
}

/// BAR 0 of a device: mapped where it may be, through the file elsewhere.
pub struct Bar {
    device: Arc<Device>,
    region: Region,
    /// Held while a register is used, so that none is when its mapping goes.
    places: RwLock<Vec<Place>>,
    /// Has memory come that a write was refused for.
    on_missing: OnceLock<OnMissing>,
}

/// What is done when memory is missing; the write is repeated after that.
type OnMissing = Box<dyn Fn() -> Result<()> + Send + Sync>;

impl Bar {
    /// Maps what may be mapped.
    pub fn new(device: Arc<Device>) -> Result<Self> {
        Self::in_pieces(device, |areas| areas.to_vec())
    }

    /// The same, in pieces that `cut` makes of the areas.
    pub fn in_pieces(device: Arc<Device>, cut: impl Fn(&[Area]) -> Vec<Area>) -> Result<Self> {
        let region = device.region(0)?;
        let place = |area| {
            let mapping = device.map_area(&region, area)?;
            Ok(Place {
                area,
                mapping: Some(Arc::new(mapping)),
            })
        };
        let places = cut(&region.areas)
            .into_iter()
            .map(place)
            .collect::<Result<_>>()?;
        Ok(Self {
            device,
            region,
            places: RwLock::new(places),
            on_missing: OnceLock::new(),
        })
    }

    /// What to do when a write is refused for missing memory; said once.
    pub(crate) fn on_missing(&self, what: impl Fn() -> Result<()> + Send + Sync + 'static) {
        let _ = self.on_missing.set(Box::new(what));
    }

    fn places(&self) -> RwLockReadGuard<'_, Vec<Place>> {
        self.places.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is mapped, and from which offset on.
    pub(crate) fn mapped(&self) -> Vec<(u64, Arc<Mapping>)> {
        let places = self.places();
        let mapped = |place: &Place| Some((place.area.offset, place.mapping.clone()?));
        places.iter().filter_map(mapped).collect()
    }

    /// Maps the pieces that `area` consists of, or takes their mappings away.
    pub(crate) fn set_mapped(&self, area: Area, mapped: bool) -> Result<()> {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let inside = |piece: &Area| {
            piece.offset >= area.offset && piece.offset + piece.size <= area.offset + area.size
        };
        for place in places.iter_mut().filter(|place| inside(&place.area)) {
            match (mapped, place.mapping.is_some()) {
                (true, false) => {
                    let mapping = self.device.map_area(&self.region, place.area)?;
                    place.mapping = Some(Arc::new(mapping));
                }
                (false, true) => place.mapping = None,
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a register through the device's file.
    pub(crate) fn write_by_file(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.device.write(&self.region, offset, bytes)
    }

    /// The device.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Does something with the mapping that holds the register at `offset`, if there is one,
    /// and where in it.
    fn with<T>(&self, offset: u32, f: impl Fn(&Mapping, usize) -> Option<T>) -> Option<T> {
        let offset = u64::from(offset);
        let places = self.places();
        let place = places.iter().find(|place| {
            place.area.offset <= offset && offset < place.area.offset + place.area.size
        })?;
        let inside = usize::try_from(offset - place.area.offset).ok()?;
        f(place.mapping.as_ref()?, inside)
    }
}

impl Registers for Bar {
    fn read(&self, offset: u32) -> Result<u32> {
        if let Some(value) = self.with(offset, Mapping::read) {
            return Ok(value);
        }
        let mut bytes = [0; 4];
        self.device.read(&self.region, offset.into(), &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn write(&self, offset: u32, value: u32) -> Result<()> {
        if self.with(offset, |map, at| map.write(at, value)).is_some() {
            return Ok(());
        }
        loop {
            match (
                self.write_by_file(offset.into(), &value.to_le_bytes()),
                self.on_missing.get(),
            ) {
                (Err(error), Some(come)) if error.errno() == Some(libc::EFAULT) => come()?,
                (result, _) => return result,
            }
        }
    }
}

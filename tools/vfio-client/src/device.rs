// SPDX-License-Identifier: GPL-2.0

//! An open vfio device.

use crate::abi::uapi::{
    vfio_device_info, vfio_irq_info, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD,
    VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX,
};
use crate::{
    abi::{
        ioctl::{self, exchange, plain, Buffer},
        kvm::Vm,
        mapping::Mapping,
    },
    error::{Context, Error, Result},
    iommu::{open_device, Backend, IoSpace},
    memory::{Memory, Piece},
    region::{Area, Region},
};
use std::{
    fs::File,
    os::{fd::AsRawFd, unix::fs::FileExt},
};
use vmm_sys_util::eventfd::EventFd;

/// Offset of the command register in configuration space, and two of its bits.
const COMMAND: u64 = 4;
const COMMAND_MEMORY: u16 = 2;
const COMMAND_MASTER: u16 = 4;

/// An open device with an address space of its own.
pub struct Device {
    // Closed before what it depends on.
    file: File,
    space: IoSpace,
    address: String,
    config: Region,
}

impl Device {
    /// Opens the device at a PCI address (`0000:01:10.0`), which must be bound
    /// to a vfio driver, and lets it decode its BARs.
    pub fn open(address: &str, backend: Backend) -> Result<Self> {
        Self::open_for(address, backend, None)
    }

    /// As [`Device::open`], for a VM.
    pub(crate) fn open_for(address: &str, backend: Backend, vm: Option<&Vm>) -> Result<Self> {
        let (space, file) = open_device(address, backend, vm)?;
        let config = region(&file, VFIO_PCI_CONFIG_REGION_INDEX)?;
        let device = Self {
            file,
            space,
            address: address.into(),
            config,
        };
        device.enable()?;
        Ok(device)
    }

    /// Its PCI address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The container it is in.
    pub(crate) fn container(&self) -> Result<&File> {
        match &self.space {
            IoSpace::Container { container, .. } => Ok(container),
            IoSpace::Iommufd { .. } => Err(Error::Wrong("there is no container".into())),
        }
    }

    /// Gives it memory.
    pub fn map(&self, memory: &Memory) -> Result<()> {
        self.space.map(memory)
    }

    /// Gives it a piece of memory that is at an address of ours.
    pub(crate) fn map_piece(&self, address: u64, piece: Piece) -> Result<()> {
        self.space.map_piece(address, piece)
    }

    /// Lets it decode its BARs and start DMA.
    pub fn enable(&self) -> Result<()> {
        self.change_command(|command| command | COMMAND_MEMORY | COMMAND_MASTER)
    }

    /// Has it decode its BARs, or not.
    pub fn set_decoding(&self, on: bool) -> Result<()> {
        self.change_command(|command| match on {
            true => command | COMMAND_MEMORY,
            false => command & !COMMAND_MEMORY,
        })
    }

    fn change_command(&self, change: impl Fn(u16) -> u16) -> Result<()> {
        let mut bytes = [0; 2];
        self.read(&self.config, COMMAND, &mut bytes)?;
        let command = change(u16::from_le_bytes(bytes));
        self.write(&self.config, COMMAND, &command.to_le_bytes())
    }

    /// Resets it.
    pub fn reset(&self) -> Result<()> {
        plain(&self.file, ioctl::VFIO_DEVICE_RESET(), 0).context("VFIO_DEVICE_RESET")?;
        self.enable()
    }

    /// VFIO_DEVICE_GET_INFO: flags, number of regions and of kinds of interrupts.
    pub fn info(&self) -> Result<(u32, u32, u32)> {
        let mut info = vfio_device_info::default();
        exchange(&self.file, ioctl::VFIO_DEVICE_GET_INFO(), &mut info).context("device info")?;
        Ok((info.flags, info.num_regions, info.num_irqs))
    }

    /// A region.
    pub fn region(&self, index: u32) -> Result<Region> {
        region(&self.file, index)
    }

    /// How many interrupts of a kind there are.
    pub fn interrupts(&self, index: u32) -> Result<u32> {
        let mut info = vfio_irq_info {
            index,
            ..Default::default()
        };
        exchange(&self.file, ioctl::VFIO_DEVICE_GET_IRQ_INFO(), &mut info)
            .context(format!("interrupts of kind {index}"))?;
        Ok(info.count)
    }

    /// Has MSI-X vectors signal eventfds, the first the first.
    pub fn set_msix(&self, events: &[EventFd]) -> Result<()> {
        let mut set = Buffer([0u8; 20 + 4 * 8]);
        let count = u32::try_from(events.len())
            .ok()
            .filter(|&count| count <= 8)
            .ok_or_else(|| Error::Wrong("more than 8 vectors".into()))?;
        let flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        // After argsz: flags, index, start, count, then a descriptor each.
        let head = [flags, VFIO_PCI_MSIX_IRQ_INDEX, 0, count];
        let fds = events.iter().map(|event| event.as_raw_fd().to_ne_bytes());
        let words = head.into_iter().map(u32::to_ne_bytes).chain(fds);
        for (place, word) in set.0.chunks_exact_mut(4).skip(1).zip(words) {
            place.copy_from_slice(&word);
        }
        exchange(&self.file, ioctl::VFIO_DEVICE_SET_IRQS(), &mut set)
            .context(format!("{count} MSI-X vectors"))?;
        Ok(())
    }

    /// Reads all of `bytes` through the device's file.
    pub fn read(&self, region: &Region, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.file
            .read_exact_at(bytes, region.offset + offset)
            .context(format!(
                "reading {} bytes at {offset:#x} of region {}",
                bytes.len(),
                region.index
            ))
    }

    /// Writes all of `bytes` through the device's file.
    pub fn write(&self, region: &Region, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all_at(bytes, region.offset + offset)
            .context(format!(
                "writing {} bytes at {offset:#x} of region {}",
                bytes.len(),
                region.index
            ))
    }

    /// Maps part of a region.
    pub(crate) fn map_area(&self, region: &Region, area: Area) -> Result<Mapping> {
        usize::try_from(area.size)
            .map_err(|_| std::io::Error::from_raw_os_error(libc::EINVAL))
            .and_then(|size| Mapping::new(&self.file, region.offset + area.offset, size))
            .context(format!(
                "mapping {:#x} bytes at {:#x} of region {}",
                area.size, area.offset, region.index
            ))
    }
}

fn region(file: &File, index: u32) -> Result<Region> {
    let mut info = Buffer([0u8; 1024]);
    info.0[8..12].copy_from_slice(&index.to_ne_bytes());
    exchange(file, ioctl::VFIO_DEVICE_GET_REGION_INFO(), &mut info)
        .context(format!("region {index}"))?;
    Region::parse(&info.0)
        .ok_or_else(|| Error::Wrong(format!("region {index}: capabilities do not hang together")))
}

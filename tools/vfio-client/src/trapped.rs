// SPDX-License-Identifier: GPL-2.0

//! A guest whose doorbells can be trapped, and the trap from the VMM's side.

use crate::{
    bench::Guest,
    device::Device,
    dirty::Channel,
    driver::Kind,
    error::{Error, Result},
    frame::Mac,
    iommu::Backend,
    memory::Memory,
    migration::{set_state, Saving, State},
    registers::Bar,
    trap_region::Obedient,
    truth::seed::Transport,
    vm::{GuestBar, Vm},
};
use rand::rngs::SmallRng;
use std::{fs, sync::Arc};

/// Where a guest's memory begins for devices and for processors.
const IOVA: u64 = 0x1000_0000;
/// The window of BAR 0 with the doorbells of receive queues, as the kernel names it.
const WINDOW: &str = "BAR0 0x2000-0x2fff trapped";

/// BAR 0 of a guest, which threads share.
pub type Shared = Arc<GuestBar>;

/// What the mediator says of a device.
pub fn debugfs(device: &str, file: &str) -> Result<String> {
    let path = format!("/sys/kernel/debug/vfio_pci_mediate/{device}/{file}");
    fs::read_to_string(&path)
        .map(|text| text.trim().into())
        .map_err(|error| Error::Wrong(format!("{path}: {error}")))
}

/// A counter of the mediator's.
pub fn counter(device: &str, file: &str) -> Result<u64> {
    let text = debugfs(device, file)?;
    text.parse()
        .map_err(|_| Error::Wrong(format!("{file}: {text:?} is no number")))
}

/// Whether doorbells of receive queues are trapped that else are passed through.
pub fn is_trapped(device: &str) -> Result<bool> {
    Ok(debugfs(device, "trapped")?.contains(WINDOW))
}

/// Opens a device for a guest, with so many processors where a VM rings the doorbells, and
/// gives it memory of `size` bytes.
pub fn open(
    address: &str,
    backend: Backend,
    transport: Transport,
    processors: usize,
    size: usize,
) -> Result<(Shared, Arc<Memory>)> {
    let memory = Arc::new(Memory::new(size, IOVA)?);
    let bar = match transport {
        Transport::Kvm => {
            let vm = Vm::new()?;
            let bar = vm.open(address, backend)?;
            GuestBar::Vm(vm.start_with(bar, memory.clone(), processors)?)
        }
        Transport::Fixed => GuestBar::Plain(Bar::new(Arc::new(Device::open(address, backend)?))?),
        Transport::Region => {
            GuestBar::Region(Obedient::new(&Arc::new(Device::open(address, backend)?))?)
        }
    };
    bar.device().map(&memory)?;
    Ok((Arc::new(bar), memory))
}

/// Bytes of memory for rings of so many descriptors.
pub fn memory_for(kind: Kind, ring: u32) -> usize {
    // A buffer of 2 KiB and a descriptor of each ring, and a few pages.
    let lanes = 2 * kind.queues() as usize;
    lanes * (ring as usize) * (2048 + 16) + (lanes + 8) * 4096
}

/// A guest on an open device, its rings running.
pub fn start(
    (bar, memory): (Shared, Arc<Memory>),
    kind: Kind,
    mac: Mac,
    ring: u32,
    rng: &mut SmallRng,
) -> Result<Guest<Shared>> {
    Guest::run(bar, memory, kind, mac, ring, rng)
}

/// A log of what a device writes: doorbells are trapped while this lives.
pub struct Log {
    saving: Saving,
    channel: Channel,
}

impl Log {
    /// Begins it, as a VMM does with a migration.
    pub fn begin(
        device: &Device,
        channel: Channel,
        memory: &Memory,
        rng: &mut SmallRng,
    ) -> Result<Self> {
        channel.start(device, memory)?;
        match Saving::begin(device, rng) {
            Ok(saving) => Ok(Self { saving, channel }),
            Err(error) => {
                channel.stop(device)?;
                Err(error)
            }
        }
    }

    /// Has the kernel tell all that was written until now.
    pub fn look(&self) -> Result<()> {
        self.saving.info().map(drop)
    }

    /// Ends it, as when a migration is cancelled.
    pub fn end(self, device: &Device) -> Result<()> {
        drop(self.saving);
        set_state(device, State::Running)?;
        self.channel.stop(device)
    }
}

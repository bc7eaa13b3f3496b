// SPDX-License-Identifier: GPL-2.0

//! A very small VM around a device: a processor that writes registers, as a
//! guest's driver does, so that KVM sees what it sees of a guest.

use crate::{
    abi::kvm,
    device::Device,
    error::{Context, Error, Result},
    iommu::Backend,
    memory::{Memory, PAGE},
    registers::{reg, Bar, Registers},
};
use kvm_bindings::kvm_segment;
use kvm_ioctls::{VcpuExit, VcpuFd};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the code is, and behind it the stores that it is to do.
const CODE: u64 = 0x1000;
const STORES: u64 = CODE + PAGE;
/// Where BAR 0 is for the guest: above all memory.
const BAR: u64 = 0xe000_0000;
const BAR_SIZE: u64 = 0x4000;
/// The port that the code writes to when it has done them.
const DONE: u16 = 0x10;

/// 32-bit code: does the stores that the page at [`STORES`] holds, a count and
/// then pairs of address and value; says so; and begins again.
const PROGRAM: [u8; 31] = [
    0xbe, 0x00, 0x20, 0x00, 0x00, // start: mov esi, STORES
    0x8b, 0x0e, //                  mov ecx, [esi]
    0x83, 0xc6, 0x08, //            add esi, 8
    0x85, 0xc9, //            next: test ecx, ecx
    0x74, 0x0d, //                  jz done
    0x8b, 0x1e, //                  mov ebx, [esi]
    0x8b, 0x46, 0x04, //            mov eax, [esi + 4]
    0x89, 0x03, //                  mov [ebx], eax
    0x83, 0xc6, 0x08, //            add esi, 8
    0x49, //                        dec ecx
    0xeb, 0xef, //                  jmp next
    0xe6, 0x10, //            done: out DONE, al
    0xeb, 0xe1, //                  jmp start
];

fn fault(what: impl std::fmt::Display) -> Error {
    Error::Wrong(format!("the VM: {what}"))
}

/// A 32-bit segment of everything.
fn flat(selector: u16, type_: u8) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector,
        type_,
        present: 1,
        s: 1,
        db: 1,
        g: 1,
        ..Default::default()
    }
}

/// Sets a processor up to run [`PROGRAM`], without paging.
fn prepare(processor: &VcpuFd) -> Result<(), kvm_ioctls::Error> {
    let mut special = processor.get_sregs()?;
    special.cs = flat(8, 0xb);
    for segment in [&mut special.ds, &mut special.es, &mut special.ss] {
        *segment = flat(16, 3);
    }
    // Protected mode.
    special.cr0 |= 1;
    processor.set_sregs(&special)?;
    let mut general = processor.get_regs()?;
    general.rip = CODE;
    general.rflags = 2;
    processor.set_regs(&general)
}

/// A VM that a device is opened for.
pub struct Vm {
    vm: kvm::Vm,
    stores: Arc<Memory>,
}

impl Vm {
    /// A VM with its code.
    pub fn new() -> Result<Self> {
        let mut vm = kvm::Vm::new().context("a VM (is kvm_amd or kvm_intel loaded?)")?;
        let stores = Memory::new(2 * PAGE as usize, CODE)?;
        stores.write(CODE, &PROGRAM)?;
        let stores = Arc::new(stores);
        vm.add_memory(stores.clone()).context("the VM's code")?;
        Ok(Self { vm, stores })
    }

    /// Opens a device for this VM.
    pub fn open(&self, address: &str, backend: Backend) -> Result<Bar> {
        let device = Device::open_for(address, backend, Some(&self.vm))?;
        Bar::new(Arc::new(device))
    }

    /// The guest's registers and memory in place, and a processor to write them.
    pub fn start(mut self, bar: Bar, memory: Arc<Memory>) -> Result<VmBar> {
        self.vm.add_memory(memory).context("the guest's memory")?;
        for (offset, mapping) in bar.mapped() {
            self.vm
                .add_device(BAR + offset, mapping)
                .context(format!("BAR 0 from {offset:#x} on for the guest"))?;
        }
        let processor = self.vm.processor(0).context("a processor")?;
        prepare(&processor).map_err(fault)?;
        Ok(VmBar {
            bar,
            cpu: Mutex::new(processor),
            vm: self,
        })
    }
}

/// BAR 0 of a VM's device: the queues' registers are written by the VM's
/// processor, everything else as by the VMM.
pub struct VmBar {
    // Dropped first: the processor, then the VM with its mappings.
    cpu: Mutex<VcpuFd>,
    vm: Vm,
    bar: Bar,
}

impl VmBar {
    /// Has the processor write registers, one after the other.
    fn store(&self, stores: &[(u32, u32)]) -> Result<()> {
        let mut cpu = self.cpu.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = stores
            .iter()
            .map(|&(offset, value)| (BAR + u64::from(offset), value));
        let count = stores.len() as u64;
        let mut page = count.to_le_bytes().to_vec();
        for (address, value) in pairs {
            page.extend(address.to_le_bytes().into_iter().take(4));
            page.extend(value.to_le_bytes());
        }
        self.vm.stores.write(STORES, &page)?;
        loop {
            match cpu.run() {
                Ok(VcpuExit::IoOut(DONE, _)) => return Ok(()),
                // As any VMM does with what no memory slot took.
                Ok(VcpuExit::MmioWrite(address, bytes)) => {
                    let offset = address
                        .checked_sub(BAR)
                        .filter(|&offset| offset < BAR_SIZE)
                        .ok_or_else(|| fault(format!("a store to {address:#x}")))?;
                    let mut held = [0; 8];
                    let held = held
                        .get_mut(..bytes.len())
                        .ok_or_else(|| fault("a store of more than eight bytes"))?;
                    held.copy_from_slice(bytes);
                    self.bar.write_by_file(offset, held)?;
                }
                Ok(exit) => return Err(fault(format!("{exit:?}"))),
                Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => {}
                Err(error) => return Err(fault(error)),
            }
        }
    }
}

/// The registers that guests write while they are trapped.
const QUEUES: std::ops::Range<u32> = 0x2000..0x4000;

/// BAR 0 of a guest, with a processor of a VM or without.
pub enum GuestBar {
    /// All writes are the VMM's.
    Plain(Bar),
    /// Those of queues are a processor's.
    Vm(VmBar),
}

impl GuestBar {
    fn bar(&self) -> &Bar {
        match self {
            Self::Plain(bar) => bar,
            Self::Vm(vm) => &vm.bar,
        }
    }

    /// The device.
    pub fn device(&self) -> &Arc<Device> {
        self.bar().device()
    }
}

impl Registers for GuestBar {
    fn read(&self, offset: u32) -> Result<u32> {
        self.bar().read(offset)
    }

    fn write(&self, offset: u32, value: u32) -> Result<()> {
        match self {
            Self::Vm(vm) if QUEUES.contains(&offset) => vm.store(&[(offset, value)]),
            _ => self.bar().write(offset, value),
        }
    }
}

const _: () = assert!(reg::RDBAL >= QUEUES.start && reg::TDWBAH < QUEUES.end);

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
    trap_region::Obedient,
};
use kvm_bindings::kvm_segment;
use kvm_ioctls::{IoEventAddress, VcpuExit, VcpuFd};
use std::{
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering},
        Arc, Mutex, PoisonError,
    },
    thread::sleep,
    time::{Duration, Instant},
};

/// Where the code is, and behind it, for each processor, the stores that it is to do.
const CODE: u64 = 0x1000;
const STORES: u64 = CODE + PAGE;
/// Most processors.
const PROCESSORS: usize = 8;
/// Where BAR 0 is for the guest: above all memory.
const BAR: u64 = 0xe000_0000;
/// Where it may be instead, so that it can be moved.
const OTHER_BAR: u64 = 0xd000_0000;
const BAR_SIZE: u64 = 0x4000;
/// The port that the code writes to when it has done them.
const DONE: u16 = 0x10;
/// Where [`Sink`]s are: a port, and in or behind BAR 0.
const SINK_PORT: u16 = 0x20;
const SINK_OFFSET: u32 = 0x1_0000;
/// How long a store may be refused.
const PATIENCE: Duration = Duration::from_secs(10);

/// 32-bit code: does the stores that the page at `ebp` holds, a count and then entries of
/// address, width and value; says so; and begins again.
const PROGRAM: [u8; 73] = [
    0x89, 0xee, //                  start: mov esi, ebp
    0x8b, 0x0e, //                  mov ecx, [esi]
    0x83, 0xc6, 0x08, //            add esi, 8
    0x85, 0xc9, //            next: test ecx, ecx
    0x74, 0x3a, //                  jz done
    0x8b, 0x1e, //                  mov ebx, [esi]
    0x8b, 0x56, 0x04, //            mov edx, [esi + 4]
    0x8b, 0x46, 0x08, //            mov eax, [esi + 8]
    0x80, 0xfa, 0x01, //            cmp dl, 1
    0x74, 0x12, //                  je byte
    0x80, 0xfa, 0x02, //            cmp dl, 2
    0x74, 0x11, //                  je word
    0x80, 0xfa, 0x08, //            cmp dl, 8
    0x74, 0x16, //                  je quad
    0x84, 0xd2, //                  test dl, dl
    0x74, 0x0d, //                  jz port
    0x89, 0x03, //                  mov [ebx], eax
    0xeb, 0x15, //                  jmp step
    0x88, 0x03, //            byte: mov [ebx], al
    0xeb, 0x11, //                  jmp step
    0x66, 0x89, 0x03, //      word: mov [ebx], ax
    0xeb, 0x0c, //                  jmp step
    0x89, 0xda, //            port: mov edx, ebx
    0xef, //                        out dx, eax
    0xeb, 0x07, //                  jmp step
    0x0f, 0x6f, 0x46, 0x08, //quad: movq mm0, [esi + 8]
    0x0f, 0x7f, 0x03, //            movq [ebx], mm0
    0x83, 0xc6, 0x10, //      step: add esi, 16
    0x49, //                        dec ecx
    0xeb, 0xc2, //                  jmp next
    0xe6, 0x10, //            done: out DONE, al
    0xeb, 0xb7, //                  jmp start
];

/// One store of a processor's to a register.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Store {
    /// Where in BAR 0.
    pub offset: u32,
    /// Bytes: 1, 2, 4 or 8; [`PORT`] for a port, of which `offset` is the number.
    pub width: u32,
    /// What is stored.
    pub value: u64,
}

impl Store {
    /// As drivers do it.
    pub fn word(offset: u32, value: u32) -> Self {
        Self {
            offset,
            width: 4,
            value: value.into(),
        }
    }
}

/// Stands for the width of a store of four bytes to a port.
const PORT: u32 = 0;

/// Where stores leave the guest and come no further than KVM, which signals an eventfd that
/// nobody looks at: the least that a store costs that is not the processor's alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sink {
    /// A port: KVM knows from the exit what is to be stored.
    Port,
    /// An address without memory, behind BAR 0: KVM has to emulate the instruction.
    Memory,
}

impl Sink {
    /// The store that goes there.
    pub fn store(self) -> Store {
        match self {
            Self::Port => Store {
                offset: SINK_PORT.into(),
                width: PORT,
                value: 0,
            },
            Self::Memory => Store::word(SINK_OFFSET, 0),
        }
    }

    fn address(self) -> IoEventAddress {
        match self {
            Self::Port => IoEventAddress::Pio(SINK_PORT.into()),
            Self::Memory => IoEventAddress::Mmio(BAR + u64::from(SINK_OFFSET)),
        }
    }
}

/// Most stores that a processor does at once.
pub const MOST_STORES: usize = (PAGE as usize - 8) / 16;

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

/// Where the stores of a processor are.
fn stores_of(processor: usize) -> u64 {
    STORES + processor as u64 * PAGE
}

/// Sets a processor up to run [`PROGRAM`], without paging.
fn prepare(processor: &VcpuFd, stores: u64) -> Result<(), kvm_ioctls::Error> {
    let mut special = processor.get_sregs()?;
    special.cs = flat(8, 0xb);
    for segment in [&mut special.ds, &mut special.es, &mut special.ss] {
        *segment = flat(16, 3);
    }
    // Protected mode, and MMX instructions are there.
    special.cr0 = (special.cr0 | 1) & !0xc;
    processor.set_sregs(&special)?;
    let mut general = processor.get_regs()?;
    general.rip = CODE;
    general.rbp = stores;
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
        let size = (1 + PROCESSORS) * PAGE as usize;
        let stores = Memory::new(size, CODE)?;
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
    pub fn start(self, bar: Bar, memory: Arc<Memory>) -> Result<VmBar> {
        self.start_with(bar, memory, 1)
    }

    /// As [`start`](Self::start), with so many processors, eight at most.
    pub fn start_with(mut self, bar: Bar, memory: Arc<Memory>, processors: usize) -> Result<VmBar> {
        self.vm.add_memory(memory).context("the guest's memory")?;
        let mut slots = Vec::new();
        for (offset, mapping) in bar.mapped() {
            slots.push((self.vm.slots(), offset));
            self.vm
                .add_device(BAR + offset, mapping)
                .context(format!("BAR 0 from {offset:#x} on for the guest"))?;
        }
        let mut cpus = Vec::new();
        for index in 0..processors.clamp(1, PROCESSORS) {
            let processor = self.vm.processor(index as u64).context("a processor")?;
            prepare(&processor, stores_of(index)).map_err(fault)?;
            cpus.push(Mutex::new(processor));
        }
        Ok(VmBar {
            cpus,
            next: AtomicUsize::new(0),
            base: AtomicU64::new(BAR),
            slots,
            bar,
            vm: self,
        })
    }
}

/// BAR 0 of a VM's device: the queues' registers are written by the VM's
/// processors, everything else as by the VMM.
pub struct VmBar {
    // Dropped first: the processors, then the VM with its mappings.
    cpus: Vec<Mutex<VcpuFd>>,
    vm: Vm,
    /// Which processor is to store next.
    next: AtomicUsize,
    /// Where the guest has it.
    base: AtomicU64,
    /// Memory slots with a part of it, and which part.
    slots: Vec<(usize, u64)>,
    bar: Bar,
}

impl VmBar {
    /// The processor that the driver leaves to others, if there is more than one.
    pub fn spare(&self) -> Option<usize> {
        self.cpus.len().checked_sub(1).filter(|&last| last > 0)
    }

    /// The driver's stores, by each processor in turn.
    fn store(&self, stores: &[Store]) -> Result<()> {
        let drivers = self.spare().unwrap_or(1);
        let index = self.next.fetch_add(1, Ordering::Relaxed) % drivers;
        self.store_on(index, stores)
    }

    /// Has a processor write registers, one after the other, [`MOST_STORES`] at most.
    pub fn store_on(&self, processor: usize, stores: &[Store]) -> Result<()> {
        let cpu = self
            .cpus
            .get(processor)
            .ok_or_else(|| fault(format!("no processor {processor}")))?;
        let mut cpu = cpu.lock().unwrap_or_else(PoisonError::into_inner);
        let base = self.base.load(Ordering::Relaxed);
        let mut page = (stores.len() as u64).to_le_bytes().to_vec();
        for store in stores {
            let address = match store.width {
                PORT => store.offset.into(),
                _ => base + u64::from(store.offset),
            };
            page.extend(address.to_le_bytes().into_iter().take(4));
            page.extend(store.width.to_le_bytes());
            page.extend(store.value.to_le_bytes());
        }
        self.vm.stores.write(stores_of(processor), &page)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match cpu.run() {
                Ok(VcpuExit::IoOut(DONE, _)) => return Ok(()),
                // As any VMM does with what no memory slot took.
                Ok(VcpuExit::MmioWrite(address, bytes)) => {
                    let mut held = [0; 8];
                    let held = held
                        .get_mut(..bytes.len())
                        .ok_or_else(|| fault("a store of more than eight bytes"))?;
                    held.copy_from_slice(bytes);
                    self.emulate(address, held)?;
                }
                Ok(exit) => return Err(fault(format!("{exit:?}"))),
                Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => {}
                // The device does not decode its BAR now.
                Err(error) if error.errno() == libc::EFAULT && Instant::now() < end => {
                    sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(fault(error)),
            }
        }
    }

    /// Makes a sink, once, while the BAR is where it was at first.
    pub fn open_sink(&self, sink: Sink) -> Result<()> {
        self.vm.vm.swallow(&sink.address()).context("an ioeventfd")
    }

    /// A store that KVM hands to the VMM: to where the BAR is; elsewhere nobody takes it.
    fn emulate(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let offset = address.checked_sub(self.base.load(Ordering::Relaxed));
        match offset.filter(|&offset| offset < BAR_SIZE) {
            Some(offset) => self.bar.write_by_file(offset, bytes),
            None => Ok(()),
        }
    }

    fn move_slots(&self, base: Option<u64>) -> Result<()> {
        for &(slot, offset) in &self.slots {
            self.vm
                .vm
                .place(slot, base.map(|base| base + offset))
                .context("moving BAR 0 in the guest")?;
        }
        Ok(())
    }

    /// The guest has its BAR no longer, and then again, at the same address or at another.
    /// Processors may run.
    pub fn remap(&self, elsewhere: bool) -> Result<()> {
        let old = self.base.load(Ordering::Relaxed);
        let new = match (elsewhere, old) {
            (false, _) => old,
            (true, BAR) => OTHER_BAR,
            (true, _) => BAR,
        };
        self.move_slots(None)?;
        self.base.store(new, Ordering::Relaxed);
        self.move_slots(Some(new))
    }

    /// As when a guest switches the decoding of its BARs off, and on again after a pause.
    pub fn blink(&self, pause: Duration) -> Result<()> {
        self.move_slots(None)?;
        self.bar.device().set_decoding(false)?;
        sleep(pause);
        self.bar.device().set_decoding(true)?;
        self.move_slots(Some(self.base.load(Ordering::Relaxed)))
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
    /// All are the VMM's, who maps what the trap region lets it.
    Region(Obedient),
}

impl GuestBar {
    /// The VM, if there is one.
    pub fn vm(&self) -> Option<&VmBar> {
        match self {
            Self::Plain(_) | Self::Region(_) => None,
            Self::Vm(vm) => Some(vm),
        }
    }

    /// Has a processor store, or the VMM where there is none.
    pub fn stores(&self, processor: usize, stores: &[Store]) -> Result<()> {
        match self {
            Self::Vm(vm) => vm.store_on(processor, stores),
            Self::Plain(_) | Self::Region(_) => stores.iter().try_for_each(|store| {
                let bytes = store.value.to_le_bytes();
                let width = usize::try_from(store.width).unwrap_or(0).min(bytes.len());
                self.bar()
                    .write_by_file(store.offset.into(), bytes.get(..width).unwrap_or(&[]))
            }),
        }
    }

    fn bar(&self) -> &Bar {
        match self {
            Self::Plain(bar) => bar,
            Self::Vm(vm) => &vm.bar,
            Self::Region(obedient) => obedient.bar(),
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
            Self::Vm(vm) if QUEUES.contains(&offset) => vm.store(&[Store::word(offset, value)]),
            _ => self.bar().write(offset, value),
        }
    }
}

const _: () = assert!(SINK_OFFSET as u64 >= BAR_SIZE);
const _: () = assert!(reg::RDBAL >= QUEUES.start && reg::TDWBAH < QUEUES.end);

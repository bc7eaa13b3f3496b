// SPDX-License-Identifier: GPL-2.0

//! A BAR's registers, and the mappings that users have of them.
//!
//! vfio's memory_lock, held for read, keeps the device's memory enabled or disabled as it is
//! found; held for write, it keeps users from mapping pages and from reaching registers
//! through the device's file.

use super::{
    bindings::{
        self,
        vfio_pci_core_device, //
    },
    vfio_core::Core,
    vfio_device::{
        Device,
        Operations, //
    },
    vfio_requests::{
        position,
        split,
        Mapping, //
    },
};
use crate::logic::span::Span;
use kernel::bindings as kernel_bindings;

/// memory_lock, held for write.
pub(crate) struct MemoryWrite<'a>(&'a Core<'a>);

/// memory_lock, held for read.
pub(crate) struct MemoryRead<'a>(&'a Core<'a>);

impl Core<'_> {
    fn raw_core(&self) -> *mut vfio_pci_core_device {
        self.vdev().cast()
    }

    fn memory_lock(&self) -> *mut kernel_bindings::rw_semaphore {
        // SAFETY: The device is valid by its type; this only takes an address.
        unsafe { &raw mut (*self.raw_core()).memory_lock }
    }

    /// Takes memory_lock for write. Comes after mmap_lock; nothing that faults may be done
    /// while it is held. May sleep.
    pub(crate) fn write_memory(&self) -> MemoryWrite<'_> {
        // SAFETY: The lock is initialized for as long as the device is valid.
        unsafe { kernel_bindings::down_write(self.memory_lock()) };
        MemoryWrite(self)
    }

    /// Takes memory_lock for read. As above.
    fn read_memory(&self) -> MemoryRead<'_> {
        // SAFETY: As above.
        unsafe { kernel_bindings::down_read(self.memory_lock()) };
        MemoryRead(self)
    }

    /// Takes away what users have mapped of `span` of BAR `region`: they fault when they
    /// use it again. May sleep.
    pub(crate) fn unmap(&self, region: u32, span: Span) {
        let (Ok(start), Ok(len)) = (
            i64::try_from(position(region, span.offset)),
            i64::try_from(span.size),
        ) else {
            return;
        };
        // SAFETY: The device is open, so it has its inode, whose mapping is the file's.
        unsafe {
            let mapping = (*(*self.vdev()).inode).i_mapping;
            kernel_bindings::unmap_mapping_range(mapping, start, len, 1);
        }
    }
}

impl Core<'_> {
    /// Whether anybody has mapped a part of `span` of BAR `region`. May sleep.
    pub(crate) fn is_mapped(&self, region: u32, span: Span) -> bool {
        let start = position(region, span.offset);
        // SAFETY: The device is open, so it has its inode.
        unsafe { bindings::vfm_is_mapped(self.vdev(), start, span.size) }
    }
}

impl MemoryWrite<'_> {
    /// The register at `offset` of BAR `region`; `None` if the device does not decode it now.
    pub(crate) fn register(&self, region: u32, offset: u64) -> Option<u32> {
        let core = self.0.raw_core();
        // SAFETY: The device is valid, and memory_lock held.
        if !unsafe { bindings::__vfio_pci_memory_enabled(core) } {
            return None;
        }
        let index = usize::try_from(region).ok()?;
        // SAFETY: As above; the BARs of an open device are mapped, or hold an error.
        let bars = unsafe { (*core).barmap };
        let bar = bars.get(index).copied()?;
        // SAFETY: A comparison of the pointer's value alone.
        if bar.is_null() || unsafe { kernel_bindings::IS_ERR(bar) } {
            return None;
        }
        let place = bar.wrapping_byte_add(usize::try_from(offset).ok()?);
        let mut value = 0;
        // SAFETY: Within the BAR, as the caller's offsets come from a checked window; the
        // lock that the core would take is held.
        let ret = unsafe { bindings::vfio_pci_core_ioread32(core, false, &mut value, place) };
        (ret == 0).then_some(value)
    }
}

impl Drop for MemoryWrite<'_> {
    fn drop(&mut self) {
        // SAFETY: Taken by `write_memory`.
        unsafe { kernel_bindings::up_write(self.0.memory_lock()) };
    }
}

impl Drop for MemoryRead<'_> {
    fn drop(&mut self) {
        // SAFETY: Taken by `read_memory`.
        unsafe { kernel_bindings::up_read(self.0.memory_lock()) };
    }
}

/// Who needs a page of a BAR that is not mapped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Accessor {
    /// The VMM's own code.
    User,
    /// A copy from or to the VMM's memory in the kernel; KVM emulates stores that way.
    Copy,
    /// KVM, for its guest.
    Kvm,
    /// Somebody on behalf of another: an IOMMU mapping.
    Remote,
}

/// A fault in a mapping of a BAR.
pub(crate) struct Fault<'a> {
    vmf: *mut kernel_bindings::vm_fault,
    dev: &'a Core<'a>,
}

impl Fault<'_> {
    fn place(&self) -> &kernel_bindings::vm_fault__bindgen_ty_1 {
        // SAFETY: The fault is valid for the call of the handler.
        unsafe { &(*self.vmf).__bindgen_anon_1 }
    }

    /// Index of the region, and the first byte of the page in it.
    pub(crate) fn page(&self) -> (u32, u64) {
        // CAST: `unsigned long` has 64 bits, see `Mapping`.
        split((self.place().pgoff as u64) << kernel_bindings::PAGE_SHIFT)
    }

    /// The address in the VMM, of the page.
    pub(crate) fn address(&self) -> usize {
        self.place().address & kernel::page::PAGE_MASK
    }

    /// Whether the fault has a flag of `enum fault_flag`.
    fn is(&self, flag: kernel_bindings::fault_flag) -> bool {
        // SAFETY: The fault is valid for the call of the handler.
        unsafe { (*self.vmf).flags & flag != 0 }
    }

    /// Who needs the page.
    pub(crate) fn accessor(&self) -> Accessor {
        if self.is(kernel_bindings::fault_flag_FAULT_FLAG_USER) {
            Accessor::User
        } else if self.is(kernel_bindings::fault_flag_FAULT_FLAG_REMOTE) {
            Accessor::Remote
        } else if self.is(kernel_bindings::fault_flag_FAULT_FLAG_INTERRUPTIBLE) {
            // What KVM asks for by fixup_user_fault() cannot be interrupted.
            Accessor::Copy
        } else {
            Accessor::Kvm
        }
    }

    /// Takes memory_lock for read, for the look at what is to be mapped and the mapping.
    pub(crate) fn lock(&self) -> MemoryRead<'_> {
        self.dev.read_memory()
    }

    /// Maps the page `pfn` where the fault was.
    pub(crate) fn map(&self, _memory: &MemoryRead<'_>, pfn: usize) -> Mapped {
        // SAFETY: The fault is valid, and memory_lock held.
        Mapped(unsafe { bindings::vfio_pci_vmf_insert_pfn(self.dev.raw_core(), self.vmf, pfn, 0) })
    }

    /// Maps the BAR's own page.
    pub(crate) fn map_bar(&self, memory: &MemoryRead<'_>) -> Mapped {
        let (region, offset) = self.page();
        // SAFETY: `pdev` is valid; a mapping is of a BAR.
        let start = unsafe { bindings::vfm_resource_start(self.dev.pdev(), region) };
        let page = (start + offset) >> kernel_bindings::PAGE_SHIFT;
        match usize::try_from(page) {
            Ok(pfn) => self.map(memory, pfn),
            Err(_) => Self::REFUSED,
        }
    }

    /// The access fails: a signal for the VMM, `EFAULT` in the kernel.
    pub(crate) const REFUSED: Mapped = Mapped(kernel_bindings::vm_fault_reason_VM_FAULT_SIGBUS);

    /// The page is mapped.
    const MAPPED: Mapped = Mapped(kernel_bindings::vm_fault_reason_VM_FAULT_NOPAGE);

    /// Nothing can be mapped now. Whoever needs the page comes again, if it can; else the
    /// access fails.
    pub(crate) const LATER: Mapped = Mapped(kernel_bindings::vm_fault_reason_VM_FAULT_RETRY);

    /// How the kernel is to go on.
    ///
    /// KVM and those who map memory for a device fault a page in and then look what is there.
    /// Should it be gone again they give up, and the guest with it
    /// (`hva_to_pfn_remapped()` of `virt/kvm/kvm_main.c`), unless they were told to come
    /// again: then they begin with the look. So they are told, once.
    fn end(&self, mapped: Mapped) -> Mapped {
        let may_come_again = self.is(kernel_bindings::fault_flag_FAULT_FLAG_ALLOW_RETRY)
            && !self.is(kernel_bindings::fault_flag_FAULT_FLAG_RETRY_NOWAIT);
        let looks = matches!(self.accessor(), Accessor::Kvm | Accessor::Remote)
            && !self.is(kernel_bindings::fault_flag_FAULT_FLAG_TRIED);
        match mapped {
            Self::LATER if !may_come_again => Self::REFUSED,
            Self::MAPPED if may_come_again && looks => Self::LATER,
            other => other,
        }
    }
}

/// What came of a fault.
#[derive(Eq, PartialEq)]
pub(crate) struct Mapped(kernel_bindings::vm_fault_t);

impl<T: Operations> Device<T> {
    const VM_OPS: &'static kernel_bindings::vm_operations_struct =
        &kernel_bindings::vm_operations_struct {
            fault: Some(Self::fault),
            ..pin_init::zeroed()
        };

    /// # Safety
    ///
    /// The mm's contract: `vmf` is a fault in a mapping that `own_mapping` took over.
    unsafe extern "C" fn fault(vmf: *mut kernel_bindings::vm_fault) -> kernel_bindings::vm_fault_t {
        // SAFETY: The fault is valid, with its vma.
        let vdev = unsafe { (*(*vmf).__bindgen_anon_1.vma).vm_private_data };
        let handle = |this: &T, dev: &Core<'_>| {
            let fault = Fault { vmf, dev };
            fault.end(this.fault(&fault))
        };
        // SAFETY: The core puts its device there, which is open while it is mapped.
        let mapped = unsafe { Self::with(vdev.cast(), handle) };
        if mapped == Fault::LATER {
            // SAFETY: The mm holds the lock on the mapping for the fault, and takes it anew
            // when it comes again, which is what it is told.
            unsafe { bindings::vfm_release_fault_lock(vmf) };
        }
        mapped.0
    }

    /// From now on faults in a mapping that the core has just made are `T`'s.
    pub(super) fn own_mapping(mapping: &Mapping<'_>) {
        // SAFETY: The vma is valid and locked for writing by its type, and not yet visible.
        unsafe { (*mapping.as_raw()).vm_ops = Self::VM_OPS };
    }
}

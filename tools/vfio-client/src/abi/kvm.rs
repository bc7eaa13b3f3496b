// SPDX-License-Identifier: GPL-2.0

//! A VM of KVM's, whose memory is memory and device mappings of ours.

use super::mapping::Mapping;
use crate::memory::Memory;
use kvm_bindings::{
    kvm_create_device, kvm_device_attr, kvm_device_type_KVM_DEV_TYPE_VFIO,
    kvm_userspace_memory_region, KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD,
};
use kvm_ioctls::{DeviceFd, IoEventAddress, Kvm, NoDatamatch, VcpuFd, VmFd};
use std::{any::Any, fs::File, io, os::fd::AsRawFd, sync::Arc};
use vmm_sys_util::eventfd::{EventFd, EFD_NONBLOCK};

/// A VM and its link to vfio.
pub(crate) struct Vm {
    vm: VmFd,
    vfio: DeviceFd,
    // Outlive the VM: fields are dropped in order.
    slots: Vec<Slot>,
}

/// What is behind addresses of the guest.
struct Slot {
    address: u64,
    size: u64,
    _backing: Arc<dyn Any + Send + Sync>,
}

fn os(error: kvm_ioctls::Error) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}

impl Vm {
    /// A VM without memory and processors.
    pub(crate) fn new() -> io::Result<Self> {
        let vm = Kvm::new().and_then(|kvm| kvm.create_vm()).map_err(os)?;
        let mut device = kvm_create_device {
            type_: kvm_device_type_KVM_DEV_TYPE_VFIO,
            ..Default::default()
        };
        let vfio = vm.create_device(&mut device).map_err(os)?;
        Ok(Self {
            vm,
            vfio,
            slots: Vec::new(),
        })
    }

    /// Tells a group, or a device that is not bound yet, of the VM.
    pub(crate) fn add_vfio_file(&self, file: &File) -> io::Result<()> {
        let fd = file.as_raw_fd();
        let attr = kvm_device_attr {
            group: KVM_DEV_VFIO_FILE,
            attr: KVM_DEV_VFIO_FILE_ADD.into(),
            // The kernel reads an int there, during the call.
            addr: std::ptr::from_ref(&fd) as u64,
            flags: 0,
        };
        self.vfio.set_device_attr(&attr).map_err(os)
    }

    fn add(
        &mut self,
        guest: u64,
        address: u64,
        size: u64,
        backing: Arc<dyn Any + Send + Sync>,
    ) -> io::Result<()> {
        let slot = self.slots.len();
        self.slots.push(Slot {
            address,
            size,
            _backing: backing,
        });
        self.place(slot, Some(guest))
    }

    /// Puts slot number `slot` at a guest's address, or takes it away from where it is.
    /// Processors may run.
    pub(crate) fn place(&self, slot: usize, guest: Option<u64>) -> io::Result<()> {
        let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
        let number = u32::try_from(slot).map_err(|_| invalid())?;
        let slot = self.slots.get(slot).ok_or_else(invalid)?;
        let region = kvm_userspace_memory_region {
            slot: number,
            guest_phys_addr: guest.unwrap_or(0),
            memory_size: guest.map_or(0, |_| slot.size),
            userspace_addr: slot.address,
            flags: 0,
        };
        // SAFETY: `address` and `size` are a mapping that the slot's backing keeps, and
        // `self` keeps that for as long as the VM. Nobody has references into it: all
        // access is volatile.
        unsafe { self.vm.set_user_memory_region(region) }.map_err(os)
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Memory, at the address that devices know it by.
    pub(crate) fn add_memory(&mut self, memory: Arc<Memory>) -> io::Result<()> {
        let (guest, address, size) = (memory.iova(), memory.address(), memory.size());
        self.add(guest, address, size, memory)
    }

    /// Registers of a device.
    pub(crate) fn add_device(&mut self, guest: u64, mapping: Arc<Mapping>) -> io::Result<()> {
        let (address, size) = (mapping.address(), mapping.size());
        self.add(guest, address, size, mapping)
    }

    /// Stores there come no further than KVM, which holds the eventfd that it signals.
    pub(crate) fn swallow(&self, address: &IoEventAddress) -> io::Result<()> {
        let event = EventFd::new(EFD_NONBLOCK)?;
        self.vm
            .register_ioevent(&event, address, NoDatamatch)
            .map_err(os)
    }

    /// A processor.
    pub(crate) fn processor(&self, id: u64) -> io::Result<VcpuFd> {
        self.vm.create_vcpu(id).map_err(os)
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The PCI driver of a vfio-pci variant: registration, probe and remove.
//!
//! The kernel crate's `pci::Adapter` keeps its own value in the device's driver
//! data, where vfio-pci-core wants its device, so the driver is registered here.

use super::{
    bindings::{
        self,
        vfio_pci_core_device, //
    },
    vfio_device::{
        Device,
        Operations, //
    },
};
use crate::logic::vf_ids;
use core::{
    marker::PhantomData,
    mem::size_of, //
};
use kernel::{
    bindings as kernel_bindings,
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    prelude::*,
    types::Opaque, //
};

/// The ids of the header without the terminating NUL.
const ID_LIST: &[u8] = match bindings::VFIO_MEDIATE_VF_IDS.split_last() {
    Some((_, list)) => list,
    None => &[],
};
const NR_IDS: usize = vf_ids::count(ID_LIST);

/// The id table: PCI_DRIVER_OVERRIDE_DEVICE_VFIO() of each id, then an empty
/// entry. Its symbol is where modpost finds what to make `vfio_pci:` aliases of.
#[export_name = concat!(
    "__mod_device_table__", line!(), "__kmod_vfio_pci_mediate__pci__VF_IDS"
)]
static VF_IDS: [kernel_bindings::pci_device_id; NR_IDS + 1] = {
    let Some(ids) = vf_ids::parse::<NR_IDS>(ID_LIST) else {
        panic!("include/linux/vfio_mediate_ids.h is malformed");
    };
    let mut table = [kernel_bindings::pci_device_id {
        vendor: 0,
        device: 0,
        subvendor: 0,
        subdevice: 0,
        class: 0,
        class_mask: 0,
        driver_data: 0,
        override_only: 0,
    }; NR_IDS + 1];
    let mut i = 0;
    while i < NR_IDS {
        // CAST: lossless; `u32::from` is not const.
        table[i].vendor = ids[i].vendor as u32;
        // CAST: as above.
        table[i].device = ids[i].device as u32;
        table[i].subvendor = bindings::VFM_PCI_ANY_ID;
        table[i].subdevice = bindings::VFM_PCI_ANY_ID;
        table[i].override_only = bindings::VFM_PCI_ID_F_VFIO_DRIVER_OVERRIDE;
        i += 1;
    }
    table
};

/// A registered variant driver whose devices do `T`. Unregistered on drop.
///
/// # Invariants
///
/// `driver` is registered with the PCI core.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: Operations> {
    #[pin]
    driver: Opaque<kernel_bindings::pci_driver>,
    _ops: PhantomData<T>,
}

// SAFETY: Nothing of a registration can be reached through a reference.
unsafe impl<T: Operations> Sync for Registration<T> {}
// SAFETY: A driver may be unregistered from any thread.
unsafe impl<T: Operations> Send for Registration<T> {}

impl<T: Operations> Registration<T> {
    /// Registers the driver `name` of `module`. May sleep; probes devices that
    /// are waiting for it.
    pub(crate) fn new(
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: `try_ffi_init` gives up on an error.
            driver <- Opaque::try_ffi_init(|driver: *mut kernel_bindings::pci_driver| {
                check_layout()?;
                // SAFETY: `driver` is valid for writes and pinned until the drop
                // below; `name` and `module` live as long as the module.
                unsafe {
                    driver.write(kernel_bindings::pci_driver {
                        name: name.as_char_ptr(),
                        id_table: VF_IDS.as_ptr(),
                        probe: Some(Self::probe),
                        remove: Some(Self::remove),
                        err_handler: Self::ERR_HANDLERS,
                        driver_managed_dma: true,
                        ..pin_init::zeroed()
                    });
                    to_result(kernel_bindings::__pci_register_driver(
                        driver,
                        module.as_ptr(),
                        name.as_char_ptr(),
                    ))
                }
            }),
            _ops: PhantomData,
        })
    }

    const ERR_HANDLERS: &'static kernel_bindings::pci_error_handlers =
        &kernel_bindings::pci_error_handlers {
            error_detected: Some(bindings::vfio_pci_core_aer_err_detected),
            reset_done: Some(Device::<T>::reset_done),
            ..pin_init::zeroed()
        };

    extern "C" fn probe(
        pdev: *mut kernel_bindings::pci_dev,
        _id: *const kernel_bindings::pci_device_id,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The PCI core hands in a valid device, locked for probe.
            let dev = unsafe { &raw mut (*pdev).dev };
            // SAFETY: `Device<T>` begins with the core's device.
            let vdev = from_err_ptr(unsafe {
                bindings::_vfio_alloc_device(size_of::<Device<T>>(), dev, Device::<T>::OPS)
            })?;
            let core: *mut vfio_pci_core_device = vdev.cast();
            // SAFETY: Where the core looks for its device.
            unsafe { (*dev).driver_data = core.cast() };
            // SAFETY: The core's part is initialized and not yet visible.
            unsafe { (*core).pci_ops = Device::<T>::PCI_OPS };
            // SAFETY: As above.
            to_result(unsafe { bindings::vfio_pci_core_register_device(core) }).inspect_err(
                |_| {
                    // SAFETY: Puts the reference of the allocation.
                    unsafe { kernel_bindings::put_device(&raw mut (*vdev).device) };
                },
            )?;
            Ok(0)
        })
    }

    extern "C" fn remove(pdev: *mut kernel_bindings::pci_dev) {
        // SAFETY: `probe` put the core's device there.
        let core: *mut vfio_pci_core_device = unsafe { (*pdev).dev.driver_data }.cast();
        // SAFETY: Registered by `probe`. Waits for the last user.
        unsafe { bindings::vfio_pci_core_unregister_device(core) };
        // SAFETY: Puts the reference of the allocation.
        unsafe { kernel_bindings::put_device(&raw mut (*core).vdev.device) };
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Registered by the type's invariant.
        unsafe { kernel_bindings::pci_unregister_driver(self.driver.get()) };
    }
}

/// bindgen lays structures out with clang, the kernel may be built with GCC.
fn check_layout() -> Result {
    // SAFETY: A constant of the shim.
    let built = unsafe { bindings::vfm_sizeof_core_device };
    if built != size_of::<vfio_pci_core_device>() {
        pr_err!(
            "struct vfio_pci_core_device is {built} bytes in C and {} in Rust: \
             rebuild the modules for this kernel\n",
            size_of::<vfio_pci_core_device>()
        );
        return Err(ENOEXEC);
    }
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0

//! The dynamic-trap region among a device's regions.
//!
//! C header: `include/uapi/linux/vfio_mediate.h`

use super::{
    bindings,
    vfio_core::Core, //
};
use crate::logic::trap_region::{
    MAX_WINDOWS,
    SIZE, //
};
use core::mem::{
    offset_of,
    size_of, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

// The header and the pure logic state the same numbers.
// CAST: small constants.
const _: () = assert!(SIZE == bindings::VFIO_MEDIATE_TRAP_SIZE as usize);
// CAST: as above.
const _: () = assert!(MAX_WINDOWS == bindings::VFIO_MEDIATE_TRAP_MAX_WINDOWS as usize);
const _: () = assert!(size_of::<bindings::vfio_mediate_trap_window>() == 24);
const _: () = assert!(offset_of!(bindings::vfio_mediate_trap, control) == 0x10);
const _: () = assert!(offset_of!(bindings::vfio_mediate_trap, ack) == 0x20);
const _: () = assert!(offset_of!(bindings::vfio_mediate_trap, retry) == 0x28);
const _: () = assert!(offset_of!(bindings::vfio_mediate_trap, fault_iova) == 0x30);
const _: () = assert!(offset_of!(bindings::vfio_mediate_trap, windows) == 0x40);

impl Core<'_> {
    /// Adds the region to a device that is being opened; answers its index. It goes with the
    /// close. Errors: `ENOMEM`.
    pub(crate) fn add_trap_region(&self) -> Result<u32> {
        let core = self.vdev().cast::<bindings::vfio_pci_core_device>();
        // SAFETY: The device is valid, and nobody else adds regions while it is being opened.
        let others = unsafe { (*core).num_regions };
        let flags = bindings::VFIO_REGION_INFO_FLAG_READ | bindings::VFIO_REGION_INFO_FLAG_WRITE;
        // SAFETY: The device is enabled and has no users yet; the operations are static.
        to_result(unsafe {
            bindings::vfio_pci_core_register_dev_region(
                core,
                bindings::VFIO_REGION_TYPE_MEDIATE,
                bindings::VFIO_REGION_SUBTYPE_MEDIATE_TRAP,
                &raw const bindings::vfm_trap_regops,
                SIZE,
                flags,
                core::ptr::null_mut(),
            )
        })?;
        Ok(bindings::VFM_NUM_REGIONS + u32::try_from(others)?)
    }
}

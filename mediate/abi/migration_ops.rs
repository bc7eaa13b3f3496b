// SPDX-License-Identifier: GPL-2.0

//! `struct vfio_migration_ops` over safe Rust. The structure itself is in the C
//! shim: its functions take an enum by value or by pointer, whose type a kernel
//! with CFI compares.

use super::{
    bindings::vfio_device,
    vfio_core::Core,
    vfio_device::{
        Device,
        Operations, //
    },
};
use crate::vfio::device::MediatedDevice;
use kernel::{
    bindings::file,
    error::from_result,
    prelude::*, //
};

/// Changes the state; sets `*data` to a new data file, or NULL.
///
/// # Safety
///
/// vfio's contract: `vdev` is an open device of this driver; `data` is valid for
/// writing.
#[no_mangle]
unsafe extern "C" fn vfm_rs_set_state(
    vdev: *mut vfio_device,
    state: u32,
    data: *mut *mut file,
) -> c_int {
    from_result(|| {
        // SAFETY: vfio calls this for devices of this driver alone.
        let opened = unsafe {
            Device::<MediatedDevice>::with(vdev, |this, dev| {
                dev.check_offered()?;
                this.set_migration_state(dev, state)
            })
        }?;
        let raw = opened.map_or(core::ptr::null_mut(), |file| file.into_raw());
        // SAFETY: `data` is the caller's.
        unsafe { data.write(raw) };
        Ok(0)
    })
}

/// Says the state.
///
/// # Safety
///
/// As for `vfm_rs_set_state`, but the device need not be open.
#[no_mangle]
unsafe extern "C" fn vfm_rs_get_state(vdev: *mut vfio_device, state: *mut u32) -> c_int {
    from_result(|| {
        let ask = |this: &MediatedDevice, dev: &Core<'_>| {
            dev.check_offered()?;
            this.migration_state()
        };
        // SAFETY: vfio calls this for devices of this driver alone.
        let found = unsafe { Device::with(vdev, ask) }?;
        // SAFETY: `state` is the caller's.
        unsafe { state.write(found) };
        Ok(0)
    })
}

/// Says how many bytes are left to be read, at most.
///
/// # Safety
///
/// As for `vfm_rs_set_state`.
#[no_mangle]
unsafe extern "C" fn vfm_rs_get_data_size(vdev: *mut vfio_device, size: *mut c_ulong) -> c_int {
    from_result(|| {
        let ask = |this: &MediatedDevice, dev: &Core<'_>| {
            dev.check_offered()?;
            this.migration_data_size()
        };
        // SAFETY: vfio calls this for devices of this driver alone.
        let found = unsafe { Device::with(vdev, ask) }?;
        let found = c_ulong::try_from(found)?;
        // SAFETY: `size` is the caller's.
        unsafe { size.write(found) };
        Ok(0)
    })
}

// SPDX-License-Identifier: GPL-2.0

//! The ioctls of vfio and iommufd, as safe functions.

use iommufd_bindings::{
    iommu_ioas_alloc, iommu_ioas_map, iommu_ioas_unmap, IOMMUFD_CMD_IOAS_ALLOC,
    IOMMUFD_CMD_IOAS_MAP, IOMMUFD_CMD_IOAS_UNMAP, IOMMUFD_TYPE,
};
use std::{
    ffi::CString,
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd},
};
use vfio_bindings::bindings::vfio::{
    vfio_device_attach_iommufd_pt, vfio_device_bind_iommufd, vfio_device_info, vfio_group_status,
    vfio_iommu_type1_dma_map, vfio_iommu_type1_dma_unmap, vfio_irq_info, vfio_precopy_info,
    VFIO_BASE, VFIO_TYPE,
};
use vmm_sys_util::{
    ioctl::{ioctl_with_mut_ref, ioctl_with_ptr, ioctl_with_ref, ioctl_with_val},
    ioctl_io_nr,
};

ioctl_io_nr!(VFIO_SET_IOMMU, VFIO_TYPE as u32, VFIO_BASE + 2);
ioctl_io_nr!(VFIO_GROUP_GET_STATUS, VFIO_TYPE as u32, VFIO_BASE + 3);
ioctl_io_nr!(VFIO_GROUP_SET_CONTAINER, VFIO_TYPE as u32, VFIO_BASE + 4);
ioctl_io_nr!(VFIO_GROUP_GET_DEVICE_FD, VFIO_TYPE as u32, VFIO_BASE + 6);
ioctl_io_nr!(VFIO_DEVICE_GET_INFO, VFIO_TYPE as u32, VFIO_BASE + 7);
ioctl_io_nr!(VFIO_DEVICE_GET_REGION_INFO, VFIO_TYPE as u32, VFIO_BASE + 8);
ioctl_io_nr!(VFIO_DEVICE_GET_IRQ_INFO, VFIO_TYPE as u32, VFIO_BASE + 9);
ioctl_io_nr!(VFIO_DEVICE_SET_IRQS, VFIO_TYPE as u32, VFIO_BASE + 10);
ioctl_io_nr!(VFIO_DEVICE_RESET, VFIO_TYPE as u32, VFIO_BASE + 11);
ioctl_io_nr!(VFIO_IOMMU_MAP_DMA, VFIO_TYPE as u32, VFIO_BASE + 13);
ioctl_io_nr!(VFIO_IOMMU_UNMAP_DMA, VFIO_TYPE as u32, VFIO_BASE + 14);
// The same number, on a container and on a device.
ioctl_io_nr!(VFIO_IOMMU_DIRTY_PAGES, VFIO_TYPE as u32, VFIO_BASE + 17);
ioctl_io_nr!(VFIO_DEVICE_FEATURE, VFIO_TYPE as u32, VFIO_BASE + 17);
ioctl_io_nr!(VFIO_DEVICE_BIND_IOMMUFD, VFIO_TYPE as u32, VFIO_BASE + 18);
ioctl_io_nr!(
    VFIO_DEVICE_ATTACH_IOMMUFD_PT,
    VFIO_TYPE as u32,
    VFIO_BASE + 19
);
ioctl_io_nr!(VFIO_MIG_GET_PRECOPY_INFO, VFIO_TYPE as u32, VFIO_BASE + 21);
ioctl_io_nr!(
    IOMMU_IOAS_ALLOC,
    IOMMUFD_TYPE as u32,
    IOMMUFD_CMD_IOAS_ALLOC
);
ioctl_io_nr!(IOMMU_IOAS_MAP, IOMMUFD_TYPE as u32, IOMMUFD_CMD_IOAS_MAP);
ioctl_io_nr!(
    IOMMU_IOAS_UNMAP,
    IOMMUFD_TYPE as u32,
    IOMMUFD_CMD_IOAS_UNMAP
);

/// An ioctl's argument whose first member is its own size in bytes.
///
/// # Safety
///
/// The type is plain data, at least four bytes large, and begins with a `u32`
/// that tells the kernel how many bytes it may read and write.
pub(crate) unsafe trait Argument: Sized {}

// SAFETY: each begins with `argsz` or `size` as its header documents it, and
// consists of integers (flexible arrays at their ends have no elements here).
unsafe impl Argument for vfio_group_status {}
// SAFETY: as above.
unsafe impl Argument for vfio_device_info {}
// SAFETY: as above.
unsafe impl Argument for vfio_irq_info {}
// SAFETY: as above.
unsafe impl Argument for vfio_iommu_type1_dma_map {}
// SAFETY: as above.
unsafe impl Argument for vfio_iommu_type1_dma_unmap {}
// SAFETY: as above.
unsafe impl Argument for vfio_device_bind_iommufd {}
// SAFETY: as above.
unsafe impl Argument for vfio_device_attach_iommufd_pt {}
// SAFETY: as above.
unsafe impl Argument for vfio_precopy_info {}
// SAFETY: as above.
unsafe impl Argument for iommu_ioas_alloc {}
// SAFETY: as above.
unsafe impl Argument for iommu_ioas_map {}
// SAFETY: as above.
unsafe impl Argument for iommu_ioas_unmap {}
// SAFETY: it is nothing but bytes, aligned for any of the kernel's structures.
unsafe impl<const N: usize> Argument for Buffer<N> {}

/// An argument of variable layout, as bytes.
#[repr(C, align(8))]
pub(crate) struct Buffer<const N: usize>(pub(crate) [u8; N]);

/// What a system call answered.
pub(super) fn check(status: i32) -> io::Result<i32> {
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(status)
}

/// An ioctl that takes a structure which tells its own size, and may change it.
pub(crate) fn exchange<T: Argument>(
    file: &File,
    request: u64,
    argument: &mut T,
) -> io::Result<i32> {
    // CAST: all of them are a few hundred bytes.
    let size = size_of::<T>() as u32;
    // SAFETY: `Argument` promises that the type begins with a `u32`.
    unsafe { std::ptr::from_mut(argument).cast::<u32>().write(size) };
    // SAFETY: the kernel touches no more than the `size` bytes just promised,
    // which `argument` has.
    check(unsafe { ioctl_with_mut_ref(file, request, argument) })
}

/// An ioctl that takes a number or nothing (0).
pub(crate) fn plain(file: &File, request: u64, value: u64) -> io::Result<i32> {
    // SAFETY: used for the requests below alone, which take no pointer.
    check(unsafe { ioctl_with_val(file, request, value) })
}

/// Puts a group into a container.
pub(crate) fn set_container(group: &File, container: &File) -> io::Result<i32> {
    let fd = container.as_raw_fd();
    // SAFETY: the kernel reads one int.
    check(unsafe { ioctl_with_ref(group, VFIO_GROUP_SET_CONTAINER(), &fd) })
}

/// Opens a device of a group.
pub(crate) fn device_of_group(group: &File, address: &str) -> io::Result<File> {
    let name = CString::new(address)?;
    // SAFETY: the kernel reads a string that ends with NUL.
    let fd = check(unsafe { ioctl_with_ptr(group, VFIO_GROUP_GET_DEVICE_FD(), name.as_ptr()) })?;
    // SAFETY: the kernel just made this descriptor, for us alone.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Takes over a descriptor that an ioctl wrote into its argument.
pub(crate) fn own(fd: i32) -> io::Result<File> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the caller got it from the kernel, which made it for this process,
    // and takes it once.
    Ok(unsafe { File::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_header() {
        assert_eq!(VFIO_SET_IOMMU(), 0x3b66);
        assert_eq!(VFIO_GROUP_GET_DEVICE_FD(), 0x3b6a);
        assert_eq!(VFIO_DEVICE_FEATURE(), 0x3b75);
        assert_eq!(VFIO_MIG_GET_PRECOPY_INFO(), 0x3b79);
        assert_eq!(IOMMU_IOAS_ALLOC(), 0x3b81);
    }

    #[test]
    fn errors_are_errnos() {
        let null = File::open("/dev/null").unwrap();
        let mut info = vfio_device_info::default();
        let error = exchange(&null, VFIO_DEVICE_GET_INFO(), &mut info).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
        assert_eq!(info.argsz as usize, size_of::<vfio_device_info>());
        assert!(own(-1).is_err());
    }
}

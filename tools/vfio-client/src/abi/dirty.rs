// SPDX-License-Identifier: GPL-2.0

//! Dirty bitmaps, from a type1 container and from a device that logs.
//!
//! These are the ioctls whose arguments hold addresses of ours.

use super::{
    ioctl::{self, exchange, Buffer},
    uapi::{
        VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
        VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_PROBE,
        VFIO_DEVICE_FEATURE_SET, VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
        VFIO_IOMMU_DIRTY_PAGES_FLAG_START, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP,
    },
};
use std::{fs::File, io};

/// An argument: its size's place, flags, then quad words.
fn argument<const N: usize>(flags: u32, quads: &[u64]) -> Buffer<N> {
    let mut buffer = Buffer([0; N]);
    buffer.0[4..8].copy_from_slice(&flags.to_ne_bytes());
    for (place, quad) in buffer.0[8..].chunks_exact_mut(8).zip(quads) {
        place.copy_from_slice(&quad.to_ne_bytes());
    }
    buffer
}

/// Fails unless `bitmap` has a bit for each page of `size` bytes.
fn check(bitmap: &[u64], size: u64, page: u64) -> io::Result<()> {
    // The kernel writes whole quad words.
    let needed = size.div_ceil(page).div_ceil(u64::BITS.into());
    if u64::try_from(bitmap.len()).is_ok_and(|length| length >= needed) {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(libc::EINVAL))
}

/// Has a container note which pages are pinned from now on.
pub(crate) fn scope_start(container: &File) -> io::Result<()> {
    let mut start = argument::<8>(VFIO_IOMMU_DIRTY_PAGES_FLAG_START, &[]);
    exchange(container, ioctl::VFIO_IOMMU_DIRTY_PAGES(), &mut start).map(drop)
}

/// Ends that.
pub(crate) fn scope_stop(container: &File) -> io::Result<()> {
    let mut stop = argument::<8>(VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP, &[]);
    exchange(container, ioctl::VFIO_IOMMU_DIRTY_PAGES(), &mut stop).map(drop)
}

/// Sets the bits of the pages of a whole mapping that the container noted, and
/// has it forget them.
pub(crate) fn scope_report(
    container: &File,
    iova: u64,
    size: u64,
    page: u64,
    bitmap: &mut [u64],
) -> io::Result<()> {
    check(bitmap, size, page)?;
    let bytes = size_of_val(bitmap) as u64;
    let quads = [iova, size, page, bytes, bitmap.as_mut_ptr() as u64];
    let mut get = argument::<48>(VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP, &quads);
    // The kernel writes a bit for each page of `size` to the last word's address:
    // `bitmap` has them, it is ours alone, and stays for the call.
    exchange(container, ioctl::VFIO_IOMMU_DIRTY_PAGES(), &mut get).map(drop)
}

/// Whether a device can log.
pub(crate) fn log_offered(device: &File) -> bool {
    let flags =
        VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
    let mut probe = argument::<8>(flags, &[]);
    exchange(device, ioctl::VFIO_DEVICE_FEATURE(), &mut probe).is_ok()
}

/// Has a device log what it writes to these ranges (first byte, bytes).
pub(crate) fn log_start(device: &File, page: u64, ranges: &[[u64; 2]]) -> io::Result<()> {
    let flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
    // The kernel reads as many pairs from the last word's address as the word
    // before (with a reserved half, 0) says: `ranges` has them for the call.
    let quads = [page, ranges.len() as u64, ranges.as_ptr() as u64];
    let mut start = argument::<32>(flags, &quads);
    exchange(device, ioctl::VFIO_DEVICE_FEATURE(), &mut start).map(drop)
}

/// Ends that.
pub(crate) fn log_stop(device: &File) -> io::Result<()> {
    let flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP;
    let mut stop = argument::<8>(flags, &[]);
    exchange(device, ioctl::VFIO_DEVICE_FEATURE(), &mut stop).map(drop)
}

/// Sets the bits of the pages of a range that the device wrote to, and has it
/// forget them.
pub(crate) fn log_report(
    device: &File,
    iova: u64,
    size: u64,
    page: u64,
    bitmap: &mut [u64],
) -> io::Result<()> {
    check(bitmap, size, page)?;
    let flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;
    let quads = [iova, size, page, bitmap.as_mut_ptr() as u64];
    let mut report = argument::<40>(flags, &quads);
    // The kernel writes a bit for each page of `size` to the last word's address:
    // `bitmap` has them, it is ours alone, and stays for the call.
    exchange(device, ioctl::VFIO_DEVICE_FEATURE(), &mut report).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_laid_out_as_in_the_header() {
        let Buffer(bytes) = argument::<24>(4, &[0x1000, 0x2000]);
        assert_eq!(bytes[4], 4);
        assert_eq!(bytes[8..10], [0, 0x10]);
        assert_eq!(bytes[16..18], [0, 0x20]);
    }

    #[test]
    fn a_bitmap_that_is_too_small_is_not_handed_over() {
        let null = File::open("/dev/null").unwrap();
        let mut bitmap = [0; 1];
        let errno = |result: io::Result<()>| result.unwrap_err().raw_os_error();
        for report in [scope_report, log_report] {
            let answer = report(&null, 0, 65 * 4096, 4096, &mut bitmap);
            assert_eq!(errno(answer), Some(libc::EINVAL));
            let answer = report(&null, 0, 64 * 4096, 4096, &mut bitmap);
            assert_eq!(errno(answer), Some(libc::ENOTTY));
        }
    }
}

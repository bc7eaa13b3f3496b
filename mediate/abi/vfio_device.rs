// SPDX-License-Identifier: GPL-2.0

//! A vfio-pci variant driver's device: `struct vfio_device_ops` over safe Rust.
//!
//! Whatever [`Operations`] does not answer itself is vfio-pci-core's answer.
//!
//! C header: [`include/linux/vfio_pci_core.h`](srctree/include/linux/vfio_pci_core.h)

use super::{
    bar::{
        Fault,
        Mapped, //
    },
    bindings::{
        self,
        vfio_device,
        vfio_pci_core_device, //
    },
    data_file::NewFile,
    log_ops::{
        LogRanges,
        UserBitmap, //
    },
    vfio_core::Core,
    vfio_requests::{
        FileIo,
        Mapping,
        RegionInfo, //
    },
};
use crate::logic::{
    span::Span,
    written::Extent, //
};
use core::mem::offset_of;
#[cfg(CONFIG_IOMMUFD)]
use kernel::sync::atomic::Atomic;
use kernel::{
    bindings as kernel_bindings,
    error::from_result,
    prelude::*,
    str::as_char_ptr_in_const_context,
    types::Opaque,
    uaccess::UserPtr, //
};

/// What a variant driver does with its devices. One value per bound device.
///
/// All calls are in process context and may sleep. `open` and `close` alternate,
/// serialized by the device set's lock; the others run only between them.
pub(crate) trait Operations: Sized + Send + Sync + 'static {
    /// Makes the state of a device that is being bound.
    fn new(dev: &Core<'_>) -> impl PinInit<Self, Error>;

    /// The first user has opened the device, which is enabled.
    fn open(&self, dev: &Core<'_>) -> Result;

    /// The last user has gone and the device is disabled.
    fn close(&self, dev: &Core<'_>);

    /// `VFIO_DEVICE_GET_REGION_INFO`, after the core has filled in its answer.
    fn region_info(&self, dev: &Core<'_>, info: &mut RegionInfo<'_>) -> Result;

    /// A read or write of the device's file; answers the bytes done.
    fn rw(&self, dev: &Core<'_>, io: &mut FileIo) -> Result<usize>;

    /// An mmap of the device's file.
    fn mmap(&self, dev: &Core<'_>, mapping: &Mapping<'_>) -> Result;

    /// Whether a part of `span` of BAR `region` must be reached by mappings and the device's
    /// file alone.
    fn mediates(&self, region: u32, span: Span) -> bool;

    /// A fault in a mapping that was made with `Core::mmap_own`. Called with mmap_lock, or
    /// that of the mapping, held.
    fn fault(&self, fault: &Fault<'_>) -> Mapped;

    /// A mapping for DMA is on its way out: when this returns none of its pages is pinned by
    /// this device, nor are they in the next moment. The device's users may be waiting.
    fn dma_unmapped(&self, iova: u64, size: u64);

    /// The bus has reset the device, which need not be open. The caller may hold
    /// locks that are taken under those of `migration_…`.
    fn reset_done(&self);

    /// `VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE`, set; answers a new data file, if
    /// one begins.
    fn set_migration_state(&self, dev: &Core<'_>, state: u32) -> Result<Option<NewFile>>;

    /// The same, get; also while the device is not open.
    fn migration_state(&self) -> Result<u32>;

    /// `VFIO_DEVICE_FEATURE_MIG_DATA_SIZE`.
    fn migration_data_size(&self) -> Result<u64>;

    /// `VFIO_DEVICE_FEATURE_DMA_LOGGING_START`; answers the size of the pages that are told
    /// apart.
    fn start_log(&self, dev: &Core<'_>, ranges: LogRanges<'_>, page_size: u64) -> Result<u64>;

    /// `VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP`.
    fn stop_log(&self);

    /// `VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT` of `asked`.
    fn report_log(&self, asked: Extent, bitmap: &mut UserBitmap<'_>) -> Result;

    /// The device was attached to an I/O address space, or to another one. Its memory can be
    /// read if `read` is called, and if that succeeds. The device set's lock is held.
    #[cfg(CONFIG_IOMMUFD)]
    fn attached(&self, dev: &Core<'_>, read: impl FnOnce() -> Result);

    /// The device is being detached from it. The device set's lock is held.
    #[cfg(CONFIG_IOMMUFD)]
    fn detached(&self);

    /// Somebody in the host wants the device back; the `count`-th time asked.
    fn request(&self, dev: &Core<'_>, count: u32);
}

/// The memory of a device: the core's part first, as `_vfio_alloc_device` wants.
///
/// # Invariants
///
/// `state` is initialized from `init` to `release`.
#[repr(C)]
pub(super) struct Device<T> {
    core: vfio_pci_core_device,
    /// Whether memory is read through iommufd. Allocated as zeroes: it is not.
    #[cfg(CONFIG_IOMMUFD)]
    reading: Atomic<bool>,
    state: Opaque<T>,
}

impl<T: Operations> Device<T> {
    /// The callbacks.
    pub(super) const OPS: &'static bindings::vfio_device_ops = &bindings::vfio_device_ops {
        name: as_char_ptr_in_const_context(c"vfio-pci-mediate").cast_mut(),
        init: Some(Self::init),
        release: Some(Self::release),
        open_device: Some(Self::open_device),
        close_device: Some(Self::close_device),
        ioctl: Some(Self::ioctl),
        get_region_info_caps: Some(Self::get_region_info_caps),
        device_feature: Some(bindings::vfio_pci_core_ioctl_feature),
        read: Some(Self::read),
        write: Some(Self::write),
        mmap: Some(Self::mmap),
        request: Some(Self::request),
        match_: Some(bindings::vfio_pci_core_match),
        match_token_uuid: Some(bindings::vfio_pci_core_match_token_uuid),
        #[cfg(CONFIG_IOMMUFD)]
        bind_iommufd: Some(bindings::vfio_iommufd_physical_bind),
        #[cfg(CONFIG_IOMMUFD)]
        unbind_iommufd: Some(Self::unbind_iommufd),
        #[cfg(CONFIG_IOMMUFD)]
        attach_ioas: Some(Self::attach_ioas),
        #[cfg(CONFIG_IOMMUFD)]
        detach_ioas: Some(Self::detach_ioas),
        #[cfg(CONFIG_IOMMUFD)]
        pasid_attach_ioas: Some(bindings::vfio_iommufd_physical_pasid_attach_ioas),
        #[cfg(CONFIG_IOMMUFD)]
        pasid_detach_ioas: Some(bindings::vfio_iommufd_physical_pasid_detach_ioas),
        #[cfg(not(CONFIG_IOMMUFD))]
        bind_iommufd: None,
        #[cfg(not(CONFIG_IOMMUFD))]
        unbind_iommufd: None,
        #[cfg(not(CONFIG_IOMMUFD))]
        attach_ioas: None,
        #[cfg(not(CONFIG_IOMMUFD))]
        detach_ioas: None,
        #[cfg(not(CONFIG_IOMMUFD))]
        pasid_attach_ioas: None,
        #[cfg(not(CONFIG_IOMMUFD))]
        pasid_detach_ioas: None,
        // Containers let nobody without it pin pages.
        dma_unmap: Some(Self::dma_unmap),
    };

    /// The core's device inside this one.
    ///
    /// # Safety
    ///
    /// `vdev` must be what `_vfio_alloc_device` gave for a `Device<T>`.
    unsafe fn parts<'a>(vdev: *mut vfio_device) -> (Core<'a>, *mut Self) {
        const { assert!(offset_of!(Self, core) == 0) };
        // SAFETY: By contract.
        (unsafe { Core::from_vdev(vdev) }, vdev.cast())
    }

    /// Whether memory is read through iommufd.
    ///
    /// # Safety
    ///
    /// As for `parts`.
    #[cfg(CONFIG_IOMMUFD)]
    pub(super) unsafe fn reading<'a>(vdev: *mut vfio_device) -> &'a Atomic<bool> {
        // SAFETY: By contract; all zeroes is a value.
        unsafe { &(*Self::parts(vdev).1).reading }
    }

    /// # Safety
    ///
    /// As for `parts`, between `init` and `release`.
    pub(super) unsafe fn with<R>(vdev: *mut vfio_device, f: impl FnOnce(&T, &Core<'_>) -> R) -> R {
        // SAFETY: By contract.
        let (core, this) = unsafe { Self::parts(vdev) };
        // SAFETY: `state` is initialized by the type's invariant.
        f(unsafe { &*(*this).state.get() }, &core)
    }

    /// # Safety
    ///
    /// `vdev` must be what `_vfio_alloc_device` gave for a `Device<T>`, not yet initialized.
    unsafe extern "C" fn init(vdev: *mut vfio_device) -> c_int {
        // SAFETY: A new device of the core's.
        let ret = unsafe { bindings::vfio_pci_core_init_dev(vdev) };
        if ret != 0 {
            return ret;
        }
        // SAFETY: vfio hands in what it allocated for this driver.
        let (core, this) = unsafe { Self::parts(vdev) };
        // SAFETY: The memory is allocated; this only takes an address.
        let state = unsafe { (*this).state.get() };
        // INVARIANT: `state` is initialized from here on.
        // SAFETY: `state` is valid for writes and stays in place until `release`.
        if let Err(errno) = unsafe { pin_init::raw_try_init(state, T::new(&core)) } {
            // SAFETY: After an error vfio frees the memory without `release`.
            unsafe { bindings::vfio_pci_core_release_dev(vdev) };
            return errno.to_errno();
        }
        // The core looks at both when the device is registered, and users at any
        // time after that: the pointer never changes, and open sets the flags.
        // SAFETY: The device is not registered yet.
        unsafe { (*vdev).mig_ops = &raw const bindings::vfm_migration_ops };
        core.offer_migration(true);
        0
    }

    /// # Safety
    ///
    /// As for `parts`, after `init`; nothing of the device is used again.
    unsafe extern "C" fn release(vdev: *mut vfio_device) {
        // SAFETY: vfio hands in what it allocated for this driver.
        let (_, this) = unsafe { Self::parts(vdev) };
        // SAFETY: `init` succeeded, and `release` is the last call of all.
        unsafe { core::ptr::drop_in_place((*this).state.get()) };
        // SAFETY: `vfio_pci_core_init_dev` succeeded.
        unsafe { bindings::vfio_pci_core_release_dev(vdev) };
    }

    /// # Safety
    ///
    /// As for `parts`; the device is registered and not open.
    unsafe extern "C" fn open_device(vdev: *mut vfio_device) -> c_int {
        let core_device: *mut vfio_pci_core_device = vdev.cast();
        // SAFETY: vfio opens registered devices of this driver only.
        let ret = unsafe { bindings::vfio_pci_core_enable(core_device) };
        if ret != 0 {
            return ret;
        }
        // The core finds out only here which BARs can be mapped, which a
        // provider is told: so it comes second, and failing means closing.
        // SAFETY: Enabled above.
        unsafe { bindings::vfio_pci_core_finish_enable(core_device) };
        // SAFETY: As above.
        if let Err(errno) = unsafe { Self::with(vdev, |this, core| this.open(core)) } {
            // SAFETY: Undoes both steps of enabling.
            unsafe { bindings::vfio_pci_core_close_device(vdev) };
            return errno.to_errno();
        }
        0
    }

    /// # Safety
    ///
    /// As for `parts`; the device is open.
    unsafe extern "C" fn close_device(vdev: *mut vfio_device) {
        // SAFETY: vfio closes what `open_device` opened.
        unsafe { bindings::vfio_pci_core_close_device(vdev) };
        // SAFETY: As above.
        unsafe { Self::with(vdev, |this, core| this.close(core)) };
    }

    /// The bus has reset the device of `pdev`.
    ///
    /// # Safety
    ///
    /// `pdev` must be bound to this driver and its device lock held.
    pub(super) unsafe extern "C" fn reset_done(pdev: *mut kernel_bindings::pci_dev) {
        // SAFETY: `probe` put the core's device there.
        let vdev: *mut vfio_device = unsafe { (*pdev).dev.driver_data }.cast();
        // SAFETY: The device is there while its PCI device is bound.
        unsafe { Self::with(vdev, |this, _| this.reset_done()) };
    }

    /// # Safety
    ///
    /// As for `parts`; the device is open, `info` and `caps` are valid for the call.
    unsafe extern "C" fn get_region_info_caps(
        vdev: *mut vfio_device,
        info: *mut bindings::vfio_region_info,
        caps: *mut bindings::vfio_info_cap,
    ) -> c_int {
        // SAFETY: The device is open; `info` and `caps` are the caller's.
        let ret = unsafe { bindings::vfio_pci_ioctl_get_region_info(vdev, info, caps) };
        if ret != 0 {
            return ret;
        }
        // SAFETY: `info` is the caller's, for the call.
        let mut info = RegionInfo::new(unsafe { &mut *info }, caps);
        from_result(|| {
            // SAFETY: The device is open.
            unsafe { Self::with(vdev, |this, core| this.region_info(core, &mut info)) }.map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// `vdev` must be open and `pos` valid for the call.
    unsafe fn rw(
        vdev: *mut vfio_device,
        user: UserPtr,
        count: usize,
        pos: *mut i64,
        is_write: bool,
    ) -> isize {
        if count == 0 {
            return 0;
        }
        // SAFETY: By contract.
        let pos = unsafe { &mut *pos };
        let mut io = FileIo::new(user, count, *pos, is_write);
        // SAFETY: By contract.
        match unsafe { Self::with(vdev, |this, core| this.rw(core, &mut io)) } {
            Ok(done) => {
                // At most `count`, which the file system keeps below 2^31.
                *pos += i64::try_from(done).unwrap_or(0);
                isize::try_from(done).unwrap_or(isize::MAX)
            }
            // CAST: sign-extends.
            Err(errno) => errno.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// As for `parts`; the device is open, `pos` is valid for the call.
    unsafe extern "C" fn read(
        vdev: *mut vfio_device,
        buf: *mut c_char,
        count: usize,
        pos: *mut i64,
    ) -> isize {
        let user = UserPtr::from_ptr(buf.cast());
        // SAFETY: The device is open; `pos` is the caller's.
        unsafe { Self::rw(vdev, user, count, pos, false) }
    }

    /// # Safety
    ///
    /// As for `parts`; the device is open, `pos` is valid for the call.
    unsafe extern "C" fn write(
        vdev: *mut vfio_device,
        buf: *const c_char,
        count: usize,
        pos: *mut i64,
    ) -> isize {
        let user = UserPtr::from_ptr(buf.cast_mut().cast());
        // SAFETY: The device is open; `pos` is the caller's.
        unsafe { Self::rw(vdev, user, count, pos, true) }
    }

    /// # Safety
    ///
    /// As for `parts`; the device is open.
    unsafe extern "C" fn dma_unmap(vdev: *mut vfio_device, iova: u64, size: u64) {
        // SAFETY: The device is open.
        unsafe { Self::with(vdev, |this, _| this.dma_unmapped(iova, size)) };
    }

    /// # Safety
    ///
    /// As for `parts`; the device is open, `vma` is valid and locked for writing.
    unsafe extern "C" fn mmap(
        vdev: *mut vfio_device,
        vma: *mut kernel_bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: Valid and locked for writing for the duration of the call.
        let mapping = Mapping::new(unsafe { &*vma });
        from_result(|| {
            // SAFETY: The device is open.
            unsafe { Self::with(vdev, |this, core| this.mmap(core, &mapping)) }.map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// As for `parts`; the device is registered.
    unsafe extern "C" fn request(vdev: *mut vfio_device, count: c_uint) {
        // SAFETY: The device is registered.
        unsafe { Self::with(vdev, |this, core| this.request(core, count)) };
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The two ways to give a device memory: a type1 container, and iommufd.

use crate::abi::uapi::{
    vfio_device_attach_iommufd_pt, vfio_device_bind_iommufd, vfio_group_status,
    vfio_iommu_type1_dma_map, VFIO_TYPE1v2_IOMMU, VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE,
    VFIO_GROUP_FLAGS_VIABLE,
};
use crate::{
    abi::{
        ioctl::{self, exchange, plain},
        kvm::Vm,
    },
    error::{Context, Result},
    memory::{Memory, Piece},
};
use iommufd_bindings::{
    iommu_ioas_alloc, iommu_ioas_map, iommufd_ioas_map_flags_IOMMU_IOAS_MAP_FIXED_IOVA as FIXED,
    iommufd_ioas_map_flags_IOMMU_IOAS_MAP_READABLE as READABLE,
    iommufd_ioas_map_flags_IOMMU_IOAS_MAP_WRITEABLE as WRITEABLE,
};
use std::{
    fs::{self, File},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// Which of the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Backend {
    /// A type1 (v2) container with the device's group.
    Container,
    /// iommufd with the device's own file.
    Iommufd,
}

/// What a device sees of memory; its files must outlive the device's.
pub enum IoSpace {
    /// A container, and the group in it.
    Container {
        /// `/dev/vfio/vfio`
        container: File,
        /// `/dev/vfio/N`
        _group: File,
    },
    /// An I/O address space of iommufd.
    Iommufd {
        /// `/dev/iommu`
        iommufd: File,
        /// The address space.
        ioas: u32,
    },
}

fn open(path: &Path) -> Result<File> {
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .context(path.display().to_string())
}

fn sysfs(address: &str) -> PathBuf {
    Path::new("/sys/bus/pci/devices").join(address)
}

/// Opens a device with an address space of its own.
///
/// The kernel is told of `vm` before the device is opened, as QEMU does.
pub(crate) fn open_device(
    address: &str,
    backend: Backend,
    vm: Option<&Vm>,
) -> Result<(IoSpace, File)> {
    match backend {
        Backend::Container => open_in_container(address, vm),
        Backend::Iommufd => open_with_iommufd(address, vm),
    }
}

fn introduce(vm: Option<&Vm>, file: &File) -> Result<()> {
    vm.map_or(Ok(()), |vm| vm.add_vfio_file(file))
        .context("KVM_DEV_VFIO_FILE_ADD")
}

fn open_in_container(address: &str, vm: Option<&Vm>) -> Result<(IoSpace, File)> {
    let link = sysfs(address).join("iommu_group");
    let target = fs::read_link(&link).context(link.display().to_string())?;
    let container = open(Path::new("/dev/vfio/vfio"))?;
    let number = target.file_name().unwrap_or_default();
    let group = open(&Path::new("/dev/vfio").join(number))?;
    let mut status = vfio_group_status::default();
    exchange(&group, ioctl::VFIO_GROUP_GET_STATUS(), &mut status).context("group status")?;
    if status.flags & VFIO_GROUP_FLAGS_VIABLE == 0 {
        return Err(crate::Error::Wrong(format!(
            "group of {address}: another device of it is not bound to vfio"
        )));
    }
    ioctl::set_container(&group, &container).context("putting the group into a container")?;
    plain(
        &container,
        ioctl::VFIO_SET_IOMMU(),
        VFIO_TYPE1v2_IOMMU.into(),
    )
    .context("type1 v2")?;
    introduce(vm, &group)?;
    let device = ioctl::device_of_group(&group, address).context(format!("opening {address}"))?;
    let space = IoSpace::Container {
        container,
        _group: group,
    };
    Ok((space, device))
}

fn open_with_iommufd(address: &str, vm: Option<&Vm>) -> Result<(IoSpace, File)> {
    let folder = sysfs(address).join("vfio-dev");
    let name = fs::read_dir(&folder)
        .and_then(|mut entries| {
            entries
                .next()
                .unwrap_or(Err(std::io::ErrorKind::NotFound.into()))
        })
        .context(format!(
            "{}: a kernel with VFIO_DEVICE_CDEV",
            folder.display()
        ))?
        .file_name();
    let device = open(&Path::new("/dev/vfio/devices").join(name))?;
    introduce(vm, &device)?;
    let iommufd = open(Path::new("/dev/iommu"))?;
    let mut bind = vfio_device_bind_iommufd {
        iommufd: iommufd.as_raw_fd(),
        ..Default::default()
    };
    exchange(&device, ioctl::VFIO_DEVICE_BIND_IOMMUFD(), &mut bind).context("BIND_IOMMUFD")?;
    let mut alloc = iommu_ioas_alloc::default();
    exchange(&iommufd, ioctl::IOMMU_IOAS_ALLOC(), &mut alloc).context("IOAS_ALLOC")?;
    let mut attach = vfio_device_attach_iommufd_pt {
        pt_id: alloc.out_ioas_id,
        ..Default::default()
    };
    exchange(&device, ioctl::VFIO_DEVICE_ATTACH_IOMMUFD_PT(), &mut attach).context("ATTACH_PT")?;
    let space = IoSpace::Iommufd {
        iommufd,
        ioas: alloc.out_ioas_id,
    };
    Ok((space, device))
}

impl IoSpace {
    /// Lets the device read and write `memory` at the addresses it stands for.
    ///
    /// The kernel pins the pages, so they exist for as long as the device may
    /// use them, whatever becomes of `memory`.
    pub fn map(&self, memory: &Memory) -> Result<()> {
        let piece = Piece {
            iova: memory.iova(),
            size: memory.size(),
        };
        self.map_piece(memory.address(), piece)
    }

    /// The same of a piece that is at `address` of ours.
    pub(crate) fn map_piece(&self, address: u64, piece: Piece) -> Result<()> {
        match self {
            Self::Container { container, .. } => {
                let mut map = vfio_iommu_type1_dma_map {
                    flags: VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                    vaddr: address,
                    iova: piece.iova,
                    size: piece.size,
                    ..Default::default()
                };
                exchange(container, ioctl::VFIO_IOMMU_MAP_DMA(), &mut map)
            }
            Self::Iommufd { iommufd, ioas } => {
                let mut map = iommu_ioas_map {
                    flags: FIXED | READABLE | WRITEABLE,
                    ioas_id: *ioas,
                    user_va: address,
                    length: piece.size,
                    iova: piece.iova,
                    ..Default::default()
                };
                exchange(iommufd, ioctl::IOMMU_IOAS_MAP(), &mut map)
            }
        }
        .context(format!(
            "mapping {:#x} bytes at {:#x} for DMA",
            piece.size, piece.iova
        ))?;
        Ok(())
    }
}

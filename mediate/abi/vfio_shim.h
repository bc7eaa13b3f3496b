/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions of kernel headers and trace events, for Rust. */
#ifndef VFIO_SHIM_H
#define VFIO_SHIM_H

#include <linux/types.h>

struct device;
struct iommufd_access_ops;
struct iova_bitmap;
struct pci_dev;
struct vfio_device;
struct vfio_migration_ops;
struct vfio_pci_regops;
struct vm_fault;

resource_size_t vfm_resource_len(const struct pci_dev *pdev, int bar);
resource_size_t vfm_resource_start(const struct pci_dev *pdev, u32 bar);

/* What GCC, which built the kernel, makes of a structure that bindgen lays out. */
extern const size_t vfm_sizeof_core_device;

extern const struct vfio_migration_ops vfm_migration_ops;
extern const struct vfio_pci_regops vfm_trap_regops;

/* Whether anybody has mapped a part of the device's file. */
bool vfm_is_mapped(const struct vfio_device *vdev, u64 start, u64 len);

void vfm_release_fault_lock(struct vm_fault *vmf);

/* Whether a device can keep a log itself: the kernel fills in a user's bitmap. */
extern const bool vfm_has_iova_bitmap;
void vfm_mark_user_bitmap(struct iova_bitmap *bitmap, unsigned long iova, size_t length);

/* Of those who read and write memory through iommufd and pin none of it. */
extern const struct iommufd_access_ops vfm_access_ops;

u64 vfm_total_memory(void);

void vfm_trace_state(const struct device *dev, u32 from, u32 to, int ret);
void vfm_trace_trap(const struct device *dev, u32 region, u64 offset, u64 value,
		    u32 width, bool write);
void vfm_trace_dirty(const struct device *dev, u64 iova, u64 len);

#endif

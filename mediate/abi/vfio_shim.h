/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions of kernel headers and trace events, for Rust. */
#ifndef VFIO_SHIM_H
#define VFIO_SHIM_H

#include <linux/types.h>

struct device;
struct pci_dev;
struct vfio_migration_ops;

resource_size_t vfm_resource_len(const struct pci_dev *pdev, int bar);
resource_size_t vfm_resource_start(const struct pci_dev *pdev, u32 bar);

/* What GCC, which built the kernel, makes of a structure that bindgen lays out. */
extern const size_t vfm_sizeof_core_device;

extern const struct vfio_migration_ops vfm_migration_ops;

void vfm_trace_state(const struct device *dev, u32 from, u32 to, int ret);
void vfm_trace_trap(const struct device *dev, u32 region, u64 offset, u64 value,
		    u32 width, bool write);
void vfm_trace_dirty(const struct device *dev, u64 iova, u64 len);

#endif

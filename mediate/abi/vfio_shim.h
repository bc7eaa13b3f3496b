/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions of kernel headers, for Rust. */
#ifndef VFIO_SHIM_H
#define VFIO_SHIM_H

#include <linux/types.h>

struct pci_dev;

resource_size_t vfm_resource_len(const struct pci_dev *pdev, int bar);

/* What GCC, which built the kernel, makes of a structure that bindgen lays out. */
extern const size_t vfm_sizeof_core_device;

#endif

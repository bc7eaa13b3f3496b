// SPDX-License-Identifier: GPL-2.0
/* vfio_pci_mediate.ko: inline functions and module information. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

#include "vfio_shim.h"

MODULE_VERSION(VFM_VERSION);

const size_t vfm_sizeof_core_device = sizeof(struct vfio_pci_core_device);

resource_size_t vfm_resource_len(const struct pci_dev *pdev, int bar)
{
	return pci_resource_len(pdev, bar);
}

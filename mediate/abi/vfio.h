/* SPDX-License-Identifier: GPL-2.0 */
/* What vfio_pci_mediate.ko needs beyond the kernel crate's bindings. */
#include <linux/pci.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>
#include <linux/vfio_mediate.h>
#include <linux/vfio_mediate_ids.h>

#include "vfio_shim.h"

/* bindgen sees no casts and expressions in macros. */
static const __u32 VFM_PCI_ID_F_VFIO_DRIVER_OVERRIDE = PCI_ID_F_VFIO_DRIVER_OVERRIDE;
static const __u32 VFM_PCI_ANY_ID = (__u32)PCI_ANY_ID;

// SPDX-License-Identifier: GPL-2.0
/* mediate.ko: exports, inline functions and module information. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio_mediate.h>

#include "mediate_shim.h"

MODULE_VERSION(VFM_VERSION);

EXPORT_SYMBOL_GPL(vfio_mediate_register_provider);
EXPORT_SYMBOL_GPL(vfio_mediate_unregister_provider);
EXPORT_SYMBOL_GPL(vfio_mediate_attach_pf);
EXPORT_SYMBOL_GPL(vfio_mediate_detach_pf);
EXPORT_SYMBOL_GPL(vfio_mediate_get);
EXPORT_SYMBOL_GPL(vfio_mediate_put);

struct pci_dev *vfm_physfn(struct pci_dev *vf)
{
	return pci_physfn(vf);
}

/* SPDX-License-Identifier: GPL-2.0 */
/* What mediate.ko needs beyond the kernel crate's bindings. */
#include <linux/pci.h>
#include <linux/vfio_mediate.h>

#include "mediate_shim.h"

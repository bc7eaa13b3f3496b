/* SPDX-License-Identifier: GPL-2.0 */
/* What vfio_pci_mediate.ko needs beyond the kernel crate's bindings. */
#include <linux/fs.h>
#include <linux/anon_inodes.h>
#include <linux/eventfd.h>
#include <linux/interval_tree.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/iova_bitmap.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>
#include <linux/vfio_mediate.h>
#include <linux/vfio_mediate_ids.h>
#include <uapi/linux/vfio_mediate.h>

#include "kvm_shim.h"
#include "vfio_shim.h"

/* bindgen sees no casts and expressions in macros. */
static const __u32 VFM_PCI_ID_F_VFIO_DRIVER_OVERRIDE = PCI_ID_F_VFIO_DRIVER_OVERRIDE;
static const __u32 VFM_DOMAIN_PAGING = __IOMMU_DOMAIN_PAGING;
static const __u32 VFM_NUM_REGIONS = VFIO_PCI_NUM_REGIONS;
static const __u32 VFM_PCI_ANY_ID = (__u32)PCI_ANY_ID;
static const __u32 VFM_DEVICE_IOEVENTFD = VFIO_DEVICE_IOEVENTFD;
static const __u32 VFM_MIG_GET_PRECOPY_INFO = VFIO_MIG_GET_PRECOPY_INFO;
static const __u32 VFM_POLL_DATA = (__force __u32)(EPOLLIN | EPOLLRDNORM);
static const __u32 VFM_POLL_HUNG_UP =
	(__force __u32)(EPOLLIN | EPOLLRDNORM | EPOLLRDHUP);

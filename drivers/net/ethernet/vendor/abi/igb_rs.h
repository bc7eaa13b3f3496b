/* SPDX-License-Identifier: GPL-2.0 */
/* What igb_rs.ko needs beyond the kernel crate's bindings. */
#include <linux/bpf.h>
#include <linux/dma-mapping.h>
#include <linux/filter.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>
#include <linux/vfio_mediate.h>
#include <net/page_pool/types.h>
#include <net/xdp.h>

#include "igb_rs_shim.h"

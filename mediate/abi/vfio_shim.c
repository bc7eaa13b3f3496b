// SPDX-License-Identifier: GPL-2.0
/*
 * vfio_pci_mediate.ko: inline functions, trampolines for functions that take an
 * enum, trace events and module information.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iommufd.h>
#include <linux/iova_bitmap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "vfio_calls.h"
#include "vfio_shim.h"

#define CREATE_TRACE_POINTS
#include "mediate_trace.h"

MODULE_VERSION(VFM_VERSION);
MODULE_IMPORT_NS("IOMMUFD");

const size_t vfm_sizeof_core_device = sizeof(struct vfio_pci_core_device);

resource_size_t vfm_resource_len(const struct pci_dev *pdev, int bar)
{
	return pci_resource_len(pdev, bar);
}

resource_size_t vfm_resource_start(const struct pci_dev *pdev, u32 bar)
{
	return pci_resource_start(pdev, bar);
}

static struct file *vfm_set_state(struct vfio_device *vdev,
				  enum vfio_device_mig_state state)
{
	struct file *data;
	int ret = vfm_rs_set_state(vdev, state, &data);

	return ret ? ERR_PTR(ret) : data;
}

static int vfm_get_state(struct vfio_device *vdev,
			 enum vfio_device_mig_state *state)
{
	u32 found;
	int ret = vfm_rs_get_state(vdev, &found);

	if (!ret)
		*state = found;
	return ret;
}

const struct vfio_migration_ops vfm_migration_ops = {
	.migration_set_state = vfm_set_state,
	.migration_get_state = vfm_get_state,
	.migration_get_data_size = vfm_rs_get_data_size,
};

const bool vfm_has_iova_bitmap = IS_ENABLED(CONFIG_IOMMUFD_DRIVER);

void vfm_mark_user_bitmap(struct iova_bitmap *bitmap, unsigned long iova, size_t length)
{
	iova_bitmap_set(bitmap, iova, length);
}

/* Called when memory has to go that somebody else has pinned. */
static void vfm_nothing_to_unmap(void *data, unsigned long iova, unsigned long length)
{
}

const struct iommufd_access_ops vfm_access_ops = {
	.unmap = vfm_nothing_to_unmap,
};

u64 vfm_total_memory(void)
{
	return (u64)totalram_pages() << PAGE_SHIFT;
}

/* Reads and writes of the region do not come this far: see MediatedDevice::rw. */
static ssize_t vfm_trap_rw(struct vfio_pci_core_device *vdev, char __user *buf,
			   size_t count, loff_t *ppos, bool iswrite)
{
	return -EINVAL;
}

static void vfm_trap_release(struct vfio_pci_core_device *vdev,
			     struct vfio_pci_region *region)
{
}

const struct vfio_pci_regops vfm_trap_regops = {
	.rw = vfm_trap_rw,
	.release = vfm_trap_release,
};

/*
 * The tree of mappings is ordered by their first pages, and each node knows the last
 * page of those below it. As vma_interval_tree_iter_first(), which is not exported.
 */
static bool vfm_any_mapping(struct rb_node *node, pgoff_t first, pgoff_t last)
{
	while (node) {
		struct vm_area_struct *vma = rb_entry(node, struct vm_area_struct, shared.rb);
		struct rb_node *left = node->rb_left;

		if (left && rb_entry(left, struct vm_area_struct,
				     shared.rb)->shared.rb_subtree_last >= first) {
			/* If there is one at all, it is found on this side. */
			node = left;
			continue;
		}
		if (vma_start_pgoff(vma) > last)
			return false;
		if (vma_last_pgoff(vma) >= first)
			return true;
		node = node->rb_right;
	}
	return false;
}

bool vfm_is_mapped(const struct vfio_device *vdev, u64 start, u64 len)
{
	struct address_space *mapping = vdev->inode->i_mapping;
	bool mapped;

	i_mmap_lock_read(mapping);
	mapped = vfm_any_mapping(mapping->i_mmap.rb_root.rb_node, start >> PAGE_SHIFT,
				 (start + len - 1) >> PAGE_SHIFT);
	i_mmap_unlock_read(mapping);
	return mapped;
}

void vfm_release_fault_lock(struct vm_fault *vmf)
{
	release_fault_lock(vmf);
}

void vfm_trace_state(const struct device *dev, u32 from, u32 to, int ret)
{
	trace_state(dev, from, to, ret);
}

void vfm_trace_trap(const struct device *dev, u32 region, u64 offset, u64 value,
		    u32 width, bool write)
{
	trace_trap(dev, region, offset, value, width, write);
}

void vfm_trace_dirty(const struct device *dev, u64 iova, u64 len)
{
	trace_dirty(dev, iova, len);
}

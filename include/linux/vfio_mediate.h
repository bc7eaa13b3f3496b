/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mediate ops: how a PF driver (the provider) takes part in what a VMM sees of
 * its VFs. A provider registers with mediate.ko and names the PFs it drives;
 * the vfio bus driver (the mediator, vfio_pci_mediate.ko) then asks it for each
 * VF of those PFs that is opened, and for no other.
 *
 * Documentation/provider-api.rst describes every call with its context.
 */
#ifndef _LINUX_VFIO_MEDIATE_H
#define _LINUX_VFIO_MEDIATE_H

#include <linux/types.h>

struct module;
struct pci_dev;
struct pci_device_id;
struct vm_area_struct;

/* Grows whenever a structure below changes; checked at registration. */
#define VFIO_MEDIATE_ABI_VERSION	1

/* A hook's answer: not mine, do what vfio-pci does. */
#define VFIO_MEDIATE_PASS		1

/* Longest list of mmap-able areas a provider may give for one region. */
#define VFIO_MEDIATE_MAX_AREAS		16

/* Longest provider name, in bytes, without the terminating NUL. */
#define VFIO_MEDIATE_MAX_NAME		31

/**
 * struct vfio_mediate_window - a range of a region that can be trapped
 * @region: VFIO_PCI_BAR0_REGION_INDEX to VFIO_PCI_BAR5_REGION_INDEX
 * @reserved: zero
 * @offset: first byte, a multiple of the page size
 * @size: bytes, a multiple of the page size, not zero
 */
struct vfio_mediate_window {
	__u32 region;
	__u32 reserved;
	__u64 offset;
	__u64 size;
};

/**
 * struct vfio_mediate_area - a part of a region that may be mapped
 * @offset: first byte, a multiple of the page size
 * @size: bytes, a multiple of the page size, not zero
 */
struct vfio_mediate_area {
	__u64 offset;
	__u64 size;
};

/**
 * struct vfio_mediate_region_info - what a VMM is told of a region
 * @region: the region's index, never changed
 * @flags: VFIO_REGION_INFO_FLAG_READ, _WRITE and _MMAP; may be taken away
 * @size: bytes; may be made smaller
 * @nr_areas: 0: all of the region may be mapped (if flags has _MMAP); else the
 *	number of @areas, and nothing outside them can be mapped
 * @reserved: zero
 * @areas: ascending and disjoint, within @size
 */
struct vfio_mediate_region_info {
	__u32 region;
	__u32 flags;
	__u64 size;
	__u32 nr_areas;
	__u32 reserved;
	struct vfio_mediate_area areas[VFIO_MEDIATE_MAX_AREAS];
};

/**
 * struct vfio_mediate_ops - a provider
 * @abi_version: VFIO_MEDIATE_ABI_VERSION
 * @nr_windows: entries in @windows
 * @owner: THIS_MODULE; cannot be unloaded while a VF is open
 * @name: for logs and debugfs, at most VFIO_MEDIATE_MAX_NAME bytes
 * @id_table: the VFs it knows, ended by an empty entry
 * @windows: ranges it wants trapped while a VF is logged; disjoint; may be NULL
 *	if @nr_windows is 0
 * @open: a VF is opened for the first time; sets *ctx, which every other hook
 *	gets. -ENODEV: not mine, vfio-pci's behaviour applies
 * @release: the last user of the VF has gone
 * @get_region_info: may narrow what vfio-pci reports of a region
 * @rw: one access of 1, 2, 4 or 8 bytes, naturally aligned, to a BAR through
 *	the device's file: @val holds the bytes to write or takes those read
 * @mmap: a BAR is about to be mapped: @vma's pages, from @offset of @region
 *
 * All hooks are called in process context and may sleep. Those that return int
 * answer 0 (done), VFIO_MEDIATE_PASS, or a negative errno for the VMM.
 */
struct vfio_mediate_ops {
	__u32 abi_version;
	__u32 nr_windows;
	struct module *owner;
	const char *name;
	const struct pci_device_id *id_table;
	const struct vfio_mediate_window *windows;

	int (*open)(struct pci_dev *vf, void **ctx);
	void (*release)(void *ctx);
	int (*get_region_info)(void *ctx, struct vfio_mediate_region_info *info);
	int (*rw)(void *ctx, __u32 region, __u64 offset, void *val, __u32 width,
		  bool write);
	int (*mmap)(void *ctx, struct vm_area_struct *vma, __u32 region,
		    __u64 offset);
};

/*
 * For providers. All may sleep. Register answers -EINVAL for a malformed ops
 * structure and -EEXIST for one registered already (or its name); unregister
 * and detach answer -EBUSY while a VF they serve is open. attach names a PF as
 * driven by this provider, from probe; detach ends that, after its VFs are gone.
 */
int vfio_mediate_register_provider(const struct vfio_mediate_ops *ops);
int vfio_mediate_unregister_provider(const struct vfio_mediate_ops *ops);
int vfio_mediate_attach_pf(const struct vfio_mediate_ops *ops,
			   struct pci_dev *pf);
int vfio_mediate_detach_pf(const struct vfio_mediate_ops *ops,
			   struct pci_dev *pf);

/**
 * struct vfio_mediate_binding - an open VF and its provider
 * @ops: the provider, held until vfio_mediate_put()
 * @ctx: what its open() gave
 * @pf: the VF's PF, for the registry's own use
 */
struct vfio_mediate_binding {
	const struct vfio_mediate_ops *ops;
	void *ctx;
	const struct pci_dev *pf;
};

/*
 * For mediators: find and open the provider of @vf. 0 fills @binding; -ENODEV:
 * there is none; any other errno is the provider's reason not to open.
 */
int vfio_mediate_get(struct pci_dev *vf, struct vfio_mediate_binding *binding);
void vfio_mediate_put(const struct vfio_mediate_binding *binding);

#endif /* _LINUX_VFIO_MEDIATE_H */

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
#define VFIO_MEDIATE_ABI_VERSION	4

/* A hook's answer: not mine, do what vfio-pci does. */
#define VFIO_MEDIATE_PASS		1

/* Longest list of mmap-able areas a provider may give for one region. */
#define VFIO_MEDIATE_MAX_AREAS		16

/* Longest provider name, in bytes, without the terminating NUL. */
#define VFIO_MEDIATE_MAX_NAME		31

/* What is written is known without trapping this window, if less exactly. */
#define VFIO_MEDIATE_WINDOW_OPTIONAL	(1U << 0)

/**
 * struct vfio_mediate_window - a range of a region that can be trapped
 * @region: VFIO_PCI_BAR0_REGION_INDEX to VFIO_PCI_BAR5_REGION_INDEX
 * @flags: VFIO_MEDIATE_WINDOW_…
 * @offset: first byte, a multiple of the page size
 * @size: bytes, a multiple of the page size, not zero
 */
struct vfio_mediate_window {
	__u32 region;
	__u32 flags;
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

/*
 * How the provider sees accesses to the parts of a BAR that are mediated. NONE:
 * it does not, and the VF must be exactly as under vfio-pci: hooks answer
 * VFIO_MEDIATE_PASS. FIXED: those parts, and the windows, are never mmap-able.
 * KVM: the windows are mmap-able, and trapped by KVM's write tracking while the
 * VF is logged. REGION: the windows are mmap-able, and the VMM does not map them while
 * the VF is logged or its memory is on its way: what it does then comes by rw.
 */
#define VFIO_MEDIATE_TRANSPORT_NONE	0
#define VFIO_MEDIATE_TRANSPORT_FIXED	1
#define VFIO_MEDIATE_TRANSPORT_KVM	2
#define VFIO_MEDIATE_TRANSPORT_REGION	3

/**
 * struct vfio_mediate_host - what a provider may ask of the mediator
 * @transport: VFIO_MEDIATE_TRANSPORT_…; may change once while the VF is open, from NONE
 *	to REGION, before anything of the VF is mapped: read it anew each time
 * @dma_read: copies @len bytes of the guest's memory at @iova, as the VF would
 *	see it, to @buf
 * @dma_write: copies @len bytes from @buf to the guest's memory at @iova
 * @mark_dirty: the VF has written to the @len bytes at @iova since it is logged.
 *	What is not mapped for DMA is left out, as the VF cannot have written to
 *	it. If it cannot be recorded the migration fails, and the VF goes on
 * @show: the register at @offset, a multiple of 4, of the provider's window
 *	@window reads as @value from now on, where a trapped guest reads without
 *	being seen
 * @refuse: states why the hook that is running fails, in one line without a
 *	newline that tells an operator what to do; for the log and debugfs
 * @missing: a hook answers -EFAULT for this memory of the guest's, whole pages, that is
 *	not mapped for DMA yet; for the VMM, see struct vfio_mediate_prefault_ops
 *
 * Valid from a VF's open to its release. All may sleep. All but refuse are for rw and
 * for hooks of struct vfio_mediate_migration_ops and struct vfio_mediate_log_ops only.
 * dma_read and dma_write answer 0, -EFAULT if a part of the range is not mapped for
 * DMA, or another negative errno.
 */
struct vfio_mediate_host {
	__u32 transport;
	__u32 reserved;
	int (*dma_read)(const struct vfio_mediate_host *host, __u64 iova, void *buf, size_t len);
	int (*dma_write)(const struct vfio_mediate_host *host, __u64 iova,
			 const void *buf, size_t len);
	void (*mark_dirty)(const struct vfio_mediate_host *host, __u64 iova, __u64 len);
	void (*show)(const struct vfio_mediate_host *host, __u32 window, __u32 offset, __u32 value);
	void (*refuse)(const struct vfio_mediate_host *host, const char *why);
	void (*missing)(const struct vfio_mediate_host *host, __u64 iova, __u64 len);
};

/*
 * How far a VF is quiesced. P2P: it starts no DMA any more, but takes doorbells.
 * STOP: its queues are drained and off, it raises no interrupt, and its state
 * does not change by itself.
 */
#define VFIO_MEDIATE_QUIESCE_P2P	1
#define VFIO_MEDIATE_QUIESCE_STOP	2

/*
 * Which state. PRECOPY: what a destination compares with itself to refuse a VF
 * that would not fit, saved at any level, mostly while the VF runs. FINAL:
 * everything, saved and loaded at QUIESCE_STOP.
 */
#define VFIO_MEDIATE_STATE_PRECOPY	1
#define VFIO_MEDIATE_STATE_FINAL	2

/* Largest state of either kind, in bytes. */
#define VFIO_MEDIATE_MAX_STATE		(1U << 20)

/**
 * struct vfio_mediate_migration_ops - a provider whose VFs can be moved
 * @state_size: most bytes that save() gives of a state, now or later; or
 *	-EOPNOTSUPP: this VF cannot be moved. Asked first thing after open
 * @save: writes a state to @buf, @len bytes large; answers the bytes used
 * @load: takes a state that save() gave, here or elsewhere, or that an attacker
 *	made up: it is checked as a whole before anything changes. PRECOPY
 *	changes nothing at all. FINAL is loaded into a VF at QUIESCE_STOP
 * @quiesce: goes to QUIESCE_P2P or QUIESCE_STOP, from any level
 * @resume: goes on with everything, from QUIESCE_P2P
 * @reset: the bus has reset the VF, and nothing is quiesced any more. Comes
 *	before any other of these hooks, and before rw, sees the VF again
 *
 * All are called one at a time, in process context, and may sleep. All but
 * reset run in a system call of the VMM's. After a failing quiesce or resume the
 * VF is of no use until it is reset. A VF may be released at any level.
 */
struct vfio_mediate_migration_ops {
	long (*state_size)(void *ctx, __u32 state);
	long (*save)(void *ctx, __u32 state, void *buf, size_t len);
	int (*load)(void *ctx, __u32 state, const void *buf, size_t len);
	int (*quiesce)(void *ctx, __u32 level);
	int (*resume)(void *ctx);
	void (*reset)(void *ctx);
};

/**
 * struct vfio_mediate_log_ops - a provider that knows which pages its VFs write
 * @start: from now on what the VF writes is told by mark_dirty(), at the latest
 *	by the next sync() that begins after the write. The windows are trapped
 *	already. Memory that is needed is taken here. Shows all registers
 *	of the windows that a guest may read
 * @sync: tells what the VF has written since the last sync(), and shows
 *	registers that the device changes by itself
 * @stop: the VF is no longer logged. trap_write() may be running, and comes
 *	until the windows are no longer trapped
 * @trap_write: the guest writes 1, 2, 4 or 8 bytes, naturally aligned, to
 *	window @window: does what is to be done before the device sees them,
 *	gives them to the device, and shows what changed
 *
 * All are called in process context and may sleep. start, sync and stop are called
 * one at a time; trap_write may run beside them, and beside itself. The first two
 * may fail: then the migration does, and the VF goes on.
 */
struct vfio_mediate_log_ops {
	int (*start)(void *ctx);
	int (*sync)(void *ctx);
	void (*stop)(void *ctx);
	void (*trap_write)(void *ctx, __u32 window, __u32 offset, const void *val, __u32 width);
};

/**
 * struct vfio_mediate_prefault_ops - a provider that holds back what a VF would do in
 *	memory that has not come after its guest yet
 * @start: from now on a write that has the device use memory that is not mapped for DMA
 *	does nothing and fails with -EFAULT, having called missing(). So does a quiesce() from
 *	QUIESCE_STOP to QUIESCE_P2P. What the guest posted elsewhere is held back, and given
 *	to the device by resume() or @retry, each queue when all of it is there. -EBUSY if the
 *	VF is not at QUIESCE_STOP
 * @retry: gives what is held back to the device. -EFAULT, having called missing(), if
 *	memory of it is not there yet
 * @stop: as @retry; then nothing is held back any more. After an error everything is as
 *	before
 *
 * Called in process context, one at a time and never beside hooks of struct
 * vfio_mediate_migration_ops. May sleep. All writes to windows come by rw meanwhile.
 */
struct vfio_mediate_prefault_ops {
	int (*start)(void *ctx);
	int (*retry)(void *ctx);
	int (*stop)(void *ctx);
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
 * @migration: how its VFs are moved; NULL: they cannot be. With all its hooks
 * @log: how it is known what its VFs write; NULL: it is not, and all memory
 *	counts as written. Needs @migration and @windows. With all its hooks
 * @prefault: how a VF goes on before its guest's memory is there; NULL: it cannot. Needs
 *	@log. With all its hooks
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
	const struct vfio_mediate_migration_ops *migration;
	const struct vfio_mediate_log_ops *log;
	const struct vfio_mediate_prefault_ops *prefault;

	int (*open)(struct pci_dev *vf, const struct vfio_mediate_host *host, void **ctx);
	void (*release)(void *ctx);
	int (*get_region_info)(void *ctx, struct vfio_mediate_region_info *info);
	int (*rw)(void *ctx, __u32 region, __u64 offset, void *val, __u32 width, bool write);
	int (*mmap)(void *ctx, struct vm_area_struct *vma, __u32 region, __u64 offset);
};

/*
 * For providers. All may sleep. Register answers -EINVAL for a malformed ops
 * structure and -EEXIST for one registered already (or its name); unregister
 * and detach answer -EBUSY while a VF they serve is open. attach names a PF as
 * driven by this provider, from probe; detach ends that, after its VFs are gone.
 */
int vfio_mediate_register_provider(const struct vfio_mediate_ops *ops);
int vfio_mediate_unregister_provider(const struct vfio_mediate_ops *ops);
int vfio_mediate_attach_pf(const struct vfio_mediate_ops *ops, struct pci_dev *pf);
int vfio_mediate_detach_pf(const struct vfio_mediate_ops *ops, struct pci_dev *pf);

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
 * For mediators: find and open the provider of @vf, which is given @host. 0
 * fills @binding; -ENODEV: there is none; any other errno is the provider's
 * reason not to open. @host must not change or go away until vfio_mediate_put().
 */
int vfio_mediate_get(struct pci_dev *vf, const struct vfio_mediate_host *host,
		     struct vfio_mediate_binding *binding);
void vfio_mediate_put(const struct vfio_mediate_binding *binding);

#endif /* _LINUX_VFIO_MEDIATE_H */

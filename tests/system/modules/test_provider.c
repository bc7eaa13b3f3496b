// SPDX-License-Identifier: GPL-2.0
/*
 * A provider in C, built against include/ alone: a PF driver for whatever is
 * bound to it by driver_override, whose hooks do something visible on BAR0 of
 * its VFs. A VF's state is two registers of 64 bits. With `bad` it registers
 * malformed operations instead.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/vfio_mediate.h>

/* Pages of BAR0: the first may not be mapped at all, the last not by mmap(). */
#define HIDDEN_SIZE	0x1000
#define REFUSED_PAGE	0x3000
#define BAR_SIZE	0x4000

/* Registers of its own in the hidden page; one always fails. */
#define REG_SCRATCH	0x0100
#define REG_OPENS	0x0108
#define REG_FAILS	0x0110
#define REG_SECOND	0x0118

/* What it is to have written to memory: an address, and then how many bytes. */
#define REG_DIRTY_IOVA	0x0120
#define REG_DIRTY_LEN	0x0128
#define MAX_DIRTY	16

static char *bad = "";
module_param(bad, charp, 0444);
MODULE_PARM_DESC(bad, "register malformed operations: see test_registry.py");

static int open_errno;
module_param(open_errno, int, 0644);
MODULE_PARM_DESC(open_errno, "errno with which open fails");

static bool bad_region;
module_param(bad_region, bool, 0644);
MODULE_PARM_DESC(bad_region, "answer a region larger than the BAR");

static int opens, releases;
module_param(opens, int, 0444);
module_param(releases, int, 0444);

static char *fail = "";
module_param(fail, charp, 0644);
MODULE_PARM_DESC(fail, "migration hook that fails: see hook_fails()");

static int fail_errno = EIO;
module_param(fail_errno, int, 0644);
MODULE_PARM_DESC(fail_errno, "errno with which it fails");

static bool explain;
module_param(explain, bool, 0644);
MODULE_PARM_DESC(explain, "a failing hook says why");

static unsigned int compat = 1;
module_param(compat, uint, 0644);
MODULE_PARM_DESC(compat, "what must be the same at both ends");

static unsigned int padding;
module_param(padding, uint, 0644);
MODULE_PARM_DESC(padding, "bytes by which both states are longer");

static char *lie = "";
module_param(lie, charp, 0644);
MODULE_PARM_DESC(lie, "size: state_size is too large; used: save's answer is");

static unsigned long dma_iova;
module_param(dma_iova, ulong, 0644);
MODULE_PARM_DESC(dma_iova, "saving reads 8 bytes there, resuming writes the next 8");

static bool logs;
module_param(logs, bool, 0444);
MODULE_PARM_DESC(logs, "tell what VFs write: what was written to REG_DIRTY_...");

/* 0: running, else the level; and how often hooks ran. */
static int level, resets, loads;
module_param(level, int, 0444);
module_param(resets, int, 0444);
module_param(loads, int, 0444);

struct test_vf {
	const struct vfio_mediate_host *host;
	u64 scratch;
	u64 second;
	/* Not told yet. The tests write one at a time, and none while they are told. */
	struct {
		u64 iova, len;
	} dirty[MAX_DIRTY];
	unsigned int nr_dirty;
};

static int test_open(struct pci_dev *vf, const struct vfio_mediate_host *host,
		     void **ctx)
{
	struct test_vf *opened;

	if (open_errno)
		return -open_errno;
	opened = kzalloc_obj(*opened);
	if (!opened)
		return -ENOMEM;
	opened->host = host;
	opens++;
	level = 0;
	*ctx = opened;
	return 0;
}

static void test_release(void *ctx)
{
	releases++;
	kfree(ctx);
}

static int test_get_region_info(void *ctx, struct vfio_mediate_region_info *info)
{
	if (info->region != 0)
		return VFIO_MEDIATE_PASS;
	if (bad_region)
		info->size *= 2;
	info->nr_areas = 2;
	info->areas[0].offset = HIDDEN_SIZE;
	info->areas[0].size = REFUSED_PAGE - HIDDEN_SIZE;
	info->areas[1].offset = REFUSED_PAGE;
	info->areas[1].size = BAR_SIZE - REFUSED_PAGE;
	return 0;
}

static int test_rw(void *ctx, __u32 region, __u64 offset, void *val,
		   __u32 width, bool write)
{
	struct test_vf *vf = ctx;

	if (region != 0)
		return VFIO_MEDIATE_PASS;
	switch (offset) {
	case REG_SCRATCH:
		if (write)
			memcpy(&vf->scratch, val, width);
		else
			memcpy(val, &vf->scratch, width);
		return 0;
	case REG_SECOND:
		if (write)
			memcpy(&vf->second, val, width);
		else
			memcpy(val, &vf->second, width);
		return 0;
	case REG_DIRTY_IOVA:
	case REG_DIRTY_LEN:
		if (!write || width != sizeof(u64) || vf->nr_dirty == MAX_DIRTY)
			return -EINVAL;
		if (offset == REG_DIRTY_IOVA)
			memcpy(&vf->dirty[vf->nr_dirty].iova, val, width);
		else
			memcpy(&vf->dirty[vf->nr_dirty++].len, val, width);
		return 0;
	case REG_OPENS:
		if (write || width != sizeof(opens))
			return -EINVAL;
		memcpy(val, &opens, width);
		return 0;
	case REG_FAILS:
		return -EPERM;
	default:
		return VFIO_MEDIATE_PASS;
	}
}

static int test_mmap(void *ctx, struct vm_area_struct *vma, __u32 region,
		     __u64 offset)
{
	if (region == 0 && offset + (vma->vm_end - vma->vm_start) > REFUSED_PAGE)
		return -EACCES;
	return VFIO_MEDIATE_PASS;
}

/* PRECOPY: what is compared. FINAL: the registers. Both with padding behind. */
#define PRECOPY_SIZE	4
#define FINAL_SIZE	16

static int hook_fails(struct test_vf *vf, const char *hook)
{
	if (!sysfs_streq(fail, hook))
		return 0;
	if (explain)
		vf->host->refuse(vf->host, "the test wants it to fail: let it");
	return -fail_errno;
}

static long test_state_size(void *ctx, __u32 state)
{
	int ret = hook_fails(ctx, "state_size");

	if (ret)
		return ret;
	if (sysfs_streq(lie, "size"))
		return VFIO_MEDIATE_MAX_STATE + 1;
	return padding + (state == VFIO_MEDIATE_STATE_FINAL ? FINAL_SIZE : PRECOPY_SIZE);
}

static long test_save(void *ctx, __u32 state, void *buf, size_t len)
{
	bool final = state == VFIO_MEDIATE_STATE_FINAL;
	size_t size = final ? FINAL_SIZE : PRECOPY_SIZE;
	struct test_vf *vf = ctx;
	u32 compared = compat;
	int ret;

	ret = hook_fails(vf, final ? "save_final" : "save_precopy");
	if (ret)
		return ret;
	if (final && level != VFIO_MEDIATE_QUIESCE_STOP)
		return -EBUSY;
	if (sysfs_streq(lie, "used"))
		return len + 1;
	if (len < size + padding)
		return -ENOSPC;
	memset(buf, 0xa5, size + padding);
	if (!final) {
		memcpy(buf, &compared, sizeof(compared));
		return size + padding;
	}
	if (dma_iova) {
		ret = vf->host->dma_read(vf->host, dma_iova, &vf->scratch,
					 sizeof(vf->scratch));
		if (ret)
			return ret;
	}
	memcpy(buf, &vf->scratch, 8);
	memcpy(buf + 8, &vf->second, 8);
	return size + padding;
}

static int test_load(void *ctx, __u32 state, const void *buf, size_t len)
{
	bool final = state == VFIO_MEDIATE_STATE_FINAL;
	struct test_vf *vf = ctx;
	u32 compared = compat;
	int ret;

	ret = hook_fails(vf, final ? "load_final" : "load_precopy");
	if (ret)
		return ret;
	if (level != VFIO_MEDIATE_QUIESCE_STOP)
		return -EBUSY;
	if (len < (final ? FINAL_SIZE : PRECOPY_SIZE))
		return -EINVAL;
	if (!final) {
		if (memcmp(buf, &compared, sizeof(compared))) {
			vf->host->refuse(vf->host, "compat differs: set it alike");
			return -EINVAL;
		}
		return 0;
	}
	memcpy(&vf->scratch, buf, 8);
	memcpy(&vf->second, buf + 8, 8);
	loads++;
	return 0;
}

static int test_quiesce(void *ctx, __u32 to)
{
	int ret = hook_fails(ctx, to == VFIO_MEDIATE_QUIESCE_STOP ?
			     "quiesce_stop" : "quiesce_p2p");

	if (!ret)
		level = to;
	return ret;
}

static int test_resume(void *ctx)
{
	struct test_vf *vf = ctx;
	int ret = hook_fails(vf, "resume");

	if (ret)
		return ret;
	if (level != VFIO_MEDIATE_QUIESCE_P2P)
		return -EBUSY;
	if (dma_iova) {
		ret = vf->host->dma_write(vf->host, dma_iova + 8, &vf->scratch,
					  sizeof(vf->scratch));
		if (ret)
			return ret;
	}
	level = 0;
	return 0;
}

static void test_reset(void *ctx)
{
	level = 0;
	resets++;
}

static struct vfio_mediate_migration_ops migration_ops = {
	.state_size = test_state_size,
	.save = test_save,
	.load = test_load,
	.quiesce = test_quiesce,
	.resume = test_resume,
	.reset = test_reset,
};

static int test_log_start(void *ctx)
{
	struct test_vf *vf = ctx;

	vf->nr_dirty = 0;
	return hook_fails(vf, "log_start");
}

static int test_log_sync(void *ctx)
{
	struct test_vf *vf = ctx;
	int ret = hook_fails(vf, "log_sync");

	if (ret)
		return ret;
	for (unsigned int i = 0; i < vf->nr_dirty; i++)
		vf->host->mark_dirty(vf->host, vf->dirty[i].iova, vf->dirty[i].len);
	vf->nr_dirty = 0;
	return 0;
}

static void test_log_stop(void *ctx)
{
}

static void test_trap_write(void *ctx, __u32 window, __u32 offset, const void *val, __u32 width)
{
}

static struct vfio_mediate_log_ops log_ops = {
	.start = test_log_start,
	.sync = test_log_sync,
	.stop = test_log_stop,
	.trap_write = test_trap_write,
};

static const struct pci_device_id test_vf_ids[] = {
	{ PCI_DEVICE(PCI_ANY_ID, PCI_ANY_ID) },
	{}
};

static struct vfio_mediate_window windows[] = {
	{ .region = 0, .offset = 0x2000, .size = 0x1000 },
	{ .region = 0, .offset = 0x3000, .size = 0x1000 },
};

static struct vfio_mediate_ops ops = {
	.abi_version = VFIO_MEDIATE_ABI_VERSION,
	.nr_windows = ARRAY_SIZE(windows),
	.owner = THIS_MODULE,
	.name = "test_provider",
	.id_table = test_vf_ids,
	.windows = windows,
	.migration = &migration_ops,
	.open = test_open,
	.release = test_release,
	.get_region_info = test_get_region_info,
	.rw = test_rw,
	.mmap = test_mmap,
};

static int test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret = pci_enable_device_mem(pdev);

	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = vfio_mediate_attach_pf(&ops, pdev);
	if (ret)
		pci_disable_device(pdev);
	return ret;
}

static void test_remove(struct pci_dev *pdev)
{
	pci_disable_sriov(pdev);
	WARN_ON(vfio_mediate_detach_pf(&ops, pdev));
	pci_disable_device(pdev);
}

/* Bound by driver_override only. */
static const struct pci_device_id no_ids[] = { {} };

static struct pci_driver test_driver = {
	.name = "test_provider",
	.id_table = no_ids,
	.probe = test_probe,
	.remove = test_remove,
	.sriov_configure = pci_sriov_configure_simple,
};

/* One malformed structure, or -ENOENT for a name that is not known. */
static int register_bad(void)
{
	static struct vfio_mediate_ops twin;
	int ret;

	if (!strcmp(bad, "null"))
		return vfio_mediate_register_provider(NULL);
	if (!strcmp(bad, "twice") || !strcmp(bad, "name")) {
		ret = vfio_mediate_register_provider(&ops);
		if (ret)
			return ret;
		twin = ops;
		ret = vfio_mediate_register_provider(!strcmp(bad, "twice") ? &ops : &twin);
		WARN_ON(vfio_mediate_unregister_provider(&ops));
		return ret;
	}
	if (!strcmp(bad, "unregistered"))
		return vfio_mediate_unregister_provider(&ops);
	if (!strcmp(bad, "attach"))
		return vfio_mediate_attach_pf(&ops, NULL);
	if (!strcmp(bad, "abi_version"))
		ops.abi_version++;
	else if (!strcmp(bad, "owner"))
		ops.owner = NULL;
	else if (!strcmp(bad, "no_name"))
		ops.name = NULL;
	else if (!strcmp(bad, "empty_name"))
		ops.name = "";
	else if (!strcmp(bad, "long_name"))
		ops.name = "a name that is longer than what fits";
	else if (!strcmp(bad, "id_table"))
		ops.id_table = NULL;
	else if (!strcmp(bad, "windows"))
		ops.windows = NULL;
	else if (!strcmp(bad, "open"))
		ops.open = NULL;
	else if (!strcmp(bad, "release"))
		ops.release = NULL;
	else if (!strcmp(bad, "get_region_info"))
		ops.get_region_info = NULL;
	else if (!strcmp(bad, "rw"))
		ops.rw = NULL;
	else if (!strcmp(bad, "mmap"))
		ops.mmap = NULL;
	else if (!strcmp(bad, "state_size"))
		migration_ops.state_size = NULL;
	else if (!strcmp(bad, "save"))
		migration_ops.save = NULL;
	else if (!strcmp(bad, "load"))
		migration_ops.load = NULL;
	else if (!strcmp(bad, "quiesce"))
		migration_ops.quiesce = NULL;
	else if (!strcmp(bad, "resume"))
		migration_ops.resume = NULL;
	else if (!strcmp(bad, "reset"))
		migration_ops.reset = NULL;
	else if (!strcmp(bad, "window_offset"))
		windows[1].offset += 4;
	else if (!strcmp(bad, "window_size"))
		windows[1].size -= 4;
	else if (!strcmp(bad, "window_empty"))
		windows[1].size = 0;
	else if (!strcmp(bad, "window_overflow"))
		windows[1].offset = -0x1000ULL, windows[1].size = 0x2000;
	else if (!strcmp(bad, "window_overlap"))
		windows[1].offset = 0x2000;
	else if (!strcmp(bad, "window_region"))
		windows[1].region = 6;
	else
		return -ENOENT;
	return vfio_mediate_register_provider(&ops);
}

static int __init test_provider_init(void)
{
	int ret;

	if (logs)
		ops.log = &log_ops;
	if (*bad) {
		ret = register_bad();
		/* Nothing may stay registered behind a module that is gone. */
		if (!WARN_ON(!ret))
			return ret;
		vfio_mediate_unregister_provider(&ops);
		return -EALREADY;
	}
	ret = vfio_mediate_register_provider(&ops);
	if (ret)
		return ret;
	ret = pci_register_driver(&test_driver);
	if (ret)
		vfio_mediate_unregister_provider(&ops);
	return ret;
}
module_init(test_provider_init);

static void __exit test_provider_exit(void)
{
	pci_unregister_driver(&test_driver);
	WARN_ON(vfio_mediate_unregister_provider(&ops));
}
module_exit(test_provider_exit);

MODULE_DESCRIPTION("A provider in C for tests");
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0
/*
 * A provider in C for the VFs of QEMU's NVMe controller, built against include/
 * alone. The PF stays with the kernel's own nvme driver: this module finds the
 * PFs when it is loaded, and names them as its own.
 *
 * It moves a VF whose controller is disabled: the state is where its admin
 * queues are, 16 bytes. A VMM sees a version of NVMe that is this module's, and
 * may map the doorbells alone.
 */
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/vfio_mediate.h>
#include <uapi/linux/vfio.h>

#define QEMU_NVME_DEVICE	0x0010
#define BAR			VFIO_PCI_BAR0_REGION_INDEX

/* BAR0: registers, doorbells, MSI-X table, pending bits; a page each. */
#define BAR_SIZE		0x4000
#define DOORBELLS		0x1000
#define MSIX_TABLE		0x2000
#define MSIX_PENDING		0x3000

#define REG_CAP			0x00
#define REG_VS			0x08
#define REG_CC			0x14
#define REG_ASQ			0x28
#define REG_ACQ			0x30

#define CC_ENABLE		BIT(0)
/* Low bits of a queue's address that are always zero. */
#define QUEUE_RESERVED		GENMASK_ULL(11, 0)
/* NVMe 1.3.0, whatever the device has. */
#define SHOWN_VERSION		0x00010300

/* PRECOPY: CAP. FINAL: ASQ and ACQ. Little-endian. */
#define PRECOPY_SIZE		8
#define FINAL_SIZE		16

#define MAX_PFS			8

struct nvme_vf {
	const struct vfio_mediate_host *host;
	struct pci_dev *pdev;
	void __iomem *bar;
	/* VFIO_MEDIATE_QUIESCE_…, or 0: it runs. */
	u32 level;
};

static bool mediated(const struct nvme_vf *vf)
{
	return vf->host->transport != VFIO_MEDIATE_TRANSPORT_NONE;
}

static int provider_open(struct pci_dev *pdev,
			 const struct vfio_mediate_host *host, void **ctx)
{
	struct nvme_vf *vf;

	/* Another version of QEMU may arrange the BAR in another way. */
	if (pci_resource_len(pdev, BAR) != BAR_SIZE)
		return -ENODEV;
	vf = kzalloc_obj(*vf);
	if (!vf)
		return -ENOMEM;
	vf->host = host;
	vf->pdev = pdev;
	vf->bar = pci_iomap(pdev, BAR, DOORBELLS);
	if (!vf->bar) {
		kfree(vf);
		return -ENOMEM;
	}
	*ctx = vf;
	return 0;
}

static void provider_release(void *ctx)
{
	struct nvme_vf *vf = ctx;

	pci_iounmap(vf->pdev, vf->bar);
	kfree(vf);
}

static int provider_get_region_info(void *ctx,
				    struct vfio_mediate_region_info *info)
{
	if (!mediated(ctx) || info->region != BAR)
		return VFIO_MEDIATE_PASS;
	info->nr_areas = 1;
	info->areas[0].offset = DOORBELLS;
	info->areas[0].size = MSIX_PENDING - DOORBELLS;
	return 0;
}

/*
 * An access is naturally aligned, so one that touches VS lies within the 8 bytes
 * of VS and its neighbour INTMS. Writes pass: the device ignores those to VS.
 */
static int provider_rw(void *ctx, __u32 region, __u64 offset, void *val,
		       __u32 width, bool write)
{
	struct nvme_vf *vf = ctx;
	u8 both[8];

	if (!mediated(vf) || region != BAR || write)
		return VFIO_MEDIATE_PASS;
	if (offset + width <= REG_VS || offset >= REG_VS + sizeof(u32))
		return VFIO_MEDIATE_PASS;
	put_unaligned_le32(SHOWN_VERSION, both);
	put_unaligned_le32(readl(vf->bar + REG_VS + sizeof(u32)),
			   both + sizeof(u32));
	memcpy(val, both + (offset - REG_VS), width);
	return 0;
}

/* The MSI-X table is among what may be mapped, but not for this provider. */
static int provider_mmap(void *ctx, struct vm_area_struct *vma, __u32 region,
			 __u64 offset)
{
	if (!mediated(ctx) || region != BAR)
		return VFIO_MEDIATE_PASS;
	if (offset + (vma->vm_end - vma->vm_start) > MSIX_TABLE)
		return -EACCES;
	return VFIO_MEDIATE_PASS;
}

/* An enabled controller has queues that are not known here. */
static int check_disabled(struct nvme_vf *vf)
{
	if (!(readl(vf->bar + REG_CC) & CC_ENABLE))
		return 0;
	vf->host->refuse(vf->host,
			 "the controller is enabled: disable it before it is moved");
	return -EBUSY;
}

static size_t state_size(u32 state)
{
	return state == VFIO_MEDIATE_STATE_FINAL ? FINAL_SIZE : PRECOPY_SIZE;
}

static long provider_state_size(void *ctx, __u32 state)
{
	return state_size(state);
}

static long provider_save(void *ctx, __u32 state, void *buf, size_t len)
{
	struct nvme_vf *vf = ctx;
	int ret = check_disabled(vf);

	if (ret)
		return ret;
	if (len < state_size(state))
		return -ENOSPC;
	if (state == VFIO_MEDIATE_STATE_PRECOPY) {
		put_unaligned_le64(lo_hi_readq(vf->bar + REG_CAP), buf);
		return PRECOPY_SIZE;
	}
	put_unaligned_le64(lo_hi_readq(vf->bar + REG_ASQ), buf);
	put_unaligned_le64(lo_hi_readq(vf->bar + REG_ACQ), buf + sizeof(u64));
	return FINAL_SIZE;
}

static int provider_load(void *ctx, __u32 state, const void *buf, size_t len)
{
	struct nvme_vf *vf = ctx;
	u64 asq, acq;

	if (len != state_size(state)) {
		vf->host->refuse(vf->host,
				 "its state has a wrong length: use the same version at both ends");
		return -EINVAL;
	}
	if (state == VFIO_MEDIATE_STATE_PRECOPY) {
		if (get_unaligned_le64(buf) == lo_hi_readq(vf->bar + REG_CAP))
			return 0;
		vf->host->refuse(vf->host,
				 "the controllers' capabilities differ: use the same model at both ends");
		return -EINVAL;
	}
	asq = get_unaligned_le64(buf);
	acq = get_unaligned_le64(buf + sizeof(u64));
	if ((asq | acq) & QUEUE_RESERVED) {
		vf->host->refuse(vf->host,
				 "a queue is not page-aligned: the stream is damaged");
		return -EINVAL;
	}
	lo_hi_writeq(asq, vf->bar + REG_ASQ);
	lo_hi_writeq(acq, vf->bar + REG_ACQ);
	return 0;
}

/* A disabled controller starts no DMA and raises no interrupt. */
static int provider_quiesce(void *ctx, __u32 level)
{
	struct nvme_vf *vf = ctx;
	int ret = check_disabled(vf);

	if (!ret)
		vf->level = level;
	return ret;
}

static int provider_resume(void *ctx)
{
	struct nvme_vf *vf = ctx;

	if (vf->level != VFIO_MEDIATE_QUIESCE_P2P)
		return -EINVAL;
	vf->level = 0;
	return 0;
}

static void provider_reset(void *ctx)
{
	struct nvme_vf *vf = ctx;

	vf->level = 0;
}

static const struct vfio_mediate_migration_ops migration_ops = {
	.state_size = provider_state_size,
	.save = provider_save,
	.load = provider_load,
	.quiesce = provider_quiesce,
	.resume = provider_resume,
	.reset = provider_reset,
};

static const struct pci_device_id nvme_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT, QEMU_NVME_DEVICE) },
	{}
};

static const struct vfio_mediate_ops ops = {
	.abi_version = VFIO_MEDIATE_ABI_VERSION,
	.owner = THIS_MODULE,
	.name = "provider_c",
	.id_table = nvme_ids,
	.migration = &migration_ops,
	.open = provider_open,
	.release = provider_release,
	.get_region_info = provider_get_region_info,
	.rw = provider_rw,
	.mmap = provider_mmap,
};

/* The PFs that are attached, each with a reference: they are told apart by identity. */
static struct pci_dev *pfs[MAX_PFS];
static unsigned int nr_pfs;

/* No VF is open here: each would hold this module. */
static void detach_all(void)
{
	while (nr_pfs) {
		struct pci_dev *pf = pfs[--nr_pfs];

		WARN_ON(vfio_mediate_detach_pf(&ops, pf));
		pci_dev_put(pf);
	}
}

static int attach_all(void)
{
	struct pci_dev *pdev = NULL;
	int ret;

	for_each_pci_dev(pdev) {
		/* The VFs have the same id. */
		if (!pci_match_id(nvme_ids, pdev) || !pdev->is_physfn)
			continue;
		ret = nr_pfs < MAX_PFS ? vfio_mediate_attach_pf(&ops, pdev) : -ENOSPC;
		if (ret) {
			pci_dev_put(pdev);
			detach_all();
			return ret;
		}
		pfs[nr_pfs++] = pci_dev_get(pdev);
	}
	return 0;
}

static int __init provider_c_init(void)
{
	int ret = vfio_mediate_register_provider(&ops);

	if (ret)
		return ret;
	ret = attach_all();
	if (ret)
		vfio_mediate_unregister_provider(&ops);
	return ret;
}
module_init(provider_c_init);

static void __exit provider_c_exit(void)
{
	detach_all();
	WARN_ON(vfio_mediate_unregister_provider(&ops));
}
module_exit(provider_c_exit);

MODULE_DESCRIPTION("A provider in C for the VFs of QEMU's NVMe controller");
MODULE_LICENSE("GPL");

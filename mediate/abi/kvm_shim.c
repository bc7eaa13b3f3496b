// SPDX-License-Identifier: GPL-2.0
/*
 * vfio_pci_mediate.ko: KVM's external write tracking, for Rust. KVM is used by
 * symbol_get() alone, so that the module loads without it.
 */
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "kvm_shim.h"

#ifdef CONFIG_KVM_EXTERNAL_WRITE_TRACKING

struct vfm_tracker {
	struct kvm_page_track_notifier_node node;
	struct kvm *kvm;
	void *owner;
	typeof(&kvm_page_track_unregister_notifier) unregister;
	typeof(&kvm_write_track_add_gfn) add;
	typeof(&kvm_write_track_remove_gfn) remove;
};

static void on_write(gpa_t gpa, const u8 *new, int bytes,
		     struct kvm_page_track_notifier_node *node)
{
	struct vfm_tracker *tracker = container_of(node, struct vfm_tracker, node);

	vfm_rs_tracked_write(tracker->owner, gpa, new, bytes);
}

static void on_remove(gfn_t gfn, unsigned long nr_pages,
		      struct kvm_page_track_notifier_node *node)
{
	struct vfm_tracker *tracker = container_of(node, struct vfm_tracker, node);

	vfm_rs_slot_removed(tracker->owner, gfn, nr_pages);
}

bool vfm_kvm_can_track(const struct kvm *kvm)
{
	if (kvm->arch.vm_type != KVM_X86_DEFAULT_VM || kvm->arch.has_protected_state)
		return false;
	if (!symbol_get(kvm_page_track_register_notifier))
		return false;
	symbol_put(kvm_page_track_register_notifier);
	return true;
}

static void put_kvm_symbols(const struct vfm_tracker *tracker)
{
	if (tracker->unregister)
		symbol_put(kvm_page_track_unregister_notifier);
	if (tracker->add)
		symbol_put(kvm_write_track_add_gfn);
	if (tracker->remove)
		symbol_put(kvm_write_track_remove_gfn);
}

struct vfm_tracker *vfm_track(struct kvm *kvm, void *owner)
{
	typeof(&kvm_page_track_register_notifier) register_notifier;
	struct vfm_tracker *tracker = kzalloc_obj(*tracker);
	int ret = -EOPNOTSUPP;

	if (!tracker)
		return ERR_PTR(-ENOMEM);
	tracker->node.track_write = on_write;
	tracker->node.track_remove_region = on_remove;
	tracker->kvm = kvm;
	tracker->owner = owner;
	tracker->unregister = symbol_get(kvm_page_track_unregister_notifier);
	tracker->add = symbol_get(kvm_write_track_add_gfn);
	tracker->remove = symbol_get(kvm_write_track_remove_gfn);
	register_notifier = symbol_get(kvm_page_track_register_notifier);
	if (register_notifier) {
		/* The first registration walks the memory slots. */
		mutex_lock(&kvm->slots_lock);
		if (tracker->unregister && tracker->add && tracker->remove)
			ret = register_notifier(kvm, &tracker->node);
		mutex_unlock(&kvm->slots_lock);
		symbol_put(kvm_page_track_register_notifier);
	}
	if (!ret)
		return tracker;
	put_kvm_symbols(tracker);
	kfree(tracker);
	return ERR_PTR(ret);
}

void vfm_untrack(struct vfm_tracker *tracker)
{
	tracker->unregister(tracker->kvm, &tracker->node);
}

void vfm_free_tracker(struct vfm_tracker *tracker)
{
	put_kvm_symbols(tracker);
	kfree(tracker);
}

int vfm_track_page(struct vfm_tracker *tracker, u64 gfn)
{
	return tracker->add(tracker->kvm, gfn);
}

int vfm_untrack_page(struct vfm_tracker *tracker, u64 gfn)
{
	return tracker->remove(tracker->kvm, gfn);
}

u32 vfm_pages_at(struct vfm_tracker *tracker, unsigned long hva, u64 *gfns, u32 max)
{
	struct kvm_memory_slot *slot;
	u32 n = 0;
	int bkt, idx;

	idx = srcu_read_lock(&tracker->kvm->srcu);
	kvm_for_each_memslot(slot, bkt, kvm_memslots(tracker->kvm)) {
		if (slot->flags & KVM_MEMSLOT_INVALID ||
		    hva < slot->userspace_addr ||
		    hva - slot->userspace_addr >= slot->npages << PAGE_SHIFT)
			continue;
		if (n < max)
			gfns[n] = hva_to_gfn_memslot(hva, slot);
		n++;
	}
	srcu_read_unlock(&tracker->kvm->srcu, idx);
	return n;
}

void vfm_lock_slots(struct vfm_tracker *tracker)
{
	mutex_lock(&tracker->kvm->slots_lock);
}

void vfm_unlock_slots(struct vfm_tracker *tracker)
{
	mutex_unlock(&tracker->kvm->slots_lock);
}

u32 vfm_vcpu(struct vfm_tracker *tracker, u32 index, u64 *exits)
{
	struct kvm_vcpu *vcpu = kvm_get_vcpu(tracker->kvm, index);

	if (!vcpu)
		return VFM_VCPU_NONE;
	*exits = READ_ONCE(vcpu->stat.exits);
	if (!mutex_is_locked(&vcpu->mutex) || kvm_vcpu_is_blocking(vcpu) ||
	    READ_ONCE(vcpu->mode) == IN_GUEST_MODE)
		return VFM_VCPU_AWAY;
	return VFM_VCPU_EXITED;
}

#else

bool vfm_kvm_can_track(const struct kvm *kvm)
{
	return false;
}

struct vfm_tracker *vfm_track(struct kvm *kvm, void *owner)
{
	return ERR_PTR(-EOPNOTSUPP);
}

void vfm_untrack(struct vfm_tracker *tracker) { }

void vfm_free_tracker(struct vfm_tracker *tracker) { }

int vfm_track_page(struct vfm_tracker *tracker, u64 gfn)
{
	return -EOPNOTSUPP;
}

int vfm_untrack_page(struct vfm_tracker *tracker, u64 gfn)
{
	return -EOPNOTSUPP;
}

u32 vfm_pages_at(struct vfm_tracker *tracker, unsigned long hva, u64 *gfns, u32 max)
{
	return 0;
}

void vfm_lock_slots(struct vfm_tracker *tracker) { }

void vfm_unlock_slots(struct vfm_tracker *tracker) { }

u32 vfm_vcpu(struct vfm_tracker *tracker, u32 index, u64 *exits)
{
	return VFM_VCPU_NONE;
}

#endif

unsigned long vfm_page_pfn(struct page *page)
{
	return page_to_pfn(page);
}

void *vfm_page_address(struct page *page)
{
	return page_address(page);
}

/* SPDX-License-Identifier: GPL-2.0 */
/* KVM's external write tracking, and pages of memory, for Rust. */
#ifndef KVM_SHIM_H
#define KVM_SHIM_H

#include <linux/types.h>

struct kvm;
struct page;
struct vfm_tracker;

/* What a virtual CPU does: it is none, is certainly not in an emulated store, or may be. */
#define VFM_VCPU_NONE	0
#define VFM_VCPU_AWAY	1
#define VFM_VCPU_EXITED	2

/* In Rust; called in a virtual CPU's task, and under KVM's slots_lock. */
void vfm_rs_tracked_write(void *owner, u64 gpa, const u8 *bytes, int len);
void vfm_rs_slot_removed(void *owner, u64 gfn, unsigned long nr_pages);

bool vfm_kvm_can_track(const struct kvm *kvm);
struct vfm_tracker *vfm_track(struct kvm *kvm, void *owner);
void vfm_untrack(struct vfm_tracker *tracker);
void vfm_free_tracker(struct vfm_tracker *tracker);
int vfm_track_page(struct vfm_tracker *tracker, u64 gfn);
int vfm_untrack_page(struct vfm_tracker *tracker, u64 gfn);
u32 vfm_pages_at(struct vfm_tracker *tracker, unsigned long hva, u64 *gfns, u32 max);
void vfm_lock_slots(struct vfm_tracker *tracker);
void vfm_unlock_slots(struct vfm_tracker *tracker);
u32 vfm_vcpu(struct vfm_tracker *tracker, u32 index, u64 *exits);

unsigned long vfm_page_pfn(struct page *page);
void *vfm_page_address(struct page *page);

#endif

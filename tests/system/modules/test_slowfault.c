// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the moment long in which KVM has had a page of a BAR mapped by its owner and has
 * not yet looked what is there (hva_to_pfn_remapped() of virt/kvm/kvm_main.c): it ends the
 * guest's processor with EFAULT if the mapping is gone then, unless it was told to look
 * again from the start.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>

#include "count.h"

static uint delay_ms = 20;
module_param(delay_ms, uint, 0444);
MODULE_PARM_DESC(delay_ms, "so long; more than a tick, so that others get the processor then");

static atomic_t delayed = ATOMIC_INIT(0);

static int ends(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	mdelay(delay_ms);
	atomic_inc(&delayed);
	return 0;
}

static struct kretprobe fixup = {
	.kp.symbol_name = "fixup_user_fault",
	.handler = ends,
	/* One for each processor of a guest, and some. */
	.maxactive = 64,
};

module_param_cb(delayed, &count_ops, &delayed, 0444);
MODULE_PARM_DESC(delayed, "how many faults took so long");

static int __init test_slowfault_init(void)
{
	return register_kretprobe(&fixup);
}
module_init(test_slowfault_init);

static void __exit test_slowfault_exit(void)
{
	unregister_kretprobe(&fixup);
}
module_exit(test_slowfault_exit);

MODULE_DESCRIPTION("KVM's faults in BARs take long");
MODULE_LICENSE("GPL");

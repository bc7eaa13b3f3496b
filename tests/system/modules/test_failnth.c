// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the allocation `nth` of a probe fail, counted from where its device is
 * enabled: that evaluates ACPI methods, and ACPICA does not survive a lack of
 * memory there.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

static unsigned int nth;
module_param(nth, uint, 0600);
MODULE_PARM_DESC(nth, "for the next device that is enabled; 0 for none");

static int enabled(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (nth) {
		current->fail_nth = nth;
		nth = 0;
	}
	return 0;
}
NOKPROBE_SYMBOL(enabled);

static struct kretprobe probe = {
	.kp.symbol_name = "pci_enable_device_mem",
	.handler = enabled,
};

static int __init test_failnth_init(void)
{
	return register_kretprobe(&probe);
}
module_init(test_failnth_init);

static void __exit test_failnth_exit(void)
{
	unregister_kretprobe(&probe);
}
module_exit(test_failnth_exit);

MODULE_DESCRIPTION("Failing allocations, for tests");
MODULE_LICENSE("GPL");

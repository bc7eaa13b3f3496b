// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps failing allocations (Documentation/fault-injection) out of where ACPI
 * methods are evaluated, for ACPICA does not survive a lack of memory: in a
 * probe, until the device is enabled; when VFs are enabled, where the PCI core
 * adds them.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

static unsigned int nth;
module_param(nth, uint, 0600);
MODULE_PARM_DESC(nth, "fail-nth for who enables a device next; 0 for none");

static unsigned int left, later;
module_param(left, uint, 0600);
MODULE_PARM_DESC(left, "what was left of fail-nth when VFs were added last");
module_param(later, uint, 0600);
MODULE_PARM_DESC(later, "fail-nth for who adds VFs");

static int enabled(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (nth) {
		current->fail_nth = nth;
		nth = 0;
	}
	return 0;
}
NOKPROBE_SYMBOL(enabled);

static int adds_vfs(struct kprobe *probe, struct pt_regs *regs)
{
	left = current->fail_nth;
	current->fail_nth = later;
	return 0;
}
NOKPROBE_SYMBOL(adds_vfs);

static struct kprobe vfs_probe = {
	.symbol_name = "pci_enable_sriov",
	.pre_handler = adds_vfs,
};

static struct kretprobe device_probe = {
	.kp.symbol_name = "pci_enable_device_mem",
	.handler = enabled,
};

static int __init test_failnth_init(void)
{
	int ret = register_kretprobe(&device_probe);

	if (ret)
		return ret;
	ret = register_kprobe(&vfs_probe);
	if (ret)
		unregister_kretprobe(&device_probe);
	return ret;
}
module_init(test_failnth_init);

static void __exit test_failnth_exit(void)
{
	unregister_kprobe(&vfs_probe);
	unregister_kretprobe(&device_probe);
}
module_exit(test_failnth_exit);

MODULE_DESCRIPTION("Failing allocations, for tests");
MODULE_LICENSE("GPL");

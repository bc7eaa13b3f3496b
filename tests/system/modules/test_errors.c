// SPDX-License-Identifier: GPL-2.0
/*
 * Plays the PCI core for a function whose bus has an error: each word that is
 * written to `step` is one of its calls of the driver's error handlers, or what
 * it does between them. Reading `step` gives what the last one answered.
 */
#include <linux/module.h>
#include <linux/pci.h>

static char *pf = "";
module_param(pf, charp, 0444);
MODULE_PARM_DESC(pf, "the function, as 0000:01:00.0");

static struct pci_dev *pdev;
static unsigned int answer;

static int one_step(const char *step)
{
	const struct pci_error_handlers *handlers = pdev->driver ? pdev->driver->err_handler : NULL;

	if (!handlers)
		return -ENODEV;
	if (sysfs_streq(step, "normal"))
		answer = handlers->error_detected(pdev, pci_channel_io_normal);
	else if (sysfs_streq(step, "frozen"))
		answer = handlers->error_detected(pdev, pci_channel_io_frozen);
	else if (sysfs_streq(step, "permanent"))
		answer = handlers->error_detected(pdev, pci_channel_io_perm_failure);
	else if (sysfs_streq(step, "reset"))
		return __pci_reset_function_locked(pdev);
	else if (sysfs_streq(step, "slot_reset"))
		answer = handlers->slot_reset(pdev);
	else if (sysfs_streq(step, "resume"))
		handlers->resume(pdev);
	else
		return -EINVAL;
	return 0;
}

static int set_step(const char *step, const struct kernel_param *param)
{
	int ret;

	if (!pdev)
		return -ENODEV;
	device_lock(&pdev->dev);
	ret = one_step(step);
	device_unlock(&pdev->dev);
	return ret;
}

static int get_step(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%u\n", answer);
}

static const struct kernel_param_ops step_ops = {
	.set = set_step,
	.get = get_step,
};
module_param_cb(step, &step_ops, NULL, 0600);
MODULE_PARM_DESC(step, "normal, frozen, permanent, reset, slot_reset or resume");

static int __init test_errors_init(void)
{
	unsigned int domain, bus, slot, function;

	if (sscanf(pf, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	return pdev ? 0 : -ENODEV;
}
module_init(test_errors_init);

static void __exit test_errors_exit(void)
{
	pci_dev_put(pdev);
}
module_exit(test_errors_exit);

MODULE_DESCRIPTION("Errors of the bus, for tests");
MODULE_LICENSE("GPL");

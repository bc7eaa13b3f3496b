// SPDX-License-Identifier: GPL-2.0
/*
 * Plays the PCI core for a function whose bus has an error: each word that is
 * written to `step` is one of its calls of the driver's error handlers, or what
 * it does between them. Reading `step` gives what the last one answered.
 */
#include "one_function.h"

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

MODULE_DESCRIPTION("Errors of the bus, for tests");
MODULE_LICENSE("GPL");

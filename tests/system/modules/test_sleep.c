// SPDX-License-Identifier: GPL-2.0
/*
 * Plays the PM core for one PCI function, the rest of the machine staying awake:
 * what is written to `step` is what a sleep of the host begins or ends with, or
 * what its end does. On a kernel without power management the part of the PCI
 * core is played, too. What tells the core that a function can wake the host is
 * the machine's firmware.
 */
#include "one_function.h"

static int fall_asleep(void)
{
	const struct dev_pm_ops *bus = pdev->dev.bus->pm;
	int ret;

	if (bus) {
#ifdef CONFIG_PM_SLEEP
		/* As the PM core has it of devices that are not suspended by themselves. */
		pdev->dev.power.must_resume = true;
#endif
		ret = bus->suspend(&pdev->dev);
		if (!ret)
			ret = bus->suspend_late(&pdev->dev);
		if (!ret)
			ret = bus->suspend_noirq(&pdev->dev);
		return ret;
	}
	ret = pdev->dev.driver->pm->suspend(&pdev->dev);
	if (!ret)
		ret = pci_save_state(pdev);
	if (!ret)
		ret = pci_set_power_state(pdev, PCI_D3hot);
	return ret;
}

static int awake(void)
{
	const struct dev_pm_ops *bus = pdev->dev.bus->pm;
	int ret;

	if (bus) {
		ret = bus->resume_noirq(&pdev->dev);
		if (!ret)
			ret = bus->resume_early(&pdev->dev);
		if (!ret)
			ret = bus->resume(&pdev->dev);
		return ret;
	}
	ret = pci_set_power_state(pdev, PCI_D0);
	if (ret)
		return ret;
	pci_restore_state(pdev);
	return pdev->dev.driver->pm->resume(&pdev->dev);
}

static int one_step(const char *step)
{
	if (!pdev->driver)
		return -ENODEV;
	if (sysfs_streq(step, "sleep"))
		return fall_asleep();
	if (sysfs_streq(step, "wake"))
		return awake();
	if (sysfs_streq(step, "wakeable")) {
		device_set_wakeup_capable(&pdev->dev, true);
		return 0;
	}
	if (!sysfs_streq(step, "shutdown"))
		return -EINVAL;
	pdev->driver->shutdown(pdev);
	return 0;
}

static const struct kernel_param_ops step_ops = {
	.set = set_step,
};
module_param_cb(step, &step_ops, NULL, 0200);
MODULE_PARM_DESC(step, "sleep, wake, shutdown, or wakeable: as if it could wake the host");

MODULE_DESCRIPTION("Sleep of one function, for tests");
MODULE_LICENSE("GPL");

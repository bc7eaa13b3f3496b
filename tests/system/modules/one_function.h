/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For a module that plays a part of the kernel for one PCI function: each word that is
 * written to its parameter `step` is one thing that part does.
 */
#include <linux/module.h>
#include <linux/pci.h>

static char *pf = "";
module_param(pf, charp, 0444);
MODULE_PARM_DESC(pf, "the function, as 0000:01:00.0");

static struct pci_dev *pdev;

/* What the module does; called with the function's lock held. */
static int one_step(const char *step);

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

static int __init one_function_init(void)
{
	unsigned int domain, bus, slot, function;

	if (sscanf(pf, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	return pdev ? 0 : -ENODEV;
}
module_init(one_function_init);

static void __exit one_function_exit(void)
{
	pci_dev_put(pdev);
}
module_exit(one_function_exit);

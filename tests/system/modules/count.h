/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a module that only watches or mends has counted, as a parameter to be read:
 *	module_param_cb(name, &count_ops, &an_atomic_t, 0444);
 */
#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/sysfs.h>

static int get_count(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d\n", atomic_read((atomic_t *)param->arg));
}

static const struct kernel_param_ops count_ops = {
	.get = get_count,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * Does wrong what the parameter says, once, when it is loaded. The log check
 * of the rig must then fail the run: that is what this is for.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

static char *fault = "";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "leak, warn, lockdep or oob");

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);

static void leak(void)
{
	void *lost = kmalloc(317, GFP_KERNEL);

	/* Nothing keeps the address, but for the compiler's sake it is used. */
	OPTIMIZER_HIDE_VAR(lost);
}

static void invert(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);

	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
}

static int overrun(void)
{
	size_t size = 64;
	char *bytes = kmalloc(size, GFP_KERNEL);

	if (!bytes)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(size);
	/* Inside what the allocator set aside, so that only KASAN minds. */
	bytes[size] = 1;
	kfree(bytes);
	return 0;
}

static int __init test_faults_init(void)
{
	if (!strcmp(fault, "leak"))
		leak();
	else if (!strcmp(fault, "warn"))
		WARN(1, "test_faults: a warning\n");
	else if (!strcmp(fault, "lockdep"))
		invert();
	else if (!strcmp(fault, "oob"))
		return overrun();
	else
		return -EINVAL;
	return 0;
}
module_init(test_faults_init);

static void __exit test_faults_exit(void)
{
}
module_exit(test_faults_exit);

MODULE_DESCRIPTION("Faults that the log check must find");
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the emulated AMD processor of the rig's host as good as a real one.
 *
 * When QEMU's TCG has delivered an exception to a nested guest it takes the valid bit out
 * of the VMCB's EVENTINJ and leaves the type there (do_interrupt_all() of
 * target/i386/tcg/seg_helper.c), and the next exit copies both to EXITINTINFO. KVM's
 * svm_check_emulate_instruction() looks at the type alone. So a guest that takes a page
 * fault and then writes where KVM emulates, with no exit in between, is ended with "KVM
 * internal error. Suberror: 3": an event that was not there was being delivered.
 *
 * Where that function refuses an instruction though no event is valid, it is made to
 * allow it. `spared` counts.
 */
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>

/* EXITINTINFO, AMD64 APM volume 2, section 15.7.2 */
#define EXITINTINFO_VALID BIT(31)
/* arch/x86/kvm/kvm_emulate.h */
#define X86EMUL_CONTINUE 0
#define X86EMUL_UNHANDLEABLE_VECTORING 7

typedef void (*exit_info_fn)(struct kvm_vcpu *vcpu, u32 *reason, u64 *info1, u64 *info2,
			     u32 *intr_info, u32 *error_code);

static exit_info_fn exit_info;
static atomic_t spared = ATOMIC_INIT(0);

struct check {
	struct kvm_vcpu *vcpu;
};

static int begins(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct check *check = (struct check *)instance->data;

	check->vcpu = (struct kvm_vcpu *)regs_get_kernel_argument(regs, 0);
	return 0;
}

static int ends(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct check *check = (struct check *)instance->data;
	u32 reason, intr_info, error_code;
	u64 info1, info2;

	if (regs_return_value(regs) != X86EMUL_UNHANDLEABLE_VECTORING)
		return 0;
	exit_info(check->vcpu, &reason, &info1, &info2, &intr_info, &error_code);
	if (intr_info & EXITINTINFO_VALID)
		return 0;
	regs_set_return_value(regs, X86EMUL_CONTINUE);
	atomic_inc(&spared);
	return 0;
}

static struct kretprobe refusal = {
	.kp.symbol_name = "svm_check_emulate_instruction",
	.entry_handler = begins,
	.handler = ends,
	.data_size = sizeof(struct check),
	/* One for each processor of a guest, and some. */
	.maxactive = 64,
};

static int get_spared(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&spared));
}

static const struct kernel_param_ops spared_ops = {
	.get = get_spared,
};
module_param_cb(spared, &spared_ops, NULL, 0444);
MODULE_PARM_DESC(spared, "how many refusals without an event were none");

static int __init test_svm_init(void)
{
	struct kprobe named = { .symbol_name = "svm_get_exit_info" };
	int ret = register_kprobe(&named);

	if (ret)
		return ret;
	exit_info = (exit_info_fn)named.addr;
	unregister_kprobe(&named);
	return register_kretprobe(&refusal);
}

static void __exit test_svm_exit(void)
{
	unregister_kretprobe(&refusal);
	pr_info("test_svm: %d refusals were none, %d not looked at\n", atomic_read(&spared), refusal.nmissed);
}

module_init(test_svm_init);
module_exit(test_svm_exit);

MODULE_DESCRIPTION("An emulated AMD processor's events that are none");
MODULE_LICENSE("GPL");

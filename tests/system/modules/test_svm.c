// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the emulated AMD processor of the rig's host as good as a real one.
 *
 * First: when QEMU's TCG has delivered an exception to a nested guest it takes the valid
 * bit out of the VMCB's EVENTINJ and leaves the type there (do_interrupt_all() of
 * target/i386/tcg/seg_helper.c), and the next exit copies both to EXITINTINFO. KVM's
 * svm_check_emulate_instruction() looks at the type alone. So a guest that takes a page
 * fault and then writes where KVM emulates, with no exit in between, is ended with "KVM
 * internal error. Suberror: 3": an event that was not there was being delivered.
 *
 * Where that function refuses an instruction though no event is valid, it is made to
 * allow it. `spared` counts.
 *
 * Second: helper_vmrun() delivers the interrupt of EVENTINJ and leaves its vector where
 * QEMU's loop looks for exceptions. Should the loop be asked to come out before an exit or
 * an exception resets that, the interrupt is delivered again, wherever the guest is: in the
 * midst of writing the clock, or with a lock that the handler takes. So an entry with an
 * interrupt is one of those that KVM has end at once: it is left before the handler's first
 * instruction. `left` counts.
 *
 * Third, and without a cure: one exit of some hundred thousand leaves the host's own state in
 * the VMCB, or what a guest reads comes from elsewhere (Documentation/rig.rst). The guest is
 * lost. The former can be told for certain, and is: `mixed` counts. The latter shows itself, if
 * at all, by a triple fault, which no sound guest takes: `shutdowns` counts. The log has a line
 * for the first of each.
 */
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <asm/desc.h>
#include <asm/svm.h>

#include "count.h"

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

static atomic_t left = ATOMIC_INIT(0);

/* struct vcpu_svm of arch/x86/kvm/svm/svm.h begins with these two. */
struct vcpu_head {
	struct kvm_vcpu vcpu;
	struct vmcb *vmcb;
};

/* svm_vcpu_run(vcpu, run_flags) */
static int enters(struct kprobe *probe, struct pt_regs *regs)
{
	struct vcpu_head *head = (struct vcpu_head *)regs_get_kernel_argument(regs, 0);
	u32 event = head->vmcb->control.event_inj;

	if (event & SVM_EVTINJ_VALID && (event & SVM_EVTINJ_TYPE_MASK) == SVM_EVTINJ_TYPE_INTR) {
		regs->si |= KVM_RUN_FORCE_IMMEDIATE_EXIT;
		atomic_inc(&left);
	}
	return 0;
}

static struct kprobe run = {
	.symbol_name = "svm_vcpu_run",
	.pre_handler = enters,
};

static atomic_t mixed = ATOMIC_INIT(0);
static atomic_t shutdowns = ATOMIC_INIT(0);

/* scripts/rig.d/run.py looks for these words. */
#define LOST "test_svm: a guest is lost: "

/* svm_complete_interrupts(vcpu), which comes after each exit */
static int exits(struct kprobe *probe, struct pt_regs *regs)
{
	struct vcpu_head *head = (struct vcpu_head *)regs_get_kernel_argument(regs, 0);
	struct vmcb_save_area *save = &head->vmcb->save;
	struct desc_ptr gdt;

	native_store_gdt(&gdt);
	if (save->cr3 == __read_cr3() && save->gdtr.base == gdt.address &&
	    atomic_inc_return(&mixed) == 1)
		pr_info(LOST "the emulated processor has taken it for its host\n");
	if (head->vmcb->control.exit_code == SVM_EXIT_SHUTDOWN &&
	    atomic_inc_return(&shutdowns) == 1)
		pr_info(LOST "a triple fault has shut it down\n");
	return 0;
}

static struct kprobe exit = {
	.symbol_name = "svm_complete_interrupts",
	.pre_handler = exits,
};

module_param_cb(spared, &count_ops, &spared, 0444);
MODULE_PARM_DESC(spared, "how many refusals without an event were none");
module_param_cb(left, &count_ops, &left, 0444);
MODULE_PARM_DESC(left, "how many entries with an interrupt were left at once");
module_param_cb(mixed, &count_ops, &mixed, 0444);
MODULE_PARM_DESC(mixed, "how many exits left the host's state to a guest");
module_param_cb(shutdowns, &count_ops, &shutdowns, 0444);
MODULE_PARM_DESC(shutdowns, "how many triple faults of guests there were");

static int __init test_svm_init(void)
{
	struct kprobe named = { .symbol_name = "svm_get_exit_info" };
	int ret = register_kprobe(&named);

	if (ret)
		return ret;
	exit_info = (exit_info_fn)named.addr;
	unregister_kprobe(&named);
	ret = register_kretprobe(&refusal);
	if (ret)
		return ret;
	ret = register_kprobe(&run);
	if (ret)
		goto refused;
	ret = register_kprobe(&exit);
	if (!ret)
		return 0;
	unregister_kprobe(&run);
refused:
	unregister_kretprobe(&refusal);
	return ret;
}

static void __exit test_svm_exit(void)
{
	unregister_kprobe(&exit);
	unregister_kprobe(&run);
	unregister_kretprobe(&refusal);
	pr_info("test_svm: %d refusals were none, %d not looked at; %d entries left at once, %lu not\n",
		atomic_read(&spared), refusal.nmissed, atomic_read(&left), run.nmissed);
}

module_init(test_svm_init);
module_exit(test_svm_exit);

MODULE_DESCRIPTION("An emulated AMD processor's events that are none");
MODULE_LICENSE("GPL");

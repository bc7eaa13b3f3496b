// SPDX-License-Identifier: GPL-2.0
/*
 * Programs for tests of XDP: each frame of our type says itself what is to become of it. The
 * attributes have names as in the kernel, which rigtest/xdp.py defines.
 */
#include <linux/bpf.h>

#define OUR_TYPE 0xb588 /* 0x88b5 in network byte order */
#define METADATA 0x4d455441
#define ADDED 4

/* As frames have it: rigtest/xdp.py knows these, too. */
enum command { PASS, DROP, SEND_BACK, REDIRECT, ABORT, INVALID, MARK, GROW_HEAD, SHRINK, GROW };

struct frame {
	unsigned char to[6];
	unsigned char from[6];
	unsigned short type;
	unsigned char command;
	unsigned char seen;
	unsigned int target;
};

static long (*redirect)(unsigned int ifindex, unsigned long flags) = (void *)BPF_FUNC_redirect;
static long (*adjust_head)(struct xdp_md *ctx, int delta) = (void *)BPF_FUNC_xdp_adjust_head;
static long (*adjust_tail)(struct xdp_md *ctx, int delta) = (void *)BPF_FUNC_xdp_adjust_tail;
static long (*adjust_meta)(struct xdp_md *ctx, int delta) = (void *)BPF_FUNC_xdp_adjust_meta;

static struct frame *frame_of(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;

	return (void *)(frame + 1) > (void *)(long)ctx->data_end ? 0 : frame;
}

static int send_back(struct frame *frame)
{
	unsigned char to[6];

	__builtin_memcpy(to, frame->to, sizeof(to));
	__builtin_memcpy(frame->to, frame->from, sizeof(to));
	__builtin_memcpy(frame->from, to, sizeof(to));
	return XDP_TX;
}

static int mark(struct xdp_md *ctx)
{
	unsigned int *metadata;

	if (adjust_meta(ctx, -(int)sizeof(*metadata)))
		return XDP_ABORTED;
	metadata = (void *)(long)ctx->data_meta;
	if ((void *)(metadata + 1) > (void *)(long)ctx->data)
		return XDP_ABORTED;
	*metadata = METADATA;
	return XDP_PASS;
}

static int grow_head(struct xdp_md *ctx, const struct frame *old)
{
	struct frame copy = *old;
	struct frame *frame;

	if (adjust_head(ctx, -ADDED))
		return XDP_ABORTED;
	frame = frame_of(ctx);
	if (!frame)
		return XDP_ABORTED;
	*frame = copy;
	return XDP_PASS;
}

__used __section("xdp") int obey(struct xdp_md *ctx)
{
	struct frame *frame = frame_of(ctx);
	unsigned char command;

	if (!frame || frame->type != OUR_TYPE)
		return XDP_PASS;
	command = frame->command;
	/* Whoever sees it next is to leave it as it is. */
	frame->command = PASS;
	frame->seen++;
	switch (command) {
	case PASS:
		return XDP_PASS;
	case DROP:
		return XDP_DROP;
	case SEND_BACK:
		return send_back(frame);
	case REDIRECT:
		return redirect(frame->target, 0);
	case ABORT:
		return XDP_ABORTED;
	case MARK:
		return mark(ctx);
	case GROW_HEAD:
		return grow_head(ctx, frame);
	case SHRINK:
		return adjust_tail(ctx, -ADDED) ? XDP_ABORTED : XDP_PASS;
	case GROW:
		return adjust_tail(ctx, ADDED) ? XDP_ABORTED : XDP_PASS;
	default:
		return 77;
	}
}

__used __section("xdp") int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

__used __section("xdp") int drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

/* Tells of the metadata by the frame, for those who see it later. */
__used __section("tc") int show(struct __sk_buff *skb)
{
	struct frame *frame = (void *)(long)skb->data;
	unsigned int *metadata = (void *)(long)skb->data_meta;

	if ((void *)(frame + 1) > (void *)(long)skb->data_end || frame->type != OUR_TYPE)
		return 0;
	frame->target = (void *)(metadata + 1) > (void *)frame ? 0 : *metadata;
	return 0;
}

char _license[] __used __section("license") = "GPL";

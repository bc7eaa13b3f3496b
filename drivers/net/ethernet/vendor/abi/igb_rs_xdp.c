// SPDX-License-Identifier: GPL-2.0
/* igb_rs.ko: inline functions of XDP. */
#include <linux/bpf_trace.h>
#include <linux/dma-mapping.h>
#include <linux/filter.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>
#include <net/page_pool/helpers.h>
#include <net/xdp.h>

#include "igb_rs_shim.h"

void igb_rs_prog_get(struct bpf_prog *prog)
{
	bpf_prog_inc(prog);
}

void igb_rs_prog_put(struct bpf_prog *prog)
{
	bpf_prog_put(prog);
}

int igb_rs_xdp_register(struct xdp_rxq_info *rxq, struct net_device *dev, u16 queue,
			const struct napi_struct *napi)
{
	return xdp_rxq_info_reg(rxq, dev, queue, napi->napi_id);
}

void igb_rs_xdp_prepare(struct xdp_buff *xdp, struct xdp_rxq_info *rxq, void *piece,
			unsigned int size, unsigned int headroom, unsigned int len)
{
	xdp_init_buff(xdp, size, rxq);
	xdp_prepare_buff(xdp, piece, headroom, len, true);
}

u32 igb_rs_xdp_run(const struct bpf_prog *prog, struct xdp_buff *xdp)
{
	return bpf_prog_run_xdp(prog, xdp);
}

struct xdp_frame *igb_rs_xdp_frame(struct xdp_buff *xdp)
{
	return xdp_convert_buff_to_frame(xdp);
}

void igb_rs_xdp_exception(const struct net_device *dev, const struct bpf_prog *prog, u32 action)
{
	trace_xdp_exception(dev, prog, action);
}

unsigned int igb_rs_frame_bytes(const struct xdp_frame *frame)
{
	return xdp_get_frame_len(frame);
}

unsigned int igb_rs_frame_head(const struct xdp_frame *frame)
{
	return frame->len;
}

u16 igb_rs_frame_pages(const struct xdp_frame *frame)
{
	return xdp_frame_has_frags(frame) ? xdp_get_shared_info_from_frame(frame)->nr_frags : 0;
}

struct igb_rs_piece igb_rs_map_frame(struct device *dev, const struct xdp_frame *frame)
{
	const dma_addr_t addr = dma_map_single(dev, frame->data, frame->len, DMA_TO_DEVICE);

	return igb_rs_mapped(dev, addr, frame->len);
}

struct igb_rs_piece igb_rs_map_frame_page(struct device *dev, const struct xdp_frame *frame,
					  u16 index)
{
	const skb_frag_t *frag = &xdp_get_shared_info_from_frame(frame)->frags[index];

	if (index >= igb_rs_frame_pages(frame))
		return (struct igb_rs_piece) {};
	return igb_rs_map_frag(dev, frag);
}

dma_addr_t igb_rs_mapped_frame(struct device *dev, const struct xdp_frame *frame)
{
	dma_addr_t addr = page_pool_get_dma_addr(virt_to_page(frame->data)) +
			  offset_in_page(frame->data);

	dma_sync_single_for_device(dev, addr, frame->len, DMA_BIDIRECTIONAL);
	return addr;
}

void igb_rs_share_queue(struct net_device *dev, u16 queue)
{
	/* Frames share the queue with packets, which may then wait without its being hung. */
	txq_trans_cond_update(netdev_get_tx_queue(dev, queue));
}

unsigned int igb_rs_tx_queues(const struct net_device *dev)
{
	return READ_ONCE(dev->real_num_tx_queues);
}

void igb_rs_explain(struct netlink_ext_ack *extack, const char *text)
{
	NL_SET_ERR_MSG_FMT_MOD(extack, "%s", text);
}

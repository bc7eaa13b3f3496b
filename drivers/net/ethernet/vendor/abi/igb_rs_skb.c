// SPDX-License-Identifier: GPL-2.0
/* igb_rs.ko: the transmit trampoline; inline functions of packets and of their memory. */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/page_pool/helpers.h>

#include "igb_rs_shim.h"

struct sk_buff *igb_rs_packet_of(struct net_device *dev, const void *frame, unsigned int len)
{
	struct sk_buff *skb = netdev_alloc_skb(dev, len);

	if (!skb)
		return NULL;
	skb_put_data(skb, frame, len);
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = eth_hdr(skb)->h_proto;
	return skb;
}

void igb_rs_transmit(struct net_device *dev, const void *frame, unsigned int len)
{
	struct sk_buff *skb = igb_rs_packet_of(dev, frame, len);

	if (skb)
		dev_queue_xmit(skb);
}

int igb_rs_pad(struct sk_buff *skb, unsigned int len)
{
	return skb_put_padto(skb, len);
}

void igb_rs_put(struct sk_buff *skb, const void *data, unsigned int len)
{
	skb_put_data(skb, data, len);
}

void igb_rs_add_page(struct sk_buff *skb, struct page *page, unsigned int offset,
		     unsigned int len, unsigned int piece)
{
	skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, offset, len, piece);
}

struct sk_buff *igb_rs_build_skb(void *piece, unsigned int size, unsigned int headroom,
				 unsigned int len, unsigned int metadata)
{
	struct sk_buff *skb = napi_build_skb(piece, size);

	if (!skb)
		return NULL;
	skb_mark_for_recycle(skb);
	skb_reserve(skb, headroom);
	__skb_put(skb, len);
	if (metadata)
		skb_metadata_set(skb, metadata);
	return skb;
}

void igb_rs_set_checked(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_UNNECESSARY;
}

void igb_rs_set_vlan(struct sk_buff *skb, u16 tag)
{
	__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), tag);
}

void igb_rs_set_hash(struct sk_buff *skb, u32 hash, bool ports)
{
	skb_set_hash(skb, hash, ports ? PKT_HASH_TYPE_L4 : PKT_HASH_TYPE_L3);
}

static __always_inline void describe(const struct sk_buff *skb, struct igb_rs_packet *packet)
{
	const struct skb_shared_info *shared = skb_shinfo(skb);

	packet->length = skb->len;
	packet->head = skb_headlen(skb);
	packet->pages = shared->nr_frags;
	packet->tagged = skb_vlan_tag_present(skb);
	packet->tag = packet->tagged ? skb_vlan_tag_get(skb) : 0;
	packet->network = skb_network_offset(skb);
	packet->partial = skb->ip_summed == CHECKSUM_PARTIAL;
	if (packet->partial) {
		packet->start = skb_checksum_start_offset(skb);
		packet->offset = skb->csum_offset;
		packet->crc = skb_csum_is_sctp((struct sk_buff *)skb);
	}
	if (!skb_is_gso(skb))
		return;
	packet->segment_size = shared->gso_size;
	packet->segments = shared->gso_segs;
	packet->tcp = !(shared->gso_type & SKB_GSO_UDP_L4);
	packet->ipv4 = vlan_get_protocol(skb) == htons(ETH_P_IP);
	if (!packet->tcp)
		packet->l4_length = sizeof(struct udphdr);
	else if (packet->partial)
		/* In a tunnel, of the packet inside. */
		packet->l4_length = __tcp_hdrlen((struct tcphdr *)skb_checksum_start(skb));
}

void igb_rs_describe(const struct sk_buff *skb, struct igb_rs_packet *packet)
{
	describe(skb, packet);
}

netdev_tx_t igb_rs_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct igb_rs_packet packet = {};

	skb_tx_timestamp(skb);
	describe(skb, &packet);
	return igb_rs_xmit(skb, &packet, dev, netdev_priv(dev), skb_get_queue_mapping(skb),
			   netdev_xmit_more()) ? NETDEV_TX_OK : NETDEV_TX_BUSY;
}

int igb_rs_fill_checksum(struct sk_buff *skb)
{
	return skb_csum_is_sctp(skb) ? skb_crc32c_csum_help(skb) : skb_checksum_help(skb);
}

u8 *igb_rs_own_head(struct sk_buff *skb, unsigned int len)
{
	return len > skb_headlen(skb) || skb_cow_head(skb, 0) ? NULL : skb->data;
}

struct igb_rs_piece igb_rs_map_head(struct device *dev, const struct sk_buff *skb)
{
	/* A head is never vmalloc()'s, which is all that dma_map_single() would look at. */
	return igb_rs_map_phys(dev, virt_to_phys(skb->data), skb_headlen(skb));
}

struct igb_rs_piece igb_rs_map_page(struct device *dev, const struct sk_buff *skb, u16 index)
{
	const struct skb_shared_info *shared = skb_shinfo(skb);

	if (index >= shared->nr_frags)
		return (struct igb_rs_piece) {};
	return igb_rs_map_frag(dev, &shared->frags[index]);
}

struct page_pool *igb_rs_pool_create(struct device *dev, struct net_device *netdev,
				     struct napi_struct *napi, u16 queue, u16 count,
				     unsigned int first, unsigned int bytes, bool both_ways)
{
	const struct page_pool_params params = {
		.pool_size = count,
		.nid = NUMA_NO_NODE,
		.dev = dev,
		.napi = napi,
		.dma_dir = both_ways ? DMA_BIDIRECTIONAL : DMA_FROM_DEVICE,
		.max_len = bytes,
		.offset = first,
		.netdev = netdev,
		.queue_idx = queue,
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
	};

	return page_pool_create(&params);
}

struct page *igb_rs_pool_alloc(struct page_pool *pool, unsigned int *offset, unsigned int piece)
{
	if (piece < PAGE_SIZE)
		return page_pool_dev_alloc_frag(pool, offset, piece);
	*offset = 0;
	return page_pool_dev_alloc_pages(pool);
}

dma_addr_t igb_rs_pool_address(const struct page *page)
{
	return page_pool_get_dma_addr(page);
}

void igb_rs_pool_put(struct page_pool *pool, struct page *page)
{
	page_pool_put_full_page(pool, page, false);
}

void igb_rs_pool_sync(const struct page_pool *pool, const struct page *page, unsigned int offset,
		      unsigned int len)
{
	page_pool_dma_sync_for_cpu(pool, page, offset, len);
}

void igb_rs_sync_for_device(struct device *dev, dma_addr_t addr, size_t len)
{
	dma_sync_single_for_device(dev, addr, len, DMA_FROM_DEVICE);
}

void igb_rs_dma_rmb(void)
{
	dma_rmb();
}

void *igb_rs_page_address(struct page *page)
{
	return page_address(page);
}

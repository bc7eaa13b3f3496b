// SPDX-License-Identifier: GPL-2.0
/* igb_rs.ko: inline functions, one trampoline, module information. */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/devlink.h>
#include <net/page_pool/helpers.h>

#include "igb_rs_shim.h"

MODULE_VERSION(VFM_VERSION);
#ifdef VFM_FAULTS
MODULE_INFO(faults, "1");
#endif

const size_t igb_rs_sizeof_net_device = sizeof(struct net_device);
const size_t igb_rs_sizeof_net_device_ops = sizeof(struct net_device_ops);

netdev_tx_t igb_rs_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	skb_tx_timestamp(skb);
	return igb_rs_xmit(skb, dev, netdev_priv(dev), skb_get_queue_mapping(skb),
			   netdev_xmit_more()) ? NETDEV_TX_OK : NETDEV_TX_BUSY;
}

void *igb_rs_netdev_priv(const struct net_device *dev)
{
	return netdev_priv(dev);
}

void igb_rs_set_address(struct net_device *dev, const u8 *mac)
{
	eth_hw_addr_set(dev, mac);
}

unsigned int igb_rs_mtu(const struct net_device *dev)
{
	return READ_ONCE(dev->mtu);
}

void igb_rs_set_mtu(struct net_device *dev, unsigned int mtu)
{
	WRITE_ONCE(dev->mtu, mtu);
}

const char *igb_rs_name(const struct net_device *dev)
{
	return netdev_name(dev);
}

const char *igb_rs_bus_name(const struct net_device *dev)
{
	return dev_name(dev->dev.parent);
}

void igb_rs_set_ops(struct net_device *dev, const struct net_device_ops *ops,
		    const struct ethtool_ops *ethtool_ops)
{
	dev->netdev_ops = ops;
	dev->ethtool_ops = ethtool_ops;
}

void igb_rs_set_features(struct net_device *dev, netdev_features_t fixed,
			 netdev_features_t changeable, netdev_features_t off,
			 netdev_features_t vlan)
{
	dev->features |= fixed | changeable;
	dev->hw_features |= changeable | off;
	dev->vlan_features |= vlan;
	dev->hw_enc_features |= NETIF_F_SG | NETIF_F_HIGHDMA;
	dev->mpls_features |= NETIF_F_HW_CSUM | NETIF_F_SG | NETIF_F_HIGHDMA;
	dev->priv_flags |= IFF_UNICAST_FLT;
}

netdev_features_t igb_rs_features(const struct net_device *dev)
{
	return READ_ONCE(dev->features);
}

netdev_features_t igb_rs_check_features(struct sk_buff *skb, netdev_features_t features,
					unsigned int max_mac, unsigned int max_network)
{
	netdev_features_t work = NETIF_F_CSUM_MASK | NETIF_F_SCTP_CRC | NETIF_F_GSO_MASK;

	features = vlan_features_check(skb, features);
	if (skb->encapsulation || skb_network_offset(skb) > max_mac)
		return features & ~work;
	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    (skb_checksum_start(skb) < skb_network_header(skb) ||
	     skb_checksum_start(skb) - skb_network_header(skb) > max_network))
		return features & ~work;
	return features;
}

bool igb_rs_netif_running(const struct net_device *dev)
{
	return netif_running(dev);
}

bool igb_rs_carrier_ok(const struct net_device *dev)
{
	return netif_carrier_ok(dev);
}

void igb_rs_start_queues(struct net_device *dev)
{
	netif_tx_wake_all_queues(dev);
}

void igb_rs_stop_queue(struct net_device *dev, u16 queue)
{
	netif_stop_subqueue(dev, queue);
}

bool igb_rs_queue_stopped(const struct net_device *dev, u16 queue)
{
	return netif_tx_queue_stopped(netdev_get_tx_queue(dev, queue));
}

void igb_rs_wake_queue(struct net_device *dev, u16 queue)
{
	netif_tx_wake_queue(netdev_get_tx_queue(dev, queue));
}

void igb_rs_lock_queue(struct net_device *dev, u16 queue)
{
	__netif_tx_lock(netdev_get_tx_queue(dev, queue), smp_processor_id());
}

bool igb_rs_try_lock_queue(struct net_device *dev, u16 queue)
{
	return __netif_tx_trylock(netdev_get_tx_queue(dev, queue));
}

void igb_rs_unlock_queue(struct net_device *dev, u16 queue)
{
	__netif_tx_unlock(netdev_get_tx_queue(dev, queue));
}

void igb_rs_tx_disable(struct net_device *dev)
{
	netif_tx_disable(dev);
}

bool igb_rs_sent(struct net_device *dev, u16 queue, unsigned int bytes, bool more)
{
	return __netdev_tx_sent_queue(netdev_get_tx_queue(dev, queue), bytes, more);
}

void igb_rs_completed(struct net_device *dev, u16 queue, unsigned int packets,
		      unsigned int bytes)
{
	netdev_tx_completed_queue(netdev_get_tx_queue(dev, queue), packets, bytes);
}

void igb_rs_reset_queue(struct net_device *dev, u16 queue)
{
	netdev_tx_reset_queue(netdev_get_tx_queue(dev, queue));
}

struct netdev_hw_addr *igb_rs_next_address(const struct netdev_hw_addr_list *list,
					   struct netdev_hw_addr *at)
{
	struct list_head *next = at ? at->list.next : list->list.next;

	return next == &list->list ? NULL : list_entry(next, struct netdev_hw_addr, list);
}

void igb_rs_napi_add(struct net_device *dev, struct napi_struct *napi,
		     int (*poll)(struct napi_struct *, int), u16 queue)
{
	netif_napi_add_config(dev, napi, poll, queue);
}

void igb_rs_napi_set_irq(struct napi_struct *napi, unsigned int irq)
{
	netif_napi_set_irq(napi, irq);
}

void igb_rs_napi_del(struct napi_struct *napi)
{
	netif_napi_del(napi);
}

void igb_rs_napi_schedule(struct napi_struct *napi)
{
	napi_schedule(napi);
}

void igb_rs_napi_receive(struct napi_struct *napi, struct sk_buff *skb, u16 queue)
{
	skb_record_rx_queue(skb, queue);
	skb->protocol = eth_type_trans(skb, napi->dev);
	napi_gro_receive(napi, skb);
}

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

#if IS_ENABLED(CONFIG_NET_DEVLINK)
static int igb_rs_devlink_info(struct devlink *devlink, struct devlink_info_req *req,
			       struct netlink_ext_ack *extack)
{
	const struct igb_rs_identity *own = devlink_priv(devlink);
	int ret = 0;

	if (own->serial)
		ret = devlink_info_serial_number_put(req, own->serial);
	if (!ret && own->board)
		ret = devlink_info_version_fixed_put(req, DEVLINK_INFO_VERSION_GENERIC_BOARD_ID,
						     own->board);
	if (!ret && own->firmware)
		ret = devlink_info_version_running_put(req, DEVLINK_INFO_VERSION_GENERIC_FW,
						       own->firmware);
	if (!ret && own->bundle)
		ret = devlink_info_version_running_put(req,
						       DEVLINK_INFO_VERSION_GENERIC_FW_BUNDLE_ID,
						       own->bundle);
	return ret;
}

static const struct devlink_ops igb_rs_devlink_ops = {
	.info_get = igb_rs_devlink_info,
};

struct devlink *igb_rs_devlink_register(struct device *dev, const struct igb_rs_identity *identity)
{
	struct devlink *devlink = devlink_alloc(&igb_rs_devlink_ops, sizeof(*identity), dev);

	if (!devlink)
		return ERR_PTR(-ENOMEM);
	memcpy(devlink_priv(devlink), identity, sizeof(*identity));
	devlink_register(devlink);
	return devlink;
}

void igb_rs_devlink_unregister(struct devlink *devlink)
{
	devlink_unregister(devlink);
	devlink_free(devlink);
}
#else
struct devlink *igb_rs_devlink_register(struct device *dev, const struct igb_rs_identity *identity)
{
	return ERR_PTR(-EOPNOTSUPP);
}

void igb_rs_devlink_unregister(struct devlink *devlink)
{
}
#endif

bool igb_rs_can_wake(struct pci_dev *pdev)
{
	return device_can_wakeup(&pdev->dev);
}

void igb_rs_set_wake(struct pci_dev *pdev, bool on)
{
	device_set_wakeup_enable(&pdev->dev, on);
}

void igb_rs_power_off(struct pci_dev *pdev, bool wake)
{
	if (system_state != SYSTEM_POWER_OFF)
		return;
	pci_wake_from_d3(pdev, wake);
	pci_set_power_state(pdev, PCI_D3hot);
}

struct pci_dev *igb_rs_physfn(struct pci_dev *dev)
{
	return pci_physfn(dev);
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

void igb_rs_describe(const struct sk_buff *skb, struct igb_rs_packet *packet)
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
	packet->l4_length = packet->tcp ? tcp_hdrlen(skb) : sizeof(struct udphdr);
}

int igb_rs_fill_checksum(struct sk_buff *skb)
{
	return skb_csum_is_sctp(skb) ? skb_crc32c_csum_help(skb) : skb_checksum_help(skb);
}

u8 *igb_rs_own_head(struct sk_buff *skb, unsigned int len)
{
	return len > skb_headlen(skb) || skb_cow_head(skb, 0) ? NULL : skb->data;
}

unsigned int igb_rs_page_bytes(const struct sk_buff *skb, u16 index)
{
	const struct skb_shared_info *shared = skb_shinfo(skb);

	return index < shared->nr_frags ? skb_frag_size(&shared->frags[index]) : 0;
}

dma_addr_t igb_rs_map_page(struct device *dev, const struct sk_buff *skb, u16 index)
{
	return skb_frag_dma_map(dev, &skb_shinfo(skb)->frags[index]);
}

void igb_rs_unmap_page(struct device *dev, dma_addr_t addr, size_t len)
{
	dma_unmap_page(dev, addr, len, DMA_TO_DEVICE);
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

bool igb_rs_mapping_failed(struct device *dev, dma_addr_t addr)
{
	return dma_mapping_error(dev, addr);
}

dma_addr_t igb_rs_map_head(struct device *dev, struct sk_buff *skb)
{
	return dma_map_single(dev, skb->data, skb_headlen(skb), DMA_TO_DEVICE);
}

void igb_rs_unmap_head(struct device *dev, dma_addr_t addr, size_t len)
{
	dma_unmap_single(dev, addr, len, DMA_TO_DEVICE);
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

void igb_rs_hint(struct device *dev, unsigned int irq, unsigned int index)
{
	unsigned int cpu = cpumask_local_spread(index, dev_to_node(dev));

	irq_set_affinity_and_hint(irq, cpumask_of(cpu));
}

void igb_rs_unhint(unsigned int irq)
{
	irq_update_affinity_hint(irq, NULL);
}

void igb_rs_prefer_cpu(struct net_device *dev, u16 queue)
{
	unsigned int cpu = cpumask_local_spread(queue, dev_to_node(dev->dev.parent));

	netif_set_xps_queue(dev, cpumask_of(cpu), queue);
}

void igb_rs_link_napi(struct net_device *dev, u16 queue, struct napi_struct *napi)
{
	netif_queue_set_napi(dev, queue, NETDEV_QUEUE_TYPE_RX, napi);
	netif_queue_set_napi(dev, queue, NETDEV_QUEUE_TYPE_TX, napi);
}

void igb_rs_bh_disable(void)
{
	local_bh_disable();
}

void igb_rs_bh_enable(void)
{
	local_bh_enable();
}

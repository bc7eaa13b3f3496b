// SPDX-License-Identifier: GPL-2.0
/* igb_rs.ko: inline functions, one trampoline, module information. */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/skbuff.h>

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
	return igb_rs_xmit(skb, dev) ? NETDEV_TX_OK : NETDEV_TX_BUSY;
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

void igb_rs_set_features(struct net_device *dev, netdev_features_t features)
{
	dev->features |= features;
	dev->hw_features |= features;
	dev->priv_flags |= IFF_UNICAST_FLT;
}

bool igb_rs_netif_running(const struct net_device *dev)
{
	return netif_running(dev);
}

bool igb_rs_carrier_ok(const struct net_device *dev)
{
	return netif_carrier_ok(dev);
}

void igb_rs_start_queue(struct net_device *dev)
{
	netif_start_queue(dev);
}

void igb_rs_stop_queue(struct net_device *dev)
{
	netif_stop_queue(dev);
}

bool igb_rs_queue_stopped(const struct net_device *dev)
{
	return netif_queue_stopped(dev);
}

void igb_rs_wake_queue(struct net_device *dev)
{
	netif_wake_queue(dev);
}

void igb_rs_tx_disable(struct net_device *dev)
{
	netif_tx_disable(dev);
}

bool igb_rs_sent(struct net_device *dev, unsigned int bytes, bool more)
{
	return __netdev_sent_queue(dev, bytes, more);
}

void igb_rs_completed(struct net_device *dev, unsigned int packets, unsigned int bytes)
{
	netdev_completed_queue(dev, packets, bytes);
}

void igb_rs_reset_queue(struct net_device *dev)
{
	netdev_reset_queue(dev);
}

struct netdev_hw_addr *igb_rs_next_address(const struct netdev_hw_addr_list *list,
					   struct netdev_hw_addr *at)
{
	struct list_head *next = at ? at->list.next : list->list.next;

	return next == &list->list ? NULL : list_entry(next, struct netdev_hw_addr, list);
}

void igb_rs_napi_add(struct net_device *dev, struct napi_struct *napi,
		     int (*poll)(struct napi_struct *, int))
{
	netif_napi_add(dev, napi, poll);
}

void igb_rs_napi_del(struct napi_struct *napi)
{
	netif_napi_del(napi);
}

void igb_rs_napi_schedule(struct napi_struct *napi)
{
	napi_schedule(napi);
}

void igb_rs_napi_receive(struct napi_struct *napi, struct sk_buff *skb)
{
	skb->protocol = eth_type_trans(skb, napi->dev);
	napi_gro_receive(napi, skb);
}

void igb_rs_transmit(struct net_device *dev, const void *frame, unsigned int len)
{
	struct sk_buff *skb = netdev_alloc_skb(dev, len);

	if (!skb)
		return;
	skb_put_data(skb, frame, len);
	skb_reset_mac_header(skb);
	skb->protocol = eth_hdr(skb)->h_proto;
	dev_queue_xmit(skb);
}

struct pci_dev *igb_rs_physfn(struct pci_dev *dev)
{
	return pci_physfn(dev);
}

bool igb_rs_xmit_more(void)
{
	return netdev_xmit_more();
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
		     unsigned int len)
{
	skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, offset, len, PAGE_SIZE);
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

void igb_rs_sync_for_cpu(struct device *dev, dma_addr_t addr, size_t len)
{
	dma_sync_single_for_cpu(dev, addr, len, DMA_FROM_DEVICE);
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

void igb_rs_bh_disable(void)
{
	local_bh_disable();
}

void igb_rs_bh_enable(void)
{
	local_bh_enable();
}

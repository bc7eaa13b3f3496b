// SPDX-License-Identifier: GPL-2.0
/* igb_rs.ko: inline functions, module information. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/skbuff.h>
#include <net/devlink.h>

#include "igb_rs_shim.h"

MODULE_VERSION(VFM_VERSION);
#ifdef VFM_FAULTS
MODULE_INFO(faults, "1");
#endif

const size_t igb_rs_sizeof_net_device = sizeof(struct net_device);
const size_t igb_rs_sizeof_net_device_ops = sizeof(struct net_device_ops);

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

void igb_rs_set_features(struct net_device *dev, const struct igb_rs_feature_sets *all)
{
	dev->features |= all->fixed | all->changeable;
	dev->hw_features |= all->changeable | all->off;
	dev->vlan_features |= all->vlan;
	dev->hw_enc_features |= all->encapsulated;
	dev->gso_partial_features = all->partial;
	dev->mpls_features |= NETIF_F_HW_CSUM | NETIF_F_SG | NETIF_F_HIGHDMA;
	dev->priv_flags |= IFF_UNICAST_FLT;
}

netdev_features_t igb_rs_features(const struct net_device *dev)
{
	return READ_ONCE(dev->features);
}

netdev_features_t igb_rs_features_check(struct sk_buff *skb, struct net_device *dev,
					netdev_features_t features)
{
	netdev_features_t work = NETIF_F_CSUM_MASK | NETIF_F_SCTP_CRC | NETIF_F_GSO_MASK;

	features = vlan_features_check(skb, features);
	if (skb_network_offset(skb) > IGB_RS_MAX_MAC_LENGTH)
		return features & ~work;
	if (skb->encapsulation) {
		/* Tunnels are the stack's work until somebody has it done here. */
		if (!(dev->features & dev->gso_partial_features))
			return features & ~work;
		/* All pieces have the number of the packet inside. */
		if (!(features & NETIF_F_TSO_MANGLEID))
			features &= ~NETIF_F_TSO;
	}
	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    (skb_checksum_start(skb) < skb_network_header(skb) ||
	     skb_checksum_start(skb) - skb_network_header(skb) > IGB_RS_MAX_IP_LENGTH))
		return features & ~work;
	return features;
}

bool igb_rs_netif_running(const struct net_device *dev)
{
	return netif_running(dev);
}

void igb_rs_start_queues(struct net_device *dev)
{
	netif_tx_wake_all_queues(dev);
}

void igb_rs_stop_queue(struct net_device *dev, u16 queue)
{
	netif_stop_subqueue(dev, queue);
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

bool igb_rs_completed(struct net_device *dev, u16 queue, unsigned int packets,
		      unsigned int bytes)
{
	struct netdev_queue *txq = netdev_get_tx_queue(dev, queue);

	netdev_tx_completed_queue(txq, packets, bytes);
	return netif_tx_queue_stopped(txq);
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

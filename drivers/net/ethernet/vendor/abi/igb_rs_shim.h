/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions of kernel headers, for Rust, and what Rust gives to C. */
#ifndef IGB_RS_SHIM_H
#define IGB_RS_SHIM_H

#include <linux/netdevice.h>
#include <linux/types.h>

struct device;
struct ethtool_ops;
struct pci_dev;
struct sk_buff;

/* Rust's transmit; false if the queue has no room. */
bool igb_rs_xmit(struct sk_buff *skb, struct net_device *dev);

/* `ndo_start_xmit`: its result is an enum, which CFI in Rust cannot express. */
netdev_tx_t igb_rs_start_xmit(struct sk_buff *skb, struct net_device *dev);

void *igb_rs_netdev_priv(const struct net_device *dev);
void igb_rs_set_address(struct net_device *dev, const u8 *mac);
unsigned int igb_rs_mtu(const struct net_device *dev);
void igb_rs_set_mtu(struct net_device *dev, unsigned int mtu);
const char *igb_rs_name(const struct net_device *dev);
const char *igb_rs_bus_name(const struct net_device *dev);
void igb_rs_set_ops(struct net_device *dev, const struct net_device_ops *ops,
		    const struct ethtool_ops *ethtool_ops);
void igb_rs_set_features(struct net_device *dev, netdev_features_t features);
bool igb_rs_netif_running(const struct net_device *dev);
bool igb_rs_carrier_ok(const struct net_device *dev);
void igb_rs_start_queue(struct net_device *dev);
void igb_rs_stop_queue(struct net_device *dev);
bool igb_rs_queue_stopped(const struct net_device *dev);
void igb_rs_wake_queue(struct net_device *dev);
void igb_rs_tx_disable(struct net_device *dev);
bool igb_rs_sent(struct net_device *dev, unsigned int bytes, bool more);
void igb_rs_completed(struct net_device *dev, unsigned int packets, unsigned int bytes);
void igb_rs_reset_queue(struct net_device *dev);
struct netdev_hw_addr *igb_rs_next_address(const struct netdev_hw_addr_list *list,
					   struct netdev_hw_addr *at);

void igb_rs_napi_add(struct net_device *dev, struct napi_struct *napi,
		     int (*poll)(struct napi_struct *, int));
void igb_rs_napi_del(struct napi_struct *napi);
void igb_rs_napi_schedule(struct napi_struct *napi);
void igb_rs_napi_receive(struct napi_struct *napi, struct sk_buff *skb);

void igb_rs_transmit(struct net_device *dev, const void *frame, unsigned int len);
bool igb_rs_xmit_more(void);
int igb_rs_pad(struct sk_buff *skb, unsigned int len);
void igb_rs_put(struct sk_buff *skb, const void *data, unsigned int len);
void igb_rs_add_page(struct sk_buff *skb, struct page *page, unsigned int offset,
		     unsigned int len);

bool igb_rs_mapping_failed(struct device *dev, dma_addr_t addr);
dma_addr_t igb_rs_map_head(struct device *dev, struct sk_buff *skb);
void igb_rs_unmap_head(struct device *dev, dma_addr_t addr, size_t len);
void igb_rs_sync_for_cpu(struct device *dev, dma_addr_t addr, size_t len);
void igb_rs_sync_for_device(struct device *dev, dma_addr_t addr, size_t len);
void igb_rs_dma_rmb(void);
void *igb_rs_page_address(struct page *page);

struct pci_dev *igb_rs_physfn(struct pci_dev *dev);

void igb_rs_bh_disable(void);
void igb_rs_bh_enable(void);

/* What GCC, which built the kernel, makes of structures that bindgen lays out. */
extern const size_t igb_rs_sizeof_net_device;
extern const size_t igb_rs_sizeof_net_device_ops;

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions of kernel headers, for Rust, and what Rust gives to C. */
#ifndef IGB_RS_SHIM_H
#define IGB_RS_SHIM_H

#include <linux/dma-mapping.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/types.h>

struct bpf_prog;
struct device;
struct devlink;
struct ethtool_ops;
struct netlink_ext_ack;
struct page_pool;
struct pci_dev;
struct sk_buff;
struct xdp_buff;
struct xdp_frame;
struct xdp_rxq_info;

/* What the stack wants of a packet that is to be sent; offsets in bytes from its start. */
struct igb_rs_packet {
	u32 length;
	u32 head;
	u32 network;
	u32 start;
	u32 offset;
	u32 l4_length;
	u16 pages;
	u16 tag;
	u16 segment_size;
	u16 segments;
	bool tagged;
	bool partial;
	bool crc;
	bool tcp;
	bool ipv4;
};

/* A part of what is to be sent, as the device finds it; of no bytes if there is none to be found. */
struct igb_rs_piece {
	dma_addr_t addr;
	unsigned int len;
};

static inline struct igb_rs_piece igb_rs_mapped(struct device *dev, dma_addr_t addr,
						unsigned int len)
{
	if (dma_mapping_error(dev, addr))
		return (struct igb_rs_piece) {};
	return (struct igb_rs_piece) { addr, len };
}

static inline struct igb_rs_piece igb_rs_map_phys(struct device *dev, phys_addr_t phys,
						  unsigned int len)
{
	return igb_rs_mapped(dev, dma_map_phys(dev, phys, len, DMA_TO_DEVICE, 0), len);
}

/* Of pages: what is not (net_iov) is for devices with `netmem_tx` only. */
static inline struct igb_rs_piece igb_rs_map_frag(struct device *dev, const skb_frag_t *frag)
{
	return igb_rs_map_phys(dev, page_to_phys(skb_frag_page(frag)) + skb_frag_off(frag),
			       skb_frag_size(frag));
}

/* What `devlink` shows of a device; what is not known is NULL. */
struct igb_rs_identity {
	const char *firmware;
	const char *bundle;
	const char *board;
	const char *serial;
};

/* Most bytes of the headers before the network layer's and of that one, if there is to be work for
 * the device; what abi/netdev.rs compares with netdev/offload.rs.
 */
#define IGB_RS_MAX_MAC_LENGTH 127
#define IGB_RS_MAX_IP_LENGTH 511

/* Rust's transmit; false if the queue has no room. */
bool igb_rs_xmit(struct sk_buff *skb, const struct igb_rs_packet *packet, struct net_device *dev,
		 const void *priv, u16 queue, bool more);

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

/* Abilities: always on; on at first; off at first; of VLANs above; of packets in tunnels; those that
 * need the stack's help.
 */
struct igb_rs_feature_sets {
	netdev_features_t fixed;
	netdev_features_t changeable;
	netdev_features_t off;
	netdev_features_t vlan;
	netdev_features_t encapsulated;
	netdev_features_t partial;
};

void igb_rs_set_features(struct net_device *dev, const struct igb_rs_feature_sets *all);
netdev_features_t igb_rs_features(const struct net_device *dev);
/* `ndo_features_check`: all of it is inline functions. */
netdev_features_t igb_rs_features_check(struct sk_buff *skb, struct net_device *dev,
					netdev_features_t features);
bool igb_rs_netif_running(const struct net_device *dev);
void igb_rs_start_queues(struct net_device *dev);
void igb_rs_stop_queue(struct net_device *dev, u16 queue);
void igb_rs_wake_queue(struct net_device *dev, u16 queue);
void igb_rs_lock_queue(struct net_device *dev, u16 queue);
bool igb_rs_try_lock_queue(struct net_device *dev, u16 queue);
void igb_rs_unlock_queue(struct net_device *dev, u16 queue);
void igb_rs_tx_disable(struct net_device *dev);
bool igb_rs_sent(struct net_device *dev, u16 queue, unsigned int bytes, bool more);
/* Whether the driver has stopped the queue. */
bool igb_rs_completed(struct net_device *dev, u16 queue, unsigned int packets,
		      unsigned int bytes);
void igb_rs_reset_queue(struct net_device *dev, u16 queue);
struct netdev_hw_addr *igb_rs_next_address(const struct netdev_hw_addr_list *list,
					   struct netdev_hw_addr *at);

void igb_rs_napi_add(struct net_device *dev, struct napi_struct *napi,
		     int (*poll)(struct napi_struct *, int), u16 queue);
void igb_rs_napi_set_irq(struct napi_struct *napi, unsigned int irq);
void igb_rs_napi_del(struct napi_struct *napi);
void igb_rs_napi_schedule(struct napi_struct *napi);
void igb_rs_napi_receive(struct napi_struct *napi, struct sk_buff *skb, u16 queue);

struct sk_buff *igb_rs_packet_of(struct net_device *dev, const void *frame, unsigned int len);
void igb_rs_transmit(struct net_device *dev, const void *frame, unsigned int len);
int igb_rs_pad(struct sk_buff *skb, unsigned int len);
void igb_rs_put(struct sk_buff *skb, const void *data, unsigned int len);
void igb_rs_add_page(struct sk_buff *skb, struct page *page, unsigned int offset,
		     unsigned int len, unsigned int piece);
/* Of a piece of a page that is from a pool. */
struct sk_buff *igb_rs_build_skb(void *piece, unsigned int size, unsigned int headroom,
				 unsigned int len, unsigned int metadata);
void igb_rs_set_checked(struct sk_buff *skb);
void igb_rs_set_vlan(struct sk_buff *skb, u16 tag);
void igb_rs_set_hash(struct sk_buff *skb, u32 hash, bool ports);
void igb_rs_describe(const struct sk_buff *skb, struct igb_rs_packet *packet);
int igb_rs_fill_checksum(struct sk_buff *skb);
u8 *igb_rs_own_head(struct sk_buff *skb, unsigned int len);

/* The device writes to no more than so many bytes of a page, from the first on. */
struct page_pool *igb_rs_pool_create(struct device *dev, struct net_device *netdev,
				     struct napi_struct *napi, u16 queue, u16 count,
				     unsigned int first, unsigned int bytes, bool both_ways);
/* So many bytes of a page, or all of it. */
struct page *igb_rs_pool_alloc(struct page_pool *pool, unsigned int *offset, unsigned int piece);
dma_addr_t igb_rs_pool_address(const struct page *page);
void igb_rs_pool_put(struct page_pool *pool, struct page *page);
/* The offset is from the first byte on that the device writes to. */
void igb_rs_pool_sync(const struct page_pool *pool, const struct page *page, unsigned int offset,
		      unsigned int len);

struct igb_rs_piece igb_rs_map_head(struct device *dev, const struct sk_buff *skb);
struct igb_rs_piece igb_rs_map_page(struct device *dev, const struct sk_buff *skb, u16 index);
void igb_rs_sync_for_device(struct device *dev, dma_addr_t addr, size_t len);
void igb_rs_dma_rmb(void);
void *igb_rs_page_address(struct page *page);

struct pci_dev *igb_rs_physfn(struct pci_dev *dev);

/* What `identity` points to must outlive the registration. */
struct devlink *igb_rs_devlink_register(struct device *dev, const struct igb_rs_identity *identity);
void igb_rs_devlink_unregister(struct devlink *devlink);
bool igb_rs_can_wake(struct pci_dev *pdev);
void igb_rs_set_wake(struct pci_dev *pdev, bool on);
/* If the machine is about to be switched off: the device goes first, and wakes it if `wake`. */
void igb_rs_power_off(struct pci_dev *pdev, bool wake);

void igb_rs_hint(struct device *dev, unsigned int irq, unsigned int index);
void igb_rs_unhint(unsigned int irq);
void igb_rs_prefer_cpu(struct net_device *dev, u16 queue);
void igb_rs_link_napi(struct net_device *dev, u16 queue, struct napi_struct *napi);

/* Inline, and nothing, where programs cannot be loaded. */
void igb_rs_prog_get(struct bpf_prog *prog);
void igb_rs_prog_put(struct bpf_prog *prog);
int igb_rs_xdp_register(struct xdp_rxq_info *rxq, struct net_device *dev, u16 queue,
			const struct napi_struct *napi);
void igb_rs_xdp_prepare(struct xdp_buff *xdp, struct xdp_rxq_info *rxq, void *piece,
			unsigned int size, unsigned int headroom, unsigned int len);
u32 igb_rs_xdp_run(const struct bpf_prog *prog, struct xdp_buff *xdp);
struct xdp_frame *igb_rs_xdp_frame(struct xdp_buff *xdp);
void igb_rs_xdp_exception(const struct net_device *dev, const struct bpf_prog *prog, u32 action);
unsigned int igb_rs_frame_bytes(const struct xdp_frame *frame);
unsigned int igb_rs_frame_head(const struct xdp_frame *frame);
u16 igb_rs_frame_pages(const struct xdp_frame *frame);
struct igb_rs_piece igb_rs_map_frame(struct device *dev, const struct xdp_frame *frame);
struct igb_rs_piece igb_rs_map_frame_page(struct device *dev, const struct xdp_frame *frame,
					  u16 index);
/* Of a frame in a page of a pool that is mapped both ways for the device. */
dma_addr_t igb_rs_mapped_frame(struct device *dev, const struct xdp_frame *frame);
void igb_rs_share_queue(struct net_device *dev, u16 queue);
unsigned int igb_rs_tx_queues(const struct net_device *dev);
void igb_rs_explain(struct netlink_ext_ack *extack, const char *text);

void igb_rs_bh_disable(void);
void igb_rs_bh_enable(void);

/* What GCC, which built the kernel, makes of structures that bindgen lays out. */
extern const size_t igb_rs_sizeof_net_device;
extern const size_t igb_rs_sizeof_net_device_ops;

#endif

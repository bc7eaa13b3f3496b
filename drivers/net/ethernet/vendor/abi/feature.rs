// SPDX-License-Identifier: GPL-2.0

//! Abilities that `ethtool -K` switches, a bit each.
//!
//! C header: [`include/linux/netdev_features.h`](srctree/include/linux/netdev_features.h)

use super::bindings;

/// Checksums that the device found right are not looked at again.
pub(crate) const RX_CHECKSUM: u64 = 1 << bindings::NETIF_F_RXCSUM_BIT;
/// Hashes of received packets are passed on.
pub(crate) const RX_HASH: u64 = 1 << bindings::NETIF_F_RXHASH_BIT;
/// Damaged frames are received, and those that control the MAC.
pub(crate) const RX_ALL: u64 = 1 << bindings::NETIF_F_RXALL_BIT;
/// VLAN tags are taken out of received packets.
pub(crate) const VLAN_STRIP: u64 = 1 << bindings::NETIF_F_HW_VLAN_CTAG_RX_BIT;

/// What is done to packets that are sent, in a VLAN or not.
const SEND: u64 = 1 << bindings::NETIF_F_SG_BIT
    | 1 << bindings::NETIF_F_HW_CSUM_BIT
    | 1 << bindings::NETIF_F_SCTP_CRC_BIT
    | 1 << bindings::NETIF_F_TSO_BIT
    | 1 << bindings::NETIF_F_TSO6_BIT
    | 1 << bindings::NETIF_F_GSO_UDP_L4_BIT;
/// What is in tunnels is cut by rewriting their headers. The device knows nothing of tunnels: the stack
/// cuts off what is no whole piece, and headers before those of the packet inside go for options of layer 3.
const TUNNELS: u64 = 1 << bindings::NETIF_F_GSO_GRE_BIT
    | 1 << bindings::NETIF_F_GSO_GRE_CSUM_BIT
    | 1 << bindings::NETIF_F_GSO_IPXIP4_BIT
    | 1 << bindings::NETIF_F_GSO_IPXIP6_BIT
    | 1 << bindings::NETIF_F_GSO_UDP_TUNNEL_BIT
    | 1 << bindings::NETIF_F_GSO_UDP_TUNNEL_CSUM_BIT;
/// What is always on.
const FIXED: u64 =
    1 << bindings::NETIF_F_HIGHDMA_BIT | 1 << bindings::NETIF_F_HW_VLAN_CTAG_FILTER_BIT;
/// What can be switched off.
const CHANGEABLE: u64 = SEND
    | RX_CHECKSUM
    | RX_HASH
    | VLAN_STRIP
    | 1 << bindings::NETIF_F_HW_VLAN_CTAG_TX_BIT
    | 1 << bindings::NETIF_F_GSO_PARTIAL_BIT;
/// What is off until somebody switches it on. QEMU's model takes the headers of a tunnel for those
/// of the packet inside, so that what is sent by these does not get through it.
const OFF: u64 = RX_ALL | TUNNELS;
/// What interfaces of VLANs have, too.
const VLAN: u64 = SEND | 1 << bindings::NETIF_F_HIGHDMA_BIT;

/// All of an interface.
pub(super) const ALL: bindings::igb_rs_feature_sets = bindings::igb_rs_feature_sets {
    fixed: FIXED,
    changeable: CHANGEABLE,
    off: OFF,
    vlan: VLAN,
    // Once one of tunnels is on: igb_rs_features_check().
    encapsulated: VLAN,
    partial: TUNNELS,
};

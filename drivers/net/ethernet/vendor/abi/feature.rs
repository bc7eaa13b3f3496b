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
/// What is always on.
pub(super) const FIXED: u64 =
    1 << bindings::NETIF_F_HIGHDMA_BIT | 1 << bindings::NETIF_F_HW_VLAN_CTAG_FILTER_BIT;
/// What can be switched off.
pub(super) const CHANGEABLE: u64 =
    SEND | RX_CHECKSUM | RX_HASH | VLAN_STRIP | 1 << bindings::NETIF_F_HW_VLAN_CTAG_TX_BIT;
/// What is off until somebody switches it on.
pub(super) const OFF: u64 = RX_ALL;
/// What interfaces of VLANs have, too.
pub(super) const VLAN: u64 = SEND | 1 << bindings::NETIF_F_HIGHDMA_BIT;

// SPDX-License-Identifier: GPL-2.0

//! `ip link set DEV vf N …` and `ip link show`: VF control as the core asks for it.

use super::{
    filter_table::Mac,
    ops::Netdev, //
};
use crate::{
    abi::netdev_vf::{
        LinkState,
        PortVlan,
        VfInfo,
        VfOperations,
        VfStats, //
    },
    vf::logic::state::LinkPolicy, //
};
use kernel::prelude::*;

/// 802.1Q, in which all VLANs of VFs are, in network byte order.
const VLAN_PROTOCOL: u16 = 0x8100_u16.to_be();

fn index(vf: u32) -> Result<usize> {
    Ok(usize::try_from(vf)?)
}

impl VfOperations for Netdev<'_> {
    fn set_vf_mac(&self, vf: u32, mac: &Mac) -> Result {
        let port = self.port();
        port.vfs
            .set_mac(port.pdev.as_ref(), &port.bar, index(vf)?, *mac)
    }

    fn set_vf_vlan(&self, vf: u32, vlan: PortVlan) -> Result {
        let port = self.port();
        port.vfs.set_vlan(
            port.pdev.as_ref(),
            &port.bar,
            index(vf)?,
            vlan.vid,
            vlan.priority,
            vlan.protocol,
        )
    }

    fn set_vf_rate(&self, vf: u32, min: u32, max: u32) -> Result {
        let port = self.port();
        port.vfs
            .set_rate(port.pdev.as_ref(), &port.bar, index(vf)?, min, max)
    }

    fn set_vf_spoofchk(&self, vf: u32, on: bool) -> Result {
        let port = self.port();
        port.vfs
            .set_spoofchk(port.pdev.as_ref(), &port.bar, index(vf)?, on)
    }

    fn set_vf_trust(&self, vf: u32, on: bool) -> Result {
        let port = self.port();
        port.vfs
            .set_trust(port.pdev.as_ref(), &port.bar, index(vf)?, on)
    }

    fn set_vf_link_state(&self, vf: u32, state: LinkState) -> Result {
        let port = self.port();
        let policy = match state {
            LinkState::Auto => LinkPolicy::Auto,
            LinkState::Enable => LinkPolicy::Enable,
            LinkState::Disable => LinkPolicy::Disable,
        };
        port.vfs
            .set_link_state(port.pdev.as_ref(), &port.bar, index(vf)?, policy)
    }

    fn vf_config(&self, vf: u32, info: &mut VfInfo) -> Result {
        let config = self.port().vfs.get_config(index(vf)?)?;
        info.vf = vf;
        for (place, octet) in info.mac.iter_mut().zip(config.mac) {
            *place = octet;
        }
        info.vlan = u32::from(config.vlan);
        info.qos = u32::from(config.qos);
        info.vlan_proto = VLAN_PROTOCOL;
        info.max_tx_rate = u32::from(config.max_tx_rate);
        info.min_tx_rate = 0;
        info.spoofchk = u32::from(config.spoofchk);
        info.trusted = u32::from(config.trusted);
        // IFLA_VF_LINK_STATE_*.
        info.linkstate = match config.link {
            LinkPolicy::Auto => 0,
            LinkPolicy::Enable => 1,
            LinkPolicy::Disable => 2,
        };
        Ok(())
    }

    fn vf_stats(&self, vf: u32, stats: &mut VfStats) -> Result {
        let port = self.port();
        let counted = port.vfs.get_stats(&port.bar, index(vf)?)?;
        stats.rx_packets = counted.rx_packets;
        stats.tx_packets = counted.tx_packets;
        stats.rx_bytes = counted.rx_bytes;
        stats.tx_bytes = counted.tx_bytes;
        stats.multicast = counted.rx_multicast;
        Ok(())
    }
}

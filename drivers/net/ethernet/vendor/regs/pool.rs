// SPDX-License-Identifier: GPL-2.0

//! Pools of queues, the switch between them, and their rate limits
//! (datasheet 8.10 and 8.12).

use kernel::io::register;

register! {
    /// Packets of a pool are dropped, not held, when its queue is full; a bit
    /// for each queue.
    pub(crate) QDE(u32) @ 0x2408 {
        15:0 queues;
    }

    /// The switch between pools.
    pub(crate) DTXSWC(u32) @ 0x3500 {
        /// Pools whose source address is checked.
        7:0 mac_spoof;
        /// Pools whose VLAN is checked.
        15:8 vlan_spoof;
        /// Pools that get back what they send to a group.
        23:16 local_loopback;
        /// Packets between pools are switched.
        31:31 loopback => bool;
    }

    /// Pools that were caught at spoofing; a read clears it.
    pub(crate) WVBR(u32) @ 0x3554 {
        15:0 pools;
    }

    /// Transmit control of the DMA unit.
    pub(crate) DTXCTL(u32) @ 0x3590 {
        /// Packets may carry a tag that the device has put on.
        3:3 vlan_added => bool;
    }

    /// The queue that [`RTTBCNRC`] is about.
    pub(crate) RTTDQSEL(u32) @ 0x3604 {
        3:0 queue;
    }

    /// Memory window of the rate limiter.
    pub(crate) RTTBCNRM(u32) @ 0x3690 {
        /// In KiB; 14h where frames of 9.5 KiB are sent.
        9:0 window;
    }

    /// Rate limit of the selected queue; write only.
    pub(crate) RTTBCNRC(u32) @ 0x36b0 {
        /// Fraction of link rate over limit, in units of 2^-14.
        13:0 fraction;
        /// Whole part.
        27:14 whole;
        /// There is a limit.
        31:31 enable => bool;
    }

    /// The tag put on what a pool sends.
    pub(crate) VMVIR(u32)[8] @ 0x3700 {
        /// VLAN id.
        11:0 vid;
        /// Priority.
        15:13 qos;
        /// Always put it on.
        30:30 always => bool;
    }

    /// Choice of receive queues, and what a hash covers.
    pub(crate) MRQC(u32) @ 0x5818 {
        /// 2 for a hash, 3 for pools, 5 for a hash within pools.
        2:0 mode;
        /// TCP over IPv4.
        16:16 tcp4 => bool;
        /// IPv4.
        17:17 ipv4 => bool;
        /// TCP over IPv6 with extensions.
        18:18 tcp6_extended => bool;
        /// IPv6.
        20:20 ipv6 => bool;
        /// TCP over IPv6.
        21:21 tcp6 => bool;
        /// UDP over IPv4.
        22:22 udp4 => bool;
        /// UDP over IPv6.
        23:23 udp6 => bool;
    }

    /// Pools.
    pub(crate) VT_CTL(u32) @ 0x581c {
        /// Where packets go that are for no pool.
        9:7 default_pool;
        /// Nowhere.
        29:29 no_default => bool;
        /// Broadcasts and multicasts go to each pool that receives them.
        30:30 replication => bool;
    }

    /// What a pool receives.
    pub(crate) VMOLR(u32)[8] @ 0x5ad0 {
        /// Largest long frame in bytes.
        13:0 max_frame;
        /// Long frames.
        16:16 long_frames => bool;
        /// A hash chooses between its queues.
        17:17 rss => bool;
        /// Packets without a tag.
        24:24 untagged => bool;
        /// Groups in the multicast table.
        25:25 multicast_table => bool;
        /// Addresses in the unicast table.
        26:26 unicast_table => bool;
        /// Broadcasts.
        27:27 broadcast => bool;
        /// All multicasts.
        28:28 all_multicast => bool;
        /// Tags are taken out.
        30:30 strip_vlan => bool;
    }

    /// What is done to packets that go to several pools.
    pub(crate) RPLOLR(u32) @ 0x5af0 {
        /// Tags are taken out.
        30:30 strip_vlan => bool;
    }
}

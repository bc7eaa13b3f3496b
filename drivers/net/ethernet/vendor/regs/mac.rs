// SPDX-License-Identifier: GPL-2.0

//! Device control and status, NVM status, and the receive and transmit masters
//! (datasheet 8.2, 8.4, 8.10, 8.12).

use kernel::io::register;

register! {
    /// Device control (8.2.1).
    pub(crate) CTRL(u32) @ 0x0000 {
        /// Full duplex, if it is forced.
        0:0 fd => bool;
        /// No new bus mastering by the PF.
        2:2 gio_master_disable => bool;
        /// Set link up.
        6:6 slu => bool;
        /// Speed, if it is forced: 2 is 1000 Mb/s.
        9:8 speed;
        /// Force speed, against what the PHY negotiated.
        11:11 frcspd => bool;
        /// Force duplex, against what the PHY negotiated.
        12:12 frcdplx => bool;
        /// Wake-ups are signalled from D3 without auxiliary power, too.
        20:20 advd3wuc => bool;
        /// Port software reset; clears itself.
        26:26 rst => bool;
        /// Receive flow control: the port obeys pause frames.
        27:27 rfce => bool;
        /// Transmit flow control: the port sends pause frames.
        28:28 tfce => bool;
        /// VLAN tags are taken out of packets.
        30:30 vme => bool;
    }

    /// Device status (8.2.2).
    pub(crate) STATUS(u32) @ 0x0008 {
        /// Full duplex.
        0:0 fd => bool;
        /// Link up.
        1:1 lu => bool;
        /// Port number.
        3:2 lan_id;
        /// Speed: 0 is 10 Mb/s, 1 is 100, 2 and 3 are 1000.
        7:6 speed;
        /// Bus mastering is possible, or has not yet ended.
        19:19 gio_master_enable => bool;
    }

    /// NVM control and data (8.4.1).
    pub(crate) EECD(u32) @ 0x0010 {
        /// The device has read its NVM after a reset.
        9:9 auto_rd => bool;
    }

    /// NVM read (8.4.2).
    pub(crate) EERD(u32) @ 0x0014 {
        /// Starts a read.
        0:0 start => bool;
        /// The read has ended.
        1:1 done => bool;
        /// Which word.
        15:2 address;
        /// What it is.
        31:16 data;
    }

    /// Extended device control (8.2.3).
    pub(crate) CTRL_EXT(u32) @ 0x0018 {
        /// PF reset done: ends the reset of all VFs.
        14:14 pfrstd => bool;
        /// The driver is loaded: manageability firmware leaves the device alone.
        28:28 drv_load => bool;
    }

    /// Receive control (8.10.1).
    pub(crate) RCTL(u32) @ 0x0100 {
        /// Receiver enable.
        1:1 rxen => bool;
        /// Store bad packets, too.
        2:2 sbp => bool;
        /// Unicast promiscuous.
        3:3 upe => bool;
        /// Multicast promiscuous.
        4:4 mpe => bool;
        /// Long packets: above 1522 bytes, up to RLPML.
        5:5 lpe => bool;
        /// Multicast offset: which bits of an address select its hash bit.
        13:12 mo;
        /// Accept broadcast.
        15:15 bam => bool;
        /// Size of receive buffers where a queue has not set one: 0 for 2048 bytes, and each
        /// further value half of that.
        17:16 bsize;
        /// VLAN filter enable.
        18:18 vfe => bool;
        /// Pass MAC control frames on, those for pause too.
        23:23 pmcf => bool;
        /// Strip the Ethernet CRC.
        26:26 secrc => bool;
    }

    /// Longest packet received, in bytes with CRC and VLAN tag.
    pub(crate) RLPML(u32) @ 0x5004 {
        13:0 bytes;
    }

    /// Transmit control (8.12.1).
    pub(crate) TCTL(u32) @ 0x0400 {
        /// Transmitter enable.
        1:1 txen => bool;
        /// Pad short packets.
        3:3 psp => bool;
        /// Collision threshold (half duplex).
        11:4 ct;
        /// Retransmit on late collision.
        24:24 rtlc => bool;
    }
}

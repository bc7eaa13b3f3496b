// SPDX-License-Identifier: GPL-2.0

//! The PF's side of the mailboxes, and which VFs may receive and send
//! (datasheet 8.14).

use kernel::io::register;

register! {
    /// Mailbox memory, 16 words for each VF.
    pub(crate) VMBMEM(u32)[128] @ 0x0800 {
        31:0 word;
    }

    /// A VF's mailbox as the PF controls it.
    pub(crate) P2VMAILBOX(u32)[8] @ 0x0c00 {
        /// Notice: a message is there. Clears itself.
        0:0 sts => bool;
        /// Notice: the VF's message was read. Clears itself.
        1:1 ack => bool;
        /// The VF uses the memory.
        2:2 vfu => bool;
        /// The PF uses the memory; cannot be set while the VF does.
        3:3 pfu => bool;
        /// Takes the memory away from the VF. Clears itself.
        4:4 rvfu => bool;
    }

    /// A mailbox as its VF sees it. A read, by whomever, takes the VF's notices away:
    /// for a VF that is stopped only, whose notices are then kept for it. That real
    /// devices let the PF write this is not known.
    pub(crate) V2PMAILBOX(u32)[8] @ 0x0c40 {
        /// Notice: the VF has a message. Clears itself.
        0:0 request => bool;
        /// Notice: the VF has read the PF's message. Clears itself.
        1:1 read => bool;
        /// The VF uses the memory.
        2:2 vfu => bool;
        /// The PF uses the memory.
        3:3 pfu => bool;
        /// The PF has written a message. Cleared by a read.
        4:4 pfsts => bool;
        /// The PF has read the VF's message. Cleared by a read.
        5:5 pfack => bool;
        /// The PF is being reset.
        6:6 rsti => bool;
        /// The PF's reset is done. Cleared by a read.
        7:7 rstd => bool;
    }

    /// Notices from VFs; write 1 to clear.
    pub(crate) MBVFICR(u32) @ 0x0c80 {
        /// VFs with a message for the PF.
        7:0 requests;
        /// VFs that have read the PF's message.
        23:16 acks;
    }

    /// VFs whose notices raise an interrupt.
    pub(crate) MBVFIMR(u32) @ 0x0c84 {
        7:0 vfs;
    }

    /// VFs that were reset; write 1 to clear.
    pub(crate) VFLRE(u32) @ 0x0c88 {
        7:0 vfs;
    }

    /// Pools that may receive.
    pub(crate) VFRE(u32) @ 0x0c8c {
        7:0 pools;
    }

    /// Pools that may send.
    pub(crate) VFTE(u32) @ 0x0c90 {
        7:0 pools;
    }
}

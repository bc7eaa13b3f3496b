// SPDX-License-Identifier: GPL-2.0

//! Flow control by pause frames (datasheet 3.5.5; IEEE 802.3, 28B).

use crate::regs::{
    flow::{
        FCAH,
        FCAL,
        FCRTH,
        FCRTL,
        FCT,
        FCTTV,
        RXPBS, //
    },
    mac::CTRL,
    Registers, //
};
use kernel::prelude::*;

/// What a port does, or may do, each way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ways {
    /// It obeys pause frames.
    pub(crate) rx: bool,
    /// It sends pause frames.
    pub(crate) tx: bool,
}

/// Bits of the PHY's advertisement, and of the partner's (registers 4 and 5).
pub(super) const PAUSE: u16 = 1 << 10;
pub(super) const ASYMMETRIC: u16 = 1 << 11;

impl Ways {
    /// Neither.
    pub(crate) const NONE: Self = Self {
        rx: false,
        tx: false,
    };

    /// What is advertised for it: `before` with the bits of flow control replaced.
    pub(crate) fn advertise(self, before: u16) -> u16 {
        let bits = match (self.rx, self.tx) {
            (true, true) => PAUSE,
            (true, false) => PAUSE | ASYMMETRIC,
            (false, true) => ASYMMETRIC,
            (false, false) => 0,
        };
        (before & !(PAUSE | ASYMMETRIC)) | bits
    }

    /// What both ends of a link agree on, by what each advertises.
    pub(crate) fn resolve(ours: u16, theirs: u16) -> Self {
        let both = ours & theirs;
        if both & PAUSE != 0 {
            Self { rx: true, tx: true }
        } else if both & ASYMMETRIC != 0 {
            Self {
                rx: ours & PAUSE != 0,
                tx: theirs & PAUSE != 0,
            }
        } else {
            Self::NONE
        }
    }
}

/// What a device's packet buffer holds in KiB if it does not tell.
const BUFFER_KIB: u32 = 64;

/// What must still fit into the buffer when a pause frame is sent, in bytes: the frame that is
/// being received, and the one that is being sent before it.
const MARGIN: u32 = 2 * 9728;

/// Obeys and sends pause frames as `ways` says. Errors: `EINVAL` for a buffer of an
/// impossible size.
pub(crate) fn write<'a, I: Registers<'a>>(io: I, ways: Ways) -> Result {
    io.write_reg(FCAL::zeroed().with_const_octets::<0x00c2_8001>());
    io.write_reg(FCAH::zeroed().with_const_octets::<0x0100>());
    io.write_reg(FCT::zeroed().with_const_ethertype::<0x8808>());
    io.write_reg(FCTTV::zeroed().with_const_quanta::<0xffff>());
    if ways.tx {
        let kib = match io.read(RXPBS).kib().get() {
            0 => BUFFER_KIB,
            kib => kib,
        };
        let bytes = kib * 1024;
        let high = bytes.saturating_sub(MARGIN).max(bytes / 2) / 16;
        let low = FCRTL::zeroed().try_with_units(high.saturating_sub(1))?;
        io.write_reg(low.with_xon(true));
        io.write_reg(FCRTH::zeroed().try_with_units(high)?);
    } else {
        io.write_reg(FCRTL::zeroed());
        io.write_reg(FCRTH::zeroed());
    }
    io.update(CTRL, |r| r.with_rfce(ways.rx).with_tfce(ways.tx));
    Ok(())
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_flow))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const BOTH: Ways = Ways { rx: true, tx: true };
    const RX: Ways = Ways {
        rx: true,
        tx: false,
    };
    const TX: Ways = Ways {
        rx: false,
        tx: true,
    };

    #[test]
    fn other_bits_are_advertised_as_before() {
        for ways in [BOTH, RX, TX, Ways::NONE] {
            assert_eq!(ways.advertise(0x01e1) & 0x03ff, 0x01e1);
            assert_eq!(ways.advertise(0x0de1), ways.advertise(0x01e1));
        }
    }

    #[test]
    fn ends_agree_as_the_standard_says() {
        let agree =
            |ours: Ways, theirs: Ways| Ways::resolve(ours.advertise(0), theirs.advertise(0));
        assert_eq!(agree(BOTH, BOTH), BOTH);
        assert_eq!(agree(BOTH, RX), BOTH);
        assert_eq!(agree(RX, TX), RX);
        assert_eq!(agree(TX, RX), TX);
        assert_eq!(agree(TX, TX), Ways::NONE);
        assert_eq!(agree(Ways::NONE, BOTH), Ways::NONE);
        assert_eq!(agree(BOTH, TX), Ways::NONE);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Bringing the chip from any state to one that is known and quiet
//! (datasheet 4.2.1 and 4.5.3).

use crate::regs::{
    interrupt::{
        EIMC,
        ICR,
        IMC, //
    },
    mac::{
        CTRL,
        CTRL_EXT,
        EECD,
        RCTL,
        STATUS,
        TCTL, //
    },
    Bar0, //
};
use kernel::{
    io::{
        poll::read_poll_timeout,
        Io, //
    },
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// How long outstanding bus requests may take (5.2.3.3: 80 ms).
const MASTER_TIMEOUT: Delta = Delta::from_millis(80);

/// How long packets in flight may take after the masters are off.
const SETTLE: Delta = Delta::from_millis(10);

/// How long after a reset registers must not be touched (4.2.1.6.1: 1 ms).
const RESET_TIME: Delta = Delta::from_millis(1);

/// How long the device may take to read its NVM.
const NVM_TIMEOUT: Delta = Delta::from_millis(100);

const POLL: Delta = Delta::from_millis(1);

/// Masks every interrupt cause and forgets those pending.
pub(crate) fn mask_interrupts(bar: &Bar0<'_>) {
    bar.write_reg(EIMC::zeroed().with_const_vectors::<0xffff_ffff>());
    bar.write_reg(IMC::zeroed().with_const_causes::<0xffff_ffff>());
    let _ = bar.read(ICR);
}

/// Stops the PF's bus mastering; `false` if requests are still outstanding.
fn stop_master(bar: &Bar0<'_>) -> bool {
    bar.update(CTRL, |r| r.with_gio_master_disable(true));
    read_poll_timeout(
        || Ok(bar.read(STATUS)),
        |status| !status.gio_master_enable(),
        POLL,
        MASTER_TIMEOUT,
    )
    .is_ok()
}

/// Resets the port and leaves it quiet: no interrupt, no DMA, VFs held in reset.
///
/// Sleeps for some milliseconds. Errors: `ETIMEDOUT` if the device does not come
/// back; it must not be used then.
pub(crate) fn reset(dev: &kernel::device::Device, bar: &Bar0<'_>) -> Result {
    if !stop_master(bar) {
        // The reset ends what is outstanding, so this is worth a line, no more.
        dev_warn!(dev, "bus requests are outstanding before the reset\n");
    }
    mask_interrupts(bar);
    bar.write_reg(RCTL::zeroed());
    bar.write_reg(TCTL::zeroed().with_psp(true));
    // A read pushes the posted writes out.
    let _ = bar.read(STATUS);
    fsleep(SETTLE);

    bar.update(CTRL, |r| r.with_rst(true));
    fsleep(RESET_TIME);
    read_poll_timeout(|| Ok(bar.read(CTRL)), |ctrl| !ctrl.rst(), POLL, NVM_TIMEOUT)
        .inspect_err(|_| dev_err!(dev, "the reset does not end: power-cycle the device\n"))?;
    // Devices without an NVM, and QEMU's model, never report that they have read
    // it: go on, as in-tree igb does.
    let nvm = read_poll_timeout(
        || Ok(bar.read(EECD)),
        |eecd| eecd.auto_rd(),
        POLL,
        NVM_TIMEOUT,
    );
    if nvm.is_err() {
        dev_dbg!(dev, "the device has not reported that it read its NVM\n");
    }
    // The reset unmasked nothing, but may have left causes behind.
    mask_interrupts(bar);
    bar.update(CTRL_EXT, |r| r.with_drv_load(true));
    Ok(())
}

/// Makes the port quiet, with its filters as they are, and gives it back to firmware.
pub(crate) fn pause(dev: &kernel::device::Device, bar: &Bar0<'_>) {
    mask_interrupts(bar);
    if !stop_master(bar) {
        dev_warn!(dev, "bus requests are outstanding\n");
    }
    bar.update(CTRL_EXT, |r| r.with_drv_load(false));
}

/// Gives the port back to firmware, quiet, at unbind.
pub(crate) fn release(dev: &kernel::device::Device, bar: &Bar0<'_>) {
    // A port that does not reset is quiet all the same: masters are off.
    if reset(dev, bar).is_err() {
        let _ = stop_master(bar);
    }
    bar.update(CTRL_EXT, |r| r.with_drv_load(false));
}

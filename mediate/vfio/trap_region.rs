// SPDX-License-Identifier: GPL-2.0

//! Reads and writes of the dynamic-trap region. Documentation/trap-region.rst says what they
//! mean to a VMM.

use super::{
    device::MediatedDevice,
    provided::Provided, //
};
use crate::{
    abi::{
        eventfd::EventFd,
        vfio_core::Core,
        vfio_requests::FileIo, //
    },
    logic::trap_region::{
        Control,
        Request,
        SIZE, //
    },
    trap::region::Trap,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The region of an open device.
pub(crate) struct TrapRegion {
    /// Its index.
    pub(crate) index: u32,
    /// What it is about.
    pub(crate) trap: Arc<Trap>,
}

/// Bytes of a member that may be written.
const MEMBER: usize = 4;

impl MediatedDevice {
    /// A read or write at `offset` of the region. May sleep.
    ///
    /// Errors of a write: `EINVAL` for one that is not of a member that may be written, or has
    /// no meaning; `EBADF`, what the descriptor is; `EBUSY` while something is mapped that must
    /// not be; `ESTALE` for an outdated acknowledgement; `EFAULT` for missing memory.
    pub(super) fn rw_trap_region(
        &self,
        dev: &Core<'_>,
        io: &mut FileIo,
        provided: &Provided,
        region: &TrapRegion,
        offset: u64,
    ) -> Result<usize> {
        let trap = &region.trap;
        if !io.is_write() {
            let mut bytes = KVec::from_elem(0, SIZE, GFP_KERNEL)?;
            trap.view().write(trap.listed(), &mut bytes);
            let first = usize::try_from(offset)?;
            let bytes = bytes.get(first..).ok_or(EINVAL)?;
            let bytes = bytes.get(..io.count()).unwrap_or(bytes);
            io.store(0, bytes)?;
            return Ok(bytes.len());
        }
        let mut bytes = [0; MEMBER];
        if io.count() != bytes.len() {
            return Err(EINVAL);
        }
        io.fetch(0, &mut bytes)?;
        match Request::parse(offset, &bytes).ok_or(EINVAL)? {
            Request::Control(control) => self.set_control(dev, provided, trap, control)?,
            Request::Event(fd) => trap.set_event(fd.map(EventFd::get).transpose()?),
            Request::Acknowledge(sequence) => trap.acknowledge(dev, sequence)?,
            Request::Retry => self.migration().retry(trap)?,
        }
        Ok(bytes.len())
    }

    fn set_control(
        &self,
        dev: &Core<'_>,
        provided: &Provided,
        trap: &Trap,
        control: Control,
    ) -> Result {
        let _one_at_a_time = self.control().lock();
        let now = trap.control();
        if !control.opt_in && (now.opt_in || control.prefault) {
            return Err(EINVAL);
        }
        if control.opt_in && !now.opt_in {
            self.opt_in(dev, provided, trap)?;
            trap.opted_in();
        }
        if control.prefault != now.prefault {
            self.migration().set_prefault(trap, control.prefault)?;
        }
        Ok(())
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A fake 82576, and tests of the driver on it. `memory` is the including
//! crate's: where the fake's registers and the VFs' state live.

mod device;
#[cfg(test)]
pub(crate) mod hostile;
#[cfg(any(test, kunit_module))]
mod level_tests;
#[cfg(any(test, kunit_module))]
mod move_tests;
#[cfg(any(test, kunit_module))]
mod page0_tests;
#[cfg(any(test, kunit_module))]
mod prefault_tests;
mod queues;
#[cfg(any(test, kunit_module))]
mod receive_tests;
#[cfg(any(test, kunit_module))]
mod rig;
#[cfg(any(test, kunit_module))]
mod service_tests;
mod switch;
#[cfg(any(test, kunit_module))]
mod switch_tests;
#[cfg(any(test, kunit_module))]
mod tracking_tests;
mod traffic;
#[cfg(any(test, kunit_module))]
pub(crate) mod user;
#[cfg(any(test, kunit_module))]
mod wake_tests;
#[cfg(any(test, kunit_module))]
mod world;

use super::memory;

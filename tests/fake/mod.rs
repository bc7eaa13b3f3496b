// SPDX-License-Identifier: GPL-2.0

//! A fake 82576, and tests of the driver on it. `memory` is the including
//! crate's: where the fake's registers and the VFs' state live.

mod device;
#[cfg(any(test, kunit_module))]
mod rig;
#[cfg(any(test, kunit_module))]
mod service_tests;
mod switch;
#[cfg(any(test, kunit_module))]
mod switch_tests;

use super::memory;

// SPDX-License-Identifier: GPL-2.0

//! See [`fuzz::mailbox`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::mailbox(data));

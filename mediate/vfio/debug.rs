// SPDX-License-Identifier: GPL-2.0

//! The operator's view: `/sys/kernel/debug/vfio_pci_mediate/<device>/`.
//!
//! Reading a file takes leaf locks only, so that nobody who looks has to wait for a
//! VMM.

use super::device::Shared;
use kernel::{
    debugfs::{
        Dir,
        ScopedDir, //
    },
    fmt,
    prelude::*,
    sync::atomic::Relaxed, //
};

kernel::sync::global_lock! {
    // UNSAFE-OUTSIDE-ABI: the macro's way to define a lock that `Root::new` makes.
    // SAFETY: `Root::new` runs once, from this module's init, before any device
    // is bound.
    unsafe(uninit) static ROOT: Mutex<Option<Dir>> = None;
}

/// The folder of all devices, removed on drop.
pub(crate) struct Root(());

impl Root {
    /// Makes the folder; called once, from module init.
    pub(crate) fn new() -> Self {
        // UNSAFE-OUTSIDE-ABI: belongs to the lock's definition above.
        // SAFETY: Called once, from module init.
        unsafe { ROOT.init() };
        *ROOT.lock() = Some(Dir::new(c"vfio_pci_mediate"));
        Self(())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        *ROOT.lock() = None;
    }
}

/// The folder of all devices. Errors: `ENODEV` outside the module's life.
pub(crate) fn root() -> Result<Dir> {
    ROOT.lock().clone().ok_or(ENODEV)
}

/// Makes the files of one device.
pub(crate) fn files<'data>(shared: &'data Shared, dir: &ScopedDir<'data, '_>) {
    dir.read_callback_file(c"state", shared, &state);
    dir.read_callback_file(c"transport", shared, &transport);
    dir.read_callback_file(c"provider", shared, &provider);
    dir.read_callback_file(c"trapped", shared, &trapped);
    dir.read_callback_file(c"trapped_writes", shared, &trapped_writes);
    dir.read_callback_file(c"report_channel", shared, &report_channel);
    dir.read_callback_file(c"dirty_pages", shared, &dirty_pages);
    dir.read_callback_file(c"state_bytes", shared, &state_bytes);
    dir.read_callback_file(c"last_error", shared, &last_error);
}

/// The migration state; `none` if the device is closed or cannot be moved.
fn state(shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let state = shared.migration.seen_state();
    writeln!(f, "{}", state.map_or("none", |state| state.name()))
}

/// The transport in force.
fn transport(shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let provided = shared.provided.lock();
    let word = provided.as_ref().map_or("none", |p| p.transport.word());
    writeln!(f, "{word}")
}

/// The provider of the open device.
fn provider(shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // Not even a reference may outlive the lock: the last one must be `close`'s.
    match shared.provided.lock().as_ref() {
        None => writeln!(f, "none"),
        Some(p) => writeln!(f, "{}", p.binding.name().to_str().unwrap_or("?")),
    }
}

/// What of the BARs is not passed through now: what can never be mapped because the provider
/// mediates it, and windows that are trapped.
fn trapped(shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(provided) = shared.provided.lock().as_ref() {
        for (index, bar) in provided.bars.iter().enumerate() {
            for span in bar.hidden() {
                let last = span.end().unwrap_or(u64::MAX).saturating_sub(1);
                writeln!(f, "BAR{index} {:#x}-{last:#x}", span.offset)?;
            }
        }
        let windows = (0..).map_while(|index| provided.trap.window(index));
        for (window, _) in windows.filter(|(_, trapped)| *trapped) {
            let last = window.span.end().unwrap_or(u64::MAX).saturating_sub(1);
            writeln!(
                f,
                "BAR{} {:#x}-{last:#x} trapped",
                window.region, window.span.offset
            )?;
        }
    }
    Ok(())
}

/// Writes to registers that the provider took, since the device was bound.
fn trapped_writes(shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", shared.counters.trapped_writes.load(Relaxed))
}

/// How the VMM is told now what the device writes.
fn report_channel(shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let words = match (shared.log.is_logging(), shared.log.is_scoped()) {
        (false, false) => "none",
        (true, false) => "log",
        (false, true) => "scope",
        (true, true) => "log scope",
    };
    writeln!(f, "{words}")
}

/// Pages found to be written by the device, since the device was bound; a page counts again
/// when the VMM has been told of it.
fn dirty_pages(shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", shared.counters.dirty_pages.load(Relaxed))
}

/// Bytes of the current or last migration stream.
fn state_bytes(shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", shared.migration.seen_bytes())
}

/// Why something failed last; empty if nothing did.
fn last_error(shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    shared
        .last_error
        .with(|why| writeln!(f, "{}", core::str::from_utf8(why).unwrap_or("?")))
}

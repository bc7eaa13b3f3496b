// SPDX-License-Identifier: GPL-2.0

//! What all transports are to the rest of the mediator: windows of BARs that are passed
//! through, or trapped.

use crate::{
    abi::{
        bar::{
            Fault,
            Mapped, //
        },
        binding::Binding,
        vfio_core::Core, //
    },
    logic::{
        span::Span,
        window::Window, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The windows of one open device.
pub(crate) trait Switch: Send + Sync {
    /// Says which of the provider's windows, by their numbers, these are; once, before there
    /// are users. Errors: `ENOMEM`; `EBUSY` the second time.
    fn set_windows(&self, windows: &[(usize, Window)]) -> Result;

    /// The `index`-th of them, and whether it is trapped now.
    fn window(&self, index: usize) -> Option<(Window, bool)>;

    /// Traps what must be trapped while the VF is logged, from when this returns. Called in a
    /// task of the VMM's, with the device's state lock held alone. May sleep. Errors: why it
    /// cannot be; then all is as before.
    fn on(self: Arc<Self>, binding: &Arc<Binding>) -> Result;

    /// Passes it through again. Called with no lock but the device's state lock. May sleep.
    fn off(&self, dev: &Core<'_>);

    /// Somebody uses a page of a BAR that is not mapped. In the fault handler.
    fn fault(&self, fault: &Fault<'_>) -> Mapped;

    /// The register at `offset` of window number `window` reads as `value` from now on, if
    /// reads of it are not seen while it is trapped.
    fn show(&self, _window: usize, _offset: u64, _value: u32) {}

    /// This memory is missing, which a doorbell needs.
    fn missing(&self, _iova: u64, _len: u64) {}

    /// Whether `span` of BAR `region` has a part that may be trapped.
    fn concerns(&self, region: u32, span: Span) -> bool {
        let asked = Window {
            region,
            span,
            optional: false,
        };
        (0..)
            .map_while(|index| self.window(index))
            .any(|(window, _)| window.overlaps(&asked))
    }
}

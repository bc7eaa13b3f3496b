// SPDX-License-Identifier: GPL-2.0

//! The interface: whether it is open, and all that must happen while it is not.

use super::queue::{
    self,
    Queue, //
};
use crate::{
    abi::{
        lock::Rtnl,
        work::Run, //
    },
    pf::port::Port, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    time::Msecs, //
};

/// The queues, and whether they run.
#[pin_data]
pub(crate) struct Interface<'bound> {
    /// The port.
    pub(crate) port: Arc<Port<'bound>>,
    /// The queues.
    pub(crate) queue: Arc<Queue<'bound>>,
    /// Whether the queues run. Taken under the RTNL.
    #[pin]
    is_open: Mutex<bool>,
}

impl<'bound> Interface<'bound> {
    /// The interface of `port`, closed. Errors: `ENOMEM`.
    pub(crate) fn new(port: Arc<Port<'bound>>, queue: Arc<Queue<'bound>>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                port,
                queue,
                is_open <- new_mutex!(false, "igb_rs::is_open"),
            }),
            GFP_KERNEL,
        )
    }

    /// Lets the queues run, unless they do. With the RTNL held; sleeps. Errors: `ENOMEM`.
    pub(crate) fn open(&self) -> Result {
        let mut is_open = self.is_open.lock();
        if *is_open {
            return Ok(());
        }
        queue::open(&self.queue).inspect_err(|errno| {
            dev_err!(self.port.pdev, "cannot open the queues: {errno:?}\n");
        })?;
        *is_open = true;
        drop(is_open);
        self.port.check_link();
        Ok(())
    }

    /// Stops the queues, if they run. With the RTNL held; sleeps.
    pub(crate) fn close(&self) {
        let mut is_open = self.is_open.lock();
        if *is_open {
            queue::close(&self.queue);
            *is_open = false;
        }
    }

    /// Runs `f` while the queues are stopped, and lets them run again if they did and `f`
    /// succeeds. With the RTNL held; sleeps.
    pub(crate) fn while_closed(&self, f: impl FnOnce() -> Result) -> Result {
        let was_open = *self.is_open.lock();
        self.close();
        f()?;
        if was_open {
            self.open()?;
        }
        Ok(())
    }

    /// Keeps everybody from a device that does not answer. Takes the RTNL; sleeps.
    pub(crate) fn quiesce(&self) {
        let _rtnl = Rtnl::lock();
        self.port.netdev.detach();
        self.close();
    }

    /// Sets up a device that was reset. Takes the RTNL; sleeps. Errors: `ETIMEDOUT` or `EIO` if
    /// it does not answer.
    pub(crate) fn recover(&self) -> Result {
        let _rtnl = Rtnl::lock();
        self.port.restart().inspect_err(|errno| {
            dev_err!(self.port.pdev, "the device does not come back: {errno:?}\n");
        })
    }

    /// Goes on after [`recover`](Self::recover). Takes the RTNL; sleeps.
    pub(crate) fn resume(&self) {
        let _rtnl = Rtnl::lock();
        let netdev = &self.port.netdev;
        // `open` has told why not, and the interface stays detached.
        if !netdev.is_running() || self.open().is_ok() {
            netdev.attach();
        }
    }

    /// Moves the PF's queues to the pool after `num_vfs` VFs'. Takes the RTNL; sleeps. Errors:
    /// `ENOMEM`; the PF is then alone, and goes on if there is memory for that.
    pub(crate) fn set_num_vfs(&self, num_vfs: u8) -> Result {
        let _rtnl = Rtnl::lock();
        let was_open = *self.is_open.lock();
        let moved = self.while_closed(|| self.port.set_num_vfs(num_vfs));
        if moved.is_ok() {
            return Ok(());
        }
        let back = self.port.set_num_vfs(0);
        let open = if was_open { self.open() } else { Ok(()) };
        if num_vfs == 0 {
            back.and(open)
        } else {
            moved
        }
    }
}

/// Restarts a port whose transmit queue hangs.
pub(crate) struct Recovery<'bound>(Arc<Interface<'bound>>);

impl<'bound> Recovery<'bound> {
    /// Recovery of `interface`.
    pub(crate) fn new(interface: Arc<Interface<'bound>>) -> Self {
        Self(interface)
    }
}

impl Run for Recovery<'_> {
    fn run(&self) -> Option<Msecs> {
        let _rtnl = Rtnl::lock();
        let interface = &self.0;
        // It may have been taken down meanwhile, and is then sound.
        if *interface.is_open.lock() {
            let restarted = interface.while_closed(|| interface.port.restart());
            if let Err(errno) = restarted {
                dev_err!(
                    interface.port.pdev,
                    "the port does not restart: {errno:?}; bind the driver anew\n"
                );
            }
        }
        None
    }
}

/// Reads the device's counters before they overflow.
pub(crate) struct Watchdog<'bound>(Arc<Port<'bound>>);

/// A VF's bytes are counted in 32 bits, which takes 34 s to overflow at the wire's rate.
pub(crate) const WATCHDOG_INTERVAL: Msecs = 15_000;

impl<'bound> Watchdog<'bound> {
    /// The watchdog of `port`.
    pub(crate) fn new(port: Arc<Port<'bound>>) -> Self {
        Self(port)
    }
}

impl Run for Watchdog<'_> {
    fn run(&self) -> Option<Msecs> {
        let port = &self.0;
        {
            // Those who ask for the totals do so in softirqs, too.
            port.totals.lock().update(&port.bar);
        }
        for vf in 0..usize::from(port.pool.index()) {
            // A VF that has just gone has nothing to count.
            let _ = port.vfs.get_stats(&port.bar, vf);
        }
        Some(WATCHDOG_INTERVAL)
    }
}

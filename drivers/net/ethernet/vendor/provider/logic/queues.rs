// SPDX-License-Identifier: GPL-2.0

//! A VF's queues as registers hold them, and what may be put there. Pure.

/// Bytes of a descriptor.
pub(crate) const DESCRIPTOR: u32 = 16;

/// Rings begin at, and are as long as, multiples of so many bytes.
const UNIT: u32 = 128;

/// Longest ring in bytes that the registers can express.
pub(crate) const MAX_LENGTH: u32 = 0x000f_ff80;

/// A queue runs.
pub(crate) const ENABLE: u32 = 1 << 25;

/// RXDCTL: three thresholds, enable.
const RX_CONTROL: u32 = 0x021f_1f1f;

/// TXDCTL: three thresholds, enable, priority.
const TX_CONTROL: u32 = 0x0a1f_1f1f;

/// SRRCTL: sizes of buffer and header, threshold, type, drop.
const RX_SHAPE: u32 = 0x8ff0_3f7f;

/// RXCTL: direct cache access of descriptors, headers and data, ordering and
/// snooping, the CPU.
const RX_HINTS: u32 = 0xff00_ffe0;

/// TXCTL: direct cache access of descriptors, ordering and snooping, the CPU.
const TX_HINTS: u32 = 0xff00_3f20;

/// Head write-back: enable, and an address that is a multiple of 4.
const WRITE_BACK: u64 = !0b10;

/// What is wrong with a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum QueueFault {
    /// Base or length is no multiple of 128, or the length too large.
    Ring,
    /// Head or tail is beyond the end.
    Position,
    /// A bit is set that has no meaning.
    Reserved,
}

/// Where a ring is, and how far it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ring {
    /// First byte, in the VF's address space.
    pub(crate) base: u64,
    /// Bytes.
    pub(crate) length: u32,
    /// Next descriptor that the device uses.
    pub(crate) head: u16,
    /// First that it may not use.
    pub(crate) tail: u16,
}

impl Ring {
    /// How many descriptors there are.
    pub(crate) fn descriptors(&self) -> u32 {
        self.length / DESCRIPTOR
    }

    fn check(&self) -> Result<(), QueueFault> {
        if self.base % u64::from(UNIT) != 0
            || self.length % UNIT != 0
            || self.length > MAX_LENGTH
            || self.base.checked_add(u64::from(self.length)).is_none()
        {
            return Err(QueueFault::Ring);
        }
        // A queue without a ring stands at its start.
        let last = u16::try_from(self.descriptors().saturating_sub(1));
        let last = last.map_err(|_| QueueFault::Ring)?;
        if self.head > last || self.tail > last {
            return Err(QueueFault::Position);
        }
        Ok(())
    }

    /// Of a queue that does not run, positions mean nothing when they are beyond the
    /// end, and neither does a ring that cannot be.
    fn sanitized_idle(self) -> Self {
        match self.check() {
            Ok(()) => self,
            Err(QueueFault::Position) => Self {
                head: 0,
                tail: 0,
                ..self
            },
            Err(_) => Self::default(),
        }
    }

    /// How many descriptors the device still has to use.
    pub(crate) fn queued(&self) -> u32 {
        let (head, tail) = (u32::from(self.head), u32::from(self.tail));
        if tail >= head {
            tail - head
        } else {
            (self.descriptors() + tail).saturating_sub(head)
        }
    }
}

/// A receive queue.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct RxQueue {
    /// The ring.
    pub(crate) ring: Ring,
    /// SRRCTL.
    pub(crate) shape: u32,
    /// RXDCTL.
    pub(crate) control: u32,
    /// RXCTL.
    pub(crate) hints: u32,
}

impl RxQueue {
    /// Of what a guest may have written, what the device heeds.
    pub(crate) fn sanitized(self) -> Self {
        let idle = self.control & ENABLE == 0;
        Self {
            ring: if idle {
                self.ring.sanitized_idle()
            } else {
                self.ring
            },
            shape: self.shape & RX_SHAPE,
            control: self.control & RX_CONTROL,
            hints: self.hints & RX_HINTS,
        }
    }

    /// Whether it can be put into registers.
    pub(crate) fn check(&self) -> Result<(), QueueFault> {
        self.ring.check()?;
        let reserved = self.shape & !RX_SHAPE | self.control & !RX_CONTROL | self.hints & !RX_HINTS;
        if reserved != 0 {
            return Err(QueueFault::Reserved);
        }
        Ok(())
    }
}

/// A transmit queue.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct TxQueue {
    /// The ring.
    pub(crate) ring: Ring,
    /// TXDCTL.
    pub(crate) control: u32,
    /// TXCTL.
    pub(crate) hints: u32,
    /// TDWBAL and TDWBAH: where the head is written to, bit 0 set if it is.
    pub(crate) write_back: u64,
}

impl TxQueue {
    /// Of what a guest may have written, what the device heeds.
    pub(crate) fn sanitized(self) -> Self {
        let idle = self.control & ENABLE == 0;
        Self {
            ring: if idle {
                self.ring.sanitized_idle()
            } else {
                self.ring
            },
            control: self.control & TX_CONTROL,
            hints: self.hints & TX_HINTS,
            write_back: self.write_back & WRITE_BACK,
        }
    }

    /// Whether it can be put into registers.
    pub(crate) fn check(&self) -> Result<(), QueueFault> {
        self.ring.check()?;
        let reserved = self.control & !TX_CONTROL | self.hints & !TX_HINTS;
        if reserved != 0 || self.write_back & !WRITE_BACK != 0 {
            return Err(QueueFault::Reserved);
        }
        Ok(())
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_queues))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const RING: Ring = Ring {
        base: 0x1_0000_0080,
        length: 0x1000,
        head: 20,
        tail: 255,
    };

    #[test]
    fn positions_are_inside_the_ring() {
        assert_eq!(RING.check(), Ok(()));
        assert_eq!(Ring::default().check(), Ok(()));
        for (head, tail) in [(256, 0), (0, 256), (0xffff, 0xffff)] {
            let ring = Ring { head, tail, ..RING };
            assert_eq!(ring.check(), Err(QueueFault::Position));
            assert_eq!(
                ring.sanitized_idle(),
                Ring {
                    head: 0,
                    tail: 0,
                    ..RING
                }
            );
        }
        let none = Ring {
            tail: 1,
            ..Ring::default()
        };
        assert_eq!(none.check(), Err(QueueFault::Position));
    }

    #[test]
    fn rings_are_aligned_and_do_not_wrap_the_address_space() {
        for ring in [
            Ring { base: 0x40, ..RING },
            Ring {
                length: 0x1010,
                ..RING
            },
            Ring {
                length: MAX_LENGTH + 128,
                ..RING
            },
            Ring {
                base: u64::MAX - 0x7f,
                ..RING
            },
        ] {
            assert_eq!(ring.check(), Err(QueueFault::Ring));
        }
        let longest = Ring {
            length: MAX_LENGTH,
            ..RING
        };
        assert_eq!(longest.check(), Ok(()));
    }

    #[test]
    fn what_is_kept_of_an_idle_queue_can_be_put_back() {
        let queue = RxQueue {
            ring: Ring { head: 300, ..RING },
            shape: !0,
            control: !ENABLE,
            hints: !0,
        };
        assert!(queue.check().is_err());
        assert_eq!(queue.sanitized().check(), Ok(()));
        let queue = TxQueue {
            ring: Ring { base: 1, ..RING },
            control: !ENABLE,
            hints: !0,
            write_back: !0,
        };
        assert_eq!(queue.sanitized().check(), Ok(()));
        // One that runs is what it is.
        let running = TxQueue {
            control: ENABLE,
            ..queue
        };
        assert_eq!(running.sanitized().check(), Err(QueueFault::Ring));
    }

    #[test]
    fn what_is_queued_may_wrap() {
        assert_eq!(RING.queued(), 235);
        let wrapped = Ring {
            head: 250,
            tail: 4,
            ..RING
        };
        assert_eq!(wrapped.queued(), 10);
        assert_eq!(Ring::default().queued(), 0);
    }
}

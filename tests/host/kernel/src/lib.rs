// SPDX-License-Identifier: GPL-2.0

//! The part of the kernel crate that register and hardware-operation files use,
//! so that they compile unchanged on the host. Names, bounds and meaning are
//! those of the kernel crate of Linux 7.3; what is not needed is absent.

#[doc(hidden)]
pub use paste::paste;

pub mod io;

/// Pointers with a size.
pub mod ptr {
    /// An alignment; only its value is of interest here.
    #[derive(Clone, Copy)]
    pub struct Alignment(usize);

    impl Alignment {
        /// A given alignment.
        pub const fn new<const ALIGN: usize>() -> Self {
            Self(ALIGN)
        }

        /// The alignment of `T`.
        pub const fn of<T>() -> Self {
            Self(align_of::<T>())
        }

        /// In bytes.
        pub const fn as_usize(self) -> usize {
            self.0
        }
    }

    /// Types whose size is known from a pointer's metadata.
    pub trait KnownSize {
        /// Least size.
        const MIN_SIZE: usize;
        /// Least alignment.
        const MIN_ALIGN: Alignment;

        /// Size of what `p` points to, in bytes.
        fn size(p: *const Self) -> usize;
    }

    impl<T> KnownSize for T {
        const MIN_SIZE: usize = size_of::<T>();
        const MIN_ALIGN: Alignment = Alignment::of::<T>();

        fn size(_: *const Self) -> usize {
            size_of::<T>()
        }
    }
}

/// Errors.
pub mod error {
    /// An errno.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct Error(pub i32);

    /// The result of most things.
    pub type Result<T = (), E = Error> = core::result::Result<T, E>;

    impl From<core::num::TryFromIntError> for Error {
        fn from(_: core::num::TryFromIntError) -> Self {
            code::EINVAL
        }
    }

    /// Errnos by name.
    pub mod code {
        use super::Error;

        /// No such device or address.
        pub const ENXIO: Error = Error(-6);
        /// Bad address.
        pub const EFAULT: Error = Error(-14);
        /// Device or resource busy.
        pub const EBUSY: Error = Error(-16);
        /// Invalid argument.
        pub const EINVAL: Error = Error(-22);
        /// No space left.
        pub const ENOSPC: Error = Error(-28);
        /// Value too large.
        pub const EOVERFLOW: Error = Error(-75);
        /// Timed out.
        pub const ETIMEDOUT: Error = Error(-110);
        /// State not recoverable.
        pub const ENOTRECOVERABLE: Error = Error(-131);
    }
}

/// PCI.
pub mod pci {
    use core::marker::PhantomData;

    /// A mapped BAR. There are none on the host; tests use a fake.
    pub struct Bar<'a, const SIZE: usize>(PhantomData<&'a ()>);
}

/// What most files need.
pub mod prelude {
    pub use crate::error::{code::*, Error, Result};
}

// SPDX-License-Identifier: GPL-2.0

//! `kernel::io::register!`: fixed registers and arrays of registers, with bit
//! fields that are numbers or (`=> bool`) flags.

use super::{IoLoc, Region};
use core::marker::PhantomData;

/// A register.
pub trait Register: Sized {
    /// Its raw type.
    type Storage: Into<Self> + From<Self>;
    /// Where it is, or the first of an array.
    const OFFSET: usize;
}

/// A register at a fixed offset.
pub trait FixedRegister: Register {}

/// Where a [`FixedRegister`] is.
pub struct FixedRegisterLoc<T: FixedRegister>(PhantomData<T>);

impl<T: FixedRegister> FixedRegisterLoc<T> {
    /// Its location.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<const SIZE: usize, T: FixedRegister> IoLoc<Region<SIZE>, T> for FixedRegisterLoc<T> {
    type IoType = T::Storage;

    fn offset(self) -> usize {
        T::OFFSET
    }
}

/// An array of registers.
pub trait RegisterArray: Register {
    /// Number of elements.
    const SIZE: usize;
    /// Bytes from one to the next.
    const STRIDE: usize;
}

/// Where an element is.
pub struct RegisterArrayLoc<T: RegisterArray>(usize, PhantomData<T>);

impl<const SIZE: usize, T: RegisterArray> IoLoc<Region<SIZE>, T> for RegisterArrayLoc<T> {
    type IoType = T::Storage;

    fn offset(self) -> usize {
        T::OFFSET + self.0 * T::STRIDE
    }
}

/// Elements of an array.
pub trait Array {
    /// Element `idx`, which there is.
    fn at(idx: usize) -> RegisterArrayLoc<Self>
    where
        Self: RegisterArray,
    {
        Self::try_at(idx).unwrap()
    }

    /// Element `idx`, if there is one.
    fn try_at(idx: usize) -> Option<RegisterArrayLoc<Self>>
    where
        Self: RegisterArray,
    {
        (idx < Self::SIZE).then_some(RegisterArrayLoc(idx, PhantomData))
    }
}

/// A value that knows where it belongs.
pub trait LocatedRegister<Base: ?Sized> {
    /// The value's type.
    type Value: Register;
    /// The location's type.
    type Location: IoLoc<Base, Self::Value>;

    /// Location and value.
    fn into_io_op(self) -> (Self::Location, Self::Value);
}

impl<const SIZE: usize, T: FixedRegister> LocatedRegister<Region<SIZE>> for T {
    type Value = T;
    type Location = FixedRegisterLoc<T>;

    fn into_io_op(self) -> (FixedRegisterLoc<T>, T) {
        (FixedRegisterLoc::new(), self)
    }
}

/// The value of a field that is a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field(pub u32);

impl Field {
    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Defines registers of 32 bits.
#[macro_export]
macro_rules! register {
    (@kind $(#[$attr:meta])* $vis:vis $name:ident) => {
        impl $crate::io::register::FixedRegister for $name {}
        $(#[$attr])*
        #[allow(dead_code)]
        $vis const $name: $crate::io::register::FixedRegisterLoc<$name> =
            $crate::io::register::FixedRegisterLoc::new();
    };
    (@kind $(#[$attr:meta])* $vis:vis $name:ident [$size:expr]) => {
        $crate::register!(@kind $vis $name [$size, stride = 4]);
    };
    (@kind $(#[$attr:meta])* $vis:vis $name:ident [$size:expr, stride = $stride:expr]) => {
        impl $crate::io::register::Array for $name {}
        impl $crate::io::register::RegisterArray for $name {
            const SIZE: usize = $size;
            const STRIDE: usize = $stride;
        }
    };

    (@type $(#[$attr:meta])* $vis:vis $name:ident { $(
        $(#[$doc:meta])* $hi:literal : $lo:literal $field:ident $(=> $into:ident)?;
    )* }) => {
        $(#[$attr])*
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        $vis struct $name {
            inner: u32,
        }

        #[allow(dead_code)]
        impl $name {
            /// All bits clear.
            $vis const fn zeroed() -> Self {
                Self { inner: 0 }
            }

            /// From the raw value.
            $vis const fn from_raw(value: u32) -> Self {
                Self { inner: value }
            }

            /// The raw value.
            $vis const fn into_raw(self) -> u32 {
                self.inner
            }

            $( $crate::register!(@field $(#[$doc])* $vis, $hi : $lo $field $(=> $into)?); )*
        }

        impl From<u32> for $name {
            fn from(value: u32) -> Self {
                Self { inner: value }
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> u32 {
                value.inner
            }
        }
    };

    (@field $(#[$doc:meta])* $vis:vis, $hi:literal : $lo:literal $field:ident => bool) => {
        $crate::paste! {
            $(#[$doc])*
            #[doc = ""]
            $vis const fn $field(self) -> bool {
                self.inner >> $lo & 1 != 0
            }

            $(#[$doc])*
            #[doc = ""]
            $vis const fn [<with_ $field>](self, value: bool) -> Self {
                Self { inner: self.inner & !(1 << $lo) | (value as u32) << $lo }
            }
        }
    };
    (@field $(#[$doc:meta])* $vis:vis, $hi:literal : $lo:literal $field:ident) => {
        $crate::paste! {
            $(#[$doc])*
            #[doc = ""]
            $vis const fn $field(self) -> $crate::io::register::Field {
                $crate::io::register::Field(self.inner << (31 - $hi) >> (31 - $hi + $lo))
            }

            $(#[$doc])*
            #[doc = ""]
            $vis const fn [<with_const_ $field>]<const VALUE: u32>(self) -> Self {
                let max = u32::MAX >> (31 - $hi + $lo);
                assert!(VALUE <= max);
                Self { inner: self.inner & !(max << $lo) | VALUE << $lo }
            }

            $(#[$doc])*
            #[doc = ""]
            $vis fn [<try_with_ $field>]<T: TryInto<u32>>(
                self,
                value: T,
            ) -> $crate::error::Result<Self> {
                let max = u32::MAX >> (31 - $hi + $lo);
                match value.try_into() {
                    Ok(value) if value <= max => Ok(Self { inner: self.inner & !(max << $lo) | value << $lo }),
                    _ => Err($crate::error::code::EOVERFLOW),
                }
            }
        }
    };

    ($(
        $(#[$attr:meta])* $vis:vis $name:ident (u32)
            $([ $size:expr $(, stride = $stride:expr)? ])? @ $offset:literal
        { $($fields:tt)* }
    )*) => { $(
        $crate::register!(@type $(#[$attr])* $vis $name { $($fields)* });
        impl $crate::io::register::Register for $name {
            type Storage = u32;
            const OFFSET: usize = $offset;
        }
        $crate::register!(@kind $(#[$attr])* $vis $name $([$size $(, stride = $stride)?])?);
    )* };
}

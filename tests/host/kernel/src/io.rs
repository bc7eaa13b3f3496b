// SPDX-License-Identifier: GPL-2.0

//! `kernel::io`: backends, accesses by location, and `register!`.
// The signatures are those of the kernel crate.
#![allow(clippy::needless_lifetimes)]

use crate::{
    error::{code::EINVAL, Result},
    ptr::{Alignment, KnownSize},
};

pub mod register;

pub use crate::register;
pub use register::LocatedRegister;

/// A range of registers of at least `SIZE` bytes.
#[repr(C, align(4))]
pub struct Region<const SIZE: usize = 0> {
    inner: [u8],
}

impl<const SIZE: usize> Region<SIZE> {
    /// A pointer to `size` bytes at `base`.
    pub fn ptr_from_raw_parts_mut(base: *mut u8, size: usize) -> *mut Self {
        core::ptr::slice_from_raw_parts_mut(base, size) as *mut Self
    }
}

impl<const SIZE: usize> KnownSize for Region<SIZE> {
    const MIN_SIZE: usize = SIZE;
    const MIN_ALIGN: Alignment = Alignment::new::<4>();

    fn size(p: *const Self) -> usize {
        (p as *const [u8]).len()
    }
}

/// A way to reach registers.
pub trait IoBackend {
    /// A part of them.
    type View<'a, T: ?Sized + KnownSize>: IoBase<'a, Backend = Self, Target = T>;

    /// Where `view` is; not to be dereferenced.
    fn as_ptr<'a, T: ?Sized + KnownSize>(view: Self::View<'a, T>) -> *mut T;

    /// A part of `view`.
    ///
    /// # Safety
    ///
    /// `ptr` must be a projection of `Self::as_ptr(view)`.
    unsafe fn project_view<'a, T: ?Sized + KnownSize, U: ?Sized + KnownSize>(
        view: Self::View<'a, T>,
        ptr: *mut U,
    ) -> Self::View<'a, U>;
}

/// A backend with accesses of type `T`.
pub trait IoCapable<T>: IoBackend {
    /// Reads.
    fn io_read<'a>(view: Self::View<'a, T>) -> T;

    /// Writes.
    fn io_write<'a>(view: Self::View<'a, T>, value: T);
}

/// Where a value of type `T` is.
pub trait IoLoc<Base: ?Sized, T> {
    /// What is transferred.
    type IoType: Into<T> + From<T>;

    /// Offset in bytes.
    fn offset(self) -> usize;
}

impl<const SIZE: usize> IoLoc<Region<SIZE>, u32> for usize {
    type IoType = u32;

    fn offset(self) -> usize {
        self
    }
}

/// A handle of registers.
pub trait IoBase<'a>: Copy {
    /// How they are reached.
    type Backend: IoBackend;
    /// What they are.
    type Target: ?Sized + KnownSize;

    /// All of them.
    fn as_view(self) -> <Self::Backend as IoBackend>::View<'a, Self::Target>;
}

fn view_at<'a, I: Io<'a>, U>(
    this: I,
    offset: usize,
) -> Result<<I::Backend as IoBackend>::View<'a, U>> {
    let view = this.as_view();
    let ptr = I::Backend::as_ptr(view);
    let end = offset.checked_add(size_of::<U>()).ok_or(EINVAL)?;
    if end > KnownSize::size(ptr) || offset % align_of::<U>() != 0 {
        return Err(EINVAL);
    }
    let part = ptr.cast::<U>().wrapping_byte_add(offset);
    // SAFETY: Just checked.
    Ok(unsafe { I::Backend::project_view(view, part) })
}

/// Accesses.
pub trait Io<'a>: IoBase<'a> {
    /// Reads; fails beyond the end.
    fn try_read<T, L>(self, location: L) -> Result<T>
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        let view = view_at::<Self, L::IoType>(self, location.offset())?;
        Ok(Self::Backend::io_read(view).into())
    }

    /// Writes; fails beyond the end.
    fn try_write<T, L>(self, location: L, value: T) -> Result
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        let view = view_at::<Self, L::IoType>(self, location.offset())?;
        Self::Backend::io_write(view, value.into());
        Ok(())
    }

    /// Reads what is known to be there.
    fn read<T, L>(self, location: L) -> T
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        self.try_read(location).unwrap()
    }

    /// Writes what is known to be there.
    fn write<T, L>(self, location: L, value: T)
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        self.try_write(location, value).unwrap();
    }

    /// Writes a register whose type tells where it is.
    fn write_reg<T, L, V>(self, value: V)
    where
        L: IoLoc<Self::Target, T>,
        V: LocatedRegister<Self::Target, Location = L, Value = T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        let (location, value) = value.into_io_op();
        self.write(location, value);
    }

    /// Reads, changes and writes.
    fn update<T, L, F>(self, location: L, f: F)
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
        F: FnOnce(T) -> T,
    {
        let view = view_at::<Self, L::IoType>(self, location.offset()).unwrap();
        let value = f(Self::Backend::io_read(view).into());
        Self::Backend::io_write(view, value.into());
    }
}

impl<'a, T: IoBase<'a>> Io<'a> for T {}

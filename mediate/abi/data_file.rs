// SPDX-License-Identifier: GPL-2.0

//! Data files of a migration: anonymous stream files over safe Rust.
//!
//! C headers: `include/linux/anon_inodes.h`, `include/uapi/linux/vfio.h`

use super::bindings;
use core::{
    marker::PhantomData,
    mem::size_of,
    ptr::NonNull, //
};
use kernel::{
    bindings as kernel_bindings,
    error::from_err_ptr,
    fs::File,
    prelude::*,
    sync::{
        poll::{
            PollCondVar,
            PollTable, //
        },
        Arc, //
    },
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader,
        UserSliceWriter, //
    },
};

/// What can be read without waiting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readiness {
    /// Nothing.
    Nothing,
    /// Data, or the end of the stream.
    Data,
    /// An error: the session has ended.
    HungUp,
}

/// The answer to `VFIO_MIG_GET_PRECOPY_INFO`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PreCopyInfo {
    /// Bytes that a destination needs before it can judge.
    pub(crate) initial: u64,
    /// Further bytes.
    pub(crate) dirty: u64,
    /// Whether there are new initial bytes; `None`: the user did not opt in to
    /// being told.
    pub(crate) reinit: Option<bool>,
}

/// What a data file does. All calls are in process context and may sleep; they
/// may be concurrent, and come after the device was closed.
pub(crate) trait DataFile: Send + Sync + 'static {
    /// Hands bytes to the user; answers how many, 0 at the end.
    fn read(&self, user: &mut UserSliceWriter) -> Result<usize>;

    /// Takes bytes from the user; answers how many.
    fn write(&self, user: &mut UserSliceReader) -> Result<usize>;

    /// What `read` would find now.
    fn readiness(&self) -> Readiness;

    /// Notified when that changes.
    fn changed(&self) -> &PollCondVar;

    /// How much there is to be read while in pre-copy.
    fn pre_copy_info(&self) -> Result<PreCopyInfo>;
}

/// Which way the data goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    /// To the user.
    Saving,
    /// From the user.
    Resuming,
}

/// A new file without a descriptor yet; put on drop.
pub(crate) struct NewFile(NonNull<kernel_bindings::file>);

impl NewFile {
    /// Makes a file for `data`. May sleep.
    pub(crate) fn open<F: DataFile>(data: Arc<F>, direction: Direction) -> Result<Self> {
        let (fops, flags) = match direction {
            Direction::Saving => (Operations::<F>::SAVING, kernel_bindings::O_RDONLY),
            Direction::Resuming => (Operations::<F>::RESUMING, kernel_bindings::O_WRONLY),
        };
        let private = data.into_foreign();
        // SAFETY: The operations are static and get what they expect in `private`.
        let file = unsafe {
            bindings::anon_inode_getfile(
                c"vfio_mediate_mig".as_char_ptr(),
                fops,
                private.cast(),
                c_int::try_from(flags)?,
            )
        };
        let file = from_err_ptr(file).inspect_err(|_| {
            // SAFETY: No file was made, so nobody else has it.
            drop(unsafe { Arc::<F>::from_foreign(private) });
        })?;
        // SAFETY: A valid new file; this cannot fail.
        unsafe { kernel_bindings::stream_open((*file).f_inode, file) };
        Ok(Self(NonNull::new(file).ok_or(EIO)?))
    }

    /// Hands the file over to C.
    pub(super) fn into_raw(self) -> *mut kernel_bindings::file {
        let file = self.0.as_ptr();
        core::mem::forget(self);
        file
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // SAFETY: The reference of `open`.
        unsafe { kernel_bindings::fput(self.0.as_ptr()) };
    }
}

/// The file operations over an `Arc<F>` in `private_data`.
struct Operations<F>(PhantomData<F>);

/// Bytes of `struct vfio_precopy_info`.
const INFO_SIZE: usize = size_of::<bindings::vfio_precopy_info>();

impl<F: DataFile> Operations<F> {
    const SAVING: &'static kernel_bindings::file_operations = &kernel_bindings::file_operations {
        owner: <crate::VfioPciMediateModule as kernel::ModuleMetadata>::THIS_MODULE.as_ptr(),
        read: Some(Self::read),
        poll: Some(Self::poll),
        unlocked_ioctl: Some(Self::ioctl),
        compat_ioctl: kernel_bindings::compat_ptr_ioctl,
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    const RESUMING: &'static kernel_bindings::file_operations = &kernel_bindings::file_operations {
        owner: <crate::VfioPciMediateModule as kernel::ModuleMetadata>::THIS_MODULE.as_ptr(),
        write: Some(Self::write),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` must be an open file of these operations.
    unsafe fn data<'a>(file: *mut kernel_bindings::file) -> &'a F {
        // SAFETY: `NewFile::open` put an `Arc<F>` there, which `release` takes.
        let private: *mut c_void = unsafe { (*file).private_data };
        // SAFETY: As above; an `Arc` in foreign hands points to its value.
        unsafe { &*core::ptr::from_ref(&*<Arc<F> as ForeignOwnable>::borrow(private.cast())) }
    }

    /// # Safety
    ///
    /// The VFS's contract.
    unsafe extern "C" fn read(
        file: *mut kernel_bindings::file,
        buf: *mut c_char,
        count: usize,
        pos: *mut i64,
    ) -> isize {
        if !pos.is_null() {
            return bytes(Err(ESPIPE));
        }
        let mut user = UserSlice::new(UserPtr::from_ptr(buf.cast()), count).writer();
        // SAFETY: The VFS hands in an open file.
        bytes(unsafe { Self::data(file) }.read(&mut user))
    }

    /// # Safety
    ///
    /// The VFS's contract.
    unsafe extern "C" fn write(
        file: *mut kernel_bindings::file,
        buf: *const c_char,
        count: usize,
        pos: *mut i64,
    ) -> isize {
        if !pos.is_null() {
            return bytes(Err(ESPIPE));
        }
        let user = UserPtr::from_ptr(buf.cast_mut().cast());
        let mut user = UserSlice::new(user, count).reader();
        // SAFETY: The VFS hands in an open file.
        bytes(unsafe { Self::data(file) }.write(&mut user))
    }

    /// # Safety
    ///
    /// The VFS's contract.
    unsafe extern "C" fn poll(
        file: *mut kernel_bindings::file,
        table: *mut kernel_bindings::poll_table_struct,
    ) -> kernel_bindings::__poll_t {
        // SAFETY: The VFS hands in an open file.
        let data = unsafe { Self::data(file) };
        // SAFETY: As above; the position of a stream file is not locked.
        let file = unsafe { File::from_raw_file(file) };
        // SAFETY: The VFS hands in a valid table, or NULL.
        unsafe { PollTable::from_raw(table) }.register_wait(file, data.changed());
        match data.readiness() {
            Readiness::Nothing => 0,
            Readiness::Data => bindings::VFM_POLL_DATA,
            Readiness::HungUp => bindings::VFM_POLL_HUNG_UP,
        }
    }

    /// # Safety
    ///
    /// The VFS's contract.
    unsafe extern "C" fn ioctl(
        file: *mut kernel_bindings::file,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_long {
        if cmd != bindings::VFM_MIG_GET_PRECOPY_INFO {
            return bytes(Err(ENOTTY));
        }
        // SAFETY: The VFS hands in an open file.
        bytes(pre_copy_info(unsafe { Self::data(file) }, UserPtr::from_addr(arg)).map(|()| 0))
    }

    /// # Safety
    ///
    /// The VFS's contract; the file is not used again.
    unsafe extern "C" fn release(
        _inode: *mut kernel_bindings::inode,
        file: *mut kernel_bindings::file,
    ) -> c_int {
        // SAFETY: `NewFile::open` put an `Arc<F>` there, and this is the last call.
        drop(unsafe { Arc::<F>::from_foreign((*file).private_data.cast()) });
        0
    }
}

/// A count of bytes or an errno, as read, write and ioctl answer it.
fn bytes(result: Result<usize>) -> isize {
    match result {
        Ok(done) => isize::try_from(done).unwrap_or(isize::MAX),
        // CAST: sign-extends.
        Err(errno) => errno.to_errno() as isize,
    }
}

/// `VFIO_MIG_GET_PRECOPY_INFO`: argsz, flags, initial_bytes, dirty_bytes.
fn pre_copy_info<F: DataFile>(data: &F, user: UserPtr) -> Result {
    let (mut reader, mut writer) = UserSlice::new(user, INFO_SIZE).reader_writer();
    let argsz: u32 = reader.read()?;
    let flags: u32 = reader.read()?;
    if usize::try_from(argsz)? < INFO_SIZE {
        return Err(EINVAL);
    }
    let info = data.pre_copy_info()?;
    let flags = match info.reinit {
        // As before there were flags: what the user had there stays.
        None => flags,
        Some(true) => bindings::VFIO_PRECOPY_INFO_REINIT,
        Some(false) => 0,
    };
    writer.write(&argsz)?;
    writer.write(&flags)?;
    writer.write(&info.initial)?;
    writer.write(&info.dirty)
}

// SPDX-License-Identifier: GPL-2.0

//! The data file of a migration session. It may outlive the session, and the
//! device's being open: then it answers `ENODEV`.

use super::migration::{
    Inner,
    Migration,
    Session, //
};
use crate::abi::{
    binding::Binding,
    data_file::{
        DataFile,
        PreCopyInfo,
        Readiness, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        poll::PollCondVar,
        Arc, //
    },
    uaccess::{
        UserSliceReader,
        UserSliceWriter, //
    },
};

/// The data file of a session, which may have ended.
pub(super) struct SessionFile {
    migration: Arc<Migration>,
    number: u64,
}

impl SessionFile {
    /// The file of session `number`.
    pub(super) fn new(migration: Arc<Migration>, number: u64) -> Self {
        Self { migration, number }
    }

    /// The provider and the session; `ENODEV` if the session has ended.
    fn parts<'a>(&self, inner: &'a mut Inner) -> Result<(&'a Binding, &'a mut Session)> {
        let Inner {
            movable: Some(movable),
            session: Some((number, session)),
            ..
        } = inner
        else {
            return Err(ENODEV);
        };
        if *number != self.number {
            return Err(ENODEV);
        }
        Ok((&movable.binding, session))
    }
}

impl DataFile for SessionFile {
    fn read(&self, user: &mut UserSliceWriter) -> Result<usize> {
        let mut inner = self.migration.lock();
        let (_, session) = self.parts(&mut inner)?;
        let Session::Saving(saving) = session else {
            return Err(EBADF);
        };
        if user.is_empty() {
            return Ok(0);
        }
        if !saving.has_data() && !saving.is_complete() {
            // The end for now.
            return Err(ENOMSG);
        }
        saving.read(user)
    }

    fn write(&self, user: &mut UserSliceReader) -> Result<usize> {
        let mut inner = self.migration.lock();
        let (binding, session) = self.parts(&mut inner)?;
        let Session::Resuming(resuming) = session else {
            return Err(EBADF);
        };
        let done = resuming.write(binding, user);
        self.migration.note_bytes(resuming.total());
        done
    }

    fn readiness(&self) -> Readiness {
        let mut inner = self.migration.lock();
        match self.parts(&mut inner) {
            Ok((_, Session::Saving(saving))) => {
                if saving.has_data() || saving.is_complete() {
                    Readiness::Data
                } else {
                    Readiness::Nothing
                }
            }
            Ok(_) => Readiness::Nothing,
            Err(_) => Readiness::HungUp,
        }
    }

    fn changed(&self) -> &PollCondVar {
        self.migration.changed()
    }

    fn pre_copy_info(&self) -> Result<PreCopyInfo> {
        let inner = &mut *self.migration.lock();
        if !inner.state.is_pre_copy() {
            return Err(EINVAL);
        }
        inner.sync_tracking()?;
        let (binding, session) = self.parts(inner)?;
        let Session::Saving(saving) = session else {
            return Err(EINVAL);
        };
        let (info, added) = saving.pre_copy_info(binding)?;
        if added {
            self.migration.note_bytes(saving.total());
            self.migration.changed().notify_all();
        }
        Ok(info)
    }
}

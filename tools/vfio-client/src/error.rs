// SPDX-License-Identifier: GPL-2.0

//! What can go wrong.

use std::{io, time::Duration};

/// An error of the client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused something.
    #[error("{what}: {source}")]
    Os {
        /// What was asked for.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// Something did not happen in time.
    #[error("{what}: not within {seconds:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: Duration,
    },
    /// The device or the kernel did something it must not.
    #[error("{0}")]
    Wrong(String),
}

/// Results of the client.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The errno, where the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Os { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// Says what was asked for when the kernel refused it.
pub(crate) trait Context<T> {
    /// `what` was asked for.
    fn context(self, what: impl Into<String>) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Os {
            what: what.into(),
            source,
        })
    }
}

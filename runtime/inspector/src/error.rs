//! Why there is no snapshot.

use std::time::Duration;

use crate::ffi;
use crate::recording::RecordingError;

/// Why there is no snapshot at all. What is missing of one instance is a [`crate::Missing`] in a snapshot instead.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The connection could not be opened.
    #[error("failed to open the libvirt connection {uri}")]
    Open {
        /// The connection's URI.
        uri: String,
        /// libvirt's error.
        #[source]
        source: LibvirtError,
    },
    /// The connection could not be opened, and the next attempt is not due yet.
    #[error("no libvirt connection {uri}: the next attempt is due in {} ms", wait.as_millis())]
    BackOff {
        /// The connection's URI.
        uri: String,
        /// Until the next attempt.
        wait: Duration,
    },
    /// A call for the whole host failed.
    #[error("failed to {call}")]
    Call {
        /// What was to be done.
        call: &'static str,
        /// libvirt's error.
        #[source]
        source: LibvirtError,
    },
    /// libvirt did not answer a call that no instance can block: the daemon or the way to it hangs.
    #[error("libvirt did not {call} within {} ms", deadline.as_millis())]
    Deadline {
        /// What was to be done.
        call: &'static str,
        /// How long it had.
        deadline: Duration,
    },
    /// Too many connections hang already; none is opened before one of them comes back.
    #[error("{connections} libvirt connections hang already")]
    Exhausted {
        /// How many.
        connections: usize,
    },
    /// The system gave no thread, or a thread was lost.
    #[error("failed to run a thread to {call}")]
    Thread {
        /// What was to be done.
        call: &'static str,
        /// The system's error, where it gave one.
        #[source]
        source: Option<std::io::Error>,
    },
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

/// An error of libvirt: its number, the part of libvirt that raised it, its text.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LibvirtError(#[from] ffi::Error);

/// An error with what it came from, for a line of the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl LibvirtError {
    /// virErrorNumber.
    pub fn code(&self) -> u32 {
        self.0.code
    }

    /// virErrorDomain.
    pub fn domain(&self) -> u32 {
        self.0.domain
    }
}

impl InspectError {
    pub(crate) fn call(call: &'static str, error: ffi::Error) -> Self {
        Self::Call { call, source: error.into() }
    }

    /// The connection is gone: another one may do better.
    pub(crate) fn is_disconnect(&self) -> bool {
        matches!(self, Self::Call { source, .. } if source.0.is_disconnect())
    }
}

//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

use crate::query::{DEADLINE, MAX_FOUND_METADATA};

/// Why the store cannot be opened, written or read. The texts say what to do where there is something to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing to read.
    #[error("there is no store at {}: `nephoscope collect` makes it, where its configuration's `store` says", .0.display())]
    Missing(PathBuf),
    /// The file cannot be made.
    #[error("failed to make the store {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file cannot be opened.
    #[error("failed to open the store {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// SQLite's word.
        source: rusqlite::Error,
    },
    /// Another program's database.
    #[error("the file is an SQLite database, but not one of Nephoscope's")]
    Foreign,
    /// Written by a later version.
    #[error("the store has version {found}, this program knows {known}: use the version that wrote it")]
    TooNew {
        /// The file's version.
        found: i64,
        /// The version that this program writes.
        known: usize,
    },
    /// Written by an earlier version, and not yet migrated.
    #[error(
        "the store has version {found}, this program reads {known}: run `nephoscope collect` once to migrate it"
    )]
    TooOld {
        /// The file's version.
        found: usize,
        /// The version that this program reads.
        known: usize,
    },
    /// A query that reads too much.
    #[error(
        "the query read for {DEADLINE:?} without an end: narrow it by meter, resource_id, project_id or timestamp, or lower its limit"
    )]
    TooBroad,
    /// A query whose samples have too much metadata.
    #[error(
        "the samples have more than {} MiB of metadata: lower the limit, or narrow the query by meter, resource_id, project_id or timestamp",
        MAX_FOUND_METADATA >> 20
    )]
    TooMuch,
    /// A row that no collector wrote.
    #[error("the store holds a sample that cannot be read: {0}")]
    Damaged(String),
    /// Anything else: a full disk, a lock that never ends, a damaged file.
    #[error("failed to {action}")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// SQLite's word.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// Whether it may pass without anybody's doing: a full disk, another program's lock.
    pub fn may_pass(&self) -> bool {
        matches!(self.label(), "disk-full" | "locked")
    }

    /// The label that log lines, metrics and tests share.
    pub fn label(&self) -> &'static str {
        use rusqlite::ErrorCode;
        match self {
            Self::Missing(_) => "missing",
            Self::Create { source, .. } if source.kind() == io::ErrorKind::StorageFull => "disk-full",
            Self::Create { .. } => "create",
            Self::Foreign => "foreign",
            Self::TooNew { .. } => "too-new",
            Self::TooOld { .. } => "too-old",
            Self::TooBroad => "too-broad",
            Self::TooMuch => "too-much",
            Self::Damaged(_) => "damaged",
            Self::Open { source, .. } | Self::Failed { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "locked",
                Some(ErrorCode::DiskFull) => "disk-full",
                // The file that readers and writers share, which cannot grow.
                Some(ErrorCode::SystemIoFailure)
                    if extended(source) == rusqlite::ffi::SQLITE_IOERR_SHMSIZE =>
                {
                    "disk-full"
                }
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "read-only",
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "damaged",
                Some(ErrorCode::CannotOpen) => "open",
                _ => "failed",
            },
        }
    }
}

fn extended(error: &rusqlite::Error) -> i32 {
    error.sqlite_error().map_or(0, |error| error.extended_code)
}

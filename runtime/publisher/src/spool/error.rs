//! What can go wrong with the spool.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::record::BadRecord;

/// Why the spool's file cannot be used at this moment.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The folder or the file cannot be made.
    #[error("failed to make {}", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Another process has it.
    #[error("another agent uses the spool {}: give each its own `state`, or `folder` in `spool`", .0.display())]
    InUse(PathBuf),
    /// It is a database of another program, or of another version.
    #[error("{} is no spool that this version reads: move it away to begin anew", .0.display())]
    Foreign(PathBuf),
    /// The damaged file cannot be set aside.
    #[error("failed to set aside the damaged {}", path.display())]
    Aside {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Anything that SQLite says: a full disk, a damaged file.
    #[error("failed to {action}")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// SQLite's word.
        source: rusqlite::Error,
    },
    /// A batch cannot be written as a record.
    #[error("a batch cannot be kept")]
    Record(#[from] BadRecord),
}

impl SpoolError {
    /// The label that log lines, metrics and tests share.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::InUse(_) => "in-use",
            Self::Foreign(_) => "foreign",
            Self::Aside { .. } => "set-aside",
            Self::Record(_) => "record",
            Self::Failed { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "locked",
                Some(ErrorCode::DiskFull) => "disk-full",
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "read-only",
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "damaged",
                Some(ErrorCode::SystemIoFailure) => "i/o",
                _ => "failed",
            },
        }
    }

    /// Whether the file itself is at fault, and not what is around it.
    pub(super) fn is_damage(&self) -> bool {
        self.label() == "damaged"
    }
}

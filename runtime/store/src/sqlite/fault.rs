//! SQLite's errors in the store's words.

use rusqlite::{Error, ErrorCode};

use crate::StoreError;

/// The error of something that was tried.
pub(super) fn failed(action: &str, source: Error) -> StoreError {
    if source.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
        return StoreError::TooBroad;
    }
    StoreError::Failed { action: action.to_owned(), reason: reason(&source), source: source.into() }
}

fn reason(source: &Error) -> &'static str {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "locked",
        Some(ErrorCode::DiskFull) => "disk-full",
        // The file that readers and writers share, which cannot grow.
        Some(ErrorCode::SystemIoFailure) if extended(source) == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            "disk-full"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "read-only",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "damaged",
        Some(ErrorCode::CannotOpen) => "open",
        _ => "failed",
    }
}

fn extended(error: &Error) -> i32 {
    error.sqlite_error().map_or(0, |error| error.extended_code)
}

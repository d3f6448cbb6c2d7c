//! What can go wrong with a store.

use std::error::Error;
use std::path::PathBuf;

use crate::bounds::{DEADLINE, MAX_FOUND_METADATA};

/// What a database says.
pub type Source = Box<dyn Error + Send + Sync>;

/// Why a store cannot be opened, written or read. The texts say what to do where there is something to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing to read.
    #[error(
        "there is no store at {0}: `nephoscope collect` makes it, where its configuration's `store` says"
    )]
    Missing(String),
    /// The file cannot be made.
    #[error("failed to make the store {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Another program's database.
    #[error("the {0} is not one of Nephoscope's")]
    Foreign(&'static str),
    /// Written by a later version.
    #[error("the store has version {found}, this program knows {known}: use the version that wrote it")]
    TooNew {
        /// The store's version.
        found: i64,
        /// The version that this program writes.
        known: usize,
    },
    /// Written by an earlier version, and not yet migrated.
    #[error(
        "the store has version {found}, this program reads {known}: run `nephoscope collect` once to migrate it"
    )]
    TooOld {
        /// The store's version.
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
    /// Statistics of too many groups and periods.
    #[error(
        "the statistics have more than {0} groups and periods: choose a longer period, or a shorter time"
    )]
    TooMany(usize),
    /// A row that no collector wrote.
    #[error("the store holds a sample that cannot be read: {0}")]
    Damaged(String),
    /// Anything else: a full disk, a lock that never ends, a database that is away.
    #[error("failed to {action}")]
    Failed {
        /// What was tried.
        action: String,
        /// Why, as [`StoreError::label`] has it.
        reason: &'static str,
        /// The database's word.
        source: Source,
    },
}

impl StoreError {
    /// Whether it may pass without anybody's doing: a full disk, another program's lock, a database that is away.
    pub fn may_pass(&self) -> bool {
        matches!(self.label(), "disk-full" | "locked" | "unreachable")
    }

    /// The label that log lines, metrics and tests share.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Create { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => "disk-full",
            Self::Create { .. } => "create",
            Self::Foreign(_) => "foreign",
            Self::TooNew { .. } => "too-new",
            Self::TooOld { .. } => "too-old",
            Self::TooBroad => "too-broad",
            Self::TooMuch => "too-much",
            Self::TooMany(_) => "too-many",
            Self::Damaged(_) => "damaged",
            Self::Failed { reason, .. } => reason,
        }
    }
}

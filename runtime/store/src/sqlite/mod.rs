//! The embedded store: one SQLite file, one writer in a process, any number of readers.
//!
//! | module | what it holds |
//! |---|---|
//! | `schema`, `migrate` | tables, indexes, and how older files get them |
//! | `writer` | the one that inserts, in large transactions |
//! | `dictionary` | what samples refer to, and what the writer remembers of it |
//! | `upkeep` | deletion: of samples, and of what no sample refers to any more |
//! | `reader` | connections that only read, while the writer writes |
//! | `fault` | SQLite's errors in the store's words |
//!
//! # What an acknowledgement is worth
//! The journal is a write-ahead log and `synchronous` is FULL: each commit ends with a sync of the log. The collector
//! acknowledges a message after that, and the broker then forgets it, so the sample has to survive a power cut at that moment.
//! With `synchronous=NORMAL`, SQLite's usual advice for WAL, the log is synced only at checkpoints: the file stays whole, but
//! the last commits, acknowledged ones, may be gone. What FULL costs is one sync per transaction, and a transaction has thousands of
//! samples.
//!
//! # What fails, and what then happens
//! A full disk, a lock held by another program, a missing permission: the transaction is rolled back as a whole and
//! [`StoreError`] says why; nothing of it was stored, and it can be tried again on a new connection.

mod dictionary;
mod fault;
mod migrate;
mod reader;
mod schema;
mod upkeep;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::contract;
use crate::{Store, StoreError};

use reader::Reader;
use writer::Writer;

/// A store in an SQLite file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// The store at this path; nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl Store for Sqlite {
    fn writer(&self) -> Result<Box<dyn contract::Writer>, StoreError> {
        Ok(Box::new(Writer::open(&self.path)?))
    }

    fn reader(&self) -> Result<Box<dyn contract::Reader>, StoreError> {
        Ok(Box::new(Reader::open(&self.path)?))
    }
}

#[cfg(test)]
pub(crate) mod tests;

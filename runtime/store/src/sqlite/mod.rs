//! The store: one SQLite file, one writer in a process, any number of readers.
//!
//! | module | what it holds |
//! |---|---|
//! | `schema` | tables, indexes, migrations |
//! | `row` | a sample in the form in which it is inserted |
//! | `writer` | the one that inserts, in large transactions |
//! | `upkeep` | deletion: of samples, and of what no sample refers to any more |
//! | `reader` | connections that only read, while the writer writes |
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
mod error;
mod id;
mod reader;
mod row;
mod schema;
mod upkeep;
mod writer;

pub use error::StoreError;
pub use reader::Store;
pub use row::Row;
pub use upkeep::Swept;
pub use writer::{Appended, Writer};

pub(crate) use id::MessageId;
pub(crate) use reader::text_of;

#[cfg(test)]
pub(crate) mod tests;

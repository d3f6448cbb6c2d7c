//! The store in a PostgreSQL database, for clouds that outgrow a file: several collectors write to it, and anything that speaks SQL
//! reads it.
//!
//! | module | what it holds |
//! |---|---|
//! | `address` | where the database is, and how it is reached; no text shows the password |
//! | `connect` | sessions, and what is set in each of them |
//! | `tls` | what each sslmode checks |
//! | `schema` | tables, indexes, migrations |
//! | `partitions` | a table for each day |
//! | `moment` | times, as PostgreSQL has them |
//! | `dictionary` | ids of series and metadata, as far as they are remembered |
//! | `writer` | what inserts, in large transactions |
//! | `incoming` | a batch as binary COPY has it |
//! | `upkeep` | deletion: of samples, and of what no sample refers to any more |
//! | `reader`, `scan`, `tally` | connections that only read |
//! | `fault` | PostgreSQL's errors as the store's |
//!
//! PostgreSQL 14 or later. A pooler between must give each connection a session of its own: temporary tables and advisory locks need it.
//! These are blocking calls with a runtime beneath, so they belong on threads that may block and never on those of a runtime.
//!
//! # What an acknowledgement is worth
//! `synchronous_commit` is `on` in the sessions that write, whatever the server's default is: a commit has reached the server's disk,
//! and that of a synchronous standby where one is configured. A commit whose answer is lost may have happened or not; its messages come
//! again, and are found to be there.
//!
//! # The same sample twice
//! A message_id is unique within a day and within the batch, not beyond: an index over all days would have to be deleted from, row by
//! row, where now the table of a day is dropped. A sample that is delivered again has the timestamp that it had, hence the same day, so
//! that nothing is stored twice which one publisher sent.
//!
//! # What fails, and what then happens
//! The transaction is rolled back as a whole, nothing of it was stored, and [`StoreError`] says why under a label: `unreachable`,
//! `locked` and `disk-full` may pass, `login`, `no-database`, `permission`, `tls` and others wait for somebody. No statement and no wait
//! for a lock is without an end, and a peer that has vanished is found out by TCP.

mod address;
mod connect;
mod dictionary;
mod fault;
mod incoming;
mod moment;
mod partitions;
mod reader;
mod scan;
mod schema;
mod tally;
mod tls;
mod upkeep;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;

pub use address::{Address, BadAddress};

use crate::{Reader, Store, StoreError, Writer};

/// A store in a PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Postgres {
    address: Address,
}

impl Postgres {
    /// The store that is, or will be, there. Nothing is opened yet.
    pub fn new(address: Address) -> Self {
        Self { address }
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Store for Postgres {
    fn writer(&self) -> Result<Box<dyn Writer>, StoreError> {
        Ok(Box::new(writer::PostgresWriter::open(&self.address)?))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(reader::PostgresReader::open(&self.address)?))
    }
}

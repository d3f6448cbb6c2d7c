//! Samples at rest: the stores, and Ceilometer's queries over them.
//!
//! | module | what it holds |
//! |---|---|
//! | `contract` | what every store can do: [`Store`], [`Writer`], [`Reader`] |
//! | `postgres` | the store in a PostgreSQL database: [`Postgres`] |
//! | [`bounds`] | how much a query may ask for, read and find |
#![forbid(unsafe_code)]

pub mod bounds;
mod contract;
mod error;
mod message_id;
mod postgres;
mod row;
mod volume;

pub use contract::{
    Appended, Catalogue, Ends, Found, Order, Path, Periods, Range, Reader, Scan, Series, Store, Swept,
    Tallied, Tally, Writer,
};
pub use error::{Source, StoreError};
pub use message_id::MessageId;
pub use postgres::{Address, BadAddress, Postgres};
pub use row::Row;
pub use volume::Volume;

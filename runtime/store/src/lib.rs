//! Samples at rest: the stores, and Ceilometer's queries over them.
//!
//! | module | what it holds |
//! |---|---|
//! | `contract` | what every store can do: [`Store`], [`Writer`], [`Reader`] |
//! | `postgres` | the store in a PostgreSQL database: [`Postgres`] |
//! | [`Sqlite`] | the embedded store |
//! | [`query`] | Ceilometer's queries, the same over every store |
//! | [`render`](mod@render) | answers as a table, JSON or CSV |
//! | [`export`] | samples of a day as a Parquet file |
//! | [`bounds`] | how much a query may ask for, read and find |
#![forbid(unsafe_code)]

pub mod bounds;
mod contract;
mod decimal;
mod error;
pub mod export;
mod message_id;
mod place;
mod postgres;
pub mod query;
pub mod render;
mod row;
mod sqlite;
#[cfg(test)]
mod tests;
mod volume;

pub use contract::{
    Appended, Catalogue, Ends, Found, Order, Path, Periods, Range, Reader, Scan, Series, Store, Swept,
    Tallied, Tally, Writer,
};
pub use error::{Source, StoreError};
pub use message_id::MessageId;
pub use place::at;
pub use postgres::{Address, BadAddress, Postgres};
pub use query::{
    Filter, Meter, QueryError, Resource, SampleQuery, Statistics, StatisticsQuery, StoredSample, meters,
    resources, sample, samples, statistics,
};
pub use render::{Output, render, render_one};
pub use row::Row;
pub use sqlite::Sqlite;
pub use volume::Volume;

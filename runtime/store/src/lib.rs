//! Samples at rest: the stores, and Ceilometer's queries over them.
//!
//! | module | what it holds |
//! |---|---|
//! | `contract` | what every store can do: [`Store`], [`Writer`], [`Reader`] |
//! | [`bounds`] | how much a query may ask for, read and find |
#![forbid(unsafe_code)]

pub mod bounds;
mod contract;
mod error;
mod message_id;
mod row;
mod volume;

pub use contract::{
    Appended, Catalogue, Ends, Found, Order, Path, Periods, Range, Reader, Scan, Series, Store, Swept,
    Tallied, Tally, Writer,
};
pub use error::{Source, StoreError};
pub use message_id::MessageId;
pub use row::Row;
pub use volume::Volume;

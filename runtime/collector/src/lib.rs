//! Samples from AMQP to a store, and queries over it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`settings`] | what a collector is told |
//! | [`consumer`] | from the queues into the store; what is acknowledged when |
//! | [`store`] | the SQLite file: schema, writer, readers |
//! | [`query`] | Ceilometer's queries over samples |
//! | [`render`](mod@render) | samples as a table, JSON or CSV |
#![forbid(unsafe_code)]

pub mod consumer;
mod decimal;
pub mod query;
pub mod render;
pub mod settings;
pub mod store;

pub use consumer::{CollectError, Summary, run};
pub use query::{QueryError, SampleQuery, StoredSample, samples};
pub use render::{Output, render};
pub use settings::Settings;
pub use store::{Store, StoreError, Writer};

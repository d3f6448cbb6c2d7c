//! Samples from AMQP to a store, and queries over it.
#![forbid(unsafe_code)]

mod decimal;
pub mod query;
pub mod settings;
pub mod store;

pub use query::{SampleQuery, StoredSample, samples};
pub use settings::Settings;
pub use store::{Store, StoreError, Writer};

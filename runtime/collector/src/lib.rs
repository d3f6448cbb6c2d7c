//! Samples from AMQP to a store.
//!
//! | module | what it holds |
//! |---|---|
//! | [`settings`] | what a collector is told |
//! | [`consumer`] | from the queues into the store; what is acknowledged when |
#![forbid(unsafe_code)]

pub mod consumer;
pub mod settings;

pub use consumer::{CollectError, Summary, run};
pub use settings::Settings;

//! Samples from AMQP to a store, and queries over it.
#![forbid(unsafe_code)]

pub mod settings;

pub use settings::Settings;

//! Batches of samples to AMQP, files and standard output.
#![forbid(unsafe_code)]

mod settings;

pub use settings::*;

//! Meters, samples and their resource metadata, and the forms in which Ceilometer puts them on the wire.
//!
//! The ground that the other crates stand on. It does no I/O and knows neither libvirt nor WebAssembly.
//!
//! | module | what it holds |
//! |---|---|
//! | [`meter`] | a meter's declaration: name, kind, unit |
//! | [`sample`](mod@sample) | one reading of a meter for a resource, ready to be published |
//! | [`metadata`] | an instance's resource metadata, rendered once for its many samples |
//! | [`time`] | naive UTC timestamps, as Ceilometer writes and reads them |
//! | [`signature`] | Ceilometer's HMAC over a sample |
//! | [`era`] | Ceilometer's releases that had a collector, and what they expect otherwise |
//! | [`wire`] | notifications: from samples to a message body and back |
//! | [`filter`] | Ceilometer's rules for the patterns of meters and resources |
//! | [`check`] | what a sample must be, so that no consumer chokes on it |
//! | [`bounds`] | the bounds of what is published and of what is taken from others |
#![forbid(unsafe_code)]

pub mod bounds;
pub mod check;
pub mod era;
pub mod filter;
mod json;
pub mod metadata;
pub mod meter;
pub mod python;
pub mod sample;
pub mod signature;
pub mod time;
pub mod wire;

pub use metadata::Metadata;
pub use meter::{Kind, Meter, Volume};
pub use sample::Sample;
pub use time::Timestamp;

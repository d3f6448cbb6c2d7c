//! Messages: from samples to a message body and back.
//!
//! ```text
//! {"oslo.version": "2.0",                       envelope; its second value is JSON text *inside a string*
//!  "oslo.message": "{                           ── inner object: a notification ──
//!     message_id, publisher_id, event_type, priority, timestamp, _unique_id,
//!     payload: {samples: [ {source, counter_name, …, message_signature}, … ]}   or, in the collector era, a bare list
//!  }"}                                          ── or, in the collector era, a cast ──
//!     method: record_metering_data, version, args: {data: [ … ]}, _unique_id
//! ```
//!
//! [`encode`] writes what Ceilometer's polling agent writes since Liberty, and what its publishers wrote in the
//! [collector era](crate::era). [`decode`] reads both, from anyone: strict in what a body must be, and within the
//! [bounds](crate::bounds).

mod decode;
mod dict;
mod encode;
mod message;
mod received;
mod received_metadata;
mod sample_dict;
mod shape;
mod text;

pub use decode::{DecodeError, Notification, decode};
pub use encode::{Heading, encode, encode_line};
pub use received::{Received, Refusal, SampleReader};
pub use received_metadata::ReceivedMetadata;
pub use sample_dict::SampleDict;

#[cfg(test)]
mod tests;

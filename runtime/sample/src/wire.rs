//! Notifications: from samples to a message body and back.

use serde_json::{Map, Value};

use crate::signature::Secret;
use crate::{Kind, Sample, Timestamp};

/// The body of one notification (oslo.messaging envelope 2.0, event type `telemetry.polling`) that carries these samples.
pub fn encode(_samples: &[Sample], _secret: &Secret) -> Vec<u8> {
    Vec::new()
}

/// A notification as it was received, its samples not looked into yet.
#[derive(Debug)]
pub struct Notification {
    /// `telemetry.polling`, or `metering` of the collector era.
    pub event_type: String,
    /// The sample dicts, as they came.
    pub samples: Vec<Value>,
}

/// Why a message body is no notification with samples.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

/// Reads a message body: the enveloped form 2.0 or the bare inner object, with a payload `{"samples": […]}` or a bare list.
///
/// # Errors
/// [`DecodeError`] says what is wrong with the body as a whole.
pub fn decode(_body: &[u8]) -> Result<Notification, DecodeError> {
    Err(DecodeError("not implemented".into()))
}

/// A sample dict that was received and understood.
#[derive(Debug, Clone)]
pub struct Received {
    /// `source`.
    pub source: String,
    /// `counter_name`.
    pub meter: String,
    /// `counter_type`.
    pub kind: Kind,
    /// `counter_unit`.
    pub unit: String,
    /// `counter_volume`: a JSON number, exact.
    pub volume: serde_json::Number,
    /// `user_id`.
    pub user_id: Option<String>,
    /// `project_id`.
    pub project_id: Option<String>,
    /// `resource_id`.
    pub resource_id: String,
    /// `timestamp`.
    pub timestamp: Timestamp,
    /// `resource_metadata`.
    pub metadata: Map<String, Value>,
    /// `message_id`.
    pub message_id: String,
    /// `monotonic_time`: seconds of the sender's monotonic clock.
    pub monotonic_time: Option<f64>,
}

/// Why a received sample dict is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The signature is missing or another one.
    #[error("the signature does not match")]
    Signature,
    /// A field is missing or of a wrong form.
    #[error("{field}: {fault}")]
    Field {
        /// The field's name on the wire.
        field: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// Not a JSON object.
    #[error("a sample is a JSON object")]
    NotAnObject,
}

impl Received {
    /// Verifies the signature and reads the fields.
    ///
    /// # Errors
    /// [`Refusal`] names the first thing that is wrong.
    pub fn read(_sample: Value, _secret: &Secret) -> Result<Self, Refusal> {
        Err(Refusal::Signature)
    }
}

//! From a message body to the sample dicts in it.

use serde_json::{Map, Value};

use crate::bounds::{MAX_BODY, MAX_SAMPLES, MAX_TEXT};

/// The envelope's version; oslo.messaging skips a message of any other.
const ENVELOPE_VERSION: &str = "2.0";

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
pub enum DecodeError {
    /// Longer than [`MAX_BODY`]; not looked into.
    #[error("the body has {0} bytes, {MAX_BODY} are read at most")]
    TooLarge(usize),
    /// The body is not JSON, or nested deeper than 128 levels.
    #[error("the body is not JSON")]
    Json(#[source] serde_json::Error),
    /// JSON, but no object.
    #[error("the body is no JSON object")]
    NotAnObject,
    /// Another envelope than 2.0.
    #[error("the envelope's oslo.version is not {ENVELOPE_VERSION}")]
    Version,
    /// The envelope's content is no text.
    #[error("the envelope's oslo.message is no text")]
    Message,
    /// The envelope's content is no JSON object.
    #[error("the envelope's oslo.message is not the text of a JSON object")]
    Inner(#[source] serde_json::Error),
    /// No `event_type`, or an absurd one.
    #[error("the notification has no event_type")]
    EventType,
    /// No samples where they should be.
    #[error("the notification's payload is neither a list of samples nor an object with one")]
    Payload,
    /// More than [`MAX_SAMPLES`].
    #[error("the notification has {0} samples, {MAX_SAMPLES} are read at most")]
    TooMany(usize),
}

impl DecodeError {
    /// The label that log lines, metrics and tests share.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "body-too-large",
            Self::Json(_) => "not-json",
            Self::NotAnObject => "not-an-object",
            Self::Version => "envelope-version",
            Self::Message => "envelope-message",
            Self::Inner(_) => "inner-not-json",
            Self::EventType => "event-type",
            Self::Payload => "payload",
            Self::TooMany(_) => "too-many-samples",
        }
    }
}

/// Reads a message body: the enveloped form 2.0 or the bare inner object, with a payload `{"samples": […]}` or a bare list.
///
/// # Errors
/// [`DecodeError`] says what is wrong with the body as a whole.
pub fn decode(body: &[u8]) -> Result<Notification, DecodeError> {
    if body.len() > MAX_BODY {
        return Err(DecodeError::TooLarge(body.len()));
    }
    let mut inner = object(serde_json::from_slice(body).map_err(DecodeError::Json)?)?;
    if let Some(message) = inner.remove("oslo.message") {
        if inner.get("oslo.version").and_then(Value::as_str) != Some(ENVELOPE_VERSION) {
            return Err(DecodeError::Version);
        }
        let Value::String(text) = message else { return Err(DecodeError::Message) };
        inner = serde_json::from_str(&text).map_err(DecodeError::Inner)?;
    }
    let event_type = match inner.remove("event_type") {
        Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_TEXT => text,
        _ => return Err(DecodeError::EventType),
    };
    let samples = match inner.remove("payload") {
        Some(Value::Object(mut payload)) => payload.remove("samples"),
        other => other,
    };
    match samples {
        Some(Value::Array(samples)) if samples.len() > MAX_SAMPLES => {
            Err(DecodeError::TooMany(samples.len()))
        }
        Some(Value::Array(samples)) => Ok(Notification { event_type, samples }),
        _ => Err(DecodeError::Payload),
    }
}

fn object(value: Value) -> Result<Map<String, Value>, DecodeError> {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(DecodeError::NotAnObject),
    }
}

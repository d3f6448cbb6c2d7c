//! From a message body to the sample dicts in it.

use serde::de::Error;
use serde_json::Value;

use super::message::{Payload, Root, Samples};
use super::sample_dict::SampleDict;
use crate::bounds::{MAX_BODY, MAX_SAMPLES, MAX_TEXT};

/// The envelope's version; oslo.messaging skips a message of any other.
const ENVELOPE_VERSION: &str = "2.0";

/// The method that a collector of Ceilometer's serves.
const METHOD: &str = "record_metering_data";
/// The version of the calls that it serves.
const METHOD_VERSION: &str = "1.0";

/// A notification or a cast as it was received, its samples not looked into yet.
#[derive(Debug)]
pub struct Notification {
    /// `telemetry.polling`, or `metering` of the collector era; of a cast, its method.
    pub event_type: String,
    /// The sample dicts, as they came.
    pub samples: Vec<SampleDict>,
}

/// Why a message body is no notification and no cast with samples.
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
    #[error("the message has neither an event_type nor a method")]
    EventType,
    /// A call of something that a collector does not serve.
    #[error("the call is not one of {METHOD}, version {METHOD_VERSION}")]
    Method,
    /// No samples where they should be.
    #[error("neither the payload nor the call's data is a list of samples")]
    Payload,
    /// More than [`MAX_SAMPLES`].
    #[error("the message has {0} samples, {MAX_SAMPLES} are read at most")]
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
            Self::Method => "method",
            Self::Payload => "payload",
            Self::TooMany(_) => "too-many-samples",
        }
    }
}

/// Reads a message body: the enveloped form 2.0 or the bare inner object. That is a notification with a payload `{"samples": […]}`
/// or a bare list, or the collector era's cast `record_metering_data` with `{"data": […]}` for its arguments.
///
/// # Errors
/// [`DecodeError`] says what is wrong with the body as a whole.
pub fn decode(body: &[u8]) -> Result<Notification, DecodeError> {
    if body.len() > MAX_BODY {
        return Err(DecodeError::TooLarge(body.len()));
    }
    let Root(outer) = serde_json::from_slice(body).map_err(DecodeError::Json)?;
    let mut message = outer.ok_or(DecodeError::NotAnObject)?;
    if let Some(inner) = message.inner {
        if message.envelope.as_ref().and_then(Value::as_str) != Some(ENVELOPE_VERSION) {
            return Err(DecodeError::Version);
        }
        let Value::String(text) = inner else { return Err(DecodeError::Message) };
        let read = serde_json::from_str(&text)
            .and_then(|Root(inner)| inner.ok_or_else(|| Error::custom("no object")));
        message = read.map_err(DecodeError::Inner)?;
    }
    let event_type = match (message.event_type, message.method) {
        (Some(Value::String(text)), None) if !text.is_empty() && text.len() <= MAX_TEXT => text,
        (None, Some(method)) => called(&method, message.version, message.namespace)?,
        _ => return Err(DecodeError::EventType),
    };
    let samples = match (message.payload, message.arguments) {
        (Some(Payload::Object { samples, .. }), None) => samples,
        (None, Some(Payload::Object { data, .. })) => data,
        (Some(Payload::List(samples)), _) => Some(samples),
        _ => None,
    };
    match samples {
        Some(Samples::List(samples)) => Ok(Notification { event_type, samples }),
        Some(Samples::TooMany(count)) => Err(DecodeError::TooMany(count)),
        Some(Samples::None) | None => Err(DecodeError::Payload),
    }
}

/// The method of a call, if a collector serves it.
fn called(method: &Value, version: Option<Value>, namespace: Option<Value>) -> Result<String, DecodeError> {
    let serves = method == METHOD
        && version.is_none_or(|version| version == METHOD_VERSION)
        && namespace.is_none_or(|namespace| namespace.is_null());
    if serves { Ok(METHOD.to_owned()) } else { Err(DecodeError::Method) }
}

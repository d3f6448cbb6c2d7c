//! A sample dict that came from outside, verified and understood.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::received_metadata::{MetadataCache, ReceivedMetadata};
use super::sample_dict::{Form, SampleDict};
use crate::bounds::{MAX_DEPTH, MAX_DIGITS, MAX_METADATA, MAX_SIGNED, MAX_TEXT, Measure};
use crate::check::is_text;
use crate::metadata::OUTER;
use crate::signature::{Secret, verify_measured};
use crate::{Kind, Timestamp};

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
    /// `counter_volume`: a JSON number, exact; finite as a double.
    pub volume: Number,
    /// `user_id`.
    pub user_id: Option<String>,
    /// `project_id`.
    pub project_id: Option<String>,
    /// `resource_id`.
    pub resource_id: String,
    /// `timestamp`.
    pub timestamp: Timestamp,
    /// `resource_metadata`.
    pub metadata: Arc<ReceivedMetadata>,
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
        /// The field's name on the wire, or `sample` where it is the sample as a whole.
        field: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// Not a JSON object.
    #[error("a sample is a JSON object")]
    NotAnObject,
}

impl Refusal {
    /// The label that log lines, metrics and tests share.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Field { field, .. } => field,
            Self::NotAnObject => "not-an-object",
        }
    }

    fn field(field: &'static str, fault: impl Into<String>) -> Self {
        Self::Field { field, fault: fault.into() }
    }
}

impl Received {
    /// Verifies the signature and reads the fields.
    ///
    /// Fields that the genuine notification agent takes as null (unit, user, project, metadata) may be null or missing here;
    /// a volume may be a number's text, as some senders have it. Texts that name something must be of one line.
    ///
    /// # Errors
    /// [`Refusal`] names the first thing that is wrong.
    pub fn read(sample: SampleDict, secret: &Secret, cache: &mut MetadataCache) -> Result<Self, Refusal> {
        let Form::Fields { mut fields, metadata: raw } = sample.0 else { return Err(Refusal::NotAnObject) };
        let (metadata, is_new) = understood(raw.as_ref().map_or("{}", |raw| raw.get()), cache)?;
        let measure = Measure::of(&fields, 0).and(&metadata.measure);
        if measure.too_deep {
            return Err(Refusal::field("sample", format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if measure.too_large() {
            let fault =
                format!("larger than {} bytes, or {MAX_SIGNED} with its names flattened", 2 * MAX_METADATA);
            return Err(Refusal::field("sample", fault));
        }
        if measure.bad_number {
            let fault = format!("a number of it has more than {MAX_DIGITS} characters or is not finite");
            return Err(Refusal::field("sample", fault));
        }
        if !verify_measured(&fields, &metadata.signed, secret) {
            return Err(Refusal::Signature);
        }
        if let Some(raw) = raw.filter(|_| is_new) {
            cache.remember(raw, metadata.clone());
        }
        let fields = &mut fields;
        let kind = name(fields, "counter_type")?;
        let timestamp = name(fields, "timestamp")?;
        Ok(Self {
            source: name(fields, "source")?,
            meter: name(fields, "counter_name")?,
            kind: kind.parse().map_err(|fault: crate::meter::UnknownKind| {
                Refusal::field("counter_type", fault.to_string())
            })?,
            unit: text(fields, "counter_unit")?.unwrap_or_default(),
            volume: volume(fields.remove("counter_volume"))?,
            user_id: text(fields, "user_id")?,
            project_id: text(fields, "project_id")?,
            resource_id: name(fields, "resource_id")?,
            timestamp: Timestamp::parse(&timestamp)
                .map_err(|fault| Refusal::field("timestamp", fault.to_string()))?,
            metadata: match fields.get(OUTER) {
                None | Some(Value::Null) => metadata,
                Some(_) => return Err(Refusal::field(OUTER, "not an object")),
            },
            message_id: name(fields, "message_id")?,
            monotonic_time: match fields.remove("monotonic_time") {
                None | Some(Value::Null) => None,
                Some(Value::Number(seconds)) => seconds.as_f64(),
                Some(_) => return Err(Refusal::field("monotonic_time", "not a number")),
            },
        })
    }
}

/// The metadata of this text, and whether the cache does not have it yet.
fn understood(text: &str, cache: &MetadataCache) -> Result<(Arc<ReceivedMetadata>, bool), Refusal> {
    if let Some(known) = cache.get(text) {
        return Ok((known, false));
    }
    let fields: Map<String, Value> =
        serde_json::from_str(text).map_err(|fault| Refusal::field(OUTER, format!("no JSON: {fault}")))?;
    Ok((ReceivedMetadata::new(&fields), true))
}

/// A text that must be there.
fn name(fields: &mut Map<String, Value>, key: &'static str) -> Result<String, Refusal> {
    match text(fields, key)? {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) => Err(Refusal::field(key, "empty")),
        None => Err(Refusal::field(key, "missing")),
    }
}

/// A text that may be null or missing.
fn text(fields: &mut Map<String, Value>, key: &'static str) -> Result<Option<String>, Refusal> {
    // Which order the remaining fields are left in is of no matter.
    match fields.swap_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_text(&text) => Ok(Some(text)),
        Some(Value::String(_)) => {
            Err(Refusal::field(key, format!("longer than {MAX_TEXT} bytes, or with control characters")))
        }
        Some(_) => Err(Refusal::field(key, "not a text")),
    }
}

fn volume(value: Option<Value>) -> Result<Number, Refusal> {
    let number = match value {
        Some(Value::Number(number)) => number,
        Some(Value::String(text)) if text.len() <= MAX_DIGITS => match serde_json::from_str(text.trim()) {
            Ok(Value::Number(number)) => number,
            _ => return Err(Refusal::field("counter_volume", "a text that is no number")),
        },
        None => return Err(Refusal::field("counter_volume", "missing")),
        Some(_) => return Err(Refusal::field("counter_volume", "not a number")),
    };
    match number.as_f64() {
        Some(real) if real.is_finite() => Ok(number),
        _ => Err(Refusal::field("counter_volume", "not finite")),
    }
}

//! A sample dict that came from outside, verified and understood.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::received_metadata::{Cache, ReceivedMetadata, Understood, measure, signed};
use super::sample_dict::{Form, SampleDict};
use crate::bounds::{MAX_DEPTH, MAX_DIGITS, MAX_METADATA, MAX_SIGNED, MAX_TEXT, Measure};
use crate::check::is_text;
use crate::metadata::OUTER;
use crate::signature::{Secret, claimed, is_signature};
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

/// Reads samples that came from outside. It remembers the metadata that it has understood, so that each thread has one of its own.
#[derive(Debug)]
pub struct SampleReader {
    secret: Secret,
    cache: Cache,
}

impl SampleReader {
    /// For samples that are signed with this secret; with an empty one, for all.
    pub fn new(secret: Secret) -> Self {
        Self { secret, cache: Cache::default() }
    }

    /// Verifies the signature and reads the fields.
    ///
    /// Fields that the genuine notification agent takes as null (unit, user, project, metadata) may be null or missing here;
    /// a volume may be a number's text, as some senders have it. Texts that name something must be of one line.
    ///
    /// # Errors
    /// [`Refusal`] names the first thing that is wrong.
    pub fn read(&mut self, sample: SampleDict) -> Result<Received, Refusal> {
        let Form::Fields { mut fields, metadata } = sample.0 else { return Err(Refusal::NotAnObject) };
        let metadata = self.verified(&fields, metadata.unwrap_or_else(|| "{}".to_owned()))?;
        let fields = &mut fields;
        let kind = name(fields, "counter_type")?;
        let timestamp = name(fields, "timestamp")?;
        Ok(Received {
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

    /// The metadata of this text, of a sample with these fields beside it, if that is within bounds and its signature is right.
    fn verified(
        &mut self,
        fields: &Map<String, Value>,
        text: String,
    ) -> Result<Arc<ReceivedMetadata>, Refusal> {
        let rest = Measure::of(fields, 0);
        if let Some(known) = self.cache.get(&text) {
            bounded(rest.and(&known.measure))?;
            self.verify(fields, &known.signed)?;
            return Ok(known.metadata.clone());
        }
        let metadata: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|fault| Refusal::field(OUTER, format!("no JSON: {fault}")))?;
        let measure = measure(&metadata);
        bounded(rest.and(&measure))?;
        // One step after the other, so that a forgery costs as little as can be.
        let is_claimed = !self.secret.is_empty() && claimed(fields).is_some();
        let signed = if is_claimed { signed(&metadata) } else { Vec::new() };
        self.verify(fields, &signed)?;
        let metadata = ReceivedMetadata::new(&metadata);
        let understood = Understood { metadata: metadata.clone(), measure, signed: signed.into() };
        self.cache.remember(text, understood);
        Ok(metadata)
    }

    fn verify(&self, fields: &Map<String, Value>, metadata: &[u8]) -> Result<(), Refusal> {
        let is_right = |claimed: [u8; 32]| is_signature(&claimed, fields, metadata, &self.secret);
        if self.secret.is_empty() || claimed(fields).is_some_and(is_right) {
            return Ok(());
        }
        Err(Refusal::Signature)
    }

    #[cfg(test)]
    pub(super) fn with_room(secret: Secret, bytes: usize) -> Self {
        Self { secret, cache: Cache::of(bytes) }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.cache.entries()
    }
}

fn bounded(measure: Measure) -> Result<(), Refusal> {
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
    Ok(())
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

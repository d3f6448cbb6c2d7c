//! What a sample must be, so that no consumer chokes on it.
//!
//! Ceilometer's notification agent puts a message with one sample that it cannot take back into the queue, for ever: one
//! faulty sample of ours would stop its queue and burn a core. So a sample with a fault never leaves the host; it is
//! counted and logged under its fault's label.

use crate::bounds::{MAX_DEPTH, MAX_DIGITS, MAX_FLATTENED, MAX_METADATA, MAX_TEXT, Measure, NUMBER_TOKEN};
use crate::{Sample, Volume};

/// Microseconds since 1970 at the end of the year 9999, where Python's calendar ends.
const CALENDAR_END: i64 = 253_402_300_800_000_000;

/// Why a sample may not be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// `counter_volume` is infinite or not a number, for which JSON has no form.
    #[error("the volume is no finite number")]
    Volume,
    /// `counter_name`.
    #[error("the meter's name is empty, longer than {MAX_TEXT} bytes or has control characters")]
    Meter,
    /// `counter_unit`; may be empty.
    #[error("the unit is longer than {MAX_TEXT} bytes or has control characters")]
    Unit,
    /// `resource_id`.
    #[error("the resource_id is empty, longer than {MAX_TEXT} bytes or has control characters")]
    ResourceId,
    /// `source`.
    #[error("the source is empty, longer than {MAX_TEXT} bytes or has control characters")]
    Source,
    /// `user_id`, `user_name`, `project_id` or `project_name`; may be missing or empty.
    #[error("a user or project is longer than {MAX_TEXT} bytes or has control characters")]
    Owner,
    /// `timestamp`.
    #[error("the timestamp is not between the years 1970 and 9999")]
    Timestamp,
    /// `monotonic_time`; may be missing.
    #[error("the monotonic time is no finite number")]
    MonotonicTime,
    /// `resource_metadata`'s size.
    #[error(
        "the metadata is larger than {MAX_METADATA} bytes, or {MAX_FLATTENED} bytes with its names flattened"
    )]
    MetadataSize,
    /// `resource_metadata`'s nesting.
    #[error("the metadata is nested deeper than {MAX_DEPTH} levels")]
    MetadataDepth,
    /// A number in `resource_metadata`.
    #[error("a number of the metadata has more than {MAX_DIGITS} characters or is not finite")]
    MetadataNumber,
    /// A text in `resource_metadata`.
    #[error("a text of the metadata has a NUL character")]
    MetadataNul,
    /// A key of the metadata that a reader of JSON would take for something else.
    #[error("a key of the metadata is {NUMBER_TOKEN}, which readers take for the mark of a number")]
    MetadataKey,
}

impl Fault {
    /// Every fault, for whoever counts them.
    pub const ALL: [Self; 13] = [
        Self::Volume,
        Self::Meter,
        Self::Unit,
        Self::ResourceId,
        Self::Source,
        Self::Owner,
        Self::Timestamp,
        Self::MonotonicTime,
        Self::MetadataSize,
        Self::MetadataDepth,
        Self::MetadataNumber,
        Self::MetadataNul,
        Self::MetadataKey,
    ];

    /// The label that log lines, metrics and tests share.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Meter => "meter",
            Self::Unit => "unit",
            Self::ResourceId => "resource-id",
            Self::Source => "source",
            Self::Owner => "owner",
            Self::Timestamp => "timestamp",
            Self::MonotonicTime => "monotonic-time",
            Self::MetadataSize => "metadata-size",
            Self::MetadataDepth => "metadata-depth",
            Self::MetadataNumber => "metadata-number",
            Self::MetadataNul => "metadata-nul",
            Self::MetadataKey => "metadata-key",
        }
    }
}

/// Whether the sample may be published.
///
/// # Errors
/// The first [`Fault`] that it has.
pub fn check(sample: &Sample) -> Result<(), Fault> {
    let finite = match sample.volume {
        Volume::Real(real) => real.is_finite(),
        Volume::Count(_) | Volume::Signed(_) => true,
    };
    ensure(finite, Fault::Volume)?;
    ensure(is_name(&sample.meter), Fault::Meter)?;
    ensure(is_text(&sample.unit), Fault::Unit)?;
    ensure(is_name(&sample.resource_id), Fault::ResourceId)?;
    ensure(is_name(&sample.source), Fault::Source)?;
    for owner in [&sample.user_id, &sample.user_name, &sample.project_id, &sample.project_name] {
        ensure(owner.as_deref().is_none_or(is_text), Fault::Owner)?;
    }
    ensure((0..CALENDAR_END).contains(&sample.timestamp.micros()), Fault::Timestamp)?;
    ensure(sample.monotonic_time.is_none_or(f64::is_finite), Fault::MonotonicTime)?;
    sample.metadata.check(sample.extra.as_deref())
}

pub(crate) fn metadata(measure: &Measure) -> Result<(), Fault> {
    ensure(!measure.too_deep, Fault::MetadataDepth)?;
    ensure(measure.bytes <= MAX_METADATA && measure.signed <= MAX_FLATTENED, Fault::MetadataSize)?;
    ensure(!measure.bad_number, Fault::MetadataNumber)?;
    ensure(!measure.nul, Fault::MetadataNul)?;
    ensure(!measure.number_token, Fault::MetadataKey)
}

/// A text that names something.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && is_text(text)
}

/// A text of one line.
pub(crate) fn is_text(text: &str) -> bool {
    // Nearly every text is plain ASCII, which bytes tell sooner than characters.
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    text.len() <= MAX_TEXT && (plain || !text.chars().any(char::is_control))
}

fn ensure(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::{Kind, Metadata, Timestamp};

    fn good() -> Sample {
        Sample {
            source: "openstack".into(),
            meter: "mem.max".into(),
            kind: Kind::Gauge,
            unit: "".into(),
            volume: Volume::Real(2048.0),
            user_id: None,
            project_id: Some("".into()),
            user_name: None,
            project_name: Some("Größe".into()),
            resource_id: "b9c03180".into(),
            timestamp: Timestamp::now(),
            metadata: Arc::new(Metadata::new(json!({"display_name": "a\nb"}).as_object().unwrap().clone())),
            extra: None,
            message_id: uuid::Uuid::nil(),
            monotonic_time: Some(1.5),
        }
    }

    #[test]
    fn each_fault_is_found_and_nothing_else() {
        assert_eq!(check(&good()), Ok(()));
        let mut deep = json!(null);
        (0..=MAX_DEPTH).for_each(|_| deep = json!({ "a": deep }));
        let long: Arc<str> = "x".repeat(MAX_TEXT + 1).into();
        let with = |key: &str, value: Value| Sample {
            extra: Some(Arc::new(Metadata::new([(key.to_owned(), value)].into_iter().collect()))),
            ..good()
        };
        let huge: Value = serde_json::from_str("1e999").unwrap();
        let cases = [
            (Sample { volume: Volume::Real(f64::NAN), ..good() }, Fault::Volume),
            (Sample { volume: Volume::Real(f64::NEG_INFINITY), ..good() }, Fault::Volume),
            (Sample { meter: "".into(), ..good() }, Fault::Meter),
            (Sample { meter: "a\0".into(), ..good() }, Fault::Meter),
            (Sample { unit: long.clone(), ..good() }, Fault::Unit),
            (Sample { resource_id: long.clone(), ..good() }, Fault::ResourceId),
            (Sample { source: "\u{85}".into(), ..good() }, Fault::Source),
            (Sample { user_name: Some(long), ..good() }, Fault::Owner),
            (Sample { timestamp: Timestamp::from_micros(-1).unwrap(), ..good() }, Fault::Timestamp),
            (Sample { monotonic_time: Some(f64::INFINITY), ..good() }, Fault::MonotonicTime),
            (with("a", json!("x".repeat(MAX_METADATA))), Fault::MetadataSize),
            (with("a", deep), Fault::MetadataDepth),
            (with("a", huge), Fault::MetadataNumber),
            (with("a\0", json!(1)), Fault::MetadataNul),
            (with("a", json!({ (NUMBER_TOKEN): "x" })), Fault::MetadataKey),
        ];
        for (sample, fault) in &cases {
            assert_eq!(check(sample), Err(*fault));
        }
        for fault in Fault::ALL {
            assert!(cases.iter().any(|(_, found)| *found == fault), "{} is not tested", fault.label());
        }
    }
}

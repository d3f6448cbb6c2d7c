//! A batch as bytes, and back.
//!
//! ```text
//! record   CRC-32 │ form │ runs of samples with one meter and one timestamp, in postcard
//! shared   CRC-32 │ form │ owner and resource metadata, which a record's samples name by number
//! ```
//!
//! An instance's metadata are most of a sample and the same in each of its samples for days, so they are kept once. What is left of a
//! sample takes about a hundred bytes, where its message takes two thousand. Nothing here is signed: a sample is signed when it is sent.

use std::sync::Arc;

use sample::{Kind, Metadata, Sample, Timestamp, Volume};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::batch::Batch;

/// The form that this version writes, and the only one that it reads.
const FORM: u8 = 1;
/// Bytes of the checksum.
const CHECKSUM: usize = 4;

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// A byte has changed.
    #[error("its checksum is wrong")]
    Checksum,
    /// Another version has written it.
    #[error("it has form {0}, this version reads {FORM}")]
    Form(u8),
    /// It is none, or cannot be made.
    #[error("it cannot be read")]
    Postcard(#[from] postcard::Error),
    /// Metadata are no JSON object.
    #[error("its metadata cannot be read")]
    Metadata(#[from] serde_json::Error),
    /// A kind or a timestamp beyond those that there are.
    #[error("it has a value that no sample has")]
    Value,
    /// The part that it has in common with others is damaged.
    #[error("the metadata that it names are not there")]
    Shared,
}

#[derive(Serialize, Deserialize)]
struct Run<'a> {
    source: &'a str,
    meter: &'a str,
    kind: u8,
    unit: &'a str,
    timestamp: i64,
    #[serde(borrow)]
    items: Vec<Item<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Item<'a> {
    shared: u32,
    resource_id: &'a str,
    volume: Amount,
    #[serde(borrow)]
    extra: Option<&'a [u8]>,
    message_id: [u8; 16],
    monotonic_time: Option<f64>,
}

#[derive(Serialize, Deserialize)]
enum Amount {
    Count(u64),
    Signed(i64),
    Real(f64),
}

/// Whose an instance is and what is known of it: the part that its samples have in common.
#[derive(Debug)]
pub(super) struct Shared {
    user_id: Option<Arc<str>>,
    project_id: Option<Arc<str>>,
    user_name: Option<Arc<str>>,
    project_name: Option<Arc<str>>,
    metadata: Arc<Metadata>,
}

#[derive(Serialize, Deserialize)]
struct SharedRecord<'a> {
    user_id: Option<&'a str>,
    project_id: Option<&'a str>,
    user_name: Option<&'a str>,
    project_name: Option<&'a str>,
    metadata: &'a [u8],
}

impl Shared {
    /// The part of a sample that others have, too.
    pub(super) fn of(sample: &Sample) -> Self {
        Self {
            user_id: sample.user_id.clone(),
            project_id: sample.project_id.clone(),
            user_name: sample.user_name.clone(),
            project_name: sample.project_name.clone(),
            metadata: sample.metadata.clone(),
        }
    }

    /// Where its parts are: two samples with the same addresses have the same part, as long as this lives.
    pub(super) fn addresses(sample: &Sample) -> [usize; 5] {
        let text =
            |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| Arc::as_ptr(text).cast::<u8>().addr());
        [
            Arc::as_ptr(&sample.metadata).addr(),
            text(&sample.user_id),
            text(&sample.project_id),
            text(&sample.user_name),
            text(&sample.project_name),
        ]
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, BadRecord> {
        let record = SharedRecord {
            user_id: self.user_id.as_deref(),
            project_id: self.project_id.as_deref(),
            user_name: self.user_name.as_deref(),
            project_name: self.project_name.as_deref(),
            metadata: &self.metadata.json(),
        };
        seal(&record)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let record: SharedRecord<'_> = postcard::from_bytes(unseal(bytes)?)?;
        Ok(Self {
            user_id: record.user_id.map(Into::into),
            project_id: record.project_id.map(Into::into),
            user_name: record.user_name.map(Into::into),
            project_name: record.project_name.map(Into::into),
            metadata: Arc::new(Metadata::parse(record.metadata)?),
        })
    }
}

/// The record of a batch. `shared` gives the number under which the part is kept that a sample has in common with others.
pub(super) fn encode<E: From<BadRecord>>(
    batch: &Batch,
    mut shared: impl FnMut(&Sample) -> Result<u32, E>,
) -> Result<Vec<u8>, E> {
    let extras: Vec<Option<Vec<u8>>> =
        batch.samples.iter().map(|sample| sample.extra.as_ref().map(|extra| extra.json())).collect();
    let mut extras = extras.iter();
    let mut runs = Vec::with_capacity(1);
    for samples in batch.samples.chunk_by(alike) {
        let first = &samples[0];
        let mut items = Vec::with_capacity(samples.len());
        for sample in samples {
            items.push(Item {
                shared: shared(sample)?,
                resource_id: &sample.resource_id,
                volume: match sample.volume {
                    Volume::Count(count) => Amount::Count(count),
                    Volume::Signed(number) => Amount::Signed(number),
                    Volume::Real(number) => Amount::Real(number),
                },
                extra: extras.next().and_then(Option::as_deref),
                message_id: *sample.message_id.as_bytes(),
                monotonic_time: sample.monotonic_time,
            });
        }
        runs.push(Run {
            source: &first.source,
            meter: &first.meter,
            kind: first.kind as u8,
            unit: &first.unit,
            timestamp: first.timestamp.micros(),
            items,
        });
    }
    Ok(seal(&runs)?)
}

/// What a record holds.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub samples: Vec<Sample>,
    /// Samples whose shared part is not there: the others can do without it.
    pub lost: usize,
}

/// The samples of a record. `shared` gives a part that they have in common, none where it is damaged.
pub(super) fn decode<E: From<BadRecord>>(
    bytes: &[u8],
    mut shared: impl FnMut(u32) -> Result<Option<Arc<Shared>>, E>,
) -> Result<Decoded, E> {
    let runs: Vec<Run<'_>> = postcard::from_bytes(unseal(bytes)?).map_err(BadRecord::from)?;
    let mut decoded = Decoded::default();
    for run in runs {
        let (source, meter, unit): (Arc<str>, Arc<str>, Arc<str>) =
            (run.source.into(), run.meter.into(), run.unit.into());
        let kinds = [Kind::Gauge, Kind::Delta, Kind::Cumulative];
        let kind = kinds.into_iter().find(|kind| *kind as u8 == run.kind).ok_or(BadRecord::Value)?;
        let timestamp = Timestamp::from_micros(run.timestamp).ok_or(BadRecord::Value)?;
        for item in run.items {
            let Some(shared) = shared(item.shared)? else {
                decoded.lost += 1;
                continue;
            };
            decoded.samples.push(Sample {
                source: source.clone(),
                meter: meter.clone(),
                kind,
                unit: unit.clone(),
                volume: match item.volume {
                    Amount::Count(count) => Volume::Count(count),
                    Amount::Signed(number) => Volume::Signed(number),
                    Amount::Real(number) => Volume::Real(number),
                },
                user_id: shared.user_id.clone(),
                project_id: shared.project_id.clone(),
                user_name: shared.user_name.clone(),
                project_name: shared.project_name.clone(),
                resource_id: item.resource_id.into(),
                timestamp,
                metadata: shared.metadata.clone(),
                extra: item
                    .extra
                    .map(|text| Metadata::parse(text).map(Arc::new))
                    .transpose()
                    .map_err(BadRecord::from)?,
                message_id: Uuid::from_bytes(item.message_id),
                monotonic_time: item.monotonic_time,
            });
        }
    }
    Ok(decoded)
}

fn alike(left: &Sample, right: &Sample) -> bool {
    left.meter == right.meter
        && left.timestamp == right.timestamp
        && left.kind == right.kind
        && left.unit == right.unit
        && left.source == right.source
}

fn seal(record: &impl Serialize) -> Result<Vec<u8>, BadRecord> {
    let bytes = postcard::to_extend(record, vec![0, 0, 0, 0, FORM])?;
    let mut bytes = bytes;
    let checksum = crc32fast::hash(&bytes[CHECKSUM..]);
    bytes[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

fn unseal(bytes: &[u8]) -> Result<&[u8], BadRecord> {
    let (checksum, rest) = bytes.split_first_chunk::<CHECKSUM>().ok_or(BadRecord::Checksum)?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*checksum) {
        return Err(BadRecord::Checksum);
    }
    match rest.split_first() {
        Some((&FORM, record)) => Ok(record),
        Some((form, _)) => Err(BadRecord::Form(*form)),
        None => Err(BadRecord::Checksum),
    }
}

#[cfg(test)]
mod tests {
    use sample::signature::Secret;
    use sample::wire::encode_line;
    use serde_json::json;

    use super::*;
    use crate::amqp_worker::tests::samples;

    fn metadata(fields: &serde_json::Value) -> Arc<Metadata> {
        Arc::new(Metadata::new(fields.as_object().unwrap().clone()))
    }

    fn batch() -> Batch {
        let mut samples = samples(6);
        samples[1].volume = Volume::Signed(-3);
        samples[2].volume = Volume::Real(1e-7);
        samples[3].volume = Volume::Real(-0.0);
        samples[4].volume = Volume::Count(u64::MAX);
        samples[4].meter = "cpu".into();
        samples[4].kind = Kind::Cumulative;
        samples[5].meter = "cpu".into();
        let fields =
            json!({"ü": {"n": null, "f": 2048.0}, "list": ["x", 1e16, true], "big": u64::MAX, "empty": {}});
        for sample in &mut samples[2..] {
            sample.metadata = metadata(&fields);
            sample.user_id = Some("u".into());
            sample.project_name = Some("демо".into());
            sample.monotonic_time = Some(12.25);
        }
        samples[5].extra = Some(metadata(&json!({"vnic_name": "tap0", "mac": "fa:16:3e:00:00:01"})));
        Batch::new("all".into(), samples)
    }

    fn lines(samples: &[Sample]) -> Vec<u8> {
        let mut lines = Vec::new();
        samples.iter().for_each(|sample| encode_line(sample, &Secret::new("s"), &mut lines));
        lines
    }

    #[test]
    fn what_is_signed_and_sent_is_the_same_to_the_byte_after_the_spool() {
        let batch = batch();
        let mut kept = Vec::new();
        let bytes = encode::<BadRecord>(&batch, |sample| {
            kept.push(Shared::of(sample).encode()?);
            Ok(kept.len() as u32 - 1)
        })
        .unwrap();
        let read = decode::<BadRecord>(&bytes, |number| {
            Shared::decode(&kept[number as usize]).map(|part| Some(Arc::new(part)))
        })
        .unwrap()
        .samples;
        assert_eq!(
            String::from_utf8(lines(&read)).unwrap(),
            String::from_utf8(lines(&batch.samples)).unwrap()
        );
        let ids = |samples: &[Sample]| samples.iter().map(|sample| sample.message_id).collect::<Vec<_>>();
        assert_eq!(ids(&read), ids(&batch.samples));
    }

    #[test]
    fn no_damaged_byte_goes_unnoticed() {
        let batch = batch();
        let bytes = encode::<BadRecord>(&batch, |_| Ok(0)).unwrap();
        let shared = Arc::new(Shared::of(&batch.samples[0]));
        let read = |bytes: &[u8]| decode::<BadRecord>(bytes, |_| Ok(Some(shared.clone())));
        assert!(read(&bytes).is_ok());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged).is_err(), "byte {at}");
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}

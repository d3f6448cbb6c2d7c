//! What a guest returned, checked: declared meters, finite volumes, resources of the polled instance, bounded sizes.

use std::sync::Arc;

use inspector::Instance;
use sample::{Metadata, Volume};
use serde_json::{Map, Number, Value};

use crate::contract::nephoscope::meter::types;
use crate::failure::{Failure, Refusal};
use crate::guest::Profile;
use crate::limits::NAME_BYTES;

/// A sample as a guest may report it; the agent adds what is the same for all samples of the poll.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestSample {
    /// The position of its meter in [`Guest::meters`](crate::Guest::meters).
    pub meter: usize,
    /// Finite.
    pub volume: Volume,
    /// The instance's UUID, or an id that contains it, or a filterref of one of its vnics.
    pub resource_id: String,
    /// What to add to the instance's resource metadata, where there is anything; dotted keys are nested objects already. Samples that
    /// follow each other with the same share it.
    pub metadata: Option<Arc<Metadata>>,
}

/// Checks the samples of one poll. Those that are refused are left out and named; going over a size ends the poll.
pub(crate) fn check(
    samples: Vec<types::Sample>,
    profile: &Profile,
    instance: &Instance,
) -> Result<(Vec<GuestSample>, Vec<Refusal>), Failure> {
    if samples.len() > profile.limits.samples {
        return Err(Failure::Samples);
    }
    if bytes_of_all(&samples) > profile.limits.sample_bytes {
        return Err(Failure::SampleBytes);
    }
    let mut good = Vec::with_capacity(samples.len());
    let mut refused = Vec::new();
    let mut last = Added::default();
    for sample in samples {
        match read(sample, profile, instance, &mut last) {
            Ok(sample) => good.push(sample),
            Err(refusal) => refused.push(refusal),
        }
    }
    Ok((good, refused))
}

/// What a key of metadata costs beside its text, and each of the objects that its dots make.
const LEVEL_BYTES: usize = 64;

/// What the samples of a poll take. Metadata that is the same as the sample's before is shared with it and counts once.
fn bytes_of_all(samples: &[types::Sample]) -> usize {
    let mut last: &[(String, types::Value)] = &[];
    let mut bytes = 0;
    for sample in samples {
        bytes += sample.meter.len() + sample.resource_id.as_ref().map_or(0, String::len);
        if !are_same(last, &sample.metadata) {
            bytes += metadata_bytes(&sample.metadata);
        }
        last = &sample.metadata;
    }
    bytes
}

fn metadata_bytes(metadata: &[(String, types::Value)]) -> usize {
    let each = metadata.iter().map(|(key, value)| {
        let levels = key.bytes().filter(|byte| *byte == b'.').count() + 1;
        let text = match value {
            types::Value::Text(text) => text.len(),
            _ => 0,
        };
        key.len() + text + levels * LEVEL_BYTES
    });
    each.sum()
}

fn read(
    sample: types::Sample,
    profile: &Profile,
    instance: &Instance,
    last: &mut Added,
) -> Result<GuestSample, Refusal> {
    let Some(meter) = profile.meters.iter().position(|meter| meter.name == sample.meter) else {
        return Err(Refusal::UndeclaredMeter(excerpt(&sample.meter)));
    };
    let volume = match sample.volume {
        types::Volume::Count(count) => Volume::Count(count),
        types::Volume::Signed(number) => Volume::Signed(number),
        types::Volume::Real(number) if number.is_finite() => Volume::Real(number),
        types::Volume::Real(_) => return Err(Refusal::NotFinite(sample.meter)),
    };
    let resource_id = match sample.resource_id {
        None => instance.identity.uuid.clone(),
        Some(id) if is_of(&id, instance) => id,
        Some(id) => return Err(Refusal::ForeignResource(excerpt(&id))),
    };
    let metadata = last.or_made_of(sample.metadata)?;
    Ok(GuestSample { meter, volume, resource_id, metadata })
}

/// Whether samples of this instance may carry this resource id.
fn is_of(id: &str, instance: &Instance) -> bool {
    let identity = &instance.identity;
    let clean = id.len() <= NAME_BYTES && !id.chars().any(char::is_control);
    // Whole, between hyphens: `<uuid>-vda`, `instance-00000001-<uuid>-tap0`.
    let names_it = |at: usize| {
        let (before, after) = (&id[..at], &id[at + identity.uuid.len()..]);
        (before.is_empty() || before.ends_with('-')) && (after.is_empty() || after.starts_with('-'))
    };
    clean
        && (id.match_indices(&identity.uuid).any(|(at, _)| names_it(at))
            || identity.vnics.iter().any(|vnic| vnic.filterref.as_deref() == Some(id)))
}

/// What the last sample added. A guest says the same of each sample of a disk or a vnic: it is made once.
#[derive(Default)]
struct Added {
    entries: Vec<(String, types::Value)>,
    made: Option<Arc<Metadata>>,
}

impl Added {
    fn or_made_of(&mut self, entries: Vec<(String, types::Value)>) -> Result<Option<Arc<Metadata>>, Refusal> {
        if entries.is_empty() {
            return Ok(None);
        }
        if !are_same(&self.entries, &entries) {
            *self = Self::default();
            self.made = Some(Arc::new(Metadata::new(nest(&entries)?)));
            self.entries = entries;
        }
        Ok(self.made.clone())
    }
}

fn are_same(some: &[(String, types::Value)], others: &[(String, types::Value)]) -> bool {
    let same = |((key, value), (other_key, other)): (&(String, types::Value), &(String, types::Value))| {
        key == other_key && is_same(value, other)
    };
    some.len() == others.len() && some.iter().zip(others).all(same)
}

/// Whether two values are one; a number that is none is not even itself.
fn is_same(one: &types::Value, other: &types::Value) -> bool {
    match (one, other) {
        (types::Value::Text(one), types::Value::Text(other)) => one == other,
        (types::Value::Integer(one), types::Value::Integer(other)) => one == other,
        // By their bits: 0 and -0 are two texts.
        (types::Value::Real(one), types::Value::Real(other)) => {
            one.to_bits() == other.to_bits() && !one.is_nan()
        }
        (types::Value::Flag(one), types::Value::Flag(other)) => one == other,
        (types::Value::Null, types::Value::Null) => true,
        _ => false,
    }
}

/// Names the instance to consumers that look there; a guest that could set it could report for another.
const INSTANCE_ID: &str = "instance_id";

/// Dotted keys become nested objects.
fn nest(entries: &[(String, types::Value)]) -> Result<Map<String, Value>, Refusal> {
    let mut fields = Map::new();
    for (key, value) in entries {
        let value = match value {
            types::Value::Text(text) => Value::String(text.clone()),
            types::Value::Integer(number) => Value::from(*number),
            types::Value::Real(number) => match Number::from_f64(*number) {
                Some(number) => Value::Number(number),
                None => {
                    return Err(Refusal::Metadata(format!("the number at {:?} is not finite", excerpt(key))));
                }
            },
            types::Value::Flag(flag) => Value::Bool(*flag),
            types::Value::Null => Value::Null,
        };
        if key == INSTANCE_ID || key.starts_with(INSTANCE_ID) && key[INSTANCE_ID.len()..].starts_with('.') {
            return Err(Refusal::Metadata(format!("{INSTANCE_ID} is the runtime's to say")));
        }
        insert(&mut fields, key, value)?;
    }
    Ok(fields)
}

/// Parts of a dotted key: deeper objects than this help nobody and cost consumers a stack.
const KEY_DEPTH: usize = 8;

fn insert(fields: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), Refusal> {
    let parts: Vec<&str> = key.split('.').collect();
    if parts.iter().any(|part| part.is_empty() || part.chars().any(char::is_control))
        || parts.len() > KEY_DEPTH
    {
        return Err(Refusal::Metadata(format!(
            "{:?} is no key: one to {KEY_DEPTH} names with dots between",
            excerpt(key)
        )));
    }
    let (last, outer) = parts.split_last().unwrap_or((&"", &[]));
    let mut object = fields;
    for part in outer {
        let inner = object.entry(*part).or_insert_with(|| Value::Object(Map::new()));
        object = match inner {
            Value::Object(inner) => inner,
            _ => {
                return Err(Refusal::Metadata(format!(
                    "{:?} lies under a key that has a value",
                    excerpt(key)
                )));
            }
        };
    }
    if object.contains_key(*last) {
        return Err(Refusal::Metadata(format!("{:?} is there twice", excerpt(key))));
    }
    object.insert((*last).to_owned(), value);
    Ok(())
}

/// The head of a guest's text, for a log line.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS: usize = 80;
    let mut head: String = text.chars().take(CHARS).collect();
    if head.len() < text.len() {
        head.push('…');
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_keys_become_nested_objects() {
        let fields = nest(&[
            ("parameters.bridge".into(), types::Value::Text("br0".into())),
            ("parameters.mtu".into(), types::Value::Integer(1500)),
            ("up".into(), types::Value::Flag(true)),
        ])
        .unwrap();
        assert_eq!(
            Value::Object(fields),
            serde_json::json!({"parameters": {"bridge": "br0", "mtu": 1500}, "up": true})
        );
    }

    #[test]
    fn metadata_that_is_shared_counts_once() {
        let sample = |key: &str| types::Sample {
            meter: "m".into(),
            volume: types::Volume::Count(0),
            resource_id: None,
            metadata: vec![(key.into(), types::Value::Text("x".repeat(1_000)))],
        };
        let one = bytes_of_all(&[sample("a")]);
        assert!(one > 1_000);
        assert_eq!(bytes_of_all(&[sample("a"), sample("a"), sample("a")]), one + 2);
        assert_eq!(bytes_of_all(&[sample("a"), sample("b"), sample("a")]), 3 * one);
    }

    #[test]
    fn samples_share_what_they_add_as_long_as_it_is_the_same() {
        let mut last = Added::default();
        let mut added = |value: types::Value| last.or_made_of(vec![("k".into(), value)]).unwrap().unwrap();
        let text = |text: &str| types::Value::Text(text.into());
        let (one, same, other) = (added(text("a")), added(text("a")), added(text("b")));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&same, &other));
        let (zero, minus) = (added(types::Value::Real(0.0)), added(types::Value::Real(-0.0)));
        assert!(!Arc::ptr_eq(&zero, &minus));
        assert!(last.or_made_of(Vec::new()).unwrap().is_none());
        assert!(last.or_made_of(vec![("k".into(), types::Value::Real(f64::NAN))]).is_err());
        let (null, flag) = (types::Value::Null, types::Value::Flag(false));
        let made = last.or_made_of(vec![("k".into(), null)]).unwrap().unwrap();
        assert!(!Arc::ptr_eq(&made, &last.or_made_of(vec![("k".into(), flag)]).unwrap().unwrap()));
    }

    #[test]
    fn keys_that_cannot_stand_in_one_object_are_refused() {
        let flag = || types::Value::Flag(true);
        for keys in [
            vec!["a", "a"],
            vec!["a", "a.b"],
            vec!["a.b", "a"],
            vec![""],
            vec!["a..b"],
            vec!["a\n"],
            vec!["a.b.c.d.e.f.g.h.i"],
        ] {
            let entries = keys.iter().map(|key| ((*key).to_owned(), flag())).collect();
            let entries: Vec<_> = entries;
            assert!(nest(&entries).is_err(), "{keys:?}");
        }
    }
}

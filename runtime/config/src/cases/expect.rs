//! What must come of a poll. A number's type is how it is written: `5` is a count, `-5` and `+5` are signed, `5.0` and `5e0` are real.

use sample::Volume;
use serde_json::{Map as Object, Number, Value as Json};

use super::single;
use crate::fault::{shown, shown_key};
use crate::section::{Decoder, Map, Section, Unknown, key, meant};
use crate::value;
use crate::yaml::{Node, Value};

/// How deep metadata may be nested: as deep as a guest's dotted keys make it.
const MAX_DEPTH: usize = 8;

/// What must come of a poll.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// These samples, in this order; may be none.
    Samples(Vec<Sample>),
    /// No samples, and nobody's fault.
    Skipped(Skip),
    /// The guest never wants this instance again; the text occurs in its reason.
    Permanent(String),
    /// The poll fails; the text occurs in the reason.
    Failed(String),
}

/// A sample that must come.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The meter.
    pub meter: String,
    /// Compared by type and bits.
    pub volume: Volume,
    /// None: the instance's UUID.
    pub resource_id: Option<String>,
    /// Nested where keys have dots; empty: the sample adds none.
    pub metadata: Object<String, Json>,
}

/// Why a poll gives nothing without anybody's fault: the contract's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The instance vanished.
    NotFound,
    /// The instance is shut off.
    ShutOff,
    /// The hypervisor does not implement the reading.
    Unsupported,
    /// No value at present.
    NoData,
}

impl Skip {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        SKIPS.iter().find(|(_, skip)| *skip == self).map_or("", |(word, _)| word)
    }
}

pub(super) const SKIPS: &[(&str, Skip)] = &[
    ("not-found", Skip::NotFound),
    ("shut-off", Skip::ShutOff),
    ("unsupported", Skip::Unsupported),
    ("no-data", Skip::NoData),
];

/// A line that must be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its level.
    pub level: LogLevel,
    /// A text that occurs in it.
    pub text: String,
}

/// The contract's levels of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the contract documents its levels")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        LEVELS.iter().find(|(_, level)| *level == self).map_or("", |(word, _)| word)
    }
}

const LEVELS: &[(&str, LogLevel)] = &[
    ("trace", LogLevel::Trace),
    ("debug", LogLevel::Debug),
    ("info", LogLevel::Info),
    ("warn", LogLevel::Warn),
    ("error", LogLevel::Error),
];

pub(crate) static SAMPLE: Section = Section {
    title: "a sample",
    path: "cases[].polls[].expect[]",
    about: "A sample that must come, to the bit.",
    keys: &[
        key("meter", "text", "", "Required. The meter's name."),
        key(
            "volume",
            "volume",
            "",
            "Required. How it is written is its type: `512` is a `count`, `-512` or `+512` is `signed`, `512.0` or `5.12e2` is `real`.",
        ),
        key("resource_id", "text", "", "The resource; absent, the instance's UUID."),
        key(
            "metadata",
            "mapping",
            "",
            "What the sample adds to the instance's metadata, all of it; absent, nothing. Values have the contract's types: \
             `1` is an `integer`, `1.0` a `real`, `true` a `flag`, `null` is `null`, all else and what has quotes a `text`. Dotted keys and nested \
             mappings mean the same.",
        ),
    ],
};

pub(super) fn expect(d: &mut Decoder<'_>, node: &Node) -> Option<Expect> {
    const WHAT: &str = "a list of samples, or one of {skipped: WORD}, {failed: TEXT} and {permanent: TEXT}";
    match (&node.value, single(node)) {
        (Value::Sequence(items), _) => {
            // All of them are read before one that is wrong makes the list unusable.
            let samples: Vec<_> = items.iter().map(|item| sample(d, item)).collect();
            Some(Expect::Samples(samples.into_iter().collect::<Option<_>>()?))
        }
        (_, Some(("skipped", why))) => Some(Expect::Skipped(value::word(SKIPS)(d, why)?)),
        (_, Some(("failed", text))) => Some(Expect::Failed(value::text_or_empty(d, text)?)),
        (_, Some(("permanent", text))) => Some(Expect::Permanent(value::text_or_empty(d, text)?)),
        (_, Some((other, _))) => {
            let hint = meant(other, ["skipped", "failed", "permanent"].into_iter());
            d.faults.error(&node.place, format!("unknown key {} in `expect`; {hint}", shown_key(other)));
            None
        }
        _ => d.expected(WHAT, node),
    }
}

fn sample(d: &mut Decoder<'_>, node: &Node) -> Option<Sample> {
    let map = Map::open(d, node, &SAMPLE, Unknown::Refuse)?;
    let meter = map.required(d, "meter", value::text);
    let volume = map.required(d, "volume", |d, node| {
        let read = match &node.value {
            Value::Scalar(text) => volume(text),
            _ => None,
        };
        read.or_else(|| {
            d.expected("a volume: `5` is a count, `-5` or `+5` signed, `5.0` real, all of 64 bits", node)
        })
    });
    let resource_id = map.optional(d, "resource_id", value::text);
    let mut metadata = Object::new();
    if let Some(node) = map.get("metadata") {
        object(d, node, &mut metadata, MAX_DEPTH);
    }
    Some(Sample { meter: meter?, volume: volume?, resource_id, metadata })
}

/// A number of the type that its form says.
pub(super) fn volume(text: &str) -> Option<Volume> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return if digits.len() == text.len() {
            text.parse().ok().map(Volume::Count)
        } else {
            text.parse().ok().map(Volume::Signed)
        };
    }
    // Neither `inf` and `nan`, which Rust reads, nor what only YAML would.
    let is_decimal = digits.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_decimal {
        return None;
    }
    text.parse::<f64>().ok().filter(|real| real.is_finite()).map(Volume::Real)
}

/// Reads metadata into an object; dotted keys become nested ones, as the runtime makes them.
fn object(d: &mut Decoder<'_>, node: &Node, into: &mut Object<String, Json>, depth: usize) {
    let Value::Mapping(entries) = &node.value else {
        let _: Option<()> = d.expected("a mapping of metadata", node);
        return;
    };
    for entry in entries {
        let mut parts: Vec<&str> = entry.key.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        if last.is_empty() || parts.iter().any(|part| part.is_empty()) || parts.len() >= depth {
            let message =
                format!("{} is no key: one to {MAX_DEPTH} names with dots between", shown_key(&entry.key));
            d.faults.error(&entry.place, message);
            continue;
        }
        let below = depth - parts.len() - 1;
        let mut target = Some(&mut *into);
        for part in parts {
            target = target.and_then(|object| {
                object.entry(part).or_insert_with(|| Object::new().into()).as_object_mut()
            });
        }
        let clash = match target {
            Some(target) if matches!(entry.node.value, Value::Mapping(_)) && below > 0 => {
                match target.entry(last).or_insert_with(|| Object::new().into()).as_object_mut() {
                    Some(inner) => {
                        object(d, &entry.node, inner, below);
                        false
                    }
                    None => true,
                }
            }
            Some(target) if !target.contains_key(last) => {
                if let Some(value) = scalar(d, &entry.node) {
                    target.insert(last.to_owned(), value);
                }
                false
            }
            _ => true,
        };
        if clash {
            let message =
                format!("{} is there twice, or lies under a key that has a value", shown_key(&entry.key));
            d.faults.error(&entry.place, message);
        }
    }
}

/// A scalar of the contract's types.
fn scalar(d: &mut Decoder<'_>, node: &Node) -> Option<Json> {
    let text = match &node.value {
        Value::Null => return Some(Json::Null),
        Value::Scalar(text) => text,
        _ => return d.expected("a text, a number, true, false or null", node),
    };
    if !node.plain {
        return Some(Json::String(text.clone()));
    }
    match (text.as_str(), volume(text)) {
        ("true", _) => Some(Json::Bool(true)),
        ("false", _) => Some(Json::Bool(false)),
        (_, Some(Volume::Count(count))) => match i64::try_from(count) {
            Ok(number) => Some(number.into()),
            Err(_) => d.expected("an integer of the contract's `value`, up to 2^63-1", node),
        },
        (_, Some(Volume::Signed(number))) => Some(number.into()),
        (_, Some(Volume::Real(real))) => Number::from_f64(real).map(Json::Number),
        (_, None) => Some(Json::String(text.clone())),
    }
}

/// Lines that must be logged; the list may be empty.
pub(super) fn log(d: &mut Decoder<'_>, node: &Node) -> Option<Vec<Line>> {
    let Value::Sequence(items) = &node.value else { return d.expected("a list of lines", node) };
    let lines: Vec<_> = items.iter().map(|item| line(d, item)).collect();
    lines.into_iter().collect()
}

fn line(d: &mut Decoder<'_>, node: &Node) -> Option<Line> {
    let Some((word, text)) = single(node) else {
        return d.expected("a level and a text that occurs in the line, such as {warn: TEXT}", node);
    };
    let Some((_, level)) = LEVELS.iter().find(|(name, _)| *name == word) else {
        let hint = meant(word, LEVELS.iter().map(|(name, _)| *name));
        d.faults.error(&node.place, format!("{} is no level; {hint}", shown(word)));
        return None;
    };
    Some(Line { level: *level, text: value::text(d, text)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_number_is_written_is_its_type() {
        assert_eq!(volume("512"), Some(Volume::Count(512)));
        assert_eq!(volume("18446744073709551615"), Some(Volume::Count(u64::MAX)));
        assert_eq!(volume("+5"), Some(Volume::Signed(5)));
        assert_eq!(volume("-9223372036854775808"), Some(Volume::Signed(i64::MIN)));
        assert_eq!(volume("512.0"), Some(Volume::Real(512.0)));
        assert_eq!(volume("1e3"), Some(Volume::Real(1000.0)));
        let bits = |text| match volume(text) {
            Some(Volume::Real(real)) => real.to_bits(),
            other => panic!("{other:?}"),
        };
        assert_eq!(bits("-0.0"), (-0.0_f64).to_bits());
        assert_eq!(bits("0.1"), 0.1_f64.to_bits());
        for wrong in [
            "",
            "-",
            "18446744073709551616",
            "+9223372036854775808",
            "1e999",
            "inf",
            "nan",
            ".5",
            "0x10",
            "1_000",
            "5 MiB",
        ] {
            assert_eq!(volume(wrong), None, "{wrong}");
        }
    }
}

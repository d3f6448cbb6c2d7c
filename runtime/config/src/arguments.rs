//! Values of the command line that are written as in the files: within the same bounds, refused in the same words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::pipeline::LimitOverrides;
use crate::section::Decoder;
use crate::yaml::{Entry, MAX_SCALAR, Node, Value};
use crate::{Faults, Place, pipeline, value};

/// A time from `least` to `most`: `300`, `30s`, `500ms`.
///
/// # Errors
/// What was expected, in words.
pub fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    read(|d| value::duration(least, most)(d, &scalar(text)))
}

/// Limits of a guest, each as `name=value`: `memory=32MiB`.
///
/// # Errors
/// There is no such limit, or it is out of bounds.
pub fn limits(texts: &[String]) -> Result<LimitOverrides, String> {
    let entry = |key: &str, node| Entry { key: key.to_owned(), place: Place::default(), node };
    let mapping = |entries| Node { place: Place::default(), value: Value::Mapping(entries), plain: false };
    let limits_of = |entries| {
        let guest = mapping(vec![entry("limits", mapping(entries))]);
        read(|d| pipeline::limits_of(d, &guest))
    };
    let mut limits: Vec<Entry> = Vec::new();
    for text in texts {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as memory=32MiB")?;
        if limits.iter().any(|limit| limit.key == name) {
            return Err(format!("{name} is given twice"));
        }
        // Each by itself, so that a fault names it.
        limits_of(vec![entry(name, scalar(value))]).map_err(|fault| format!("{text}: {fault}"))?;
        limits.push(entry(name, scalar(value)));
    }
    limits_of(limits)
}

/// A guest's settings, each as `key=value`.
///
/// # Errors
/// One is not of that form, is given twice, or is longer than a file may say; or they are too many.
pub fn settings(texts: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    for text in texts {
        let (key, value) = text.split_once('=').ok_or_else(|| format!("{text}: expected KEY=VALUE"))?;
        if key.is_empty() || key.len() > MAX_SCALAR || value.len() > MAX_SCALAR {
            return Err(format!("a key has from 1 to {MAX_SCALAR} bytes, and a value that many at most"));
        }
        if entries.iter().any(|entry| entry.key == key) {
            return Err(format!("{key} is given twice"));
        }
        entries.push(Entry { key: key.to_owned(), place: Place::default(), node: scalar(value) });
    }
    let node = Node { place: Place::default(), value: Value::Mapping(entries), plain: false };
    read(|d| pipeline::settings(d, &node))
}

fn scalar(text: &str) -> Node {
    Node { place: Place::default(), value: Value::Scalar(text.to_owned()), plain: true }
}

fn read<T>(read: impl FnOnce(&mut Decoder<'_>) -> Option<T>) -> Result<T, String> {
    let mut faults = Faults::default();
    let value = read(&mut Decoder { faults: &mut faults, folder: Path::new("") });
    match (faults.iter().next(), value) {
        (None, Some(value)) => Ok(value),
        (fault, _) => Err(fault.map_or_else(String::new, |fault| fault.message.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_in_a_file() {
        let read = limits(&["memory=32MiB".into(), "cpu=7ms".into()]).unwrap();
        assert_eq!((read.memory, read.cpu), (Some(32 << 20), Some(Duration::from_millis(7))));
        assert_eq!(limits(&[]), Ok(LimitOverrides::default()));
        let refused = |text: &str| limits(&[text.to_owned()]).unwrap_err();
        assert!(refused("memmory=1MiB").ends_with("did you mean `memory`?"), "{}", refused("memmory=1MiB"));
        assert!(refused("memory=1GiB").starts_with("memory=1GiB: expected a size from 64KiB to 256MiB"));
        assert!(refused("memory").starts_with("expected NAME=VALUE"));
        assert!(refused("memory=").starts_with("memory=: expected a size"));
        let twice = ["cpu=1ms".to_owned(), "cpu=2ms".to_owned()];
        assert_eq!(limits(&twice).unwrap_err(), "cpu is given twice");
    }

    #[test]
    fn settings_are_pairs_within_the_bounds_of_a_file() {
        let read =
            |texts: &[&str]| settings(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let pairs = read(&["direction=both", "empty=", "formula=a=b"]).unwrap();
        assert_eq!(pairs.into_values().collect::<Vec<_>>(), ["both", "", "a=b"]);
        assert!(read(&["direction"]).unwrap_err().ends_with("expected KEY=VALUE"));
        assert_eq!(read(&["a=1", "a=2"]).unwrap_err(), "a is given twice");
        assert!(read(&["=x"]).is_err() && read(&[&"k".repeat(100_000)]).is_err());
        assert!(read(&[&format!("{}=x", "k".repeat(100_000))]).is_err());
    }

    #[test]
    fn a_time_is_read_as_in_a_file() {
        let read = |text| duration(text, Duration::from_millis(1), Duration::from_secs(60));
        assert_eq!(read("1.5s"), Ok(Duration::from_millis(1500)));
        assert!(read("2m").unwrap_err().starts_with("expected a time from 1ms to 1m"));
    }
}

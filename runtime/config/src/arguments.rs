//! Values of the command line that are written as in the files: within the same bounds, refused in the same words.

use std::path::Path;
use std::time::Duration;

use crate::pipeline::LimitOverrides;
use crate::section::Decoder;
use crate::yaml::{Entry, Node, Value};
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
    let mut limits = Vec::new();
    for text in texts {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as memory=32MiB")?;
        limits.push(entry(name, scalar(value)));
    }
    let guest = mapping(vec![entry("limits", mapping(limits))]);
    read(|d| pipeline::limits_of(d, &guest))
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
        assert!(refused("memory=1GiB").starts_with("expected a size from 64KiB to 256MiB"));
        assert!(refused("memory").starts_with("expected NAME=VALUE"));
        assert!(refused("memory=").starts_with("expected a size"));
    }

    #[test]
    fn a_time_is_read_as_in_a_file() {
        let read = |text| duration(text, Duration::from_millis(1), Duration::from_secs(60));
        assert_eq!(read("1.5s"), Ok(Duration::from_millis(1500)));
        assert!(read("2m").unwrap_err().starts_with("expected a time from 1ms to 1m"));
    }
}

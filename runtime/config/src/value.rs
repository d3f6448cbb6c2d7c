//! Single values: texts, numbers, durations, sizes, paths and secrets, each within bounds.
//!
//! Quoted and plain values are read alike, as Ceilometer does (`interval: "60"`). What does not fit is a fault that says
//! what would.

use std::path::PathBuf;
use std::time::Duration;

use crate::fault::shown;
use crate::file::open_file;
use crate::section::{Decoder, meant};
use crate::yaml::{Node, Value};

/// The longest text of a setting, in bytes; queue names, URLs and paths stay below.
const MAX_TEXT: usize = 4096;

/// A text.
pub(crate) fn text(d: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let Value::Scalar(text) = &node.value else { return d.expected("a text", node) };
    if text.is_empty() {
        d.faults.error(&node.place, "an empty text");
        return None;
    }
    bounded(d, node, text)
}

/// A text that may be empty.
pub(crate) fn text_or_empty(d: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let Value::Scalar(text) = &node.value else { return d.expected("a text", node) };
    bounded(d, node, text)
}

fn bounded(d: &mut Decoder<'_>, node: &Node, text: &str) -> Option<String> {
    if text.len() > MAX_TEXT {
        d.faults.error(&node.place, format!("a text of {} bytes; at most {MAX_TEXT}", text.len()));
        return None;
    }
    Some(text.to_owned())
}

/// A name that stands in logs, on command lines and in file names.
pub(crate) fn name(d: &mut Decoder<'_>, node: &Node) -> Option<String> {
    const WHAT: &str = "a name of at most 64 letters, digits and `._-`";
    let text = text(d, node)?;
    if !is_name(&text) {
        return d.expected(WHAT, node);
    }
    Some(text)
}

/// Whether a text is a name of that kind.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&text.chars().count()) && text.chars().all(fits)
}

/// Yes or no: YAML 1.1's words as PyYAML reads them.
pub(crate) fn switch(d: &mut Decoder<'_>, node: &Node) -> Option<bool> {
    let Value::Scalar(text) = &node.value else { return d.expected("true or false", node) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => d.expected("true or false", node),
    }
}

/// One of some words.
pub(crate) fn word<T: Copy + 'static>(
    words: &'static [(&'static str, T)],
) -> impl Fn(&mut Decoder<'_>, &Node) -> Option<T> {
    move |d, node| {
        let all = words.iter().map(|(word, _)| *word);
        if let Value::Scalar(text) = &node.value {
            let found = words.iter().find(|(word, _)| word == text);
            if found.is_none() {
                let hint = meant(text, all);
                d.faults.error(&node.place, format!("{} has no meaning here; {hint}", shown(text)));
            }
            return found.map(|(_, value)| *value);
        }
        d.expected(&format!("one of {}", all.collect::<Vec<_>>().join(", ")), node)
    }
}

/// A whole number within bounds, both included.
pub(crate) fn number<T>(least: u64, most: u64) -> impl Fn(&mut Decoder<'_>, &Node) -> Option<T>
where
    T: TryFrom<u64>,
{
    move |d, node| {
        let read = match &node.value {
            Value::Scalar(text) => text.parse::<u64>().ok(),
            _ => None,
        };
        let fits =
            read.filter(|number| (least..=most).contains(number)).and_then(|number| T::try_from(number).ok());
        fits.or_else(|| d.expected(&format!("a whole number from {least} to {most}"), node))
    }
}

/// Bytes: `65536`, `64KiB`, `16 MiB`; decimal units too.
pub(crate) fn size<T>(least: u64, most: u64) -> impl Fn(&mut Decoder<'_>, &Node) -> Option<T>
where
    T: TryFrom<u64>,
{
    move |d, node| {
        let read = match &node.value {
            Value::Scalar(text) => parse_size(text),
            _ => None,
        };
        let fits =
            read.filter(|bytes| (least..=most).contains(bytes)).and_then(|bytes| T::try_from(bytes).ok());
        fits.or_else(|| {
            d.expected(
                &format!("a size from {} to {} (such as 64KiB)", show_size(least), show_size(most)),
                node,
            )
        })
    }
}

/// A time: seconds as in polling.yaml (`300`), or with a unit (`500ms`, `30s`, `5m`, `1h`).
pub(crate) fn duration(
    least: Duration,
    most: Duration,
) -> impl Fn(&mut Decoder<'_>, &Node) -> Option<Duration> {
    move |d, node| {
        let read = match &node.value {
            Value::Scalar(text) => parse_duration(text),
            _ => None,
        };
        read.filter(|time| (least..=most).contains(time)).or_else(|| {
            let bounds = format!("{} to {}", show_duration(least), show_duration(most));
            d.expected(&format!("a time from {bounds} (such as 300, 30s or 500ms)"), node)
        })
    }
}

/// A path; relative ones begin at the file's folder.
pub(crate) fn path(d: &mut Decoder<'_>, node: &Node) -> Option<PathBuf> {
    let text = text(d, node)?;
    Some(d.resolve(&text))
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let nanos: u64 = match unit {
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "" | "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(nanos)?;
    let part = if fraction.is_empty() { 0 } else { fraction_of(fraction, nanos)? };
    Some(Duration::from_nanos(whole.checked_add(part)?))
}

/// Decimals of a unit, down to the nanosecond.
fn fraction_of(digits: &str, unit: u64) -> Option<u64> {
    if digits.len() > 9 {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(digits.len()).ok()?);
    u64::try_from(u128::from(digits.parse::<u64>().ok()?) * u128::from(unit) / u128::from(scale)).ok()
}

/// The digits at the start and what follows them. Signs are part of neither, so that `parse` never sees a `+`.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn show_size(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

fn show_duration(time: Duration) -> String {
    let millis = time.as_millis();
    if millis == 0 {
        return "0".to_owned();
    }
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if millis >= unit && millis.is_multiple_of(unit) {
            return format!("{}{name}", millis / unit);
        }
    }
    format!("{millis}ms")
}

/// A file that must be there and readable now, so that nothing starts without it.
pub(crate) fn readable(d: &mut Decoder<'_>, node: &Node) -> Option<PathBuf> {
    let path = path(d, node)?;
    let problem = match open_file(&path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_dir() => "it is a folder".to_owned(),
        Ok(_) => return Some(path),
        Err(error) => error.to_string(),
    };
    d.faults.error(&node.place, format!("cannot read {}: {problem}", shown(&path.to_string_lossy())));
    None
}

/// A folder that must be there now.
pub(crate) fn folder(d: &mut Decoder<'_>, node: &Node) -> Option<PathBuf> {
    let path = path(d, node)?;
    let problem = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Some(path),
        Ok(_) => "it is no folder".to_owned(),
        Err(error) => error.to_string(),
    };
    d.faults.error(&node.place, format!("cannot use {}: {problem}", shown(&path.to_string_lossy())));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        let millis = |text| parse_duration(text).map(|time| time.as_millis());
        assert_eq!(millis("300"), Some(300_000));
        assert_eq!(millis("30s"), Some(30_000));
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("5m"), Some(300_000));
        assert_eq!(millis("1.5 h"), Some(5_400_000));
        assert_eq!(millis("0.0000000001"), None);
        for wrong in [
            "",
            "-5",
            "+5",
            "5 parsecs",
            "1e3",
            ".5",
            "1.2.3",
            "99999999999999999999",
            "18446744073709551615d",
        ] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        assert_eq!(parse_size("65536"), Some(65536));
        assert_eq!(parse_size("64KiB"), Some(65536));
        assert_eq!(parse_size("16 MiB"), Some(16 << 20));
        assert_eq!(parse_size("2MB"), Some(2_000_000));
        for wrong in ["", "-1", "1.5MiB", "16mib", "99999999999999999999", "18446744073709551615KiB"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }
}

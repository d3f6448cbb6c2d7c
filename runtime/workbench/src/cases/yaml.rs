//! What came, as a case file has it: to be pasted there.

use std::fmt::Write;

use crate::text::is_unprintable;
use config::cases::{Expect, Sample};
use sample::Volume;
use serde_json::{Map, Value};

/// The value of `expect`, as lines of YAML: a list of samples, or a mapping on one line.
pub fn to_yaml(expect: &Expect) -> String {
    match expect {
        Expect::Samples(samples) if samples.is_empty() => "[]\n".to_owned(),
        Expect::Samples(samples) => samples.iter().map(sample).collect(),
        Expect::Skipped(skip) => format!("{{skipped: {}}}\n", skip.as_str()),
        Expect::Permanent(why) => format!("{{permanent: {}}}\n", quoted(why)),
        Expect::Failed(why) => format!("{{failed: {}}}\n", quoted(why)),
    }
}

fn sample(sample: &Sample) -> String {
    let mut yaml = format!("- meter: {}\n  volume: {}\n", text(&sample.meter), volume(sample.volume));
    // Writing to a String cannot fail.
    if let Some(id) = &sample.resource_id {
        let _ = writeln!(yaml, "  resource_id: {}", text(id));
    }
    if !sample.metadata.is_empty() {
        yaml.push_str("  metadata:\n");
        object(&sample.metadata, 4, &mut yaml);
    }
    yaml
}

fn object(fields: &Map<String, Value>, indent: usize, yaml: &mut String) {
    for (key, value) in fields {
        let _ = match value {
            Value::Object(inner) => {
                let _ = writeln!(yaml, "{:indent$}{}:", "", text(key));
                object(inner, indent + 2, yaml);
                continue;
            }
            Value::String(value) => writeln!(yaml, "{:indent$}{}: {}", "", text(key), text(value)),
            scalar => writeln!(yaml, "{:indent$}{}: {scalar}", "", text(key)),
        };
    }
}

/// A volume, so that it is read as one of the same type and bits.
fn volume(volume: Volume) -> String {
    match volume {
        Volume::Count(count) => count.to_string(),
        Volume::Signed(number) => format!("{number:+}"),
        // The shortest text that reads as the same double, with a point or an exponent.
        Volume::Real(real) => format!("{real:?}"),
    }
}

/// A text, in quotes where it would mean something else without.
fn text(text: &str) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_'))
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ' '))
        && !text.ends_with(' ');
    // What YAML, old or new, takes for something else.
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    if is_word && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    // An id that begins with a UUID may begin with a digit; with so many hyphens it is no number.
    let hyphens = text.bytes().filter(|byte| *byte == b'-').count();
    if hyphens >= 4
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return text.to_owned();
    }
    quoted(text)
}

/// JSON's quotes are YAML's. What JSON leaves as it is, and a YAML file may not hold or a terminal would obey, is escaped too.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for char in Value::from(text).to_string().chars() {
        match char {
            char if is_unprintable(char) => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted
}

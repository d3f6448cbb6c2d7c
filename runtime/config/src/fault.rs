//! What is wrong with a file: all of it, sorted by place, for people and for programs.
//!
//! A fault names what is wrong and what would be right, and shows neither secrets nor credentials: texts from the file are
//! quoted by this module alone, which shortens them and takes credentials out.

use std::fmt;

use serde_json::json;

use crate::Place;

/// How many faults of one load are kept: a file that is wrong everywhere is as clear after this many.
const MAX_FAULTS: usize = 200;

/// How many characters of a text from the file are quoted.
const MAX_SHOWN: usize = 60;

/// Whether the file can be used in spite of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is started.
    Error,
    /// The file is used; something in it has no effect, or another than one may think.
    Warning,
}

impl Severity {
    /// The word of the outputs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// How grave.
    pub severity: Severity,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.severity.as_str(), self.message)
    }
}

/// Every fault that was found in one load.
///
/// As an error type it stands for a file that cannot be used; it then holds at least one [`Severity::Error`].
#[derive(Clone, Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    left_out: usize,
}

impl Faults {
    /// Adds a fault for which nothing can be started.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.add(place, Severity::Error, message.into());
    }

    /// Adds a fault that the operator should know of.
    pub fn warning(&mut self, place: &Place, message: impl Into<String>) {
        self.add(place, Severity::Warning, message.into());
    }

    fn add(&mut self, place: &Place, severity: Severity, message: String) {
        let fault = Fault { place: place.clone(), severity, message };
        let at = self.list.partition_point(|other| *other < fault);
        if self.list.get(at) == Some(&fault) {
            // An anchor's node is read once for each of its aliases.
            return;
        }
        if self.list.len() < MAX_FAULTS {
            self.list.insert(at, fault);
            return;
        }
        self.left_out += 1;
        if severity == Severity::Error && !self.is_fatal() {
            // However many warnings came first, the load must end as failed.
            self.list.pop();
            self.list.insert(at.min(self.list.len()), fault);
        }
    }

    /// Adds what was found elsewhere.
    pub fn append(&mut self, others: Self) {
        for fault in others.list {
            self.add(&fault.place, fault.severity, fault.message);
        }
        self.left_out += others.left_out;
    }

    /// Whether nothing can be started.
    pub fn is_fatal(&self) -> bool {
        self.list.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The faults, sorted by file, line and column.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.list.iter()
    }

    /// How many more were found than are kept.
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// The faults for programs: a list of objects with `file`, `line`, `column` (null where a fault concerns the whole file),
    /// `severity` and `message`.
    pub fn to_json(&self) -> serde_json::Value {
        let known = |number: u32| (number > 0).then_some(number);
        self.list
            .iter()
            .map(|fault| {
                json!({
                    "file": &*fault.place.file,
                    "line": known(fault.place.line),
                    "column": known(fault.place.column),
                    "severity": fault.severity.as_str(),
                    "message": fault.message,
                })
            })
            .collect()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.list.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        if self.left_out > 0 {
            write!(f, "\n… and {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A key as a fault may quote it: up to what no key has. Behind it may stand the secret itself, where a colon or the space after
/// it was forgotten (`telemetry_secret hunter2`).
pub(crate) fn shown_key(key: &str) -> String {
    let end = key.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.')).unwrap_or(key.len());
    let mut short: String = key[..end].chars().take(MAX_SHOWN).collect();
    if short.len() < key.len() {
        short.push('…');
    }
    format!("`{short}`")
}

/// A text of the file as a fault may quote it: short, on one line, without the credentials of a URL.
pub(crate) fn shown(text: &str) -> String {
    let hidden = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => format!("{}…{}", &text[..scheme + 3], &text[at..]),
        _ => text.to_owned(),
    };
    let mut quoted: String = hidden.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if hidden.chars().nth(MAX_SHOWN).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32) -> Place {
        Place { file: "x.yaml".into(), line, column: 1 }
    }

    #[test]
    fn faults_are_sorted_by_place_and_told_once() {
        let mut faults = Faults::default();
        faults.warning(&place(7), "second");
        faults.error(&place(3), "first");
        faults.error(&place(3), "first");
        assert_eq!(faults.to_string(), "x.yaml:3:1: error: first\nx.yaml:7:1: warning: second");
    }

    #[test]
    fn an_error_after_too_many_warnings_still_fails_the_load() {
        let mut faults = Faults::default();
        for line in 1..=300 {
            faults.warning(&place(line), "so many");
        }
        assert!(!faults.is_fatal());
        faults.error(&place(400), "grave");
        assert!(faults.is_fatal());
        assert_eq!(faults.iter().count(), MAX_FAULTS);
        assert_eq!(faults.left_out(), 101);
    }

    #[test]
    fn quotes_are_short_and_hide_credentials() {
        assert_eq!(shown("amqp://ceilometer:s3cr@t@host/v"), "`amqp://…@host/v`");
        assert_eq!(shown_key("telemetry_secret:hunter2"), "`telemetry_secret…`");
        assert_eq!(shown_key("raw-stats"), "`raw-stats`");
        assert_eq!(shown("a\n\u{1b}[31mb"), "`a\\n\\u{1b}[31mb`");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), MAX_SHOWN + 3);
    }
}

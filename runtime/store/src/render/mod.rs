//! Samples for people (a table) and for programs (JSON, CSV).
//!
//! Names and metadata are texts of tenants and of whoever reaches the broker, and a terminal obeys what it prints. So
//! characters that steer rather than show (control characters, changes of direction, invisible ones) are written as escapes in every format
//! (`printable`).
//!
//! Volumes are printed to the digit, and never cut.

mod csv;
mod json;
mod table;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::str::FromStr;

use crate::StoredSample;

/// A form of output: `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// python-ceilometerclient's table.
    #[default]
    Table,
    /// An array of objects, named as Ceilometer's API names a sample's fields.
    Json,
    /// RFC 4180, with a header line.
    Csv,
}

impl Output {
    /// Every form, by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("table", Self::Table), ("json", Self::Json), ("csv", Self::Csv)];
}

/// The text names no form of output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no form of output: table, json or csv")]
pub struct UnknownOutput(pub String);

impl FromStr for Output {
    type Err = UnknownOutput;

    fn from_str(text: &str) -> Result<Self, UnknownOutput> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, output)| output).ok_or_else(|| UnknownOutput(text.to_owned()))
    }
}

/// Writes samples in this form. A table is fitted to `width` columns of a terminal by cutting resource ids, names and units,
/// where it is given and they are longer than that leaves room for; other forms ignore it.
///
/// # Errors
/// What the writer says.
pub fn render(
    out: &mut dyn Write,
    samples: &[StoredSample],
    output: Output,
    width: Option<usize>,
) -> io::Result<()> {
    match output {
        Output::Table => table::write(out, samples, width),
        Output::Json => json::write(out, samples),
        Output::Csv => csv::write(out, samples),
    }
}

/// Whether a terminal or an editor would obey the character, or hide it, instead of showing it.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with `\u{1b}` in place of an escape character, and so on.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match steers(character) {
            // Writing to a string does not fail.
            true => _ = write!(printable, "{}", character.escape_unicode()),
            false => printable.push(character),
        }
    }
    printable
}

#[cfg(test)]
mod tests;

//! Answers for people (a table) and for programs (JSON, CSV).
//!
//! Names and metadata are texts of tenants and of whoever reaches the broker, and a terminal obeys what it prints. So
//! characters that steer rather than show (control characters, changes of direction, invisible ones) are written as escapes in every format
//! (`printable`).
//!
//! Volumes are printed to the digit, and never cut.

mod csv;
mod json;
mod records;
mod table;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::str::FromStr;

use serde_json::Value;

/// A form of output: `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// python-ceilometerclient's table.
    #[default]
    Table,
    /// An array of objects, named as Ceilometer's API names their fields.
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

/// What is listed: samples, meters, resources, statistics.
pub trait Record: Sized {
    /// The table's columns; those of statistics depend on what was asked for.
    fn columns(all: &[Self]) -> Columns;
    /// The cells of those columns. They are not printable yet.
    fn cells(&self) -> Vec<String>;
    /// The fields as Ceilometer's API names them, in its order.
    fn fields(&self) -> Vec<(String, Value)>;
    /// The names of the fields where there is no record.
    fn names() -> &'static [&'static str];
}

/// The columns of a table.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Their titles.
    pub titles: Vec<String>,
    /// Those that may be cut to fit, in this order.
    pub cuttable: &'static [usize],
    /// How many of the last ones are left out of a table that would not fit with them: what they say is the least needed.
    pub optional: usize,
}

/// Writes records in this form. A table is fitted to `width` columns of a terminal by cutting ids, names and units,
/// where it is given and they are longer than that leaves room for; other forms ignore it.
///
/// # Errors
/// What the writer says.
pub fn render<R: Record>(
    out: &mut dyn Write,
    records: &[R],
    output: Output,
    width: Option<usize>,
) -> io::Result<()> {
    match output {
        Output::Table => {
            let rows = records.iter().map(R::cells).collect();
            table::write(out, R::columns(records), rows, width)
        }
        Output::Json => json::write(out, records),
        Output::Csv => csv::write(out, records),
    }
}

/// Writes one record: a table of its fields, which are what was asked for and so are not cut; a JSON object; or CSV.
///
/// # Errors
/// What the writer says.
pub fn render_one<R: Record>(out: &mut dyn Write, record: &R, output: Output) -> io::Result<()> {
    match output {
        Output::Table => {
            let columns =
                Columns { titles: vec!["Property".into(), "Value".into()], cuttable: &[], optional: 0 };
            let mut rows = Vec::new();
            for (name, value) in record.fields() {
                match value {
                    Value::Object(fields) => {
                        for (key, value) in &fields {
                            rows.push(vec![format!("{name}.{key}"), plain(value)]);
                        }
                    }
                    value => rows.push(vec![name, plain(&value)]),
                }
            }
            table::write(out, columns, rows, None)
        }
        Output::Json => json::write_one(out, record),
        Output::Csv => csv::write(out, std::slice::from_ref(record)),
    }
}

/// A text without quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
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

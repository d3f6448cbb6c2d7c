//! CSV with a header line; metadata as JSON text in the last column.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, whoever wrote it. Such texts get a `'` before
//! them, which spreadsheets take for "text follows". Volumes are numbers and stay as they are.

use std::io::{self, Write};

use serde_json::Value;

use super::{Record, json, printable};

pub(super) fn write<R: Record>(out: &mut dyn Write, records: &[R]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    match records.first() {
        Some(first) => csv.write_record(first.fields().into_iter().map(|(name, _)| printable(&name)))?,
        None => csv.write_record(R::names())?,
    }
    for record in records {
        let cells =
            record.fields().into_iter().map(|(_, value)| cell(&value)).collect::<io::Result<Vec<_>>>()?;
        csv.write_record(cells)?;
    }
    csv.flush()
}

fn cell(value: &Value) -> io::Result<String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(value) => Ok(text(value)),
        Value::Number(number) => Ok(number.to_string()),
        value => json::compact(value),
    }
}

fn text(text: &str) -> String {
    let printable = printable(text);
    match printable.starts_with(['=', '+', '-', '@']) {
        true => format!("'{printable}"),
        false => printable,
    }
}

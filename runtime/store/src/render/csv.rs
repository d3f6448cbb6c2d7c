//! CSV with a header line; metadata as JSON text in the last column.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, whoever wrote it. Such texts get a `'` before
//! them, which spreadsheets take for "text follows". Volumes are numbers and stay as they are.

use std::io::{self, Write};

use super::{json, printable};
use crate::StoredSample;

const HEADER: [&str; 12] = [
    "resource_id",
    "meter",
    "type",
    "volume",
    "unit",
    "timestamp",
    "project_id",
    "user_id",
    "source",
    "id",
    "recorded_at",
    "metadata",
];

pub(super) fn write(out: &mut dyn Write, samples: &[StoredSample]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADER)?;
    for sample in samples {
        csv.write_record([
            text(&sample.resource_id),
            text(&sample.meter),
            sample.kind.to_string(),
            sample.volume.to_string(),
            text(&sample.unit),
            sample.timestamp.to_string(),
            sample.project_id.as_deref().map(text).unwrap_or_default(),
            sample.user_id.as_deref().map(text).unwrap_or_default(),
            text(&sample.source),
            text(&sample.message_id),
            sample.recorded_at.to_string(),
            json::compact(&*sample.metadata)?,
        ])?;
    }
    csv.flush()
}

fn text(text: &str) -> String {
    let printable = printable(text);
    match printable.starts_with(['=', '+', '-', '@']) {
        true => format!("'{printable}"),
        false => printable,
    }
}

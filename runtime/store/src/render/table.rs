//! The table of python-ceilometerclient's `sample-list -m METER`.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::printable;
use crate::StoredSample;

const TITLES: [&str; 6] = ["Resource ID", "Name", "Type", "Volume", "Unit", "Timestamp"];
/// The columns that may be cut to fit, in this order: a vnic's id is long and its end is seldom needed; numbers and times never.
const CUTTABLE: [usize; 3] = [0, 1, 4];
/// No column is cut below this, a UUID's first group and the mark.
const LEAST: usize = 9;
/// Stands for what was cut.
const MARK: char = '…';

pub(super) fn write(out: &mut dyn Write, samples: &[StoredSample], width: Option<usize>) -> io::Result<()> {
    let rows: Vec<[String; 6]> = samples.iter().map(cells).collect();
    let mut widths = TITLES.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    if let Some(width) = width {
        fit(&mut widths, width);
    }
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect();
    writeln!(out, "{rule}+")?;
    line(out, &widths, &TITLES)?;
    writeln!(out, "{rule}+")?;
    for row in &rows {
        line(out, &widths, row)?;
    }
    writeln!(out, "{rule}+")
}

fn cells(sample: &StoredSample) -> [String; 6] {
    [
        printable(&sample.resource_id),
        printable(&sample.meter),
        sample.kind.to_string(),
        sample.volume.to_string(),
        printable(&sample.unit),
        sample.timestamp.to_string(),
    ]
}

/// Takes from the cuttable columns, one after the other, what the table is too wide.
fn fit(widths: &mut [usize; 6], width: usize) {
    for column in CUTTABLE {
        let total = widths.iter().map(|width| width + 3).sum::<usize>() + 1;
        let excess = total.saturating_sub(width);
        let least = LEAST.max(TITLES[column].len()).min(widths[column]);
        widths[column] = widths[column].saturating_sub(excess).max(least);
    }
}

fn line<T: AsRef<str>>(out: &mut dyn Write, widths: &[usize; 6], cells: &[T; 6]) -> io::Result<()> {
    for (width, cell) in widths.iter().zip(cells) {
        let text = cut(cell.as_ref(), *width);
        write!(out, "| {text}{} ", " ".repeat(width.saturating_sub(text.width())))?;
    }
    writeln!(out, "|")
}

/// The beginning of a text that is wider than its column.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let mut kept = String::new();
    for character in text.chars() {
        let Some(rest) = room.checked_sub(character.width().unwrap_or(0)) else { break };
        room = rest;
        kept.push(character);
    }
    kept.push(MARK);
    kept
}

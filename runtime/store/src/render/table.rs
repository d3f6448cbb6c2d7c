//! python-ceilometerclient's tables.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Columns, printable};

/// No column is cut below this, a UUID's first group and the mark.
const LEAST: usize = 9;
/// Stands for what was cut.
const MARK: char = '…';

pub(super) fn write(
    out: &mut dyn Write,
    columns: Columns,
    rows: Vec<Vec<String>>,
    width: Option<usize>,
) -> io::Result<()> {
    let Columns { mut titles, cuttable, optional } = columns;
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let mut widths: Vec<usize> = titles.iter().map(String::len).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    if let Some(width) = width {
        if total(&widths) > width {
            titles.truncate(titles.len() - optional);
            widths.truncate(titles.len());
        }
        fit(&mut widths, &titles, cuttable, width);
    }
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect();
    writeln!(out, "{rule}+")?;
    line(out, &widths, &titles)?;
    writeln!(out, "{rule}+")?;
    for row in &rows {
        line(out, &widths, row)?;
    }
    writeln!(out, "{rule}+")
}

/// Of the whole table.
fn total(widths: &[usize]) -> usize {
    widths.iter().map(|width| width + 3).sum::<usize>() + 1
}

/// Takes from the cuttable columns, one after the other, what the table is too wide.
fn fit(widths: &mut [usize], titles: &[String], cuttable: &[usize], width: usize) {
    for &column in cuttable {
        let excess = total(widths).saturating_sub(width);
        let least = LEAST.max(titles[column].len()).min(widths[column]);
        widths[column] = widths[column].saturating_sub(excess).max(least);
    }
}

fn line(out: &mut dyn Write, widths: &[usize], cells: &[String]) -> io::Result<()> {
    for (width, cell) in widths.iter().zip(cells) {
        let text = cut(cell, *width);
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

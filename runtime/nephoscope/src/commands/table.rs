//! Tables for people: columns as wide as their widest cell, two spaces between.

use std::fmt;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use workbench::text::printable;

/// No column is cut below this, a UUID's first group and the mark.
const LEAST: usize = 9;

/// Stands for what was cut.
const MARK: char = '…';

/// Rows of text under a header.
pub struct Table<const COLUMNS: usize> {
    header: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
    /// The width to fit into, and the columns that may be cut for it, in this order.
    fit: Option<(usize, &'static [usize])>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// An empty table.
    pub fn new(header: [&'static str; COLUMNS]) -> Self {
        Self { header, rows: Vec::new(), fit: None }
    }

    /// Cuts these columns, one after the other, as far as the table is wider than `width`; where that is none, nothing.
    #[must_use]
    pub fn fitting(mut self, width: Option<usize>, cuttable: &'static [usize]) -> Self {
        self.fit = width.map(|width| (width, cuttable));
        self
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a row. Control characters, which a tenant may have put into a name, are escaped.
    pub fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.map(|cell| printable(&cell)));
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = self.header.map(str::len);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        if let Some((most, cuttable)) = self.fit {
            for column in cuttable {
                let excess = (widths.iter().sum::<usize>() + 2 * (COLUMNS - 1)).saturating_sub(most);
                let least = LEAST.max(self.header[*column].len()).min(widths[*column]);
                widths[*column] = widths[*column].saturating_sub(excess).max(least);
            }
        }
        let line = |f: &mut fmt::Formatter<'_>, cells: [&str; COLUMNS]| {
            let mut text = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                let cell = cut(cell, width);
                let room = width.saturating_sub(cell.width());
                text.push_str(&format!("{cell}{:room$}  ", ""));
            }
            writeln!(f, "{}", text.trim_end())
        };
        line(f, self.header)?;
        for row in &self.rows {
            line(f, std::array::from_fn(|column| row[column].as_str()))?;
        }
        Ok(())
    }
}

/// The beginning of a text that is wider than its column.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let fits = |character: &char| match room.checked_sub(character.width().unwrap_or(0)) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    };
    text.chars().take_while(fits).chain([MARK]).collect()
}

/// The terminal's columns; none where the output is no terminal, and nothing has to fit.
pub fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_seen_and_cut_to_fit() {
        let table = |width| {
            let mut table = Table::new(["name", "text"]).fitting(width, &[1]);
            table.row(["日本".into(), "a text that is long".into()]);
            table.row(["café".into(), "b\n".into()]);
            table.to_string()
        };
        assert_eq!(table(None), "name  text\n日本  a text that is long\ncafé  b\\n\n");
        assert_eq!(table(Some(18)), "name  text\n日本  a text that…\ncafé  b\\n\n");
        assert_eq!(table(Some(1)), "name  text\n日本  a text t…\ncafé  b\\n\n", "some is left");
    }
}

//! The report: what was measured, the figure, the goal.

use std::fmt;

/// Lines of a report; each is said as soon as it is known, too.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 3]>,
}

impl Table {
    /// Whether there is no figure.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a figure.
    pub fn row(&mut self, what: impl Into<String>, figure: impl Into<String>, goal: impl Into<String>) {
        let row = [what.into(), figure.into(), goal.into()];
        eprintln!("  {}: {}", row[0], row[1]);
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | measured | goal |\n|---|---|---|")?;
        for [what, figure, goal] in &self.rows {
            writeln!(f, "| {what} | {figure} | {goal} |")?;
        }
        Ok(())
    }
}

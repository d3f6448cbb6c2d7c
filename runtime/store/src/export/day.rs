//! Days, in UTC.

use std::fmt;

use chrono::{Days as Step, NaiveDate};
use sample::Timestamp;

use crate::contract::Range;

/// The most days that are exported at a time: ten years.
const MOST: i64 = 3_660;
const FORM: &str = "%Y-%m-%d";

/// A day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    /// The samples of the day.
    pub fn range(self) -> Range {
        let until = self.0.checked_add_days(Step::new(1)).map(begin);
        Range { from: Some(begin(self.0)), until }
    }

    fn parse(text: &str) -> Result<Self, BadDays> {
        let day = NaiveDate::parse_from_str(text, FORM).ok();
        day.map(Self).ok_or_else(|| BadDays::Day(text.chars().take(40).collect()))
    }

    fn today() -> Self {
        let now = chrono::DateTime::from_timestamp_micros(Timestamp::now().micros()).unwrap_or_default();
        Self(now.date_naive())
    }
}

fn begin(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format(FORM).fmt(f)
    }
}

/// The texts are no days, or not in order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDays {
    /// No day.
    #[error("{0:?} is no day such as 2026-01-31")]
    Day(String),
    /// The last before the first.
    #[error(
        "{until} is not after {from}: the first day that is not written comes after the first one that is"
    )]
    Order {
        /// The first day.
        from: Day,
        /// The first that is not written.
        until: Day,
    },
    /// Too many.
    #[error("{0} days; at most {MOST} at a time")]
    Many(i64),
}

/// Some days, one after the other.
#[derive(Clone, Debug)]
pub struct Days {
    next: Day,
    until: Day,
}

impl Days {
    /// The days from the first to the one before `until`; without that, to yesterday.
    ///
    /// # Errors
    /// [`BadDays`].
    pub fn parse(from: &str, until: Option<&str>) -> Result<Self, BadDays> {
        let from = Day::parse(from)?;
        let until = until.map_or_else(|| Ok(Day::today()), Day::parse)?;
        let count = (until.0 - from.0).num_days();
        match count {
            ..=0 => Err(BadDays::Order { from, until }),
            1..=MOST => Ok(Self { next: from, until }),
            _ => Err(BadDays::Many(count)),
        }
    }
}

impl Iterator for Days {
    type Item = Day;

    fn next(&mut self) -> Option<Day> {
        let day = self.next;
        self.next = Day(day.0.succ_opt()?);
        (day < self.until).then_some(day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_from_the_first_to_before_the_last() {
        let days: Vec<_> =
            Days::parse("2026-02-27", Some("2026-03-02")).unwrap().map(|day| day.to_string()).collect();
        assert_eq!(days, ["2026-02-27", "2026-02-28", "2026-03-01"]);
        let range = Day::parse("2026-01-01").unwrap().range();
        assert_eq!((range.from, range.until), (Some(1_767_225_600_000_000), Some(1_767_312_000_000_000)));
        assert_eq!(
            Days::parse("2026-01-01", Some("2026-01-01")).unwrap_err().to_string(),
            "2026-01-01 is not after 2026-01-01: the first day that is not written comes after the first one that is"
        );
        for wrong in ["yesterday", "2026-02-30", "2026-1", ""] {
            assert!(matches!(Days::parse(wrong, None), Err(BadDays::Day(_))), "{wrong}");
        }
        assert!(matches!(Days::parse("0001-01-01", None), Err(BadDays::Many(_))));
    }
}

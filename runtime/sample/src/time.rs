//! Naive UTC timestamps, as Ceilometer writes and reads them.

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Utc};

/// A moment in UTC with microseconds, written without a zone: `2026-01-31T23:59:59.000001`, and without the fraction
/// where it is zero (Python's `datetime.isoformat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NaiveDateTime);

/// The text is no timestamp.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no timestamp: expected the form 2026-01-31T23:59:59.123456, with or without fraction and zone"
)]
pub struct NotATimestamp(pub String);

impl Timestamp {
    /// The wall clock, now.
    pub fn now() -> Self {
        Self::from_micros(Utc::now().timestamp_micros()).unwrap_or(Self(NaiveDateTime::MIN))
    }

    /// From microseconds since 1970 in UTC; none beyond the calendar.
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).map(|moment| Self(moment.naive_utc()))
    }

    /// Microseconds since 1970 in UTC.
    pub fn micros(self) -> i64 {
        self.0.and_utc().timestamp_micros()
    }

    /// The form of a notification's envelope: a space for the `T` (Python's `str` of a datetime).
    pub fn with_space(self) -> String {
        self.to_string().replace('T', " ")
    }

    /// The form of the collector era: `2026-01-31T23:59:59Z` (oslo.utils' `isotime`).
    pub fn to_the_second(self) -> String {
        self.0.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Reads what Ceilometer and its users write: `T` or a space, with or without fraction, `Z` or an offset (taken to UTC),
    /// or a date alone. Years are 0001 to 9999, as Python's and as whatever stores them has them.
    ///
    /// # Errors
    /// [`NotATimestamp`] for everything else.
    pub fn parse(text: &str) -> Result<Self, NotATimestamp> {
        let fault = || NotATimestamp(text.chars().take(64).collect());
        Self::read(text).filter(|read| (1..=9999).contains(&read.0.year())).ok_or_else(fault)
    }

    fn read(text: &str) -> Option<Self> {
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Self::from_micros(moment.timestamp_micros());
        }
        for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
            if let Ok(moment) = NaiveDateTime::parse_from_str(text, form) {
                return Self::from_micros(moment.and_utc().timestamp_micros());
            }
        }
        chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // chrono's %.6f writes the fraction always, isoformat only where there is one.
        if self.micros().rem_euclid(1_000_000) == 0 {
            write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%S"))
        } else {
            write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%S%.6f"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_have_four_digits() {
        for text in ["0001-01-01", "9999-12-31T23:59:59.999999", "2026-01-31T23:59:59+02:00"] {
            assert!(Timestamp::parse(text).is_ok(), "{text}");
        }
        for text in [
            "0000-12-31",
            "-0044-03-15T12:00:00",
            "+12345-01-01T00:00:00",
            "+200000-01-01",
            "0001-01-01T00:00:00+02:00",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }
}

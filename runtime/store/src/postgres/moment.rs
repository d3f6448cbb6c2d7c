//! Times, as PostgreSQL has them.

use std::error::Error;

use chrono::{DateTime, Datelike, Timelike};
use postgres::types::{FromSql, Type, accepts};

/// PostgreSQL counts its microseconds from the year 2000; here they count from 1970.
const EPOCH: i64 = 946_684_800_000_000;
/// The year 1.
const FIRST: i64 = -62_135_596_800_000_000;
/// The year 10,000.
const END: i64 = 253_402_300_800_000_000;

/// A `timestamptz`, in microseconds since 1970. What lies beyond the calendar is at its edge: PostgreSQL would refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(i64);

impl Moment {
    pub(super) fn new(micros: i64) -> Self {
        Self(micros.clamp(FIRST, END))
    }

    pub(super) fn micros(self) -> i64 {
        self.0
    }

    /// The eight bytes of the binary form.
    pub(super) fn bytes(self) -> [u8; 8] {
        (self.0 - EPOCH).to_be_bytes()
    }

    /// As a constant of a statement: one that declares a cursor takes no parameters.
    pub(super) fn literal(self) -> String {
        // Within the calendar always.
        let time = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        let (date, micros) = (time.date_naive(), time.nanosecond() / 1_000);
        let day = format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
        format!("timestamptz '{day} {}.{micros:06}+00'", time.format("%H:%M:%S"))
    }
}

impl<'a> FromSql<'a> for Moment {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?).saturating_add(EPOCH)))
    }

    accepts!(TIMESTAMPTZ);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_to_the_microsecond_and_within_the_calendar() {
        for (micros, text) in [
            (0, "1970-01-01 00:00:00.000000+00"),
            (-1, "1969-12-31 23:59:59.999999+00"),
            (1_795_684_096_000_007, "2026-11-26 09:08:16.000007+00"),
            (i64::MIN, "0001-01-01 00:00:00.000000+00"),
            (i64::MAX, "10000-01-01 00:00:00.000000+00"),
        ] {
            assert_eq!(Moment::new(micros).literal(), format!("timestamptz '{text}'"));
        }
    }
}

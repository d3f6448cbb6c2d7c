//! A table for each day, UTC: what grew too old goes with its table, in an instant, and gives the disk back what it took.
//!
//! A day's table is made when the first sample of it comes, if the day is not too far from now: clocks are wrong and timestamps are
//! forged, and nobody may make partitions by the thousand. Samples of other days are in `sample_other`. Of those, the ones of a day
//! that gets its table are moved into it; a collector with another clock may put some there later, where they are found as well.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDate};
use postgres::{Client, GenericClient};
use sample::Timestamp;

use super::fault::failed;
use super::moment::Moment;
use super::schema::{State, Writers, begin, lock_partitions};
use crate::StoreError;

const MICROS_OF_DAY: i64 = 86_400_000_000;
/// How many days back may have tables: more than a year, for what was spooled or is imported.
const BACK: i32 = 400;
/// How many days ahead may: an agent's clock in another zone, mistaken for UTC, and a day of grace.
const AHEAD: i32 = 2;

/// A day, in days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(pub i32);

impl Day {
    /// The day of a time in microseconds since 1970.
    pub(super) fn of(micros: i64) -> Self {
        // Saturating: no calendar is that long.
        Self(i32::try_from(micros.div_euclid(MICROS_OF_DAY)).unwrap_or(if micros < 0 {
            i32::MIN
        } else {
            i32::MAX
        }))
    }

    /// Its first moment.
    pub(super) fn start(self) -> i64 {
        i64::from(self.0) * MICROS_OF_DAY
    }

    /// The first moment of the next day.
    pub(super) fn end(self) -> i64 {
        self.start() + MICROS_OF_DAY
    }

    /// The name of its table.
    pub(super) fn table(self) -> String {
        let date = DateTime::from_timestamp_micros(self.start()).unwrap_or_default();
        date.format("sample_%Y%m%d").to_string()
    }

    fn from_table(name: &str) -> Option<Self> {
        let date = NaiveDate::parse_from_str(name, "sample_%Y%m%d").ok()?;
        Some(Self::of(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros()))
    }
}

/// The days that may have tables, as of now.
pub(super) fn window() -> RangeInclusive<Day> {
    let Day(today) = Day::of(Timestamp::now().micros());
    Day(today - BACK)..=Day(today + AHEAD)
}

/// The days that have tables.
pub(super) fn list(client: &mut impl GenericClient) -> Result<BTreeSet<Day>, postgres::Error> {
    let children = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'sample'::regclass";
    let rows = client.query_typed(children, &[])?;
    Ok(rows.iter().filter_map(|row| Day::from_table(row.get(0))).collect())
}

/// Makes a day's table unless it is there. Nobody is locked out: to attach it takes a lock that goes with those of readers and
/// writers.
pub(super) fn make(client: &mut Client, day: Day) -> Result<(), StoreError> {
    let action = "make a day's table";
    let mut transaction = begin(client, action)?;
    // Nobody migrates meanwhile, and what this moves is still there for whoever sweeps.
    Writers::Together.lock(&mut transaction).map_err(failed(action))?;
    lock_partitions(&mut transaction).map_err(failed(action))?;
    // However many samples it moves: a statement that ends before its time would be tried again for ever.
    transaction.batch_execute("SET LOCAL statement_timeout = 0").map_err(failed(action))?;
    if let Some(state) = State::read(&mut transaction)? {
        state.check()?;
    }
    if list(&mut transaction).map_err(failed(action))?.contains(&day) {
        return Ok(());
    }
    let table = day.table();
    let (from, until) = (Moment::new(day.start()).literal(), Moment::new(day.end()).literal());
    // What refers to entries from a day's table needs their kept_until, and had none in sample_other.
    let text = format!(
        "CREATE TABLE {table} (LIKE sample, CHECK (timestamp >= {from} AND timestamp < {until}));
         CREATE UNIQUE INDEX {table}_by_message ON {table} (message_id);
         WITH moved AS (DELETE FROM sample_other WHERE timestamp >= {from} AND timestamp < {until} RETURNING *)
         INSERT INTO {table} SELECT * FROM moved;
         UPDATE series SET kept_until = DATE '1970-01-01' + {day} \
         WHERE id IN (SELECT series FROM {table}) AND kept_until < DATE '1970-01-01' + {day};
         UPDATE metadata SET kept_until = DATE '1970-01-01' + {day} \
         WHERE id IN (SELECT metadata FROM {table}) AND kept_until < DATE '1970-01-01' + {day};
         ALTER TABLE sample ATTACH PARTITION {table} FOR VALUES FROM ({from}) TO ({until});",
        day = day.0,
    );
    transaction.batch_execute(&text).map_err(failed(action))?;
    transaction.commit().map_err(failed(action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_days_table_has_its_date_for_a_name() {
        let day = Day::of(1_795_684_096_000_007);
        assert_eq!(day.table(), "sample_20261126");
        assert_eq!(Day::from_table("sample_20261126"), Some(day));
        assert_eq!(
            (Day::of(day.start()), Day::of(day.end() - 1), Day::of(day.end())),
            (day, day, Day(day.0 + 1))
        );
        assert_eq!((Day::of(-1), Day::of(i64::MIN) < Day(0)), (Day(-1), true));
        assert_eq!(Day::from_table("sample_other"), None);
    }
}

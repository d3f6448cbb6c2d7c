//! Deletion: of samples, and of metadata and series that no sample refers to any more. With its last series goes the name of a meter or
//! a resource.
//!
//! The writer does it between its batches, in transactions that are as small as they are asked to be. Pages that become free are
//! filled again by later samples; the file does not shrink.
//!
//! # The age of a sample
//! is counted back from the newest sample's timestamp, or from now where that is earlier. So a clock that jumps ahead deletes
//! nothing before its time: the collector's own does not count as long as the agents' are right, and an agent's not as long as
//! the collector's is right. In a store that nothing is added to, nothing grows too old either.
//!
//! # What refers to nothing any more
//! is found without a look at the samples. Each entry of `metadata` and `series` has a `kept_until`, and this always holds:
//!
//! > No sample that refers to an entry has a larger id than the entry's `kept_until`.
//!
//! The writer sees to it before it inserts: an entry that ends before the transaction's last id is written anew, with an end that
//! lies far enough ahead that this is rare. An entry that ends before the smallest id of all samples is therefore nobody's. That
//! needs no clock, and it still holds where ids are given a second time because the last samples were deleted: those that are
//! left, and those that come, are looked at by their ids alone.
//!
//! A single old sample would hold up all of it, and there is one as soon as an agent's clock was a year ahead. So the first
//! [`EXACT`] samples are not asked for their ids but for what they refer to, and the id of the next one is the bound.
//!
//! # Other writers
//! remember ids of entries. Whoever deletes some counts up the store's `generation` in the same transaction. A writer reads it first
//! in each of its own, with the lock for writing taken, and forgets what it knew if it is another one. So an id in a sample is always
//! that of an entry that exists.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior};

use super::fault::failed;
use super::writer::{BUSY, Writer};
use crate::contract::{self, Appended, Swept};
use crate::{Row, StoreError};

/// Samples, by their ids the first ones, of which is read what they refer to.
const EXACT: i64 = 10_000;

/// How long deletion waits for another program's lock. It is in no hurry, and samples wait behind it.
const PATIENCE: Duration = Duration::from_millis(50);

impl contract::Writer for Writer {
    fn append(&mut self, rows: &[Row]) -> Result<Appended, StoreError> {
        self.store(rows)
    }

    fn times(&mut self) -> Result<Option<(i64, i64)>, StoreError> {
        let ends = "SELECT (SELECT min(timestamp) FROM sample), (SELECT max(timestamp) FROM sample)";
        let ends = self.connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (oldest, newest): (Option<i64>, Option<i64>) =
            ends.map_err(|source| failed("read how old the samples are", source))?;
        Ok(oldest.zip(newest))
    }

    /// Of the file; pages that deletion left free do not count.
    fn bytes(&mut self) -> Result<u64, StoreError> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let bytes = || Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?);
        let bytes: i64 = bytes().map_err(|source| failed("read the store's size", source))?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    fn delete_oldest(&mut self, before: Option<i64>, most: usize) -> Result<usize, StoreError> {
        self.upkeep("delete samples", |transaction| {
            let mut delete = transaction.prepare_cached(
                "DELETE FROM sample WHERE id IN \
                 (SELECT id FROM sample INDEXED BY sample_by_time WHERE timestamp < ?1 ORDER BY timestamp LIMIT ?2)",
            )?;
            // No timestamp is that late: years have four digits.
            delete.execute((before.unwrap_or(i64::MAX), most as i64))
        })
    }

    fn sweep(&mut self, most: usize) -> Result<Swept, StoreError> {
        self.upkeep("delete metadata that no sample has", |transaction| {
            let nth = "SELECT id FROM sample ORDER BY id LIMIT 1 OFFSET ?1";
            let bound = transaction.query_row(nth, [EXACT], |row| row.get(0)).optional()?;
            let bound = bound.unwrap_or(i64::MAX);
            let migrated: i64 =
                transaction.query_row("SELECT kept_until FROM upkeep", [], |row| row.get(0))?;
            // What was there before ends were written has a 0 and lasts as long as the table says.
            let from = i64::from(bound <= migrated);
            let unused = |table| {
                format!(
                    "DELETE FROM {table} WHERE id IN \
                     (SELECT id FROM {table} INDEXED BY {table}_by_end WHERE kept_until >= ?1 AND kept_until < ?2 \
                      AND id NOT IN (SELECT {table} FROM sample WHERE id < ?2) ORDER BY kept_until LIMIT ?3)"
                )
            };
            let metadata =
                transaction.prepare_cached(&unused("metadata"))?.execute((from, bound, most as i64))?;
            let mut delete =
                transaction.prepare_cached(&format!("{} RETURNING meter, resource", unused("series")))?;
            let names = delete.query_map((from, bound, most as i64), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let names: Vec<(i64, i64)> = names.collect::<rusqlite::Result<_>>()?;
            let nameless = |table: &str| {
                transaction.prepare_cached(&format!(
                    "DELETE FROM {table} WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM series WHERE {table} = ?1)"
                ))
            };
            let (mut meters, mut resources) = (nameless("meter")?, nameless("resource")?);
            for (meter, resource) in &names {
                meters.execute([meter])?;
                resources.execute([resource])?;
            }
            let swept = Swept { metadata, series: names.len() };
            if swept != Swept::default() {
                transaction.execute("UPDATE upkeep SET generation = generation + 1", [])?;
            }
            Ok(swept)
        })
    }

    fn is_usable(&self) -> bool {
        !self.failed
    }
}

impl Writer {
    /// One transaction. Where the lock is another's, nothing has failed: the writer is as good as before.
    fn upkeep<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::Damaged("the writer was used again after it had failed".into()));
        }
        let failed = |source| failed(action, source);
        self.connection.busy_timeout(PATIENCE).map_err(failed)?;
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate);
        let done = transaction.and_then(|transaction| {
            self.failed = true;
            let done = work(&transaction)?;
            transaction.commit()?;
            self.failed = false;
            Ok(done)
        });
        let patient = self.connection.busy_timeout(BUSY);
        let done = done.map_err(failed)?;
        patient.map_err(failed)?;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::migrate;
    use super::super::reader::Reader;
    use super::super::tests::{Fixture, received};
    use super::*;
    use crate::contract::Writer as _;
    use crate::query::{SampleQuery, samples};
    use crate::tests::metadata;
    use serde_json::json;

    const SECOND: i64 = 1_000_000;
    /// Enough for whatever a test has.
    const ALL: usize = 1_000_000;

    fn count(writer: &Writer, what: &str) -> i64 {
        writer.connection.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
    }

    /// Samples that refer to an entry that is not there, or to another's than they came with.
    fn astray(writer: &Writer) -> i64 {
        count(
            writer,
            "sample s LEFT JOIN metadata m ON m.id = s.metadata LEFT JOIN series e ON e.id = s.series \
             LEFT JOIN resource r ON r.id = e.resource LEFT JOIN meter n ON n.id = e.meter \
             WHERE m.id IS NULL OR e.id IS NULL OR r.id IS NULL OR n.id IS NULL OR r.id != s.resource OR n.id != s.meter \
                   OR r.name != m.fields ->> 'of'",
        )
    }

    /// A sample that says of which resource it is in its metadata, too.
    fn of(number: usize, resource: usize) -> Row {
        let mut sample = received(number);
        sample.resource_id = format!("instance-{resource}");
        // One series for each resource.
        (sample.project_id, sample.user_id) = (None, None);
        sample.metadata = metadata(&json!({"of": sample.resource_id}));
        sample.into()
    }

    fn first_time() -> i64 {
        received(0).timestamp.micros()
    }

    #[test]
    fn the_oldest_samples_go_first_and_none_that_is_young_enough() {
        let mut fixture = Fixture::new();
        // They come in another order than they were measured in.
        let rows: Vec<Row> = (0..100).map(|number| received(number * 37 % 100).into()).collect();
        fixture.writer.append(&rows).unwrap();
        let before = Some(first_time() + 30 * SECOND);
        let oldest =
            |fixture: &mut Fixture| (fixture.writer.times().unwrap().unwrap().0 - first_time()) / SECOND;
        assert_eq!(fixture.writer.delete_oldest(before, 20).unwrap(), 20);
        assert_eq!(oldest(&mut fixture), 20);
        assert_eq!(fixture.writer.delete_oldest(before, 20).unwrap(), 10);
        assert_eq!(oldest(&mut fixture), 30);
        assert_eq!(fixture.writer.delete_oldest(before, 20).unwrap(), 0);
        assert_eq!(fixture.ask(None, None, None).len(), 70);
        assert_eq!(fixture.writer.delete_oldest(None, 69).unwrap(), 69);
        assert_eq!(oldest(&mut fixture), 99);
        assert_eq!(fixture.writer.delete_oldest(None, 20).unwrap(), 1);
        assert_eq!(fixture.writer.times().unwrap(), None);
    }

    #[test]
    fn what_no_sample_refers_to_goes_and_what_one_refers_to_stays() {
        let mut fixture = Fixture::new();
        let rows: Vec<Row> = [(0, 0), (1, 1), (2, 2), (3, 1), (4, 0), (5, 3)].map(|(n, r)| of(n, r)).into();
        fixture.writer.append(&rows).unwrap();
        assert_eq!(fixture.writer.sweep(ALL).unwrap(), Swept::default());
        assert_eq!(fixture.writer.delete_oldest(None, 3).unwrap(), 3);
        assert_eq!(fixture.writer.sweep(ALL).unwrap(), Swept { metadata: 1, series: 1 });
        assert_eq!(fixture.writer.sweep(ALL).unwrap(), Swept::default());
        assert_eq!((count(&fixture.writer, "metadata"), count(&fixture.writer, "resource")), (3, 3));
        assert_eq!(astray(&fixture.writer), 0);
        // What went comes again, under the id of another: 4 is new, 2 was there.
        fixture.writer.append(&[of(6, 4), of(7, 2)]).unwrap();
        assert_eq!(astray(&fixture.writer), 0);
        // Without samples, all of it, so many at a time.
        fixture.writer.delete_oldest(None, ALL).unwrap();
        assert_eq!(fixture.writer.sweep(3).unwrap(), Swept { metadata: 3, series: 3 });
        assert_eq!(fixture.writer.sweep(3).unwrap(), Swept { metadata: 2, series: 2 });
        fixture.writer.append(&[of(8, 0)]).unwrap();
        assert_eq!(astray(&fixture.writer), 0);
    }

    #[test]
    fn entries_of_a_large_store_last_as_long_as_their_samples() {
        const SAMPLES: usize = 60_000;
        let mut fixture = Fixture::new();
        // Each resource is there for 1,000 samples, but for 0, which is in all batches, and for 1, which comes once from the far future.
        let mut rows: Vec<Row> = (2..SAMPLES).map(|number| of(number, 2 + number / 1_000)).collect();
        let mut future = received(SAMPLES * 100);
        future.resource_id = "instance-1".into();
        (future.project_id, future.user_id) = (None, None);
        future.metadata = metadata(&json!({"of": "instance-1"}));
        rows.insert(0, future.into());
        for (place, number) in (SAMPLES..SAMPLES + 58).enumerate() {
            rows.insert(place * 1_000, of(number, 0));
        }
        for batch in rows.chunks(5_000) {
            fixture.writer.append(batch).unwrap();
        }
        let resources = count(&fixture.writer, "resource");
        assert_eq!(resources, 62);
        let before = Some(first_time() + 4_000 * SECOND);
        while fixture.writer.delete_oldest(before, 1_000).unwrap() > 0 {}
        assert_eq!(fixture.writer.sweep(ALL).unwrap(), Swept::default(), "they end later than their samples");
        // More samples go, and those that are left begin after the ends of the first entries.
        let before = Some(first_time() + 45_000 * SECOND);
        fixture.writer.delete_oldest(before, ALL).unwrap();
        let swept = fixture.writer.sweep(ALL).unwrap();
        assert!(swept.series > 20 && swept.metadata == swept.series, "{swept:?}");
        assert_eq!(astray(&fixture.writer), 0);
        assert_eq!(count(&fixture.writer, "resource WHERE name IN ('instance-0', 'instance-1')"), 2);
        assert_eq!(
            count(
                &fixture.writer,
                "sample WHERE resource IN (SELECT id FROM resource WHERE name = 'instance-1')"
            ),
            1
        );
    }

    #[test]
    fn ids_that_another_writer_deleted_are_not_used() {
        let mut fixture = Fixture::new();
        let mut other = Writer::open(&fixture.path).unwrap();
        fixture.writer.append(&[of(0, 0), of(1, 1)]).unwrap();
        other.append(&[of(2, 0), of(3, 1)]).unwrap();
        // Both remember the ids of 0 and 1. One deletes all, and 7 gets the id that 0 had.
        other.delete_oldest(None, ALL).unwrap();
        other.sweep(ALL).unwrap();
        other.append(&[of(4, 7)]).unwrap();
        fixture.writer.append(&[of(5, 0), of(6, 1), of(8, 7)]).unwrap();
        assert_eq!(astray(&fixture.writer), 0);
        assert_eq!(count(&fixture.writer, "resource"), 3);
    }

    #[test]
    fn whatever_two_writers_do_no_sample_loses_its_metadata() {
        let mut fixture = Fixture::new();
        let mut other = Writer::open(&fixture.path).unwrap();
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut number = 0;
        for round in 0..120 {
            let writer = if random(2) == 0 { &mut fixture.writer } else { &mut other };
            match random(5) {
                0 => drop(writer.sweep(1 + random(20)).unwrap()),
                1 => drop(writer.delete_oldest(None, random(2_500)).unwrap()),
                _ => {
                    // Some are measured long before they come, some come twice.
                    let rows: Vec<Row> = (0..random(1_500))
                        .map(|at| of(number + at * 7 % 900, round / 4 + random(9)))
                        .collect();
                    number += 1_000;
                    writer.append(&rows).unwrap();
                }
            }
            assert_eq!(astray(&fixture.writer), 0, "after {round}");
        }
        assert!(count(&fixture.writer, "resource") < 39, "nothing was ever swept");
    }

    #[test]
    fn a_store_of_the_first_version_is_migrated_and_its_entries_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.db");
        let old = migrate::first_version(&path);
        old.execute_batch(
            "INSERT INTO meter VALUES (1, 'cpu'); INSERT INTO form VALUES (1, 'cumulative', 'ns', 'openstack');
             INSERT INTO resource VALUES (1, 'instance-1'), (2, 'instance-2');
             INSERT INTO metadata VALUES (1, x'01', '{\"of\": \"instance-1\"}'), (2, x'02', '{\"of\": \"instance-2\"}');
             INSERT INTO sample VALUES (1, 'a', 1, 1, NULL, NULL, 1, 1, 1767225600000000, 1767225600000000, '9007199254740994', 9007199254740994.0);
             INSERT INTO sample VALUES (2, 'b', 1, 2, NULL, NULL, 1, 2, 1767225601000000, 1767225601000000, '2.50', 2.5);",
        )
        .unwrap();
        assert!(matches!(Reader::open(&path), Err(StoreError::TooOld { found: 1, .. })));
        let mut writer = Writer::open(&path).unwrap();
        let mut again = Writer::open(&path).unwrap();
        let found =
            samples(&mut Reader::open(&path).unwrap(), &SampleQuery::parse(None, None, None).unwrap())
                .unwrap();
        let found: Vec<_> =
            found.iter().map(|sample| (sample.message_id.as_str(), sample.volume.to_string())).collect();
        assert_eq!(found, [("b", "2.50".to_owned()), ("a", "9007199254740994".to_owned())]);
        // A collector of that version that runs on does not write any more.
        let read: rusqlite::Result<i64> =
            old.query_row("SELECT id FROM metadata WHERE hash = x'01'", [], |row| row.get(0));
        assert!(read.unwrap_err().to_string().contains("no such column: hash"));

        assert_eq!(writer.sweep(ALL).unwrap(), Swept::default());
        // One is used again, by another sample; then its first sample goes.
        again.append(&[of(5, 1)]).unwrap();
        writer.delete_oldest(None, 1).unwrap();
        assert_eq!(writer.sweep(ALL).unwrap(), Swept { metadata: 1, series: 0 });
        writer.delete_oldest(None, 1).unwrap();
        assert_eq!(writer.sweep(ALL).unwrap(), Swept { metadata: 1, series: 1 });
        assert_eq!((astray(&writer), count(&writer, "sample")), (0, 1));
    }

    #[test]
    fn entries_from_before_the_migration_last_for_the_samples_of_then() {
        let fixture = Fixture::new();
        let mut writer = Writer::open(&fixture.path).unwrap();
        let rows: Vec<Row> = (0..30_000).map(|number| of(number, number / 10_000)).collect();
        for batch in rows.chunks(10_000) {
            writer.append(batch).unwrap();
        }
        writer
            .connection
            .execute_batch("UPDATE metadata SET kept_until = 0; UPDATE series SET kept_until = 0; UPDATE upkeep SET kept_until = 30000")
            .unwrap();
        // More than are asked one by one are left: the entries' end decides, and it is that of all samples of then.
        writer.delete_oldest(None, 15_000).unwrap();
        assert_eq!(writer.sweep(ALL).unwrap(), Swept::default());
        writer.append(&(30_000..45_000).map(|number| of(number, 3)).collect::<Vec<_>>()).unwrap();
        writer.delete_oldest(None, 10_000).unwrap();
        assert_eq!(writer.sweep(ALL).unwrap(), Swept { metadata: 2, series: 2 });
        assert_eq!(astray(&writer), 0);
    }

    #[test]
    fn deletion_does_not_wait_long_for_a_lock_and_can_go_on_after_it() {
        let mut fixture = Fixture::with(100);
        let other = rusqlite::Connection::open(&fixture.path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(fixture.writer.delete_oldest(None, 10).unwrap_err().label(), "locked");
        assert!(begun.elapsed() < BUSY / 2 && fixture.writer.is_usable());
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(fixture.writer.delete_oldest(None, 10).unwrap(), 10);
        assert_eq!(fixture.writer.pragma("busy_timeout"), BUSY.as_millis().to_string());
    }

    #[test]
    fn freed_pages_do_not_count_and_are_used_again() {
        let mut fixture = Fixture::with(20_000);
        let (full, file) = (fixture.writer.bytes().unwrap(), fixture.writer.pragma("page_count"));
        fixture.writer.delete_oldest(None, 15_000).unwrap();
        assert!(fixture.writer.bytes().unwrap() < full / 2);
        assert_eq!(fixture.writer.pragma("page_count"), file);
        fixture
            .writer
            .append(&(20_000..30_000).map(|number| received(number).into()).collect::<Vec<_>>())
            .unwrap();
        assert_eq!(fixture.writer.pragma("page_count"), file);
    }
}

//! Samples taken against samples stored.
//!
//! The guest counts its polls of an instance and gives the number as the sample's volume; a new agent begins at 1. So in the store, each
//! run of the agent is, for each instance, the numbers from 1 on without a gap. How far a run came its log tells: a cycle that it calls
//! polled with `on_disk=true` was taken for good. What a killed agent had polled and not yet called so may be there or not.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};

/// A run of an agent.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// When it was started, in microseconds since 1970.
    pub started: i64,
    /// Cycles that it called polled and on disk.
    pub cycles: u64,
}

impl Run {
    /// The cycles that a log tells of.
    pub(super) fn cycles_of(log: &str) -> u64 {
        let is_kept = |line: &&str| line.contains(" polled") && line.contains("on_disk=true");
        log.lines().filter(is_kept).count() as u64
    }
}

/// What was taken, and what became of it. Doubled are samples that are in the store twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Samples that are known to have been taken.
    pub taken: u64,
    /// Samples in the store.
    pub stored: u64,
    /// Samples that were taken and are not there.
    pub lost: u64,
    /// Samples that are there a second time.
    pub doubled: u64,
}

impl Account {
    /// Reads the store.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(store: &Path, runs: &[Run], instances: usize) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(store, flags).context("failed to open the store")?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        let mut statement =
            connection.prepare("SELECT resource, timestamp, CAST(amount AS INTEGER) FROM sample")?;
        let mut rows = statement.query([])?;
        // How often each number is there, by run and instance.
        let mut found: BTreeMap<(usize, i64), BTreeMap<u64, u64>> = BTreeMap::new();
        let mut account = Self::default();
        while let Some(row) = rows.next()? {
            let (resource, timestamp, number): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let run = runs.partition_point(|run| run.started <= timestamp).saturating_sub(1);
            let numbers = found.entry((run, resource)).or_default();
            *numbers.entry(number.cast_unsigned()).or_default() += 1;
            account.stored += 1;
        }
        for (at, run) in runs.iter().enumerate() {
            let of_run: Vec<_> =
                found.range((at, i64::MIN)..=(at, i64::MAX)).map(|(_, numbers)| numbers).collect();
            for numbers in &of_run {
                let last = numbers.last_key_value().map_or(0, |(number, _)| *number);
                let taken = last.max(run.cycles);
                account.taken += taken;
                account.lost += taken - numbers.len() as u64;
                account.doubled += numbers.values().map(|times| times - 1).sum::<u64>();
            }
            // Instances of which nothing is there.
            let missing = instances.saturating_sub(of_run.len()) as u64;
            account.taken += missing * run.cycles;
            account.lost += missing * run.cycles;
        }
        Ok(account)
    }

    /// Whether nothing is missing and nothing is there twice.
    pub fn is_whole(&self) -> bool {
        self.lost == 0 && self.doubled == 0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taken, stored, lost, doubled } = self;
        write!(f, "taken {taken}, stored {stored}, lost {lost}, doubled {doubled}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs of two cycles and more, of two instances: numbers by run and instance.
    fn account(numbers: [[&[u64]; 2]; 2], cycles: [u64; 2]) -> Account {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.db");
        let store = Connection::open(&path).unwrap();
        store.execute_batch("CREATE TABLE sample (resource, timestamp, amount)").unwrap();
        for (run, instances) in numbers.iter().enumerate() {
            for (instance, numbers) in instances.iter().enumerate() {
                for (at, number) in numbers.iter().enumerate() {
                    let row =
                        rusqlite::params![instance as i64, (run * 1_000 + 10 + at) as i64, *number as f64];
                    store.execute("INSERT INTO sample VALUES (?1, ?2, ?3)", row).unwrap();
                }
            }
        }
        let runs = [Run { started: 0, cycles: cycles[0] }, Run { started: 1_000, cycles: cycles[1] }];
        Account::of(&path, &runs, 2).unwrap()
    }

    #[test]
    fn gaps_ends_and_repetitions_are_found() {
        let whole = account([[&[1, 2, 3], &[1, 2]], [&[1], &[1, 2]]], [2, 1]);
        assert_eq!(whole, Account { taken: 8, stored: 8, lost: 0, doubled: 0 });
        let gap = account([[&[1, 3], &[1, 2]], [&[1], &[1]]], [2, 1]);
        assert_eq!((gap.lost, gap.doubled), (1, 0));
        let end = account([[&[1, 2], &[1]], [&[1], &[1]]], [4, 1]);
        assert_eq!((end.lost, end.doubled), (5, 0));
        let twice = account([[&[1, 2, 2], &[1, 2]], [&[1], &[1, 1]]], [2, 1]);
        assert_eq!((twice.lost, twice.doubled), (0, 2));
        let nothing = account([[&[1, 2], &[1, 2]], [&[1], &[]]], [2, 1]);
        assert_eq!((nothing.lost, nothing.taken), (1, 6));
    }
}

//! A session that stores samples.
//!
//! A batch is one transaction: all of it is on the server's disk when [`Writer::append`] returns, or nothing is. It is copied into a
//! table of the session's own, from where the samples that are new go into their days' tables, in the order of their message_ids: two
//! collectors with the same samples then never wait for each other in a circle, and the index of message_ids is filled at its end.
//!
//! What a failed transaction added to what is remembered is forgotten with the writer: after an error it must be opened anew.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;

use postgres::{Client, Transaction};
use sample::Timestamp;

use super::address::Address;
use super::connect::connect;
use super::dictionary::{Dictionary, Wanted};
use super::fault::failed;
use super::incoming;
use super::moment::Moment;
use super::partitions::{self, Day};
use super::schema::{self, MIGRATIONS, State, Writers};
use crate::{Appended, Row, StoreError, Swept, Writer};

/// What is set in sessions that write: see the head of `postgres`.
const SETTINGS: &str = "SET synchronous_commit = 'on'";
/// How often days' tables are made, in a batch, because somebody dropped them meanwhile. After that the batch fails.
const ATTEMPTS: u32 = 5;
const ACTION: &str = "store samples";

/// The session, and what it remembers.
pub(super) struct PostgresWriter {
    pub(super) client: Client,
    dictionary: Dictionary,
    days: BTreeSet<Day>,
    /// The store's generation when those were read; none before the first transaction.
    generation: Option<i64>,
    pub(super) failed: bool,
}

impl fmt::Debug for PostgresWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresWriter").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl PostgresWriter {
    pub(super) fn open(address: &Address) -> Result<Self, StoreError> {
        let mut client = connect(address)?;
        schema::migrate(&mut client, MIGRATIONS)?;
        let prepare = format!("{SETTINGS}; {}", incoming::TABLE);
        client.batch_execute(&prepare).map_err(failed("set the session up"))?;
        Ok(Self {
            client,
            dictionary: Dictionary::default(),
            days: BTreeSet::new(),
            generation: None,
            failed: false,
        })
    }

    fn transact(&mut self, rows: &[Row]) -> Result<Appended, StoreError> {
        let order = in_order(rows);
        let window = partitions::window();
        let all: BTreeSet<Day> = order.iter().map(|row| Day::of(row.timestamp)).collect();
        let Self { client, dictionary, days: known, generation, .. } = self;
        for _ in 0..ATTEMPTS {
            let mut transaction = schema::begin(client, ACTION)?;
            Writers::Together.lock(&mut transaction).map_err(failed(ACTION))?;
            let state = State::read(&mut transaction)?.ok_or(StoreError::Foreign("database"))?.check()?;
            // Somebody deleted entries or days' tables, so that an id may be nobody's by now.
            if generation.replace(state.generation) != Some(state.generation) {
                dictionary.forget();
                *known = partitions::list(&mut transaction).map_err(failed(ACTION))?;
            }
            if !all.is_subset(known) {
                *known = partitions::list(&mut transaction).map_err(failed(ACTION))?;
            }
            // Where a day has a table it is there that a sample is known again, whatever our own clock says of the day.
            let days: BTreeSet<Day> =
                all.iter().copied().filter(|day| window.contains(day) || known.contains(day)).collect();
            if days.is_subset(known) {
                let stored = store(&mut transaction, dictionary, &order, &days)?;
                transaction.commit().map_err(failed(ACTION))?;
                return Ok(Appended { stored, duplicates: rows.len() - stored });
            }
            transaction.rollback().map_err(failed(ACTION))?;
            for day in days.difference(known) {
                partitions::make(client, *day)?;
            }
            known.extend(&days);
        }
        Err(StoreError::Failed {
            action: ACTION.into(),
            reason: "locked",
            source: "the tables of their days are dropped as soon as they are made".into(),
        })
    }
}

/// The batch in the order of its message_ids, each once: the first one counts.
fn in_order(rows: &[Row]) -> Vec<&Row> {
    let mut keyed: Vec<_> = rows.iter().map(|row| (incoming::message_id(&row.message_id), row)).collect();
    // Stable.
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    keyed.dedup_by(|(later, _), (first, _)| later == first);
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// How many of them are new.
fn store(
    transaction: &mut Transaction<'_>,
    dictionary: &mut Dictionary,
    rows: &[&Row],
    days: &BTreeSet<Day>,
) -> Result<usize, StoreError> {
    let (mut series, mut metadata) = (Wanted::new(), Wanted::new());
    let mut others = false;
    for row in rows {
        let day = Some(Day::of(row.timestamp)).filter(|day| days.contains(day));
        others |= day.is_none();
        let wanted = series.entry(&row.series.sha256).or_insert((&row.series, day));
        wanted.1 = wanted.1.max(day);
        let wanted = metadata.entry(row.metadata.sha256()).or_insert((&*row.metadata, day));
        wanted.1 = wanted.1.max(day);
    }
    dictionary.learn(transaction, &series, &metadata).map_err(failed(ACTION))?;
    let bytes = incoming::encode(rows, Moment::new(Timestamp::now().micros()), dictionary);
    let mut copy = transaction.copy_in(incoming::COPY).map_err(failed(ACTION))?;
    // The client's own error is in the one of the stream, and the server's comes with the end.
    let written = copy.write_all(&bytes);
    let copied = copy.finish().map_err(failed(ACTION))?;
    if written.is_err() || copied != rows.len() as u64 {
        return Err(StoreError::Damaged(format!("{copied} of {} samples reached the server", rows.len())));
    }
    let within: Vec<String> = days
        .iter()
        .map(|day| {
            let (from, until) = (Moment::new(day.start()).literal(), Moment::new(day.end()).literal());
            format!("(timestamp >= {from} AND timestamp < {until})")
        })
        .collect();
    let within = if within.is_empty() { "false".to_owned() } else { within.join(" OR ") };
    let mut stored = 0;
    if !days.is_empty() {
        stored += insert(transaction, "sample", &within).map_err(failed(ACTION))?;
    }
    if others {
        stored += insert(transaction, "sample_other", &format!("NOT ({within})")).map_err(failed(ACTION))?;
    }
    Ok(stored)
}

fn insert(transaction: &mut Transaction<'_>, table: &str, which: &str) -> Result<usize, postgres::Error> {
    let text = format!("INSERT INTO {table} SELECT * FROM incoming WHERE {which} ON CONFLICT DO NOTHING");
    Ok(usize::try_from(transaction.execute_typed(&text, &[])?).unwrap_or(usize::MAX))
}

impl Writer for PostgresWriter {
    fn append(&mut self, rows: &[Row]) -> Result<Appended, StoreError> {
        self.usable()?;
        if rows.is_empty() {
            return Ok(Appended::default());
        }
        self.failed = true;
        let appended = self.transact(rows)?;
        self.failed = false;
        Ok(appended)
    }

    fn times(&mut self) -> Result<Option<(i64, i64)>, StoreError> {
        self.find_times()
    }

    fn bytes(&mut self) -> Result<u64, StoreError> {
        self.find_bytes()
    }

    fn delete_oldest(&mut self, before: Option<i64>, most: usize) -> Result<usize, StoreError> {
        match before {
            Some(before) => self.delete_before(before, most),
            None => self.delete_for_space(),
        }
    }

    fn sweep(&mut self, most: usize) -> Result<Swept, StoreError> {
        self.delete_unused(most)
    }

    fn is_usable(&self) -> bool {
        !self.failed && !self.client.is_closed()
    }
}

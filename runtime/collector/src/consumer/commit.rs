//! Rows to the store, in transactions, on a thread of its own.
//!
//! ```text
//!            first message           samples, messages or linger reached          committed
//!  waiting ────────────────▶ gathering ────────────────────────────────▶ writing ───────────▶ settled, waiting
//!                                                                         │  ▲
//!                                                            store failure└──┘ back-off, a new connection
//! ```
//!
//! Between batches, and while none comes, the same thread deletes what the store shall not keep any longer (`upkeep`).
//!
//! While a batch cannot be written nothing is acknowledged, so the broker stops handing out messages and keeps them. The batch
//! is given up only when the collector stops: its messages come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use amqp::Backoff;
use store::{Appended, Row, Store, StoreError, Writer};
use tokio::sync::mpsc::UnboundedSender;

use super::counters::Counters;
use super::dead_letter::DeadLetter;
use super::decode::{Decoded, Token, chain};
use super::upkeep::Upkeep;

/// Ceiling of the first wait after a failure of the store.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Ceiling of the later ones: a disk that has room again is noticed soon.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How soon a stopping collector ends a wait.
const LOOK: Duration = Duration::from_millis(50);

/// A message whose samples are committed.
#[derive(Debug)]
pub(super) struct Settled {
    pub token: Token,
    pub dead_letter: Option<DeadLetter>,
}

/// The thread that owns the store's writer.
pub(super) struct Committer {
    pub store: Arc<dyn Store>,
    pub writer: Option<Box<dyn Writer>>,
    /// Samples of a transaction.
    pub samples: usize,
    /// Messages of a transaction: when this many wait, the broker may be holding back others.
    pub messages: usize,
    pub linger: Duration,
    /// Deletes old samples; none where everything is kept.
    pub upkeep: Option<Upkeep>,
    pub counters: Arc<Counters>,
    /// Why the store takes nothing, as was said already; none while it does.
    pub trouble: Option<&'static str>,
    /// Set when the collector stops waiting for the store.
    pub give_up: Arc<AtomicBool>,
}

impl Committer {
    /// Works until nobody sends any more, or nobody listens. Per batch, all of its messages are reported at once, so the channel
    /// holds no more than the broker has handed out.
    pub(super) fn run(mut self, decoded: &Receiver<Decoded>, settled: &UnboundedSender<Vec<Settled>>) {
        while let Some(first) = self.next(decoded) {
            let (messages, rows) = self.gather(first, decoded);
            if !self.keep(&rows) {
                tracing::error!(
                    samples = rows.len(),
                    "stopped before the store took the last samples; the broker still has them"
                );
                break;
            }
            if settled.send(messages).is_err() {
                break;
            }
            if self.upkeep.as_ref().is_some_and(Upkeep::follows) {
                self.tidy();
            }
        }
    }

    /// The next message, or none when there will be none. Until it comes, the store is kept within its bounds.
    fn next(&mut self, decoded: &Receiver<Decoded>) -> Option<Decoded> {
        loop {
            let Some(upkeep) = &self.upkeep else { return decoded.recv().ok() };
            match decoded.recv_timeout(upkeep.wait()) {
                Ok(first) => return Some(first),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.tidy(),
            }
        }
    }

    fn tidy(&mut self) {
        if let Some(upkeep) = &mut self.upkeep {
            upkeep.work(&*self.store, &mut self.writer, &self.counters);
        }
    }

    fn gather(&self, first: Decoded, decoded: &Receiver<Decoded>) -> (Vec<Settled>, Vec<Row>) {
        let until = Instant::now() + self.linger;
        let mut rows = first.rows;
        let mut messages = vec![Settled { token: first.token, dead_letter: first.dead_letter }];
        while rows.len() < self.samples && messages.len() < self.messages {
            match decoded.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(mut next) => {
                    rows.append(&mut next.rows);
                    messages.push(Settled { token: next.token, dead_letter: next.dead_letter });
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        (messages, rows)
    }

    /// Stores the rows, however often it takes; false when it was given up.
    fn keep(&mut self, rows: &[Row]) -> bool {
        if rows.is_empty() {
            return true;
        }
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            match self.attempt(rows) {
                Ok(appended) => {
                    self.counters.stored.fetch_add(appended.stored as u64, Relaxed);
                    self.counters.duplicates.fetch_add(appended.duplicates as u64, Relaxed);
                    self.counters.commits.fetch_add(1, Relaxed);
                    if self.trouble.take().is_some() {
                        tracing::info!(store = %self.store, "the store takes samples again");
                    }
                    return true;
                }
                Err(error) => {
                    self.counters.store_failures.fetch_add(1, Relaxed);
                    let wait = backoff.next_wait();
                    self.say(&error, rows.len(), wait);
                    if !self.wait(wait) {
                        return false;
                    }
                }
            }
        }
    }

    /// Each cause once until the store takes samples again, however often it is tried.
    fn say(&mut self, error: &StoreError, samples: usize, wait: Duration) {
        let (store, reason, error) = (&self.store, error.label(), chain(error));
        if self.trouble.replace(reason) == Some(reason) {
            tracing::debug!(%store, reason, error, samples, retry_in = ?wait, "the store still takes no samples");
        } else {
            tracing::error!(
                %store, reason, error, samples, retry_in = ?wait,
                "the store does not take samples; nothing is acknowledged meanwhile"
            );
        }
    }

    /// One attempt; after a failure the next one begins with a new connection.
    fn attempt(&mut self, rows: &[Row]) -> Result<Appended, StoreError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.store.writer()?,
        };
        let appended = writer.append(rows)?;
        self.writer = Some(writer);
        Ok(appended)
    }

    fn wait(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if self.give_up.load(Relaxed) {
                return false;
            }
            thread::sleep(LOOK);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, received};
    use super::*;
    use std::sync::mpsc;

    fn committer(fixture: &Fixture) -> Committer {
        Committer {
            store: fixture.store(),
            writer: None,
            samples: 100,
            messages: 10,
            linger: Duration::from_millis(20),
            upkeep: None,
            counters: Arc::default(),
            trouble: None,
            give_up: Arc::default(),
        }
    }

    fn decoded(tag: u64, rows: std::ops::Range<usize>) -> Decoded {
        let rows = rows.map(|number| received(number).into()).collect();
        Decoded { token: Token { session: 1, tag }, rows, dead_letter: None }
    }

    #[test]
    fn old_samples_go_beside_new_ones_and_while_none_comes() {
        let mut fixture = Fixture::with(20_000);
        let mut committer = committer(&fixture);
        let keep = crate::settings::Retention { age: Some(Duration::from_secs(3_600)), bytes: None };
        committer.upkeep = Upkeep::new(keep);
        let counters = committer.counters.clone();
        let (sender, receiver) = mpsc::sync_channel(8);
        let (settled, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let thread = thread::spawn(move || committer.run(&receiver, &settled));
        // The newest sample is the one that ages are counted back from.
        for number in 0..20 {
            sender.send(decoded(number + 1, 20_000 + number as usize..20_001 + number as usize)).unwrap();
            reports.blocking_recv().unwrap();
        }
        let begun = Instant::now();
        while counters.deleted_by_age.load(Relaxed) < 16_399 && begun.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(10));
        }
        drop(sender);
        thread.join().unwrap();
        let summary = counters.summary();
        assert_eq!((summary.stored, summary.store_failures), (20, 0));
        // Those of more than an hour before the newest there was when it was looked.
        assert!((16_399..=16_419).contains(&summary.deleted_by_age), "{summary:?}");
        let left = fixture.writer.times().unwrap().unwrap();
        assert!(left.1 - left.0 <= 3_620 * 1_000_000);
    }

    #[test]
    fn a_message_is_settled_once_its_samples_can_be_read() {
        let fixture = Fixture::new();
        let committer = committer(&fixture);
        let counters = committer.counters.clone();
        let (sender, receiver) = mpsc::sync_channel(8);
        let (settled, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let thread = thread::spawn(move || committer.run(&receiver, &settled));
        sender.send(decoded(1, 0..60)).unwrap();
        sender.send(decoded(2, 60..100)).unwrap();
        let tags: Vec<_> = reports.blocking_recv().unwrap().iter().map(|message| message.token.tag).collect();
        assert_eq!(tags, [1, 2], "100 samples are a batch");
        assert_eq!(fixture.newest().len(), 100);
        sender.send(decoded(3, 0..1)).unwrap();
        assert_eq!(reports.blocking_recv().unwrap().len(), 1, "a lone message lingers, but not for ever");
        drop(sender);
        thread.join().unwrap();
        let summary = counters.summary();
        assert_eq!((summary.stored, summary.duplicates, summary.commits), (100, 1, 2));
    }

    #[test]
    fn a_locked_store_delays_settlement_and_loses_nothing() {
        let fixture = Fixture::new();
        // Another program holds the write lock for longer than is waited for.
        let other = rusqlite::Connection::open(&fixture.path).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let committer = committer(&fixture);
        let counters = committer.counters.clone();
        let (sender, receiver) = mpsc::sync_channel(8);
        let (settled, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let thread = thread::spawn(move || committer.run(&receiver, &settled));
        sender.send(decoded(1, 0..10)).unwrap();
        while counters.summary().store_failures == 0 {
            assert!(reports.try_recv().is_err(), "settled before the commit");
            thread::sleep(Duration::from_millis(20));
        }
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(reports.blocking_recv().unwrap().len(), 1);
        assert_eq!(fixture.newest().len(), 10);
        drop(sender);
        thread.join().unwrap();
    }

    #[test]
    fn a_store_that_never_comes_back_does_not_hold_up_the_end() {
        let fixture = Fixture::new();
        let mut committer = committer(&fixture);
        committer.store = Arc::new(store::Sqlite::new(fixture.path.join("not-a-folder")));
        let (counters, give_up) = (committer.counters.clone(), committer.give_up.clone());
        let (sender, receiver) = mpsc::sync_channel(8);
        let (settled, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let thread = thread::spawn(move || committer.run(&receiver, &settled));
        sender.send(decoded(1, 0..10)).unwrap();
        while counters.summary().store_failures == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        give_up.store(true, Relaxed);
        thread.join().unwrap();
        assert!(reports.blocking_recv().is_none(), "nothing was settled");
    }
}

//! When old samples are deleted, and how many at a time.
//!
//! ```text
//!           a look: too old, too large           none too old          95 % of the bound        none left
//!  resting ───────────────────────────▶ by age ──────────────▶ by size ─────────────────▶ sweep ────────▶ resting, a line in the log
//! ```
//!
//! The committing thread does one piece after each batch, and one after the other while no samples come, with rests between them
//! in which another collector gets its turn with the store. A piece is one transaction; how much it deletes follows from how long
//! the one before took. Where the store does not let itself be tidied, samples are stored all the same.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use amqp::Backoff;
use sample::Timestamp;
use store::{Store, StoreError, Swept, Writer};

use super::counters::Counters;
use super::decode::chain;
use crate::settings::Retention;

/// How often it is looked whether there is something to delete, while no samples come.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The same after a batch, which makes the store larger.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// A piece is to take between half of this and all of it. Samples wait behind it.
const PIECE: Duration = Duration::from_millis(60);
/// Rows of the first piece.
const FIRST_ROWS: usize = 1_000;
/// Rows of a piece at least, however slow the disk is.
const LEAST_ROWS: usize = 50;
/// Rows of a piece at most: those of a full batch, so that no less can be deleted than is stored.
const MOST_ROWS: usize = 10_000;
/// The rest between two pieces while no samples come is as long as the piece was, but no shorter.
const LEAST_REST: Duration = Duration::from_millis(5);
/// Deletion by age begins when the oldest sample is too old by this part of the age, and at the latest by [`LONGEST_DELAY`]: then there is
/// enough to delete for a line in the log.
const DELAY_PART: u32 = 24;
/// See [`DELAY_PART`].
const LONGEST_DELAY: Duration = Duration::from_secs(3600);
/// Ceiling of the first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Ceiling of the later ones.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A lock that another program takes now and then is no trouble; one that deletion has not got for so long is.
const LOCKED_FOR: Duration = Duration::from_secs(60);

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Resting,
    /// Samples of before this time go, in microseconds since 1970.
    ByAge(i64),
    BySize,
    Sweep,
}

/// What a round has deleted so far.
#[derive(Debug, Default)]
struct Round {
    by_age: usize,
    by_size: usize,
    swept: Swept,
}

/// Keeps the store within its bounds.
#[derive(Debug)]
pub(super) struct Upkeep {
    retention: Retention,
    phase: Phase,
    round: Round,
    /// Rows of the next piece.
    rows: usize,
    /// When the next piece is due while no samples come.
    next: Instant,
    /// When it is due at the earliest, whatever comes.
    not_before: Instant,
    backoff: Backoff,
    /// Since when it fails; none while it does not.
    failing: Option<Instant>,
    /// Why it fails, as was said already.
    trouble: Option<&'static str>,
}

impl Upkeep {
    /// None where everything is kept.
    pub(super) fn new(retention: Retention) -> Option<Self> {
        let now = Instant::now();
        (retention != Retention::default()).then(|| Self {
            retention,
            phase: Phase::Resting,
            round: Round::default(),
            rows: FIRST_ROWS,
            next: now,
            not_before: now,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            failing: None,
            trouble: None,
        })
    }

    /// How long may be waited for samples before the next piece.
    pub(super) fn wait(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Whether a piece may follow a batch.
    pub(super) fn follows(&self) -> bool {
        self.not_before <= Instant::now()
    }

    /// Does a piece, or looks whether there is something to do. A writer that failed is taken away.
    pub(super) fn work(
        &mut self,
        store: &dyn Store,
        writer: &mut Option<Box<dyn Writer>>,
        counters: &Counters,
    ) {
        let begun = Instant::now();
        let done = match writer.take() {
            Some(usable) => Ok(usable),
            None => store.writer(),
        };
        let done = done.and_then(|usable| {
            let usable = writer.insert(usable);
            self.piece(&mut **usable, counters, Timestamp::now().micros())
        });
        if writer.as_ref().is_some_and(|writer| !writer.is_usable()) {
            *writer = None;
        }
        let took = begun.elapsed();
        let now = Instant::now();
        match done {
            Ok(()) => {
                self.backoff.reset();
                self.failing = None;
                if self.trouble.take().is_some() {
                    tracing::info!(%store, "old samples can be deleted again");
                }
                (self.next, self.not_before) = match self.phase {
                    Phase::Resting => (now + LOOK_EVERY, now + LOOK_AFTER),
                    _ => (now + took.max(LEAST_REST), now),
                };
            }
            Err(error) => {
                let wait = self.backoff.next_wait();
                (self.next, self.not_before) = (now + wait, now + wait);
                // It may have been too much at once for what the disk has left.
                self.rows = (self.rows / 2).max(LEAST_ROWS);
                self.say(store, &error, wait);
            }
        }
    }

    fn piece(&mut self, writer: &mut dyn Writer, counters: &Counters, now: i64) -> Result<(), StoreError> {
        let begun = Instant::now();
        let most = self.rows;
        let deleted = match self.phase {
            Phase::Resting => return self.look(writer, now),
            Phase::ByAge(before) => {
                let deleted = writer.delete_oldest(Some(before), most)?;
                counters.deleted_by_age.fetch_add(deleted as u64, Relaxed);
                self.round.by_age += deleted;
                // Whole days may be few samples, and there may be more of them.
                if deleted == 0 {
                    self.phase = if self.is_too_large(writer)? { Phase::BySize } else { Phase::Sweep };
                }
                deleted
            }
            // Another collector may have made room meanwhile.
            Phase::BySize if self.is_small_enough(writer)? => {
                self.phase = Phase::Sweep;
                0
            }
            Phase::BySize => {
                let deleted = writer.delete_oldest(None, most)?;
                counters.deleted_by_size.fetch_add(deleted as u64, Relaxed);
                self.round.by_size += deleted;
                // Without samples there is still what they referred to.
                if deleted == 0 {
                    self.phase = Phase::Sweep;
                }
                deleted
            }
            Phase::Sweep => {
                let swept = writer.sweep(most)?;
                self.round.swept.metadata += swept.metadata;
                self.round.swept.series += swept.series;
                if swept.metadata.max(swept.series) < most {
                    self.end();
                }
                swept.metadata + swept.series
            }
        };
        // A piece that was not full says little.
        let took = begun.elapsed();
        if took > PIECE {
            self.rows = (self.rows / 2).max(LEAST_ROWS);
        } else if took < PIECE / 2 && deleted >= most {
            self.rows = (self.rows * 2).min(MOST_ROWS);
        }
        Ok(())
    }

    fn look(&mut self, writer: &mut dyn Writer, now: i64) -> Result<(), StoreError> {
        if let Some(age) = self.retention.age
            && let Some((oldest, newest)) = writer.times()?
        {
            let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
            let before = now.min(newest).saturating_sub(micros(age));
            let delay = (age / DELAY_PART).min(LONGEST_DELAY);
            if oldest < before.saturating_sub(micros(delay)) {
                self.phase = Phase::ByAge(before);
                return Ok(());
            }
        }
        if self.is_too_large(writer)? {
            self.phase = Phase::BySize;
        }
        Ok(())
    }

    fn is_too_large(&self, writer: &mut dyn Writer) -> Result<bool, StoreError> {
        Ok(match self.retention.bytes {
            Some(bound) => writer.bytes()? > bound,
            None => false,
        })
    }

    fn is_small_enough(&self, writer: &mut dyn Writer) -> Result<bool, StoreError> {
        Ok(match self.retention.bytes {
            Some(bound) => writer.bytes()? <= bound / 100 * 95,
            None => true,
        })
    }

    fn end(&mut self) {
        self.phase = Phase::Resting;
        let Round { by_age, by_size, swept: Swept { metadata, series } } = std::mem::take(&mut self.round);
        if by_age + by_size > 0 {
            tracing::info!(by_age, by_size, metadata, series, "deleted old samples");
        }
    }

    /// Each cause once until deletion works again.
    fn say(&mut self, store: &dyn Store, error: &StoreError, wait: Duration) {
        let (reason, error) = (error.label(), chain(error));
        let failing = self.failing.get_or_insert_with(Instant::now).elapsed();
        if self.trouble == Some(reason) || reason == "locked" && failing < LOCKED_FOR {
            tracing::debug!(%store, reason, error, retry_in = ?wait, "old samples still cannot be deleted");
        } else {
            self.trouble = Some(reason);
            tracing::warn!(%store, reason, error, retry_in = ?wait, "old samples cannot be deleted; new ones are stored meanwhile");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, received};
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const SECOND: i64 = 1_000_000;

    /// When the sample of this number was measured.
    fn time(number: usize) -> i64 {
        received(number).timestamp.micros()
    }

    fn append(fixture: &mut Fixture, numbers: std::ops::Range<usize>) {
        let rows: Vec<_> = numbers.map(|number| received(number).into()).collect();
        for batch in rows.chunks(10_000) {
            fixture.writer.append(batch).unwrap();
        }
    }

    fn keeping(age: Option<Duration>, bytes: Option<u64>) -> Upkeep {
        Upkeep::new(Retention { age, bytes }).unwrap()
    }

    /// Works until there is nothing left to do; says how many samples went by age and by size.
    fn settle(upkeep: &mut Upkeep, fixture: &mut Fixture, now: i64) -> (u64, u64) {
        let counters = Counters::default();
        loop {
            upkeep.piece(&mut *fixture.writer, &counters, now).unwrap();
            if upkeep.phase == Phase::Resting {
                let Counters { deleted_by_age, deleted_by_size, .. } = counters;
                return (deleted_by_age.into_inner(), deleted_by_size.into_inner());
            }
        }
    }

    /// The numbers of the oldest and the newest sample that is left.
    fn left(fixture: &mut Fixture) -> (i64, i64) {
        let (oldest, newest) = fixture.writer.times().unwrap().unwrap();
        ((oldest - time(0)) / SECOND, (newest - time(0)) / SECOND)
    }

    #[test]
    fn nothing_is_deleted_where_everything_is_kept() {
        assert!(Upkeep::new(Retention::default()).is_none());
    }

    #[test]
    fn samples_go_once_they_are_too_old() {
        let mut fixture = Fixture::with(10_000);
        let mut upkeep = keeping(Some(HOUR), None);
        assert_eq!(settle(&mut upkeep, &mut fixture, time(10_000)), (6_399, 0));
        assert_eq!(left(&mut fixture), (6_399, 9_999));
        // A little later it does not pay yet, and then it does.
        append(&mut fixture, 10_000..10_150);
        assert_eq!(settle(&mut upkeep, &mut fixture, time(10_150)), (0, 0));
        append(&mut fixture, 10_150..10_151);
        assert_eq!(settle(&mut upkeep, &mut fixture, time(10_151)), (151, 0));
        let mut long = keeping(Some(Duration::MAX), None);
        assert_eq!(settle(&mut long, &mut fixture, time(10_151)), (0, 0));
    }

    #[test]
    fn a_clock_that_is_ahead_deletes_nothing_before_its_time() {
        let year = 365 * 86_400 * SECOND;
        let mut fixture = Fixture::with(1_000);
        let mut upkeep = keeping(Some(HOUR), None);
        assert_eq!(settle(&mut upkeep, &mut fixture, time(1_000) + year), (0, 0));
        // An agent's clock: the collector's own is right, and none of the others' samples is too old.
        let mut ahead = received(2_000);
        ahead.timestamp = Timestamp::from_micros(ahead.timestamp.micros() + year).unwrap();
        fixture.writer.append(&[ahead.into()]).unwrap();
        assert_eq!(settle(&mut upkeep, &mut fixture, time(1_000)), (0, 0));
        assert_eq!(settle(&mut upkeep, &mut fixture, time(4_000)), (400, 0));
        // A clock that is behind keeps more.
        assert_eq!(settle(&mut upkeep, &mut fixture, time(0) - year), (0, 0));
    }

    #[test]
    fn a_store_that_is_too_large_loses_its_oldest_samples() {
        let mut fixture = Fixture::with(20_000);
        let bound = fixture.writer.bytes().unwrap();
        let mut upkeep = keeping(None, Some(bound));
        assert_eq!(settle(&mut upkeep, &mut fixture, time(0)), (0, 0), "not too large");
        append(&mut fixture, 20_000..30_000);
        let (_, deleted) = settle(&mut upkeep, &mut fixture, time(0));
        let bytes = fixture.writer.bytes().unwrap();
        // Not below what its last piece, a third of such a small store, may have taken too much.
        assert!(bytes <= bound / 100 * 95 && bytes > bound / 100 * 50, "{bytes} of {bound}");
        assert_eq!(left(&mut fixture), (i64::try_from(deleted).unwrap(), 29_999));
        // A bound below an empty store's size ends, too.
        let mut tiny = keeping(None, Some(1));
        assert_eq!(settle(&mut tiny, &mut fixture, time(0)), (0, 30_000 - deleted));
        assert_eq!(fixture.writer.sweep(100).unwrap(), Swept::default());
    }

    #[test]
    fn what_is_too_old_goes_before_what_is_too_much() {
        let mut fixture = Fixture::with(20_000);
        let bound = fixture.writer.bytes().unwrap();
        append(&mut fixture, 20_000..22_000);
        let mut by_both = keeping(Some(4 * HOUR), Some(bound));
        let (by_age, by_size) = settle(&mut by_both, &mut fixture, time(22_000));
        assert_eq!((by_age, by_size), (7_599, 0));
        let mut by_both = keeping(Some(3 * HOUR), Some(fixture.writer.bytes().unwrap() / 2));
        let (by_age, by_size) = settle(&mut by_both, &mut fixture, time(22_000));
        assert_eq!(by_age, 3_600);
        assert!(by_size > 0);
    }

    #[test]
    fn pieces_follow_the_disks_speed() {
        let mut fixture = Fixture::with(20_000);
        let mut upkeep = keeping(Some(Duration::ZERO), None);
        upkeep.rows = LEAST_ROWS;
        settle(&mut upkeep, &mut fixture, time(20_000));
        assert!((LEAST_ROWS * 2..=MOST_ROWS).contains(&upkeep.rows), "{}", upkeep.rows);
    }

    #[test]
    fn a_locked_store_is_tried_again_and_costs_the_writer_nothing() {
        let mut fixture = Fixture::with(10_000);
        let mut upkeep = keeping(Some(HOUR), None);
        let counters = Counters::default();
        let other = rusqlite::Connection::open(&fixture.path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let store = fixture.store();
        let mut writer = Some(std::mem::replace(&mut fixture.writer, store.writer().unwrap()));
        upkeep.work(&*store, &mut writer, &counters);
        assert!(matches!(upkeep.phase, Phase::ByAge(_)) && upkeep.failing.is_none(), "looking needs no lock");
        upkeep.work(&*store, &mut writer, &counters);
        assert!(upkeep.failing.is_some() && !upkeep.follows() && writer.is_some());
        assert_eq!(upkeep.trouble, None, "another collector's transaction is nothing to talk about");
        other.execute_batch("ROLLBACK").unwrap();
        upkeep.work(&*store, &mut writer, &counters);
        assert!(upkeep.failing.is_none() && counters.summary().deleted_by_age > 0);
    }
}

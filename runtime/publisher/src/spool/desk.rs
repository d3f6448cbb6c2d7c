//! The thread of a spool: what it does between queue and file.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use amqp::Backoff;

use super::allowance::Allowance;
use super::error::SpoolError;
use super::file::{Contents, File, Loaded, Most};
use super::{Overflow, Settings, open, salvage};
use crate::Shared;
use crate::queue::{Errand, Lost, Queue};

/// Samples that are read from the disk at once.
const READ: usize = 3_200;
/// How often the age of the oldest batch is looked at, at most.
const LOOK: Duration = Duration::from_secs(60);
/// Batches that are dropped at once.
const DROP: usize = 32;
/// Ceiling of the first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Ceiling of the later ones: a disk that has room again is noticed soon.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The thread of a spool.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    settings: Settings,
    pub(super) file: Option<File>,
    /// Why the disk takes nothing, as was said already.
    pub(super) trouble: Option<&'static str>,
    backoff: Backoff,
    /// What is on disk alone was read up to this number.
    cursor: u64,
    allowance: Allowance,
    /// When the age of the oldest batch was looked at last.
    looked: Option<Instant>,
    /// Whether the file has pages to give back.
    pub(super) shrinking: bool,
}

impl Desk {
    /// With the file as it was found, or why there is none yet.
    pub(super) fn new(
        shared: Arc<Shared>,
        settings: Settings,
        file: Option<File>,
        found: Contents,
        trouble: Option<SpoolError>,
    ) -> Self {
        shared.counters.spooled.store(found.batches, Relaxed);
        let mut desk = Self {
            shared,
            settings,
            file,
            trouble: None,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            cursor: 0,
            allowance: Allowance::new(),
            looked: None,
            shrinking: false,
        };
        if let Some(error) = trouble {
            desk.fail(&error);
        }
        desk
    }

    pub(super) fn run(mut self) {
        let _end = EndOfSpool(self.shared.clone());
        while self.step() {}
    }

    /// Waits for something to do, and does it. Says whether there will be more.
    pub(super) fn step(&mut self) -> bool {
        if self.file.is_none() {
            let wait = self.backoff.next_wait();
            let ended = self.queue().rest(wait);
            return self.reopen() || !ended;
        }
        let allowance = self.allowance.left(self.settings.backlog_rate);
        let errand = self.queue().errand(self.patience(), allowance);
        self.attend_or_fail(errand)
    }

    pub(super) fn attend_or_fail(&mut self, errand: Errand) -> bool {
        let (ended, idle) = (errand.ended, errand.arrived.is_empty() && errand.settled.is_empty());
        if let Err(error) = self.attend(errand) {
            self.fail(&error);
        }
        !(ended && idle)
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.shared.queue
    }

    /// When it has something to do though nobody comes.
    fn patience(&self) -> Option<Duration> {
        if self.shrinking {
            return Some(Duration::ZERO);
        }
        let holds_some = self.shared.counters.spooled.load(Relaxed) > 0;
        holds_some.then(|| {
            let since = self.looked.map_or(Duration::MAX, |looked| looked.elapsed());
            self.look_every().saturating_sub(since)
        })
    }

    fn look_every(&self) -> Duration {
        LOOK.min(self.settings.max_age / 10)
    }

    fn attend(&mut self, errand: Errand) -> Result<(), SpoolError> {
        let Errand { arrived, settled, backlog, .. } = errand;
        let Some(file) = &mut self.file else { return Ok(()) };
        if !arrived.is_empty() || !settled.is_empty() {
            let deleted: Vec<u64> = settled.iter().copied().collect();
            let written = file.write(arrived.iter().map(|(number, batch)| (*number, batch)), &deleted);
            if let Err(error) = written {
                self.shared.queue.not_written(arrived);
                self.shared.count_lost(self.shared.queue.take_lost(), "the publisher's queue is full");
                return Err(error);
            }
            self.shared.counters.spool(arrived.len(), deleted.len());
            self.shared.queue.written(arrived, &settled);
            self.backoff.reset();
            if self.trouble.take().is_some() {
                tracing::info!(spool = %self.settings.path.display(), "the spool takes samples again");
            }
            self.keep_bounds()?;
        }
        self.keep_age()?;
        if let Some(rewind) = backlog {
            self.read_on(rewind)?;
        }
        let is_empty = self.shared.counters.spooled.load(Relaxed) == 0;
        self.shrinking = match &mut self.file {
            Some(file) if is_empty => file.shrink()?,
            _ => false,
        };
        Ok(())
    }

    /// Reads some of what is on disk alone.
    fn read_on(&mut self, rewind: Option<u64>) -> Result<(), SpoolError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        self.cursor = rewind.map_or(self.cursor, |rewind| self.cursor.min(rewind));
        let samples = self.allowance.take(self.settings.backlog_rate).min(READ);
        let queue = &self.shared.queue;
        let (batches, weight) = queue.room();
        if batches == 0 || weight == 0 {
            return Ok(());
        }
        let most = Most { batches, samples, weight };
        let found = file.load(self.cursor, most, |number| !queue.holds(number))?;
        let read: usize = found.iter().map(|found| found.entry.samples.max(1)).sum();
        let heavy: usize =
            found.iter().filter_map(|found| found.batch.as_ref()).map(|batch| batch.weight).sum();
        let more = read >= most.samples || found.len() >= most.batches || heavy >= most.weight;
        let mut batches = Vec::with_capacity(found.len());
        for Loaded { entry, batch, damage } in found {
            self.cursor = entry.number;
            if let Some(fault) = damage {
                let lost =
                    entry.samples.saturating_sub(batch.as_ref().map_or(0, |batch| batch.samples.len()));
                self.shared.counters.damage(lost);
                tracing::error!(
                    spool = %self.settings.path.display(),
                    batch = entry.number,
                    source = &*entry.source,
                    samples = lost,
                    "samples in the spool are damaged; their record is set aside there: {fault}"
                );
            }
            match batch {
                Some(batch) => batches.push((entry.number, batch)),
                None => self.shared.counters.spool(0, 1),
            }
        }
        self.allowance.spend(read);
        queue.loaded(batches, more);
        Ok(())
    }

    /// Drops the oldest while there is too much, or has polling pause.
    fn keep_bounds(&mut self) -> Result<(), SpoolError> {
        let bound = self.settings.max_bytes;
        loop {
            let Some(file) = &mut self.file else { return Ok(()) };
            let is_empty = self.shared.counters.spooled.load(Relaxed) == 0;
            let mut used = file.used()?;
            if is_empty && used > bound / 2 {
                // What the next batches share is written with them.
                file.forget_parts()?;
                used = file.used()?;
            }
            self.shared.counters.spool_bytes.store(used, Relaxed);
            if self.settings.overflow == Overflow::Pause {
                // With nothing in it, waiting would not make room.
                let over = used > bound || (self.shared.queue.is_full() && used > bound / 10 * 9);
                let full = over && !is_empty;
                if self.shared.queue.set_full(full) {
                    let spool = self.settings.path.display();
                    if full {
                        tracing::warn!(%spool, bytes = used, "the spool is full: polling pauses until it has room");
                    } else {
                        tracing::info!(%spool, "the spool has room again: polling goes on");
                    }
                }
                return Ok(());
            }
            if used <= bound || !self.drop_oldest(|_| true, "the spool is full")? {
                return Ok(());
            }
        }
    }

    /// Drops what is too old, now and then.
    fn keep_age(&mut self) -> Result<(), SpoolError> {
        if self.looked.is_some_and(|looked| looked.elapsed() < self.look_every()) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let most = self.settings.max_age;
        while self.drop_oldest(|age| age > most, "they are too old")? {}
        Ok(())
    }

    /// Drops some of the oldest batches, as far as these are wanted away and the target does not have them. Says whether any was.
    fn drop_oldest(&mut self, unwanted: impl Fn(Duration) -> bool, why: &str) -> Result<bool, SpoolError> {
        let Some(file) = &mut self.file else { return Ok(false) };
        let mut lost = Lost::new();
        let mut numbers = Vec::new();
        // What the target has at this moment is in front.
        for entry in file.oldest(DROP + self.shared.queue.in_hand())? {
            if numbers.len() < DROP && unwanted(entry.age) && self.shared.queue.discard(entry.number) {
                *lost.entry(entry.source).or_default() += entry.samples;
                numbers.push(entry.number);
            }
        }
        if numbers.is_empty() {
            return Ok(false);
        }
        file.write([], &numbers)?;
        self.shared.counters.spool(0, numbers.len());
        self.shared.count_lost(lost, why);
        Ok(true)
    }

    /// Says it once, and has batches wait in memory until the disk takes them again.
    fn fail(&mut self, error: &SpoolError) {
        self.file = None;
        self.shared.queue.not_written(Default::default());
        self.shared.count_lost(self.shared.queue.take_lost(), "the publisher's queue is full");
        self.shared.counters.spool_error();
        let spool = self.settings.path.display();
        if error.is_damage() {
            // Looked after at once, and said there.
            match salvage(&self.settings, error) {
                Ok((file, found)) => return self.take_up(file, found),
                Err(error) => {
                    tracing::error!(%spool, error = &error as &dyn std::error::Error, "what is in the damaged spool cannot be saved")
                }
            }
        }
        if self.trouble.replace(error.label()) != Some(error.label()) {
            tracing::error!(
                %spool,
                reason = error.label(),
                error = error as &dyn std::error::Error,
                "the spool takes nothing: samples wait in memory alone until it does"
            );
        }
    }

    pub(super) fn reopen(&mut self) -> bool {
        match open(&self.settings) {
            Ok((file, found)) => {
                self.take_up(file, found);
                true
            }
            Err(error) => {
                self.fail(&error);
                self.file.is_some()
            }
        }
    }

    /// Goes on with a file that was opened.
    fn take_up(&mut self, file: File, found: Contents) {
        self.file = Some(file);
        self.shared.counters.spooled.store(found.batches, Relaxed);
        self.shared.queue.go_on_after(found.last);
        self.shared.queue.look_again();
        self.shared.queue.spool_again();
    }
}

/// Whoever waits for the disk must not do so for ever, should the thread end in a panic.
struct EndOfSpool(Arc<Shared>);

impl Drop for EndOfSpool {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!(
                "the spool ended in a panic, which is a fault of this program: samples wait in memory alone"
            );
            self.0.queue.not_written(Default::default());
        }
    }
}

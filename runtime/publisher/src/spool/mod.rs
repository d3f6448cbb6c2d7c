//! What was polled, on disk until the target has it.
//!
//! ```text
//!             arrives ──▶ write, commit ──▶ waits in memory ──▶ sent ──▶ confirmed ──▶ deleted with the next commit
//!                              │ no room in memory                 ▲
//!                              └──▶ on disk alone ──▶ read, at a bounded rate, oldest first
//! ```
//!
//! A thread of the publisher's own has the file. Batches that arrive while it writes go together in the next transaction, so that a disk
//! which takes long to sync makes larger transactions and not a longer queue. In quiet times nothing wakes it.
//!
//! | what fails | what then happens |
//! |---|---|
//! | the agent is killed | what was committed is sent by the next one; what was sent and not yet deleted is sent again, under the same `message_id` |
//! | the disk is full, or fails | batches wait in memory alone, as without a spool, and are written once it takes them again; said once |
//! | a record is damaged | it is set aside in the file, and counted; the others are sent |
//! | the file is damaged | it is renamed to `….damaged-N`; what can be read of it goes into a new one |
//! | the spool is full | [`Overflow`] |
//!
//! | module | what it holds |
//! |---|---|
//! | `file` | the SQLite database |
//! | `record` | a batch as bytes |

mod file;
mod record;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use amqp::Backoff;

pub use file::{BadRecordError, SpoolError};

use crate::Shared;
use crate::queue::{Errand, Lost, Queue};
use file::{Contents, File, Loaded, Most, Salvaged};

/// The default of [`Settings::max_bytes`]: some nine million samples.
pub const MAX_BYTES: u64 = 1 << 30;
/// The default of [`Settings::max_age`].
pub const MAX_AGE: Duration = Duration::from_secs(7 * 86_400);
/// The default of [`Settings::backlog_rate`]: a night's samples of a large host in some minutes.
pub const BACKLOG_RATE: u32 = 5_000;
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

/// A publisher's spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file; its folder is made where it is missing.
    pub path: PathBuf,
    /// Bytes that the file may hold, its log of some 16 MiB aside.
    pub max_bytes: u64,
    /// How long a batch may wait; older ones are dropped and counted.
    pub max_age: Duration,
    /// What becomes of samples when it is full.
    pub overflow: Overflow,
    /// What a commit promises.
    pub fsync: Fsync,
    /// Samples per second that are sent of those on disk alone, beside fresh ones; 0 is no bound.
    pub backlog_rate: u32,
}

impl Settings {
    /// The defaults of everything but the file.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            max_bytes: MAX_BYTES,
            max_age: MAX_AGE,
            overflow: Overflow::default(),
            fsync: Fsync::default(),
            backlog_rate: BACKLOG_RATE,
        }
    }
}

/// What becomes of samples when neither disk nor memory has room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest are dropped, and counted by source.
    #[default]
    DropOldest,
    /// Polling pauses until there is room.
    Pause,
}

/// When what was written is on the disk for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// With each commit: a power cut takes nothing that was committed.
    #[default]
    Commit,
    /// With each checkpoint of the log, every 8 MB: a power cut takes what was written since, the death of the agent nothing.
    Checkpoint,
    /// When the system wants to: a power cut may take all of it, the death of the agent nothing.
    Never,
}

/// A spool before its thread: the file, as it was found.
pub(crate) struct Opened {
    settings: Settings,
    file: Option<File>,
    /// What went wrong that may mend itself.
    trouble: Option<SpoolError>,
    found: Contents,
}

impl Opened {
    /// Opens the file. A damaged one is set aside, and one on a full disk is tried again later.
    pub(crate) fn new(settings: Settings) -> Result<Self, SpoolError> {
        let (file, found, trouble) = match open(&settings) {
            Ok((file, found)) => (Some(file), found, None),
            Err(error) if is_lasting(&error) => return Err(error),
            Err(error) => (None, Contents::default(), Some(error)),
        };
        if found.batches > 0 {
            tracing::info!(
                spool = %settings.path.display(),
                samples = found.samples,
                "samples of an earlier run are in the spool and will be sent"
            );
        }
        Ok(Self { settings, file, trouble, found })
    }

    /// The queue before it.
    pub(crate) fn queue(&self, capacity: usize) -> Queue {
        Queue::spooled(capacity, self.settings.overflow, self.found.last, self.found.batches > 0)
    }

    /// Starts its thread.
    pub(crate) fn start(self, shared: Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
        thread::Builder::new().name("spool".into()).spawn(move || self.desk(shared).run())
    }

    fn desk(self, shared: Arc<Shared>) -> Desk {
        let Self { settings, file, trouble, found } = self;
        shared.counters.spooled.store(found.batches, Relaxed);
        let mut desk = Desk {
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
}

/// Whether an operator has to do something about it.
fn is_lasting(error: &SpoolError) -> bool {
    match error {
        SpoolError::InUse(_) | SpoolError::Foreign(_) => true,
        SpoolError::Create { source, .. } => source.kind() != std::io::ErrorKind::StorageFull,
        _ => false,
    }
}

/// Opens the file, or what can be saved of a damaged one, and says what is in it.
fn open(settings: &Settings) -> Result<(File, Contents), SpoolError> {
    let opened = File::open(&settings.path, settings.fsync).and_then(|file| {
        let found = file.contents()?;
        Ok((file, found))
    });
    match opened {
        Err(error) if error.is_damage() => salvage(settings, &error),
        opened => opened,
    }
}

fn salvage(settings: &Settings, error: &SpoolError) -> Result<(File, Contents), SpoolError> {
    let (file, saved) = File::salvage(&settings.path, settings.fsync)?;
    let Salvaged { aside, batches, samples, unreadable } = saved;
    tracing::error!(
        spool = %settings.path.display(),
        aside = %aside.display(),
        error = error as &dyn std::error::Error,
        batches,
        samples,
        unreadable,
        "the spool is damaged and set aside; what can be read of it is in a new one"
    );
    let found = file.contents()?;
    Ok((file, found))
}

/// The thread of a spool.
struct Desk {
    shared: Arc<Shared>,
    settings: Settings,
    file: Option<File>,
    /// Why the disk takes nothing, as was said already.
    trouble: Option<&'static str>,
    backoff: Backoff,
    /// What is on disk alone was read up to this number.
    cursor: u64,
    allowance: Allowance,
    /// When the age of the oldest batch was looked at last.
    looked: Option<Instant>,
    /// Whether the file has pages to give back.
    shrinking: bool,
}

impl Desk {
    fn run(mut self) {
        let _end = EndOfSpool(self.shared.clone());
        while self.step() {}
    }

    /// Waits for something to do, and does it. Says whether there will be more.
    fn step(&mut self) -> bool {
        if self.file.is_none() {
            let wait = self.backoff.next_wait();
            let ended = self.queue().rest(wait);
            return self.reopen() || !ended;
        }
        let allowance = self.allowance.left(self.settings.backlog_rate);
        let errand = self.queue().errand(self.patience(), allowance);
        self.attend_or_fail(errand)
    }

    fn attend_or_fail(&mut self, errand: Errand) -> bool {
        let (ended, idle) = (errand.ended, errand.arrived.is_empty() && errand.settled.is_empty());
        if let Err(error) = self.attend(errand) {
            self.fail(&error);
        }
        !(ended && idle)
    }

    fn queue(&self) -> &Queue {
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
            let (more, fewer) = (arrived.len() as u64, deleted.len() as u64);
            let counters = &self.shared.counters;
            counters.spooled.store((counters.spooled.load(Relaxed) + more).saturating_sub(fewer), Relaxed);
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
                None => {
                    let counters = &self.shared.counters;
                    counters.spooled.store(counters.spooled.load(Relaxed).saturating_sub(1), Relaxed);
                }
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
            let used = file.used()?;
            self.shared.counters.spool_bytes.store(used, Relaxed);
            if self.settings.overflow == Overflow::Pause {
                let full = used > bound || (self.shared.queue.is_full() && used > bound / 10 * 9);
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
        let counters = &self.shared.counters;
        let left = counters.spooled.load(Relaxed).saturating_sub(numbers.len() as u64);
        counters.spooled.store(left, Relaxed);
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
                    tracing::error!(%spool, error = &error as &dyn std::error::Error, "the damaged spool cannot be set aside")
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

    fn reopen(&mut self) -> bool {
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

/// How many samples may be read of those that wait on disk alone.
struct Allowance {
    samples: f64,
    at: Instant,
}

impl Allowance {
    /// Part of a second's samples that may be read at once.
    const BURST: f64 = 0.2;
    /// Least samples that are read at once: a whole batch is, in any case.
    const LEAST: f64 = 1.0;

    fn new() -> Self {
        Self { samples: Self::LEAST, at: Instant::now() }
    }

    fn refill(&mut self, rate: u32) {
        let (rate, now) = (f64::from(rate), Instant::now());
        let more = rate * now.duration_since(self.at).as_secs_f64();
        self.samples = (self.samples + more).min((rate * Self::BURST).max(Self::LEAST));
        self.at = now;
    }

    /// Samples that may be read now; at least one, of which a whole batch is made.
    fn take(&mut self, rate: u32) -> usize {
        if rate == 0 {
            return usize::MAX;
        }
        self.refill(rate);
        (self.samples.max(Self::LEAST)) as usize
    }

    fn spend(&mut self, samples: usize) {
        self.samples -= samples as f64;
    }

    /// How long until some may be read.
    fn left(&mut self, rate: u32) -> Duration {
        if rate == 0 {
            return Duration::ZERO;
        }
        self.refill(rate);
        let lacking = (f64::from(rate) * Self::BURST / 2.0).max(Self::LEAST) - self.samples;
        Duration::from_secs_f64((lacking / f64::from(rate)).max(0.0))
    }
}

/// The spools in a folder that none of these files is: of sinks that are no more, for example.
///
/// # Errors
/// The folder cannot be read; one that is not there has none.
pub fn orphans(folder: &Path, used: &[PathBuf]) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut orphans = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == EXTENSION) && !used.contains(&path) {
            orphans.push(path);
        }
    }
    orphans.sort();
    Ok(orphans)
}

/// The ending of a spool's file name.
pub const EXTENSION: &str = "spool";

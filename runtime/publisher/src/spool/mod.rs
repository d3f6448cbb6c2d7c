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
//! | `desk` | the thread: between queue and file |
//! | `allowance` | how fast what waits on disk alone is sent |
//! | `clock` | how long a batch has waited |
//! | `file` | the SQLite database |
//! | `salvage` | what can be saved of a damaged one |
//! | `record` | a batch as bytes |

mod allowance;
mod clock;
mod desk;
mod error;
mod file;
mod record;
mod salvage;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use error::SpoolError;
pub use record::BadRecord;

use crate::Shared;
use crate::queue::Queue;
use desk::Desk;
use file::{Contents, File};
use salvage::Salvaged;

/// The default of [`Settings::max_bytes`]: some nine million samples.
pub const MAX_BYTES: u64 = 1 << 30;
/// The default of [`Settings::max_age`].
pub const MAX_AGE: Duration = Duration::from_secs(7 * 86_400);
/// The default of [`Settings::backlog_rate`]: a night's samples of a large host in some minutes.
pub const BACKLOG_RATE: u32 = 5_000;

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
        Desk::new(shared, settings, file, found, trouble)
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

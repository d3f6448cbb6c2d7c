//! A damaged file: set aside, and what can be read of it saved into a new one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Fsync;
use super::error::SpoolError;
use super::file::{File, Loaded};

/// Damaged files of a spool that are kept.
const KEPT_DAMAGED: u32 = 3;

/// What was saved of a damaged file.
#[derive(Debug, Default)]
pub(super) struct Salvaged {
    /// Where the damaged file is now.
    pub aside: PathBuf,
    pub batches: u64,
    pub samples: u64,
    /// Samples that were found and could not be read.
    pub unreadable: u64,
}

impl File {
    /// Sets a damaged file aside and saves what can be read of it into a new one.
    pub(super) fn salvage(path: &Path, fsync: Fsync) -> Result<(Self, Salvaged), SpoolError> {
        let aside = set_aside(path).map_err(|source| SpoolError::Aside { path: path.to_owned(), source })?;
        let mut file = Self::open(path, fsync)?;
        let mut salvaged = Salvaged { aside: aside.clone(), ..Salvaged::default() };
        if let Ok(mut damaged) = Self::connect(&aside, fsync) {
            damaged.pour(&mut file, &mut salvaged)?;
        }
        Ok((file, salvaged))
    }

    /// Writes every batch that can be read into another file. Past one that cannot, it goes on behind it, and if that cannot be found, further
    /// behind.
    fn pour(&mut self, into: &mut Self, salvaged: &mut Salvaged) -> Result<(), SpoolError> {
        const STEP: usize = 256;
        /// Numbers past the last good one within which another is looked for.
        const FURTHEST: u64 = 1 << 24;
        let (mut after, mut leap) = (0_u64, 1_u64);
        loop {
            // One by one next to damage, many at a time elsewhere.
            let most = if leap > 1 { 1 } else { STEP };
            match self.read_after(after, most) {
                Ok(found) => {
                    let Some(last) = found.last() else { return Ok(()) };
                    (after, leap) = (last.entry.number, 1);
                    let batches =
                        found.iter().filter_map(|found| Some((found.entry.number, found.batch.as_ref()?)));
                    into.write(batches, &[])?;
                    for Loaded { entry, batch, .. } in &found {
                        let saved = batch.as_ref().map_or(0, |batch| batch.samples.len());
                        salvaged.batches += u64::from(saved > 0);
                        salvaged.samples += saved as u64;
                        salvaged.unreadable += entry.samples.saturating_sub(saved) as u64;
                    }
                }
                Err(_) if leap == 1 => leap = 2,
                Err(_) if leap > FURTHEST => return Ok(()),
                Err(_) => {
                    after += leap / 2;
                    leap *= 2;
                }
            }
        }
    }
}

/// Moves the file and its log to `<path>.damaged-1`, -2, -3; past that the last is replaced.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |number: u32, end: &str| -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}{end}"));
        name.into()
    };
    let free = (1..KEPT_DAMAGED).find(|number| !named(*number, "").exists());
    let number = free.unwrap_or(KEPT_DAMAGED);
    for end in ["-wal", "-shm"] {
        let mut log = path.as_os_str().to_owned();
        log.push(end);
        match fs::rename(&log, named(number, end)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // One of an earlier file would be taken for this one's.
                let _ = fs::remove_file(named(number, end));
            }
            moved => moved?,
        }
    }
    let aside = named(number, "");
    fs::rename(path, &aside)?;
    Ok(aside)
}

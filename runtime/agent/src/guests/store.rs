//! What an agent remembers of its guests when it ends: which generations there were, which one polls, and their modules.
//!
//! ```text
//! guests.json          the ledger, written anew with each change
//! modules/<sha256>     each generation's module, and <sha256>.sig its signature
//! lock                 held by the one agent that uses the folder
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::generation::Generation;
use trust::{Sha256, signature};

/// The form of the ledger.
const VERSION: u32 = 1;

/// The largest ledger that is read, in bytes: 256 guests of a hundred generations stay below.
const MOST_LEDGER: u64 = 16 << 20;

/// Generations that fell or were rolled back, kept for `guest list` beside the good ones.
const KEPT_FALLEN: usize = 3;

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be made, read or written.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another agent has it.
    #[error("another agent uses the state folder {}: give each its own `state`", .0.display())]
    InUse(PathBuf),
    /// The ledger cannot be read.
    #[error("{} is no ledger of guests that this version reads: move it away to begin anew", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// The generations of all guests.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    version: u32,
    guests: BTreeMap<String, Entry>,
}

/// What is known of a guest's generations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The number of the last generation.
    pub(crate) last: u32,
    /// The generation that polls; none where the guest was removed.
    pub(crate) current: Option<u32>,
    /// What the module's file held when it was last judged: as long as it holds that, it is no news.
    pub(crate) seen: Option<Sha256>,
    /// Oldest first.
    pub(crate) generations: Vec<Kept>,
    /// The last module that was refused, until another is admitted.
    pub(crate) refused: Option<Refused>,
}

/// A generation that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Its number.
    pub number: u32,
    /// The digest of its module.
    pub sha256: Sha256,
    /// Whose signature it carries, of the keys that were trusted.
    pub signer: Option<String>,
    /// Since when it polled.
    pub since: DateTime<Utc>,
    /// Whether an operator vouched for its digest when it was installed.
    pub vouched: bool,
    /// What became of it.
    pub fate: Fate,
    /// Why it fell or was taken back.
    pub reason: Option<String>,
}

/// What became of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It has not polled for long.
    Probation,
    /// It has passed its probation, or was the first.
    Good,
    /// It failed in its probation.
    Fallen,
    /// An operator went back to the one before it.
    RolledBack,
    /// Another took its place while it was on probation.
    Replaced,
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Probation => "probation",
            Self::Good => "good",
            Self::Fallen => "fallen",
            Self::RolledBack => "rolled back",
            Self::Replaced => "replaced",
        })
    }
}

/// A module that was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    /// None where it could not be read.
    pub(crate) sha256: Option<Sha256>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) reason: String,
}

impl Entry {
    pub(crate) fn current(&self) -> Option<&Kept> {
        self.kept(self.current?)
    }

    pub(crate) fn kept(&self, number: u32) -> Option<&Kept> {
        self.generations.iter().find(|kept| kept.number == number)
    }

    pub(crate) fn kept_mut(&mut self, number: u32) -> Option<&mut Kept> {
        self.generations.iter_mut().find(|kept| kept.number == number)
    }

    /// The last good generation before this one: what would come back in its place.
    pub(crate) fn good_before(&self, number: u32) -> Option<&Kept> {
        self.generations.iter().rev().find(|kept| kept.number < number && kept.fate == Fate::Good)
    }

    /// A new generation polls.
    pub(crate) fn admit(&mut self, generation: &Generation, vouched: bool, on_probation: bool) {
        let Generation { number, sha256, ref signer, since, .. } = *generation;
        let fate = if on_probation { Fate::Probation } else { Fate::Good };
        self.turn(Kept { number, sha256, signer: signer.clone(), since, vouched, fate, reason: None });
    }

    fn turn(&mut self, new: Kept) {
        // It polls no more, and has not passed.
        if let Some(before) = self.current.and_then(|number| self.kept_mut(number))
            && before.fate == Fate::Probation
        {
            before.fate = Fate::Replaced;
        }
        self.last = new.number;
        self.current = Some(new.number);
        self.refused = None;
        self.generations.push(new);
    }

    /// A generation polls no more, and another one does in its place.
    pub(crate) fn fall(&mut self, number: u32, fate: Fate, reason: String, instead: u32) {
        if let Some(kept) = self.kept_mut(number) {
            kept.fate = fate;
            kept.reason = Some(reason);
        }
        if let Some(kept) = self.kept_mut(instead) {
            kept.fate = Fate::Good;
            kept.reason = None;
        }
        self.current = Some(instead);
    }

    /// Drops what is older than the last `keep` good generations and the last few others.
    fn trim(&mut self, keep: usize) {
        let current = self.current;
        let (mut good, mut others) = (keep, KEPT_FALLEN);
        let mut stays: Vec<bool> = self
            .generations
            .iter()
            .rev()
            .map(|kept| {
                let left = if kept.fate == Fate::Good { &mut good } else { &mut others };
                let stays = *left > 0 || Some(kept.number) == current;
                *left = left.saturating_sub(1);
                stays
            })
            .collect();
        self.generations.retain(|_| stays.pop().unwrap_or(true));
    }
}

/// A state folder, open.
pub struct Store {
    folder: PathBuf,
    ledger: Ledger,
    /// Good generations that are kept of each guest.
    keep: usize,
    _lock: File,
    /// Removed with it, where the operator gave none.
    _temporary: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens a state folder and makes it, where it is not there.
    ///
    /// # Errors
    /// It cannot be used, or another agent uses it.
    pub fn open(folder: &Path, keep: usize) -> Result<Self, StoreError> {
        Self::begin(folder.to_owned(), keep, None)
    }

    /// A state folder that lasts as long as the agent.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn temporary(keep: usize) -> Result<Self, StoreError> {
        let folder = tempfile::Builder::new().prefix("nephoscope-").tempdir();
        let failed = |source| StoreError::Io { what: "make a folder in", path: std::env::temp_dir(), source };
        let folder = folder.map_err(failed)?;
        Self::begin(folder.path().to_owned(), keep, Some(folder))
    }

    fn begin(folder: PathBuf, keep: usize, temporary: Option<tempfile::TempDir>) -> Result<Self, StoreError> {
        let modules = folder.join("modules");
        // Modules are nobody's secret, but who could write one could run it.
        DirBuilder::new().recursive(true).mode(0o700).create(&modules).map_err(io("make", &modules))?;
        let path = folder.join("lock");
        let mut open = OpenOptions::new();
        let lock = open.create(true).append(true).mode(0o600).open(&path).map_err(io("open", &path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreError::InUse(folder)),
            Err(error) => return Err(io("lock", &path)(error.into())),
        }
        let ledger = read_ledger(&folder.join("guests.json"))?;
        Ok(Self { folder, ledger, keep, _lock: lock, _temporary: temporary })
    }

    /// What is known of a guest.
    pub(crate) fn entry(&self, guest: &str) -> Entry {
        self.ledger.guests.get(guest).cloned().unwrap_or_default()
    }

    /// The guests of which something is known.
    pub(crate) fn guests(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.ledger.guests.iter()
    }

    /// Keeps what is known of a guest, now and for the next start.
    pub(crate) fn keep(&mut self, guest: &str, mut entry: Entry) -> Result<(), StoreError> {
        entry.trim(self.keep);
        if self.ledger.guests.get(guest) == Some(&entry) {
            return Ok(());
        }
        self.ledger.guests.insert(guest.to_owned(), entry);
        let path = self.folder.join("guests.json");
        let text = serde_json::to_vec_pretty(&self.ledger)
            .map_err(|source| StoreError::Ledger { path: path.clone(), source })?;
        write(&path, &text)?;
        self.sweep();
        Ok(())
    }

    /// Keeps a module, and its signature.
    pub(crate) fn keep_module(
        &self,
        sha256: Sha256,
        module: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        write(&self.module(sha256), module)?;
        match signature {
            Some(signature) => write(&signature::path(&self.module(sha256)), signature),
            None => Ok(()),
        }
    }

    pub(crate) fn module(&self, sha256: Sha256) -> PathBuf {
        self.folder.join("modules").join(sha256.to_string())
    }

    /// Removes modules that no generation has. What cannot be removed costs room and nothing else.
    fn sweep(&self) {
        let kept: BTreeSet<String> = self
            .ledger
            .guests
            .values()
            .flat_map(|entry| &entry.generations)
            .map(|kept| kept.sha256.to_string())
            .collect();
        let Ok(files) = fs::read_dir(self.folder.join("modules")) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let digest = name.to_string_lossy();
            if !kept.contains(digest.trim_end_matches(".sig")) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}

fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_ledger(path: &Path) -> Result<Ledger, StoreError> {
    let text = match read_bounded(path, MOST_LEDGER) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Ledger { version: VERSION, guests: BTreeMap::new() });
        }
        Err(error) => return Err(io("read", path)(error)),
    };
    let unread = |source| StoreError::Ledger { path: path.to_owned(), source };
    let ledger: Ledger = serde_json::from_slice(&text).map_err(unread)?;
    if ledger.version != VERSION {
        let message = format!("it is of version {}, and this is {VERSION}", ledger.version);
        return Err(unread(serde::de::Error::custom(message)));
    }
    Ok(ledger)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace(path, bytes).map_err(io("write", path))
}

/// Replaces a file, whole or not at all, also where the power fails.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guests::gate::Candidate;

    fn kept(number: u32, fate: Fate) -> Kept {
        let sha256 = Sha256::of(&number.to_le_bytes());
        Kept { number, sha256, signer: None, since: Utc::now(), vouched: false, fate, reason: None }
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart_and_modules_go_with_their_generations() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), 2).unwrap();
        let mut entry = Entry { last: 5, current: Some(5), ..Entry::default() };
        for number in 1..=5 {
            let kept = kept(number, if number == 3 { Fate::Fallen } else { Fate::Good });
            store.keep_module(kept.sha256, &number.to_le_bytes(), Some(b"signature")).unwrap();
            entry.generations.push(kept);
        }
        store.keep("disk", entry).unwrap();
        assert!(matches!(Store::open(folder.path(), 2), Err(StoreError::InUse(_))));
        drop(store);

        let store = Store::open(folder.path(), 2).unwrap();
        let entry = store.entry("disk");
        let numbers: Vec<_> = entry.generations.iter().map(|kept| kept.number).collect();
        assert_eq!(numbers, [3, 4, 5], "two good ones, and the one that fell");
        assert_eq!(entry.current().map(|kept| kept.number), Some(5));
        assert_eq!(entry.good_before(5).map(|kept| kept.number), Some(4));
        assert_eq!(entry.good_before(4), None);
        let of = |number: u32| Sha256::of(&number.to_le_bytes());
        let kept = Candidate::read(&store.module(of(4))).unwrap();
        assert_eq!((kept.sha256, kept.signature.as_deref()), (of(4), Some(&b"signature"[..])));
        assert!(Candidate::read(&store.module(of(1))).is_err());
        assert_eq!(fs::read_dir(folder.path().join("modules")).unwrap().count(), 6);
        assert_eq!(store.entry("nobody"), Entry::default());
    }

    #[test]
    fn a_generation_that_is_replaced_on_probation_is_none_to_go_back_to() {
        let mut entry = Entry { last: 2, current: Some(2), ..Entry::default() };
        entry.generations = vec![kept(1, Fate::Good), kept(2, Fate::Probation)];
        entry.turn(Kept { number: 3, ..kept(3, Fate::Probation) });
        let fates: Vec<_> = entry.generations.iter().map(|kept| kept.fate).collect();
        assert_eq!(fates, [Fate::Good, Fate::Replaced, Fate::Probation]);
        assert_eq!(entry.good_before(3).map(|kept| kept.number), Some(1));
        assert_eq!((entry.last, entry.current), (3, Some(3)));
    }

    #[test]
    fn a_temporary_folder_goes_with_its_store() {
        let store = Store::temporary(2).unwrap();
        let folder = store.folder.clone();
        assert!(folder.join("modules").is_dir());
        drop(store);
        assert!(!folder.exists());
    }

    #[test]
    fn a_ledger_that_cannot_be_read_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"version":2,"guests":{}}"#, r#"{"version":1,"guests":{},"more":1}"#] {
            fs::write(folder.path().join("guests.json"), text).unwrap();
            let error = Store::open(folder.path(), 2).map(drop).unwrap_err();
            assert!(error.to_string().contains("guests.json"), "{error}");
        }
    }
}

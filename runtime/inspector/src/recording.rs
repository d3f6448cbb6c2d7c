//! Snapshots as files: recorded on one host, replayed on another.
//!
//! A recording is the snapshot's JSON. It is read as hostile (bounded in size, checked for what every reader of a snapshot
//! relies on) and written whole or not at all, readable by its owner only: it holds domain XML.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::snapshot::{Instance, Snapshot};

/// The largest recording that is read: 5,000 instances with every group are about 100 MB.
pub const MOST_BYTES: u64 = 256 << 20;

/// Why a recording could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file could not be read.
    #[error("failed to read the recording {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file is larger than [`MOST_BYTES`].
    #[error("the recording {} has more than {MOST_BYTES} bytes", path.display())]
    Large {
        /// The file.
        path: PathBuf,
    },
    /// The file is no snapshot.
    #[error("{}:{line}:{column}: not a recorded snapshot", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1; 0 where the line ended too early.
        column: usize,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The instances are not what a snapshot may hold.
    #[error("{}: instance {number}: {fault}", path.display())]
    Instance {
        /// The file.
        path: PathBuf,
        /// The instance's place, from 1.
        number: usize,
        /// What is wrong.
        fault: &'static str,
    },
    /// The snapshot could not be written as JSON.
    #[error("failed to write the snapshot as JSON")]
    Encode(#[source] serde_json::Error),
    /// The file could not be written.
    #[error("failed to write the recording {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Writes a snapshot to a file, which is replaced at once when all of it is on disk.
pub fn record(snapshot: &Snapshot, path: &Path) -> Result<(), RecordingError> {
    let mut json = serde_json::to_vec_pretty(snapshot).map_err(RecordingError::Encode)?;
    json.push(b'\n');
    replace(path, &json).map_err(|source| RecordingError::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Reads a snapshot from a file.
pub fn load(path: &Path) -> Result<Snapshot, RecordingError> {
    let read = |source| RecordingError::Read { path: path.to_owned(), source };
    let large = || RecordingError::Large { path: path.to_owned() };
    // Without waiting for the other end of a pipe; a regular file is not read otherwise for it.
    let file = File::from(
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
            .map_err(|error| read(error.into()))?,
    );
    let metadata = file.metadata().map_err(read)?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(read(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")));
    }
    if metadata.len() > MOST_BYTES {
        return Err(large());
    }
    let mut content = Vec::new();
    // The file may grow: one byte more than is allowed tells.
    file.take(MOST_BYTES + 1).read_to_end(&mut content).map_err(read)?;
    if u64::try_from(content.len()).is_ok_and(|size| size > MOST_BYTES) {
        return Err(large());
    }
    let snapshot: Snapshot = serde_json::from_slice(&content).map_err(|source| RecordingError::Parse {
        path: path.to_owned(),
        line: source.line(),
        column: source.column(),
        source,
    })?;
    check(&snapshot.instances).map_err(|(number, fault)| RecordingError::Instance {
        path: path.to_owned(),
        number,
        fault,
    })?;
    Ok(snapshot)
}

/// Instances have proper UUIDs and stand in their order, each of them once.
fn check(instances: &[Arc<Instance>]) -> Result<(), (usize, &'static str)> {
    for (instance, number) in instances.iter().zip(1..) {
        if !is_uuid(&instance.identity.uuid) {
            return Err((number, "the UUID is not lower-case and hyphenated"));
        }
    }
    for (pair, number) in instances.windows(2).zip(2..) {
        if pair.first().map(|first| &first.identity.uuid) >= pair.last().map(|last| &last.identity.uuid) {
            return Err((number, "not in the order of the UUIDs"));
        }
    }
    Ok(())
}

fn is_uuid(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' => hyphens.contains(&at),
            b'0'..=b'9' | b'a'..=b'f' => !hyphens.contains(&at),
            _ => false,
        })
}

#[cfg(test)]
mod tests;

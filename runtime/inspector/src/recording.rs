//! Snapshots as files: recorded on one host, replayed on another.
//!
//! A recording is the snapshot's JSON. It is read as hostile (bounded in size, checked for what every reader of a snapshot
//! relies on) and written whole or not at all, readable by its owner only: it holds domain XML.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::snapshot::Snapshot;

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
    /// The instances that were left out are not what a snapshot may hold.
    #[error("{}: left-out instance {number}: {fault}", path.display())]
    LeftOut {
        /// The file.
        path: PathBuf,
        /// The instance's place among them, from 1.
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
    parse(&content, path)
}

/// Reads a snapshot from what a file holds; errors name the path.
pub fn parse(content: &[u8], path: &Path) -> Result<Snapshot, RecordingError> {
    let snapshot: Snapshot = serde_json::from_slice(content).map_err(|source| RecordingError::Parse {
        path: path.to_owned(),
        line: source.line(),
        column: source.column(),
        source,
    })?;
    let uuids: Vec<&str> =
        snapshot.instances.iter().map(|instance| instance.identity.uuid.as_str()).collect();
    check(&uuids).map_err(|(number, fault)| RecordingError::Instance {
        path: path.to_owned(),
        number,
        fault,
    })?;
    let left_out: Vec<&str> = snapshot.left_out.iter().map(|left_out| left_out.uuid.as_str()).collect();
    let both = left_out.iter().position(|uuid| uuids.binary_search(uuid).is_ok());
    let both = both.map_or(Ok(()), |at| Err((at + 1, "it is among the instances too")));
    check(&left_out).and(both).map_err(|(number, fault)| RecordingError::LeftOut {
        path: path.to_owned(),
        number,
        fault,
    })?;
    Ok(snapshot)
}

/// Instances have proper UUIDs and stand in their order, each of them once.
fn check(uuids: &[&str]) -> Result<(), (usize, &'static str)> {
    if let Some(at) = uuids.iter().position(|uuid| !is_uuid(uuid)) {
        return Err((at + 1, "the UUID is not lower-case and hyphenated"));
    }
    match uuids.windows(2).position(|pair| pair.first() >= pair.last()) {
        Some(at) => Err((at + 2, "not in the order of the UUIDs")),
        None => Ok(()),
    }
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

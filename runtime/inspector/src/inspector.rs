//! The inspector, whatever it reads from.

use std::path::Path;

use crate::error::InspectError;
use crate::health::Health;
use crate::libvirt::Reader;
use crate::probe::Probe;
use crate::replay::Replay;
use crate::settings::Settings;
use crate::snapshot::{Groups, Missing, Snapshot};

/// What takes snapshots of a host. May be shared between threads; one snapshot is taken at a time, a second caller waits.
#[derive(Debug)]
pub struct Inspector {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Libvirt(Box<Reader>),
    Replay(Box<Replay>),
}

impl Inspector {
    /// Reads from libvirt. The connection is opened by the first snapshot.
    pub fn libvirt(settings: Settings) -> Self {
        Self { source: Source::Libvirt(Box::new(Reader::new(settings))) }
    }

    /// Reads a recorded snapshot, again and again.
    pub fn replay(path: &Path) -> Result<Self, InspectError> {
        Ok(Self { source: Source::Replay(Box::new(Replay::load(path)?)) })
    }

    /// Takes a snapshot with these groups of readings.
    ///
    /// It blocks, but not longer than the deadlines of [`Settings`]: call it where a thread may block. What is
    /// missing of single instances stands in the snapshot; it fails only where the host as a whole cannot be read, and the next
    /// call then tries anew.
    pub fn snapshot(&self, groups: &Groups) -> Result<Snapshot, InspectError> {
        match &self.source {
            Source::Libvirt(reader) => reader.snapshot(groups),
            Source::Replay(replay) => Ok(replay.snapshot(groups)),
        }
    }

    /// Takes a snapshot with these groups of readings and asks libvirtd how its ways into the instances are.
    ///
    /// It may be called beside a running agent: an instance whose monitor another process waits for is not waited for again,
    /// and libvirtd tells since when it hangs. Blocks, and fails, as [`Self::snapshot`] does; a recording has no ways, which is
    /// [`Missing::Unsupported`].
    pub fn probe(&self, groups: &Groups) -> Result<Probe, InspectError> {
        match &self.source {
            Source::Libvirt(reader) => reader.probe(groups),
            Source::Replay(replay) => Ok(Probe::new(replay.snapshot(groups), |_| Err(Missing::Unsupported))),
        }
    }

    /// How it fares; never blocks for long, not even while a snapshot is taken.
    pub fn health(&self) -> Health {
        match &self.source {
            Source::Libvirt(reader) => reader.health(),
            Source::Replay(_) => Health::default(),
        }
    }
}

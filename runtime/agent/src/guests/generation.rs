//! A generation of a guest: one module that has passed the gate, with what it has cost so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use sample::Kind;
use sandbox::Guest;

use super::health::Health;
use super::record::Record;
use trust::Sha256;

/// A meter's name, kind and unit, shared by all its samples.
#[derive(Clone, Debug)]
pub struct PlannedMeter {
    /// The name.
    pub name: Arc<str>,
    /// How its volumes relate.
    pub kind: Kind,
    /// The unit.
    pub unit: Arc<str>,
}

/// A loaded module of a guest: ready to be polled.
pub struct Generation {
    /// Which of all generations of this process it is.
    pub(crate) id: Id,
    /// Which of its guest's: 1 is the first, and no number comes twice.
    pub number: u32,
    /// What is polled.
    pub guest: Guest,
    /// Its meters, in the order of its declaration.
    pub meters: Vec<PlannedMeter>,
    /// The module's digest.
    pub sha256: Sha256,
    /// Whose signature it carries, of the keys that are trusted.
    pub signer: Option<String>,
    /// Since when it polls.
    pub since: DateTime<Utc>,
    pub(crate) record: Record,
    pub(crate) health: Health,
}

/// Tells generations apart, those of one number in two guests too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(u64);

impl Id {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The meters in the form that samples share.
pub(super) fn meters(guest: &Guest) -> Vec<PlannedMeter> {
    let shared = |meter: &sample::Meter| PlannedMeter {
        name: meter.name.as_str().into(),
        kind: meter.kind,
        unit: meter.unit.as_str().into(),
    };
    guest.meters().iter().map(shared).collect()
}

impl Generation {
    /// The guest's name.
    pub fn name(&self) -> &str {
        self.guest.name()
    }
}

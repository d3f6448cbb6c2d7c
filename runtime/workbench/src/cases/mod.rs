//! Cases: a guest is run against recorded readings, and what it made of them is compared, to the bit.
//!
//! ```text
//!  case file ──prepare──▶ an instance per poll ──run──▶ what came ──verdict──▶ passed, or what differs
//!               └── faults, by line: no such instance, no such disk
//! ```
//!
//! A case has a guest of its own (settings may differ, what is remembered must not last), made of the one compiled module.

mod diff;
mod verdict;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use config::cases::{Case, CaseFile, Poll, Recorded};
use config::{Faults, Place};
use inspector::{Instance, Snapshot};
use sandbox::{Engine, Limits, LoadError, Module};

use crate::example;
use crate::play::{Player, Terms, goes_by, name};
use crate::text::printable;

pub use diff::diff;
pub use verdict::{Came, Difference};
pub use yaml::to_yaml;

/// The most instances that a fault names.
const MAX_KNOWN: usize = 10;

/// The recordings that cases name, each read once.
#[derive(Default)]
pub struct Recordings(BTreeMap<Recorded, Option<Snapshot>>);

impl Recordings {
    /// A recording; none where it cannot be read, which is then among the faults, once.
    fn get(&mut self, recorded: &Recorded, place: &Place, faults: &mut Faults) -> Option<&Snapshot> {
        let snapshot = self.0.entry(recorded.clone()).or_insert_with(|| {
            let read = match recorded {
                Recorded::Example => example::host(),
                Recorded::ExampleLater => example::later(),
                Recorded::File(path) => inspector::load(path),
            };
            read.map_err(|error| faults.error(place, format!("{:#}", anyhow::Error::from(error)))).ok()
        });
        snapshot.as_ref()
    }
}

/// A file's cases with the instances that they poll: for each case, one for each poll.
pub struct Prepared {
    file: CaseFile,
    instances: Vec<Vec<Arc<Instance>>>,
}

/// Finds the instances of a file's cases and changes them as the cases say. Faults are added; with any there is nothing to run.
pub fn prepare(file: CaseFile, recordings: &mut Recordings, faults: &mut Faults) -> Option<Prepared> {
    let instances: Vec<Option<Vec<_>>> =
        file.cases.iter().map(|case| instances(case, recordings, faults)).collect();
    let instances = instances.into_iter().collect::<Option<_>>()?;
    Some(Prepared { file, instances })
}

fn instances(case: &Case, recordings: &mut Recordings, faults: &mut Faults) -> Option<Vec<Arc<Instance>>> {
    let mut before: Option<u64> = None;
    let mut instances = Vec::with_capacity(case.polls.len());
    for poll in &case.polls {
        let found = recordings
            .get(&poll.snapshot, &poll.snapshot.place, faults)
            .cloned()
            .and_then(|snapshot| find(&snapshot, poll, faults));
        let Some(mut instance) = found else { continue };
        poll.change.apply(&mut instance, faults);
        if let (Some(before), Some(after)) = (before, poll.after) {
            instance.taken_at = before.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
        }
        before = Some(instance.taken_at);
        instances.push(Arc::new(instance));
    }
    (instances.len() == case.polls.len()).then_some(instances)
}

/// The instance that a poll names: by one of its names that is nobody else's.
fn find(snapshot: &Snapshot, poll: &Poll, faults: &mut Faults) -> Option<Instance> {
    let wanted = &poll.instance;
    let mut found = snapshot.instances.iter().filter(|instance| goes_by(instance, wanted));
    match (found.next(), found.next()) {
        (Some(instance), None) => Some(Instance::clone(instance)),
        (Some(_), Some(_)) => {
            let message = format!("several instances go by the name `{}`: give a UUID", wanted.value);
            faults.error(&wanted.place, message);
            None
        }
        (None, _) => {
            let known: Vec<_> =
                snapshot.instances.iter().take(MAX_KNOWN).map(|instance| printable(name(instance))).collect();
            let more = if snapshot.instances.len() > MAX_KNOWN { ", …" } else { "" };
            let known = known.join(", ");
            let message = format!("there is no instance `{}`; there are {known}{more}", wanted.value);
            faults.error(&wanted.place, message);
            None
        }
    }
}

/// What came of a case.
pub struct Ran<'a> {
    /// The case.
    pub case: &'a Case,
    /// Its polls; or why the guest does not load with its settings.
    pub polls: Result<Vec<RanPoll<'a>>, LoadError>,
}

/// What came of one poll.
pub struct RanPoll<'a> {
    /// The poll.
    pub poll: &'a Poll,
    /// The instance, changed.
    pub instance: Arc<Instance>,
    /// What came.
    pub came: Came,
    /// In what that is not what was expected; empty: it passed.
    pub differences: Vec<Difference>,
}

impl Ran<'_> {
    /// Whether all of it is as expected.
    pub fn passed(&self) -> bool {
        self.polls.as_ref().is_ok_and(|polls| polls.iter().all(|poll| poll.differences.is_empty()))
    }
}

impl Prepared {
    /// The file.
    pub const fn file(&self) -> &CaseFile {
        &self.file
    }

    /// Runs all cases with a module; `guest` is what errors call it.
    pub fn run(&self, engine: &Engine, module: &Module, guest: &str, limits: &Limits) -> Vec<Ran<'_>> {
        let cases = self.file.cases.iter().zip(&self.instances);
        cases.map(|(case, instances)| run(engine, module, guest, limits, case, instances)).collect()
    }
}

fn run<'a>(
    engine: &Engine,
    module: &Module,
    guest: &str,
    limits: &Limits,
    case: &'a Case,
    instances: &[Arc<Instance>],
) -> Ran<'a> {
    let terms = Terms { limits: limits.clone(), settings: case.settings.clone(), ..Terms::default() };
    let polls = Player::new(engine, module, guest, &terms).map(|player| {
        let polls = case.polls.iter().zip(instances);
        polls
            .map(|(poll, instance)| {
                let came = Came::new(player.poll(instance), player.meters());
                let differences = came.differences(poll);
                RanPoll { poll, instance: Arc::clone(instance), came, differences }
            })
            .collect()
    });
    Ran { case, polls }
}

#[cfg(test)]
mod tests;

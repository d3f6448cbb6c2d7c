//! From a pipeline file to what will run: guests loaded and asked for their meters, sources matched with guests.
//!
//! Everything that is wrong is added to the file's own faults, at the place of the setting that would have to change, so that one
//! `check` shows all of it and nothing starts half.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use config::{Faults, Grant, Loaded, Pipeline, Place, REPORT_STOPPED, Stopped};
use inspector::Groups;
use sample::Kind;
use sandbox::state::State;
use sandbox::{Capability, Engine, Guest, Limits, Spec};
use trust::Identity;

use crate::admission;

/// What will run.
pub struct Plan {
    /// The file.
    pub pipeline: Pipeline,
    /// The guests, in the order of the file.
    pub guests: Vec<PlannedGuest>,
    /// The sources, in the order of the file, each once for every hypervisor.
    pub sources: Vec<PlannedSource>,
}

/// A loaded guest, its meters in the form that samples share.
pub struct PlannedGuest {
    /// The guest.
    pub guest: Guest,
    /// Which module it is, and who vouches for it.
    pub identity: Identity,
    /// Its meters, in the order of its declaration.
    pub meters: Vec<PlannedMeter>,
}

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

/// A source on one hypervisor, and what it polls there: a rhythm and a state of its own.
pub struct PlannedSource {
    /// Its position in [`Pipeline::sources`].
    pub index: usize,
    /// The position of the hypervisor in [`Pipeline::hypervisors`].
    pub hypervisor: usize,
    /// The guests that have a meter of this source.
    pub selections: Vec<Selection>,
    /// What a snapshot for them must hold.
    pub groups: Groups,
}

/// A guest's meters in one source.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Its position in [`Plan::guests`].
    pub guest: usize,
    /// Which of its meters the source polls, by their positions.
    pub meters: Vec<bool>,
    /// What the guest remembers in this source: a delta is one between this source's polls, whatever other sources poll.
    pub state: Arc<State>,
}

impl Plan {
    /// The name of a source's hypervisor for log lines, where there are several.
    pub(crate) fn hypervisor(&self, source: &PlannedSource) -> Option<&str> {
        let hypervisors = &self.pipeline.hypervisors;
        (hypervisors.len() > 1).then(|| hypervisors[source.hypervisor].name.as_str())
    }

    /// Loads every guest of the file and matches meters with sources.
    ///
    /// # Errors
    /// Every fault of the file and of its guests.
    pub fn make(file: Loaded<Pipeline>) -> Result<Loaded<Self>, Faults> {
        let Loaded { value: pipeline, warnings: mut faults } = file;
        let whole = Place::file(pipeline.path.display().to_string().into());
        let engine = match Engine::new() {
            Ok(engine) => engine,
            Err(error) => {
                faults.error(&whole, chain(&error));
                return Err(faults);
            }
        };
        let guests = load(&engine, &pipeline, &mut faults);
        // A guest that did not load has its meters missing everywhere: saying so again for each source helps nobody.
        if faults.is_fatal() {
            return Err(faults);
        }
        let mut sources = Vec::with_capacity(pipeline.sources.len() * pipeline.hypervisors.len());
        for (index, source) in pipeline.sources.iter().enumerate() {
            name_unprovided(source, &guests, &mut faults);
            sources.extend((0..pipeline.hypervisors.len()).map(|at| select(index, at, source, &guests)));
        }
        if sources.iter().all(|source| source.selections.is_empty()) {
            faults.error(&whole, "nothing to poll: no source names a meter that a guest provides");
        }
        if faults.is_fatal() {
            return Err(faults);
        }
        Ok(Loaded { value: Self { pipeline, guests, sources }, warnings: faults })
    }
}

fn load(engine: &Engine, pipeline: &Pipeline, faults: &mut Faults) -> Vec<PlannedGuest> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut guests = Vec::new();
    for described in &pipeline.guests {
        let spec = spec(described, pipeline.polling.stopped);
        let (guest, identity) = match admission::load(engine, described, &pipeline.trust, spec, faults) {
            Ok(Some(loaded)) => loaded,
            Ok(None) => continue,
            Err(error) => {
                let place = match error {
                    sandbox::LoadError::NotGranted { .. } => &described.grants.place,
                    _ => &described.module.place,
                };
                faults.error(place, chain(&error));
                continue;
            }
        };
        for meter in guest.meters() {
            if let Some(owner) = owners.insert(meter.name.clone(), described.name.clone()) {
                faults.error(
                    &described.module.place,
                    format!(
                        "guest {} declares the meter {}, which guest {owner} has already",
                        described.name, meter.name
                    ),
                );
            }
        }
        for unused in unused_grants(&described.grants, guest.capabilities()) {
            faults.warning(
                &described.grants.place,
                format!("guest {} is granted {unused} and does not import it", described.name),
            );
        }
        let meters = guest
            .meters()
            .iter()
            .map(|meter| PlannedMeter {
                name: meter.name.as_str().into(),
                kind: meter.kind,
                unit: meter.unit.as_str().into(),
            })
            .collect();
        guests.push(PlannedGuest { guest, identity, meters });
    }
    guests
}

fn select(
    index: usize,
    hypervisor: usize,
    source: &config::Source,
    guests: &[PlannedGuest],
) -> PlannedSource {
    let mut selections = Vec::new();
    let mut groups = Groups::new();
    for (guest, planned) in guests.iter().enumerate() {
        let meters: Vec<bool> = planned.meters.iter().map(|meter| source.selects(&meter.name)).collect();
        if meters.contains(&true) {
            groups.extend(planned.guest.groups());
            selections.push(Selection { guest, meters, state: Arc::default() });
        }
    }
    PlannedSource { index, hypervisor, selections, groups }
}

fn name_unprovided(source: &config::Source, guests: &[PlannedGuest], faults: &mut Faults) {
    let provided: Vec<&str> =
        guests.iter().flat_map(|guest| guest.meters.iter().map(|meter| &*meter.name)).collect();
    for pattern in source.unprovided(&provided) {
        faults.warning(&pattern.place, format!("no guest provides {}: it is not polled", **pattern));
    }
}

fn spec(described: &config::Guest, stopped: Stopped) -> Spec {
    let mut settings = described.settings.clone();
    settings.entry(REPORT_STOPPED.to_owned()).or_insert_with(|| (stopped == Stopped::Sizes).to_string());
    Spec {
        name: described.name.clone(),
        module: described.module.value.clone(),
        grants: described.grants.iter().map(|grant| capability(*grant)).collect(),
        limits: limits(&described.limits),
        settings,
        isolation: match described.isolation {
            config::Isolation::Poll => sandbox::Isolation::Poll,
            config::Isolation::Cycle => sandbox::Isolation::Cycle,
        },
    }
}

fn unused_grants(grants: &[Grant], imported: &BTreeSet<Capability>) -> Vec<Capability> {
    grants
        .iter()
        .map(|grant| capability(*grant))
        .filter(|capability| !imported.contains(capability))
        .collect()
}

const fn capability(grant: Grant) -> Capability {
    match grant {
        Grant::Instance => Capability::Instance,
        Grant::Memory => Capability::Memory,
        Grant::Cpu => Capability::Cpu,
        Grant::Disks => Capability::Disks,
        Grant::Vnics => Capability::Vnics,
        Grant::Perf => Capability::Perf,
        Grant::RawStats => Capability::RawStats,
        Grant::DomainXml => Capability::DomainXml,
        Grant::State => Capability::State,
        Grant::Settings => Capability::Settings,
        Grant::Log => Capability::Log,
    }
}

/// The sandbox's limits with what the file sets in their place.
pub fn limits(set: &config::LimitOverrides) -> Limits {
    let default = Limits::default();
    Limits {
        memory: set.memory.unwrap_or(default.memory),
        table: set.table.unwrap_or(default.table),
        cpu: set.cpu.unwrap_or(default.cpu),
        samples: set.samples.unwrap_or(default.samples),
        sample_bytes: set.sample_bytes.unwrap_or(default.sample_bytes),
        host_bytes: set.host_bytes.unwrap_or(default.host_bytes),
        log_bytes: set.log_bytes.unwrap_or(default.log_bytes),
        state_bytes: set.state_bytes.unwrap_or(default.state_bytes),
        failures_per_cycle: set.failures_per_cycle.unwrap_or(default.failures_per_cycle),
    }
}

/// An error with what it came from, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        let first = cause_text.lines().next().unwrap_or_default();
        text = format!("{text}: {first}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// As a pipeline file would say it.
    fn size(bytes: usize) -> String {
        match (bytes.is_multiple_of(1 << 20), bytes.is_multiple_of(1 << 10)) {
            (true, _) => format!("{}MiB", bytes >> 20),
            (_, true) => format!("{}KiB", bytes >> 10),
            _ => bytes.to_string(),
        }
    }

    #[test]
    fn the_documented_limits_are_the_sandboxs() {
        let Limits {
            memory,
            table,
            cpu,
            samples,
            sample_bytes,
            host_bytes,
            log_bytes,
            state_bytes,
            failures_per_cycle,
        } = Limits::default();
        assert_eq!(cpu.subsec_nanos() % 1_000_000, 0);
        let expected = BTreeMap::from([
            ("memory", size(memory)),
            ("table", table.to_string()),
            ("cpu", format!("{}ms", cpu.as_millis())),
            ("samples", samples.to_string()),
            ("sample_bytes", size(sample_bytes)),
            ("host_bytes", size(host_bytes)),
            ("log_bytes", size(log_bytes)),
            ("state_bytes", size(state_bytes)),
            ("failures_per_cycle", failures_per_cycle.to_string()),
        ]);
        let sections = config::reference::pipeline_sections();
        let limits = sections.iter().find(|section| section.path == "guests[].limits").unwrap();
        let documented =
            limits.keys.iter().map(|key| (key.name, key.default.to_owned())).collect::<BTreeMap<_, _>>();
        assert_eq!(documented, expected);
    }

    #[test]
    fn what_a_file_sets_replaces_a_limit_and_nothing_else() {
        let set = config::LimitOverrides { cpu: Some(Duration::from_millis(7)), ..Default::default() };
        assert_eq!(limits(&set), Limits { cpu: Duration::from_millis(7), ..Limits::default() });
    }

    #[test]
    fn every_grant_is_the_capability_of_its_name() {
        for grant in Grant::all() {
            assert_eq!(grant.as_str(), capability(grant).as_str());
        }
    }
}

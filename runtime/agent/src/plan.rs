//! From a pipeline file to what will run: guests loaded and asked for their meters, sources matched with guests.
//!
//! Everything that is wrong is added to the file's own faults, at the place of the setting that would have to change, so that one
//! `check` shows all of it and nothing starts half.

use std::error::Error;

use config::{Faults, Loaded, Pipeline, Place};
use sandbox::Engine;

pub use crate::guests::limits::limits;
use crate::guests::roster::Roster;
use crate::guests::{Guests, Means, start};

/// What will run.
pub struct Plan {
    /// The file.
    pub pipeline: Pipeline,
    /// The guests, which change while an agent runs.
    pub guests: Guests,
    /// The sources, in the order of the file, each once for every hypervisor.
    pub sources: Vec<PlannedSource>,
}

/// A source on one hypervisor: a rhythm of its own. What it polls there is in the [`Roster`], at the same position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedSource {
    /// Its position in [`Plan::sources`].
    pub position: usize,
    /// Its position in [`Pipeline::sources`].
    pub index: usize,
    /// The position of the hypervisor in [`Pipeline::hypervisors`].
    pub hypervisor: usize,
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
    pub fn make(file: Loaded<Pipeline>, mut means: Means) -> Result<Loaded<Self>, Faults> {
        let Loaded { value: pipeline, warnings: mut faults } = file;
        let whole = Place::file(pipeline.path.display().to_string().into());
        let engine = match Engine::with(means.cache.take(), means.compiler.take()) {
            Ok(engine) => engine,
            Err(error) => {
                faults.error(&whole, chain(&error));
                return Err(faults);
            }
        };
        let hypervisors = pipeline.hypervisors.len();
        let each = (0..pipeline.sources.len()).flat_map(|index| (0..hypervisors).map(move |at| (index, at)));
        let planned = each.enumerate().map(|(position, (index, hypervisor))| PlannedSource {
            position,
            index,
            hypervisor,
        });
        let sources: Vec<PlannedSource> = planned.collect();
        let guests = start::load(
            engine,
            &pipeline,
            sources.iter().map(|source| source.index).collect(),
            means,
            &mut faults,
        );
        // A guest that did not load has its meters missing everywhere: saying so again for each source helps nobody.
        if faults.is_fatal() {
            return Err(faults);
        }
        let roster = guests.roster();
        for source in &pipeline.sources {
            name_unprovided(source, &roster, &mut faults);
        }
        if roster.sources.iter().all(|source| source.selections.is_empty()) {
            let message = "nothing to poll: no source names a meter that a guest provides";
            // One may be put into the guest folder, or one that an operator removed may come back.
            match pipeline.guest_folder.is_some() || roster.seats.len() < pipeline.guests.len() {
                true => faults.warning(&whole, format!("{message} yet")),
                false => faults.error(&whole, message),
            }
        }
        if faults.is_fatal() {
            return Err(faults);
        }
        Ok(Loaded { value: Self { pipeline, guests, sources }, warnings: faults })
    }

    /// Who polls, and what each source polls of them.
    pub fn roster(&self) -> std::sync::Arc<Roster> {
        self.guests.roster()
    }
}

fn name_unprovided(source: &config::Source, roster: &Roster, faults: &mut Faults) {
    let meters = roster.seats.iter().flat_map(|seat| &seat.holder.meters);
    let provided: Vec<&str> = meters.map(|meter| &*meter.name).collect();
    for pattern in source.unprovided(&provided) {
        faults.warning(&pattern.place, format!("no guest provides {}: it is not polled", **pattern));
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

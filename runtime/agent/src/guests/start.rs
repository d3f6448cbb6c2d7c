//! Which generations an agent begins with: those that polled when it ended, unless their files hold something new.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use config::{Faults, GuestFolder, MAX_GUESTS, Pipeline, Place};
use sandbox::{Engine, LoadError};

use super::gate::{Candidate, Gate, Refusal, unused_grants};
use super::generation::Generation;
use super::health::Terms;
use super::roster::Seat;
use super::store::{Entry, Fate, Kept, Refused};
use super::{Guests, Means};
use crate::plan::chain;

/// Loads the guests of a file and of its guest folder. Every fault is added at the place of the setting that would have to change; a module
/// of the folder that is refused is a warning, for it must not keep the others from starting.
pub(crate) fn load(
    engine: Engine,
    pipeline: &Pipeline,
    sources: Vec<usize>,
    means: Means,
    faults: &mut Faults,
) -> Guests {
    let terms = Terms { swap: pipeline.swap.clone(), set_aside: pipeline.set_aside.clone() };
    let guests = Guests::new(engine, terms, pipeline.trust.clone(), sources, means.store);
    let mut starting = Starting { guests: &guests, pipeline, owners: BTreeMap::new(), entries: Vec::new() };
    let mut seats = Vec::new();
    for described in &pipeline.guests {
        match starting.seat(described) {
            Ok(seat) => {
                if let Some(seat) = &seat {
                    warn_of_unused_grants(described, &seat.holder, faults);
                }
                seats.extend(seat);
            }
            Err(refusal) => faults.error(place(&refusal, described), chain(&refusal)),
        }
    }
    // What is new in the folder is the warden's: however long it takes, the others poll. Where there is none, as in a check, it is now or never.
    let is_kept = guests.store().is_some();
    for described in in_folder(pipeline) {
        let seat = if is_kept { starting.known(&described) } else { starting.seat(&described) };
        match seat {
            Ok(seat) => seats.extend(seat),
            Err(refusal) => faults.warning(
                &described.place,
                format!("the guest {} of the guest folder is left out: {}", described.name, chain(&refusal)),
            ),
        }
    }
    let entries = starting.entries;
    if let Some(folder) = &pipeline.guest_folder {
        let all = pipeline.guests.len() + names_in(folder, pipeline).len();
        if all > MAX_GUESTS {
            faults.warning(
                &folder.place,
                format!("{all} guests with those of the folder: the first {MAX_GUESTS} poll"),
            );
        }
    }
    if !faults.is_fatal() {
        for (name, entry) in entries {
            guests.keep(&name, entry);
        }
        guests.seat(pipeline, seats);
    }
    guests
}

/// The guests of the guest folder, the first by name that there is room for; none where it cannot be read. One that the file describes is not
/// the folder's.
pub(super) fn in_folder(pipeline: &Pipeline) -> Vec<config::Guest> {
    let Some(folder) = &pipeline.guest_folder else { return Vec::new() };
    let mut names = names_in(folder, pipeline);
    names.truncate(MAX_GUESTS.saturating_sub(pipeline.guests.len()));
    names.iter().map(|name| folder.guest(name)).collect()
}

fn names_in(folder: &GuestFolder, pipeline: &Pipeline) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(&folder.path) else { return Vec::new() };
    let mut names: Vec<String> = files.flatten().filter_map(|file| folder.name_of(&file.path())).collect();
    names.retain(|name| pipeline.guests.iter().all(|guest| guest.name != *name));
    names.sort();
    names
}

fn place<'a>(refusal: &Refusal, described: &'a config::Guest) -> &'a Place {
    match refusal {
        Refusal::Load(LoadError::NotGranted { .. }) => &described.grants.place,
        Refusal::Untrusted { refusal: trust::Refusal::OtherFile { .. }, .. } => {
            described.sha256.as_ref().map_or(&described.module.place, |pin| &pin.place)
        }
        _ => &described.module.place,
    }
}

fn warn_of_unused_grants(described: &config::Guest, generation: &Generation, faults: &mut Faults) {
    for unused in unused_grants(&described.grants, generation.guest.capabilities()) {
        faults.warning(
            &described.grants.place,
            format!("guest {} is granted {unused} and does not import it", described.name),
        );
    }
}

struct Starting<'a> {
    guests: &'a Guests,
    pipeline: &'a Pipeline,
    /// Whose a meter is.
    owners: BTreeMap<String, String>,
    /// What is to be kept, if nothing keeps the agent from starting.
    entries: Vec<(String, Entry)>,
}

impl Starting<'_> {
    /// None where an operator removed the guest.
    fn seat(&mut self, described: &config::Guest) -> Result<Option<Seat>, Refusal> {
        let name = &described.name;
        let mut entry = self.guests.entry(name);
        let file = Candidate::read(&described.module);
        let held = file.as_ref().ok().map(|file| file.sha256);
        let is_news = held.is_some() && held != entry.seen;
        let seat = match (file, entry.current().cloned()) {
            (Ok(file), current) if is_news => self.begin(described, &file, current, &mut entry)?,
            (Ok(_), None) if entry.last > 0 => {
                tracing::warn!(
                    guest = name,
                    "it was removed by `guest remove`, and polls nothing until it is installed again"
                );
                return Ok(None);
            }
            (Ok(file), None) => self.begin(described, &file, None, &mut entry)?,
            (file, Some(current)) => {
                if let Err(error) = file {
                    tracing::warn!(guest = name, "its last generation goes on: {}", chain(&error));
                }
                self.resume(described, &current, &mut entry)?
            }
            (Err(error), None) => return Err(error.into()),
        };
        entry.seen = held.or(entry.seen);
        Ok(Some(self.take(seat, entry)))
    }

    /// The generation that polled when the agent ended, if there is one, whatever its file holds now.
    fn known(&mut self, described: &config::Guest) -> Result<Option<Seat>, Refusal> {
        let mut entry = self.guests.entry(&described.name);
        let Some(current) = entry.current().cloned() else { return Ok(None) };
        let seat = self.resume(described, &current, &mut entry)?;
        Ok(Some(self.take(seat, entry)))
    }

    /// Notes what a seated guest has, and what is to be kept of it.
    fn take(&mut self, seat: Seat, entry: Entry) -> Seat {
        let name = seat.holder.name();
        self.owners.extend(seat.meters().map(|meter| (meter.to_owned(), name.to_owned())));
        self.entries.push((name.to_owned(), entry));
        seat
    }

    /// A module that has not polled before, beside the one that has.
    fn begin(
        &self,
        described: &config::Guest,
        file: &Candidate,
        current: Option<Kept>,
        entry: &mut Entry,
    ) -> Result<Seat, Refusal> {
        let refusal = match self.admit(described, file) {
            Ok(admitted) => {
                let number = entry.last + 1;
                let stand_in = current.and_then(|kept| self.again(described, &kept, false).ok());
                let holder = self.guests.generation(admitted, number, stand_in.is_some());
                entry.admit(&holder, file.vouched, stand_in.is_some());
                self.guests.keep_module(&holder, file);
                return Ok(Seat { holder, stand_in });
            }
            Err(refusal) => refusal,
        };
        let Some(current) = current else { return Err(refusal) };
        let reason = chain(&refusal);
        tracing::error!(
            guest = described.name,
            generation = current.number,
            "the new module is refused, so the last generation goes on: {reason}"
        );
        entry.refused = Some(Refused { sha256: Some(file.sha256), at: Utc::now(), reason });
        self.resume(described, &current, entry)
    }

    /// The generation that polled when the agent ended, or the good one before it.
    fn resume(&self, described: &config::Guest, current: &Kept, entry: &mut Entry) -> Result<Seat, Refusal> {
        let on_probation = current.fate == Fate::Probation;
        let before = entry.good_before(current.number).cloned();
        let stand_in =
            before.clone().filter(|_| on_probation).and_then(|kept| self.again(described, &kept, false).ok());
        let refusal = match self.again(described, current, stand_in.is_some()) {
            Ok(holder) => {
                // With none to fall back on there is no probation.
                if let (None, Some(kept)) = (&stand_in, entry.kept_mut(current.number)) {
                    kept.fate = Fate::Good;
                }
                return Ok(Seat { holder, stand_in });
            }
            Err(refusal) => refusal,
        };
        let Some(before) = before else { return Err(refusal) };
        let reason = chain(&refusal);
        tracing::error!(
            guest = described.name,
            generation = before.number,
            "generation {} cannot go on, so the one before it does: {reason}",
            current.number
        );
        let holder = self.again(described, &before, false)?;
        entry.fall(current.number, Fate::Fallen, reason, before.number);
        Ok(Seat { holder, stand_in: None })
    }

    /// A generation that is kept, through the gate once more: what may run can have changed since.
    fn again(
        &self,
        described: &config::Guest,
        kept: &Kept,
        on_probation: bool,
    ) -> Result<Arc<Generation>, Refusal> {
        let candidate = self.guests.kept(described, kept)?;
        let admitted = self.admit(described, &candidate)?;
        Ok(self.guests.generation(admitted, kept.number, on_probation))
    }

    fn admit(
        &self,
        described: &config::Guest,
        candidate: &Candidate,
    ) -> Result<super::gate::Admitted, Refusal> {
        let gate = Gate::new(self.guests, self.pipeline);
        // No instance has been read yet: what is new is on probation instead.
        gate.admit(described, candidate, |meter| self.owners.get(meter).cloned(), |_| Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_the_first_guests_by_name_that_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let guests = folder.path().join("guests");
        std::fs::create_dir(&guests).unwrap();
        for number in 0..MAX_GUESTS + 3 {
            std::fs::write(guests.join(format!("g{number:04}.wasm")), "").unwrap();
        }
        for other in ["named.wasm", "g.wasm.sig", "notes.txt", ".hidden.wasm"] {
            std::fs::write(guests.join(other), "").unwrap();
        }
        let file = folder.path().join("pipeline.yaml");
        let text = "libvirt: {uri: 'test:///default'}\nguests: [{name: named, module: guests/named.wasm, grants: []}]\n\
                    guest_folder: {path: guests, grants: []}\nsources: [{name: a, interval: 60, meters: ['*']}]\n\
                    sinks: [{name: s, publishers: ['file:///dev/null?json']}]\n";
        std::fs::write(&file, text).unwrap();
        let pipeline = config::load_pipeline(&file).unwrap().value;
        let found: Vec<String> = in_folder(&pipeline).into_iter().map(|guest| guest.name).collect();
        assert_eq!(found.len(), MAX_GUESTS - 1, "one is the file's");
        assert_eq!((found[0].as_str(), found[MAX_GUESTS - 2].as_str()), ("g0000", "g0254"));
    }
}

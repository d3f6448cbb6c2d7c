//! What an operator asks the warden for.

use std::path::Path;

use config::MAX_GUESTS;

use super::gate::Candidate;
use super::roster::Seat;
use super::store::{Fate, replace};
use super::warden::{Order, Warden};
use crate::plan::chain;
use trust::signature;

impl Warden {
    pub(super) fn obey(&mut self, order: Order) -> Result<String, String> {
        match order {
            Order::Install { name, candidate } => self.install(&name, &candidate),
            Order::Remove { name } => self.remove(&name),
            Order::Rollback { name, to } => self.roll_back(&name, to),
        }
    }

    /// The guest of this name, as the pipeline describes it.
    fn described(&self, name: &str) -> Result<(config::Guest, bool), String> {
        let pipeline = &self.host.plan().pipeline;
        if let Some(guest) = pipeline.guests.iter().find(|guest| guest.name == name) {
            return Ok((guest.clone(), false));
        }
        let folder = pipeline.guest_folder.as_ref().ok_or_else(|| {
            let names: Vec<_> = pipeline.guests.iter().map(|guest| guest.name.as_str()).collect();
            format!(
                "the pipeline has no guest {name:?}, and no `guest_folder` for new ones; its guests are {}",
                names.join(", ")
            )
        })?;
        match folder.name_of(&folder.module_of(name)) {
            Some(_) => Ok((folder.guest(name), true)),
            None => Err(format!("{name:?} is no name of a guest: at most 64 letters, digits and `._-`")),
        }
    }

    fn install(&mut self, name: &str, candidate: &Candidate) -> Result<String, String> {
        let (guest, is_of_folder) = self.described(name)?;
        let entry = self.host.guests().entry(name);
        let sha256 = candidate.sha256;
        if let (true, Some(current)) = (self.runs(name, sha256), entry.current) {
            return Ok(format!("generation {current} polls already, and is this module"));
        }
        let seats = self.host.guests().roster().seats.len();
        if entry.current.is_none() && seats >= MAX_GUESTS {
            return Err(format!("{seats} guests poll, and no more can"));
        }
        let seen = entry.seen;
        let said = self.swap(&guest, candidate, entry.clone()).map_err(|refusal| {
            let reason = chain(&refusal);
            if !self.host.guests().engine.is_stopping() {
                self.refuse(&guest, Some(sha256), reason.clone(), entry);
            }
            reason
        })?;
        if is_of_folder {
            // The folder shows which guests there are.
            if let Err(error) = put(&guest.module, candidate) {
                return Err(format!(
                    "{said}, but not after a restart: failed to write {}: {error}",
                    guest.module.display()
                ));
            }
        } else {
            // What lies there is older than what was installed.
            let mut entry = self.host.guests().entry(name);
            entry.seen = seen;
            self.host.guests().keep(name, entry);
        }
        Ok(said)
    }

    fn remove(&mut self, name: &str) -> Result<String, String> {
        let (guest, is_of_folder) = self.described(name)?;
        let mut entry = self.host.guests().entry(name);
        if !self.unseat(name) && entry.current.is_none() {
            return Err(format!("no guest {name:?} polls"));
        }
        entry.current = None;
        entry.refused = None;
        let mut said = "removed".to_owned();
        if is_of_folder {
            for path in [&*guest.module, &signature::path(&guest.module)] {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        said = format!(
                            "removed, but it will be back after a restart: failed to remove {}: {error}",
                            path.display()
                        );
                    }
                    _ => {}
                }
            }
            entry.seen = None;
        } else {
            said = format!(
                "removed; it stands in {} still, and stays out until it is installed or changed",
                guest.module.place
            );
        }
        tracing::info!(guest = name, "removed by an operator");
        self.host.guests().keep(name, entry);
        Ok(said)
    }

    fn roll_back(&mut self, name: &str, to: Option<u32>) -> Result<String, String> {
        let (guest, is_of_folder) = self.described(name)?;
        let guests = self.host.guests();
        let mut entry = guests.entry(name);
        let now = entry.current.unwrap_or(entry.last + 1);
        let target = match to {
            Some(number) if Some(number) == entry.current => {
                return Err(format!("generation {number} polls already"));
            }
            Some(number) => entry.kept(number),
            None => entry.good_before(now),
        };
        let Some(target) = target.cloned() else {
            let kept: Vec<_> = entry.generations.iter().map(|kept| kept.number.to_string()).collect();
            let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(", ") };
            return Err(match to {
                Some(number) => format!("generation {number} of {name} is not kept; there are {kept}"),
                None => format!("there is no good generation of {name} before this one; there are {kept}"),
            });
        };
        let candidate = guests.kept(&guest, &target).map_err(|refusal| chain(&refusal))?;
        let admitted = self.admit(&guest, &candidate, &guests.roster()).map_err(|refusal| chain(&refusal))?;
        let holder = guests.generation(admitted, target.number, false);
        self.seat(Seat { holder, stand_in: None });
        entry.fall(now, Fate::RolledBack, "taken back by an operator".into(), target.number);
        guests.keep(name, entry);
        let said = format!("generation {} polls in place of {now}", target.number);
        tracing::info!(guest = name, generation = target.number, "rolled back by an operator: {said}");
        if is_of_folder && !guest.module.exists() {
            put(&guest.module, &candidate)
                .map_err(|error| format!("{said}, but not after a restart: {error}"))?;
        }
        Ok(said)
    }
}

/// Puts a module and its signature where a guest's lie; the module last, so that whoever sees it sees both.
fn put(path: &Path, candidate: &Candidate) -> std::io::Result<()> {
    let beside = signature::path(path);
    match &candidate.signature {
        Some(signature) => replace(&beside, signature)?,
        // One of another module is worse than none: this one would be refused for it at the next start.
        None if beside.exists() => std::fs::remove_file(beside)?,
        None => {}
    }
    replace(path, &candidate.bytes)
}

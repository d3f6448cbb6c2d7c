//! What `guest list` shows of each guest.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Guests;
use super::record::Figures;
use super::store::{Entry, Kept};
use trust::Sha256;

/// A guest, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// The generation that polls; none where it was removed.
    pub generation: Option<u32>,
    /// The digest of that generation's module.
    pub sha256: Option<Sha256>,
    /// Whose signature it carries, of the keys that are trusted.
    pub signer: Option<String>,
    /// `good`, `probation`, `fallen` (the old one is about to come back), `set aside`, `on trial` (after it was set aside), `removed` or `refused`.
    pub state: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why, where it is not good; or why its newest module is refused.
    pub reason: Option<String>,
    /// Its meters.
    pub meters: Vec<String>,
    /// What its polls came to.
    pub figures: Figures,
    /// The generations that are kept, oldest first.
    pub generations: Vec<Kept>,
}

impl Guests {
    /// Every guest: those that poll, then those of which something is remembered.
    pub fn statuses(&self) -> Vec<Status> {
        let mut known: BTreeMap<String, Entry> = match &*self.store() {
            Some(store) => store.guests().map(|(name, entry)| (name.clone(), entry.clone())).collect(),
            None => BTreeMap::new(),
        };
        let now = Instant::now();
        let roster = self.roster();
        let polling = roster.seats.iter().map(|seat| {
            let holder = &seat.holder;
            let entry = known.remove(holder.name()).unwrap_or_default();
            let standing = holder.health.standing(now);
            let refused = entry.refused.as_ref();
            let refused = refused.map(|refused| match refused.sha256 {
                Some(sha256) => format!("the module {} is refused: {}", sha256.short(), refused.reason),
                None => format!("a module is refused: {}", refused.reason),
            });
            Status {
                name: holder.name().to_owned(),
                generation: Some(holder.number),
                sha256: Some(holder.sha256),
                signer: holder.signer.clone(),
                state: standing.state.to_owned(),
                since: standing.since,
                reason: standing.reason.or(refused).or_else(|| entry.fallen()),
                meters: holder.meters.iter().map(|meter| meter.name.to_string()).collect(),
                figures: holder.record.figures(),
                generations: entry.generations.clone(),
            }
        });
        let mut statuses: Vec<Status> = polling.collect();
        statuses.extend(known.into_iter().map(|(name, entry)| entry.status(name)));
        statuses
    }
}

impl Entry {
    /// Why its newest generation polls no more.
    fn fallen(&self) -> Option<String> {
        let newest = self.generations.last().filter(|newest| Some(newest.number) != self.current)?;
        let reason = newest.reason.as_deref().unwrap_or("it is not known why");
        Some(format!("generation {} is out: {reason}", newest.number))
    }

    /// Of a guest that does not poll.
    fn status(self, name: String) -> Status {
        let (state, since, reason) = match &self.refused {
            Some(refused) => ("refused", refused.at, Some(refused.reason.clone())),
            None => ("removed", self.generations.last().map_or_else(Utc::now, |last| last.since), None),
        };
        Status {
            name,
            generation: None,
            sha256: self.refused.as_ref().and_then(|refused| refused.sha256),
            signer: None,
            state: state.to_owned(),
            since,
            reason,
            meters: Vec::new(),
            figures: Figures::default(),
            generations: self.generations,
        }
    }
}

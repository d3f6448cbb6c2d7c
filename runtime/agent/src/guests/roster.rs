//! Which generation of each guest polls, and what each source polls of it. It is replaced as a whole: a cycle reads it once, at its
//! start, and polls in flight finish on the generations that they began with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use config::Pipeline;
use inspector::Groups;
use sandbox::state::State;

use super::generation::Generation;

/// The guests that poll.
#[derive(Default)]
pub struct Roster {
    /// One for each guest: those of the file in its order, then those of the guest folder by name.
    pub seats: Vec<Seat>,
    /// What each of the plan's sources polls, by their positions.
    pub sources: Vec<Polled>,
}

/// A guest's generations.
#[derive(Clone)]
pub struct Seat {
    /// The one that polls.
    pub holder: Arc<Generation>,
    /// The one before it, which polls where the new one fails as long as that is on probation.
    pub stand_in: Option<Arc<Generation>>,
}

impl Seat {
    /// The meters of its generations: those of the one that may come back, too.
    pub(crate) fn meters(&self) -> impl Iterator<Item = &str> {
        let generations = [Some(&self.holder), self.stand_in.as_ref()].into_iter().flatten();
        generations.flat_map(|generation| generation.meters.iter().map(|meter| &*meter.name))
    }
}

/// What a source polls.
#[derive(Default)]
pub struct Polled {
    /// The guests that have a meter of this source.
    pub selections: Vec<Selection>,
    /// What a snapshot for them must hold.
    pub groups: Groups,
}

/// A guest's meters in one source.
pub struct Selection {
    /// What polls.
    pub guest: Arc<Generation>,
    /// Which of its meters the source polls, by their positions.
    pub meters: Vec<bool>,
    /// What the guest remembers in this source: a delta is one between this source's polls, whatever other sources poll. It is not the
    /// generation's, so it survives a swap.
    pub state: Arc<State>,
    /// What polls where the guest fails.
    pub stand_in: Option<Box<Selection>>,
}

/// What guests remember, by guest and source, whichever generation polls.
#[derive(Default)]
pub(crate) struct States {
    by_guest: Mutex<HashMap<(String, usize), Arc<State>>>,
}

impl States {
    fn of(&self, guest: &str, source: usize) -> Arc<State> {
        let mut states = self.by_guest.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(states.entry((guest.to_owned(), source)).or_default())
    }

    /// Drops what belongs to a guest that is gone for good.
    pub(crate) fn forget(&self, guest: &str) {
        let mut states = self.by_guest.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|(name, _), _| name != guest);
    }
}

impl Roster {
    /// Matches the meters of these guests with the sources; `sources` are their positions in the pipeline.
    pub(crate) fn new(pipeline: &Pipeline, sources: &[usize], seats: Vec<Seat>, states: &States) -> Self {
        let polled = |(position, index): (usize, &usize)| {
            let source = &pipeline.sources[*index];
            let state = |seat: &Seat| states.of(seat.holder.name(), position);
            let selections: Vec<Selection> =
                seats.iter().filter_map(|seat| Selection::new(source, seat, state(seat))).collect();
            let mut groups = Groups::new();
            for selection in &selections {
                groups.extend(selection.guest.guest.groups());
                groups.extend(selection.stand_in.iter().flat_map(|stand_in| stand_in.guest.guest.groups()));
            }
            Polled { selections, groups }
        };
        let sources = sources.iter().enumerate().map(polled).collect();
        Self { seats, sources }
    }

    /// The seat of a guest.
    pub fn seat(&self, name: &str) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.holder.name() == name)
    }
}

impl Selection {
    fn new(source: &config::Source, seat: &Seat, state: Arc<State>) -> Option<Self> {
        let mut selection = Self::of(source, &seat.holder, state)?;
        let stand_in = seat.stand_in.as_ref();
        selection.stand_in =
            stand_in.and_then(|guest| Self::of(source, guest, Arc::clone(&selection.state))).map(Box::new);
        Some(selection)
    }

    /// None where the source polls none of its meters.
    fn of(source: &config::Source, guest: &Arc<Generation>, state: Arc<State>) -> Option<Self> {
        let meters: Vec<bool> = guest.meters.iter().map(|meter| source.selects(&meter.name)).collect();
        meters.contains(&true).then(|| Self { guest: Arc::clone(guest), meters, state, stand_in: None })
    }
}

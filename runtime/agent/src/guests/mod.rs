//! The guests of a running agent: their generations, and what swaps them.
//!
//! ```text
//!  file, folder or admin socket ──▶ warden (a thread) ──▶ gate ──▶ generation ──▶ roster ──▶ the next cycle
//!                                      ▲                                            │
//!                                      └── fell in its probation, or passed it ◀────┘ health, record
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `gate` | what a module goes through before it polls |
//! | `trial` | the gate's last step: some polls of instances as they were last recorded |
//! | [`generation`] | a module that passed |
//! | [`roster`] | which generation of each guest polls, and what each source polls of it |
//! | `health` | probation, good, set aside and back |
//! | [`record`] | what a generation's polls came to |
//! | [`store`] | what is remembered when the agent ends |
//! | `start` | which generations an agent begins with |
//! | `warden` | the thread that swaps |
//! | `orders` | what an operator asks it for |
//! | `watch` | which files have changed, and are whole |
//! | [`status`] | what `guest list` shows |

pub(crate) mod gate;
pub mod generation;
pub(crate) mod health;
pub mod limits;
mod orders;
pub mod record;
pub mod roster;
pub(crate) mod start;
pub mod status;
pub mod store;
pub(crate) mod trial;
pub(crate) mod warden;
mod watch;

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use chrono::Utc;
use config::Pipeline;
use sandbox::{Cache, Compiler};
use trust::{Pins, Trust};

use gate::{Admitted, Candidate, Refusal};
use generation::{Generation, Id};
use health::{Health, Terms};
use record::Record;
use roster::{Roster, Seat, States};
use store::{Entry, Kept, Store};
use warden::Notice;

/// What an agent loads guests with.
#[derive(Default)]
pub struct Means {
    /// Where generations are kept; none: the file's modules alone, as for a check or a single cycle.
    pub store: Option<Store>,
    /// Where compiled code is kept; none: nowhere.
    pub cache: Option<Cache>,
    /// What compiles modules beside the polls; none: this process.
    pub compiler: Option<Compiler>,
}

/// The guests of an agent.
pub struct Guests {
    engine: sandbox::Engine,
    terms: Terms,
    /// Who may run; pins change while the agent runs.
    trust: RwLock<Arc<Trust>>,
    /// The plan's sources, by their positions in the pipeline.
    sources: Vec<usize>,
    roster: RwLock<Arc<Roster>>,
    states: States,
    store: Mutex<Option<Store>>,
    notices: Sender<Notice>,
    /// Taken by the warden.
    inbox: Mutex<Option<Receiver<Notice>>>,
}

impl Guests {
    fn new(
        engine: sandbox::Engine,
        terms: Terms,
        trust: Trust,
        sources: Vec<usize>,
        store: Option<Store>,
    ) -> Self {
        let (notices, inbox) = mpsc::channel();
        Self {
            engine,
            terms,
            trust: RwLock::new(Arc::new(trust)),
            sources,
            roster: RwLock::default(),
            states: States::default(),
            store: Mutex::new(store),
            notices,
            inbox: Mutex::new(Some(inbox)),
        }
    }

    /// Who polls now. A cycle asks once, at its start.
    pub fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts these guests in the place of those that poll: for the cycles that begin from now on.
    fn seat(&self, pipeline: &Pipeline, seats: Vec<Seat>) {
        let roster = Arc::new(Roster::new(pipeline, &self.sources, seats, &self.states));
        *self.roster.write().unwrap_or_else(PoisonError::into_inner) = roster;
    }

    fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Judges by these pins from now on.
    fn pin(&self, pins: Pins) {
        let mut trust = self.trust.write().unwrap_or_else(PoisonError::into_inner);
        *trust = Arc::new(Trust { pins, ..Trust::clone(&trust) });
    }

    /// Tells the warden; where there is none, as in a single cycle, nothing comes of it.
    pub(crate) fn tell(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }

    fn generation(&self, admitted: Admitted, number: u32, on_probation: bool) -> Arc<Generation> {
        let Admitted { guest, meters, sha256, signer } = admitted;
        let health = if on_probation {
            Health::on_probation(&self.terms, Instant::now())
        } else {
            Health::good(&self.terms)
        };
        Arc::new(Generation {
            id: Id::next(),
            number,
            guest,
            meters,
            sha256,
            signer,
            since: Utc::now(),
            record: Record::new(),
            health,
        })
    }

    fn store(&self) -> MutexGuard<'_, Option<Store>> {
        // The ledger is replaced as a whole.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The module of a generation that is kept.
    fn kept(&self, described: &config::Guest, kept: &Kept) -> Result<Candidate, Refusal> {
        let Kept { number, sha256, vouched, .. } = *kept;
        let stored = self.store().as_ref().map(|store| store.module(sha256));
        // Or it may lie where it came from.
        let places = stored.into_iter().chain([described.module.value.clone()]);
        let mut found =
            places.filter_map(|path| Candidate::read(&path).ok()).filter(|found| found.sha256 == sha256);
        let found = found.next().map(|found| Candidate { vouched, ..found });
        found.ok_or_else(|| Refusal::Lost { guest: described.name.clone(), generation: number, sha256 })
    }

    fn entry(&self, guest: &str) -> Entry {
        self.store().as_ref().map(|store| store.entry(guest)).unwrap_or_default()
    }

    /// Keeps a module that was admitted, for the next start and for a way back.
    fn keep_module(&self, admitted: &Generation, candidate: &Candidate) {
        if let Some(store) = &*self.store()
            && let Err(error) =
                store.keep_module(admitted.sha256, &candidate.bytes, candidate.signature.as_deref())
        {
            tracing::error!(
                guest = admitted.name(),
                "the module is not kept: {}",
                crate::plan::chain(&error)
            );
        }
    }

    /// What cannot be kept is in force all the same, until the agent ends.
    fn keep(&self, guest: &str, entry: Entry) {
        if let Some(store) = &mut *self.store()
            && let Err(error) = store.keep(guest, entry)
        {
            tracing::error!(guest, "its generations are not kept: {}", crate::plan::chain(&error));
        }
    }
}

//! Polling: one guest over the instances of a cycle, on one thread.
//!
//! ```text
//!            fresh store (or the cycle's) ──▶ poll() ──▶ samples, skip, permanent
//!                     ▲                         │
//!                     └──── store dropped ◀── trap or limit: Failure
//! ```

use std::sync::Arc;
use std::time::Duration;

use inspector::Instance;
use wasmtime::{Store, Trap};

use crate::contract::nephoscope::meter::types;
use crate::contract::{Full, FullPre};
use crate::engine::{Engine, Ticking};
use crate::failure::{Failure, Refusal, Skip};
use crate::guest::{Guest, Isolation, Profile};
use crate::host::{
    self,
    log::{LogLine, LoudLines},
};
use crate::poll::{self, Poll};
use crate::samples::{self, GuestSample, excerpt};
use crate::state::State;

/// One guest's polls of one cycle.
pub struct Session<'a> {
    guest: &'a Guest,
    state: Arc<State>,
    loud: Arc<LoudLines>,
    /// With [`Isolation::Cycle`]: the store of the polls so far, as long as none of them failed.
    live: Option<(Store<Poll>, Full)>,
    last: Last,
    _ticking: Ticking,
}

/// What is known of the last poll beside its outcome.
#[derive(Default)]
struct Last {
    memory: usize,
    log: Option<Vec<LogLine>>,
}

/// What came of one poll.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Samples, and those that were refused.
    Samples {
        /// Checked; may be none.
        samples: Vec<GuestSample>,
        /// Left out, each with its reason.
        refused: Vec<Refusal>,
    },
    /// Nothing, and nobody's fault.
    Skipped(Skip),
    /// The guest wants never to poll this instance again; the text says why.
    Permanent(String),
    /// Nothing, and the guest's fault.
    Failed(Failure),
}

impl<'a> Session<'a> {
    pub(crate) fn new(guest: &'a Guest, state: Arc<State>) -> Self {
        Self {
            guest,
            state,
            loud: Arc::default(),
            live: None,
            last: Last::default(),
            _ticking: guest.engine.run(),
        }
    }

    /// Counts the guest's warnings and errors together with those of other sessions of the cycle.
    #[must_use]
    pub fn sharing(mut self, loud: &Arc<LoudLines>) -> Self {
        self.loud = Arc::clone(loud);
        self
    }

    /// Keeps the guest's log lines beside the poll that wrote them ([`Self::take_log`]) instead of logging them.
    #[must_use]
    pub fn keeping_log(mut self) -> Self {
        self.last.log = Some(Vec::new());
        self
    }

    /// The lines of the last poll, where they are kept.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.last.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The linear memory that the component had in use at the end of the last poll, in bytes: its peak, for memories only grow.
    pub fn memory(&self) -> usize {
        self.last.memory
    }

    /// Polls one instance. Whatever the guest does, this returns within its limits.
    pub fn poll(&mut self, instance: &Arc<Instance>) -> Outcome {
        let cpu = self.guest.profile.limits.cpu;
        let (mut store, exports) = match self.live.take() {
            Some((mut store, exports)) => {
                store.data_mut().begin(instance, cpu);
                if self.guest.engine.is_bounded() {
                    store.set_epoch_deadline(poll::first_look(cpu));
                }
                (store, Ok(exports))
            }
            None => {
                let mut store = store(&self.guest.engine, &self.guest.profile, &self.state, cpu);
                store.data_mut().loud = Arc::clone(&self.loud);
                store.data_mut().kept_log = self.last.log.is_some().then(Vec::new);
                let exports = self.guest.component.instantiate(&mut store);
                store.data_mut().instance = Some(Arc::clone(instance));
                (store, exports)
            }
        };
        let outcome = match &exports {
            Ok(exports) => self.ask(&mut store, exports, instance),
            Err(error) => {
                finish_output(&mut store);
                Outcome::Failed(failure(error, &store))
            }
        };
        self.last.memory = store.data().memory();
        if let Some(lines) = &mut store.data_mut().kept_log {
            self.last.log = Some(std::mem::take(lines));
        }
        // A trap or a limit leaves nothing that could be relied on.
        let is_sound = !matches!(&outcome, Outcome::Failed(failure) if failure.is_misconduct());
        if let (Isolation::Cycle, true, Ok(exports)) = (self.guest.profile.isolation, is_sound, exports) {
            // Outside a poll there is no reading, not even the last one.
            store.data_mut().instance = None;
            self.live = Some((store, exports));
        }
        outcome
    }

    /// Calls `poll`, and keeps what the guest remembers if it succeeds.
    fn ask(&self, store: &mut Store<Poll>, exports: &Full, instance: &Arc<Instance>) -> Outcome {
        let returned = exports.nephoscope_meter_pollster().call_poll(&mut *store);
        finish_output(store);
        match returned {
            Ok(Ok(samples)) => match samples::check(samples, &self.guest.profile, instance) {
                Ok((samples, refused)) => {
                    if let Some(entries) = store.data_mut().entries.take() {
                        self.state.keep(&instance.identity.uuid, entries);
                    }
                    Outcome::Samples { samples, refused }
                }
                Err(failure) => Outcome::Failed(failure),
            },
            Ok(Err(error)) => outcome_of(error),
            Err(error) => Outcome::Failed(failure(&error, store)),
        }
    }
}

/// Runs `meters()` of a component that is being loaded; with them, the memory that it has in use then.
pub(crate) fn ask_meters(
    engine: &Engine,
    component: &FullPre<Poll>,
    profile: &Arc<Profile>,
) -> Result<(Vec<types::Meter>, usize), Failure> {
    let _ticking = engine.run();
    let mut store = store(engine, profile, &Arc::default(), profile.load_cpu());
    let meters = component
        .instantiate(&mut store)
        .and_then(|exports| exports.nephoscope_meter_pollster().call_meters(&mut store));
    finish_output(&mut store);
    match meters {
        Ok(meters) => Ok((meters, store.data().memory())),
        Err(error) => Err(failure(&error, &store)),
    }
}

fn store(engine: &Engine, profile: &Arc<Profile>, state: &Arc<State>, cpu: Duration) -> Store<Poll> {
    let poll = Poll::new(Arc::clone(profile), Arc::clone(state), cpu);
    let mut store = Store::new(engine.wasmtime(), poll);
    if !engine.is_bounded() {
        return store;
    }
    store.limiter(|poll| poll);
    store.set_hostcall_fuel(profile.limits.host_bytes);
    store.epoch_deadline_callback(poll::epoch_deadline);
    store.set_epoch_deadline(poll::first_look(cpu));
    store
}

fn outcome_of(error: types::Error) -> Outcome {
    match error {
        types::Error::NotFound => Outcome::Skipped(Skip::NotFound),
        types::Error::ShutOff => Outcome::Skipped(Skip::ShutOff),
        types::Error::Unsupported => Outcome::Skipped(Skip::Unsupported),
        types::Error::NoData => Outcome::Skipped(Skip::NoData),
        types::Error::Permanent(text) => Outcome::Permanent(as_reported(&text)),
        types::Error::Failed(text) => Outcome::Failed(Failure::Failed(as_reported(&text))),
    }
}

/// A guest's text as outcomes carry it: its head, on one line.
pub fn as_reported(text: &str) -> String {
    host::log::printable(&excerpt(text))
}

/// What wasmtime says where the bytes of one host call are used up; it has no type for it.
const HOST_BYTES_USED_UP: &str = "fuel allocated for hostcalls has been exhausted";

/// Which of our labels an error of wasmtime is.
fn failure(error: &wasmtime::Error, store: &Store<Poll>) -> Failure {
    if let Some(hit) = &store.data().hit {
        return hit.clone();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return Failure::Stack,
        Some(Trap::Interrupt) => return Failure::CpuTime,
        _ => {}
    }
    let text = format!("{error:#}");
    if text.contains(HOST_BYTES_USED_UP) {
        return Failure::HostBytes;
    }
    Failure::Trap(as_reported(error.root_cause().to_string().trim()))
}

/// Hands what a guest wrote on stdout and stderr to the log.
fn finish_output(store: &mut Store<Poll>) {
    let poll = store.data_mut();
    let Some(wasi) = &poll.wasi else { return };
    let (output, cut) = wasi.take_output();
    poll.log_output(&output, cut);
}

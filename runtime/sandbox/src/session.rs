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
use crate::host::{self, log::LoudLines};
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
    _ticking: Ticking,
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
        Self { guest, state, loud: Arc::default(), live: None, _ticking: guest.engine.run() }
    }

    /// Counts the guest's warnings and errors together with those of other sessions of the cycle.
    #[must_use]
    pub fn sharing(mut self, loud: &Arc<LoudLines>) -> Self {
        self.loud = Arc::clone(loud);
        self
    }

    /// Polls one instance. Whatever the guest does, this returns within its limits.
    pub fn poll(&mut self, instance: &Arc<Instance>) -> Outcome {
        let profile = &self.guest.profile;
        let cpu = profile.limits.cpu;
        let (mut store, exports) = match self.live.take() {
            Some((mut store, exports)) => {
                store.data_mut().begin(instance, cpu);
                store.set_epoch_deadline(poll::first_look(cpu));
                (store, exports)
            }
            None => {
                let mut store = store(&self.guest.engine, profile, &self.state, cpu);
                store.data_mut().loud = Arc::clone(&self.loud);
                match self.guest.component.instantiate(&mut store) {
                    Ok(exports) => {
                        store.data_mut().instance = Some(Arc::clone(instance));
                        (store, exports)
                    }
                    Err(error) => {
                        finish_output(&mut store);
                        return Outcome::Failed(failure(&error, &store));
                    }
                }
            }
        };
        let returned = exports.nephoscope_meter_pollster().call_poll(&mut store);
        finish_output(&mut store);
        let outcome = match returned {
            Ok(Ok(samples)) => match samples::check(samples, profile, instance) {
                Ok((samples, refused)) => {
                    if let Some(entries) = store.data_mut().entries.take() {
                        self.state.keep(&instance.identity.uuid, entries);
                    }
                    Outcome::Samples { samples, refused }
                }
                Err(failure) => return Outcome::Failed(failure),
            },
            Ok(Err(error)) => outcome_of(error),
            Err(error) => return Outcome::Failed(failure(&error, &store)),
        };
        if profile.isolation == Isolation::Cycle {
            // Outside a poll there is no reading, not even the last one.
            store.data_mut().instance = None;
            self.live = Some((store, exports));
        }
        outcome
    }
}

/// Runs `meters()` of a component that is being loaded.
pub(crate) fn ask_meters(
    engine: &Engine,
    component: &FullPre<Poll>,
    profile: &Arc<Profile>,
) -> Result<Vec<types::Meter>, Failure> {
    let _ticking = engine.run();
    let mut store = store(engine, profile, &Arc::default(), profile.load_cpu());
    let meters = component
        .instantiate(&mut store)
        .and_then(|exports| exports.nephoscope_meter_pollster().call_meters(&mut store));
    finish_output(&mut store);
    meters.map_err(|error| failure(&error, &store))
}

fn store(engine: &Engine, profile: &Arc<Profile>, state: &Arc<State>, cpu: Duration) -> Store<Poll> {
    let poll = Poll::new(Arc::clone(profile), Arc::clone(state), cpu);
    let mut store = Store::new(engine.wasmtime(), poll);
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
        types::Error::Permanent(text) => Outcome::Permanent(host::log::printable(&excerpt(&text))),
        types::Error::Failed(text) => Outcome::Failed(Failure::Failed(host::log::printable(&excerpt(&text)))),
    }
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
    Failure::Trap(host::log::printable(&excerpt(error.root_cause().to_string().trim())))
}

/// Hands what a guest wrote on stdout and stderr to the log.
fn finish_output(store: &mut Store<Poll>) {
    let poll = store.data_mut();
    let Some(wasi) = &poll.wasi else { return };
    let (output, cut) = wasi.take_output();
    poll.log_output(&output, cut);
}

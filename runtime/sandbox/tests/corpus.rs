//! Every hostile guest of `tests/hostile`: what it tries comes to what its file says, also after ten thousand polls, and the process is then as
//! large as before.
//!
//! One test, for the memory that is measured is the process's.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use nephoscope_sandbox::state::State;
use nephoscope_sandbox::{Engine, Guest, Isolation, Limits, Outcome, Spec, world};
use support::{file, instance};
use wat_guests::corpus::{Attack, Expected, corpus};

/// Polls after which a guest has taken what it takes.
const WARM: u32 = 200;

/// By how much the process may have grown after all polls: a few hundred bytes for each would be seen.
const MARGIN: usize = 48 << 20;

/// How often a guest's own lines are read before they are dropped, as the agent's log would.
struct Polled<'a> {
    attack: &'a Attack,
    guest: Guest,
    state: Arc<State>,
    /// Polls so far.
    polls: u32,
}

fn loaded(engine: &Engine, attack: &Attack) -> Result<Guest, String> {
    let path = file(&attack.module);
    let limits = Limits::default();
    let load = || {
        let bytes = nephoscope_sandbox::module::bytes(&path)?;
        world::check(&bytes, &path)?;
        Guest::load(
            engine,
            Spec {
                name: attack.name.clone(),
                module: path.clone(),
                grants: attack.grants.iter().map(|grant| grant.parse().unwrap()).collect(),
                limits: Limits { cpu: attack.cpu.unwrap_or(limits.cpu), ..limits },
                settings: BTreeMap::new(),
                isolation: if attack.is_kept { Isolation::Cycle } else { Isolation::Poll },
            },
        )
    };
    let outcome = load();
    fs::remove_file(&path).unwrap();
    outcome.map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    })
}

impl Polled<'_> {
    /// Polls up to this many times in all.
    fn poll(&mut self, until: u32) {
        let Attack { name, expected, .. } = self.attack;
        let instance = instance();
        let mut session = self.guest.session(&self.state).keeping_log();
        let quota = Limits::default();
        while self.polls < until {
            self.polls += 1;
            let outcome = session.poll(&instance);
            assert!(as_expected(expected, self.polls, &outcome), "{name}: poll {}: {outcome:?}", self.polls);
            let logged: usize = session.take_log().iter().map(|line| line.text.len()).sum();
            assert!(logged <= quota.log_bytes * 6 + 1024, "{name}: {logged} bytes of log, escapes included");
            assert!(self.state.bytes() <= quota.state_bytes, "{name}: {} bytes of state", self.state.bytes());
        }
    }
}

fn as_expected(expected: &Expected, poll: u32, outcome: &Outcome) -> bool {
    let is_good = |outcome: &Outcome| matches!(outcome, Outcome::Samples { samples, refused } if samples.len() == 1 && refused.is_empty());
    match expected {
        Expected::Refused(_) => false,
        Expected::Harmless(count) => {
            matches!(outcome, Outcome::Samples { samples, refused } if samples.len() == *count && refused.is_empty())
        }
        Expected::Sample { label, words } => matches!(
            outcome,
            Outcome::Samples { samples, refused }
                if samples.is_empty() && refused.iter().all(|one| one.label() == label && one.to_string().contains(words))
                    && !refused.is_empty()
        ),
        Expected::Fails { every, from, .. } if poll < *from || !poll.is_multiple_of(*every) => {
            is_good(outcome)
        }
        Expected::Fails { label, words, .. } => matches!(
            outcome,
            Outcome::Failed(failure) if failure.label() == label && failure.to_string().contains(words)
        ),
    }
}

/// What the process has in memory, in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Runs something for each, on both of two threads.
fn each(polled: &mut [Polled<'_>], until: impl Fn(&Attack) -> u32 + Sync) {
    let next = AtomicUsize::new(0);
    let places: Vec<_> = polled.iter_mut().map(std::sync::Mutex::new).collect();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut one = place.lock().unwrap();
                    let until = until(one.attack);
                    one.poll(until);
                }
            });
        }
    });
}

#[test]
fn every_attack_comes_to_what_its_file_says_and_leaves_nothing_behind() {
    let attacks = corpus();
    assert!(attacks.len() >= 50, "{} attacks", attacks.len());
    let engine = Engine::new().unwrap();
    let mut polled = Vec::new();
    let mut wrong = Vec::new();
    for attack in &attacks {
        match (&attack.expected, loaded(&engine, attack)) {
            (Expected::Refused(words), Err(error)) if error.contains(words) => {
                assert!(error.len() < 2_000, "{}: {} bytes of reason", attack.name, error.len());
            }
            (Expected::Refused(_), Err(error)) => {
                wrong.push(format!("{}: refused otherwise: {error}", attack.name))
            }
            (Expected::Refused(_), Ok(_)) => wrong.push(format!("{}: loaded", attack.name)),
            (_, Err(error)) => wrong.push(format!("{}: refused: {error}", attack.name)),
            (_, Ok(guest)) => polled.push(Polled { attack, guest, state: Arc::default(), polls: 0 }),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    each(&mut polled, |attack| attack.polls.min(WARM));
    let before = resident();
    each(&mut polled, |attack| attack.polls);
    let after = resident();
    assert!(after <= before + MARGIN, "{} MiB, and {} MiB after all polls", before >> 20, after >> 20);
}

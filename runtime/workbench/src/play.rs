//! Playing: a component polls the instances of recorded moments, outside a pipeline.
//!
//! ```text
//!  Module ──▶ Player (terms: grants, limits, settings) ──▶ play(snapshot) ──▶ play(the next) …
//!                └── what the guest remembers lasts from one to the next ──┘
//! ```

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use inspector::{Group, Instance, Snapshot};
use sample::Meter;
use sandbox::state::State;
use sandbox::{
    Capability, Engine, Guest, Isolation, Limits, LoadError, LogLine, Module, Outcome, Session, Spec,
};

/// On what terms a component plays; as a pipeline file has them.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What it may import; none: whatever it does import.
    pub grants: Option<BTreeSet<Capability>>,
    /// What it may use.
    pub limits: Limits,
    /// What `settings.get` answers.
    pub settings: BTreeMap<String, String>,
    /// How much one poll shares with the next.
    pub isolation: Isolation,
}

impl Terms {
    /// The terms as the sandbox takes them, for a component that is called `name`.
    pub(crate) fn spec(&self, name: &str, module: &Module) -> Spec {
        Spec {
            name: name.to_owned(),
            module: PathBuf::from(name),
            grants: self.grants.clone().unwrap_or_else(|| module.capabilities().clone()),
            limits: self.limits.clone(),
            settings: self.settings.clone(),
            isolation: self.isolation,
        }
    }
}

/// A component that plays, and what it remembers.
pub struct Player {
    guest: Guest,
    state: Arc<State>,
    /// Instances that it never wants to poll again.
    done_with: Mutex<HashSet<String>>,
}

/// One poll.
#[derive(Debug)]
pub struct Polled {
    /// The instance.
    pub instance: Arc<Instance>,
    /// What came of it.
    pub outcome: Outcome,
    /// The time that it took.
    pub took: Duration,
    /// The linear memory that the component had in use at its end, in bytes: its peak.
    pub memory: usize,
    /// What the guest wrote, stdout and stderr included.
    pub log: Vec<LogLine>,
}

impl Player {
    /// Readies a component. `name` is what errors call it.
    ///
    /// # Errors
    /// The sandbox refuses it.
    pub fn new(engine: &Engine, module: &Module, name: &str, terms: &Terms) -> Result<Self, LoadError> {
        let guest = Guest::of(engine, module, terms.spec(name, module))?;
        Ok(Self { guest, state: Arc::default(), done_with: Mutex::default() })
    }

    /// The guest: its meters, grants and limits.
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// The meters that it declared; a sample names its meter by the position here.
    pub fn meters(&self) -> &[Meter] {
        self.guest.meters()
    }

    /// Bytes that it remembers, of all instances.
    pub fn state_bytes(&self) -> usize {
        self.state.bytes()
    }

    /// Polls one instance.
    pub fn poll(&self, instance: &Arc<Instance>) -> Polled {
        poll(&mut self.guest.session(&self.state).keeping_log(), instance)
    }

    /// Polls the instances of one moment as an agent's cycle does: those that are gone are forgotten, and those that the guest
    /// has said never to poll again are left out.
    pub fn play(&self, snapshot: &Snapshot, wanted: impl Fn(&Instance) -> bool) -> Vec<Polled> {
        let left_out = snapshot.left_out.iter().map(|left_out| left_out.uuid.as_str());
        let there = snapshot.instances.iter().map(|instance| instance.identity.uuid.as_str());
        self.state.retain(&there.chain(left_out).collect());
        let mut done_with = self.done_with.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = self.guest.session(&self.state).keeping_log();
        let mut polls = Vec::new();
        for instance in snapshot.instances.iter().filter(|instance| wanted(instance)) {
            if done_with.contains(&instance.identity.uuid) {
                continue;
            }
            let polled = poll(&mut session, instance);
            if let Outcome::Permanent(_) = polled.outcome {
                done_with.insert(instance.identity.uuid.clone());
            }
            polls.push(polled);
        }
        polls
    }

    /// The groups of readings that the guest imports and a recording lacks: it reads `no-data` there.
    pub fn not_recorded(&self, snapshot: &Snapshot) -> Vec<Group> {
        self.guest.groups().difference(&snapshot.groups).copied().collect()
    }
}

fn poll(session: &mut Session<'_>, instance: &Arc<Instance>) -> Polled {
    let started = Clock::now();
    let outcome = session.poll(instance);
    let took = started.elapsed();
    Polled {
        instance: Arc::clone(instance),
        outcome,
        took,
        memory: session.memory(),
        log: session.take_log(),
    }
}

/// The name that people know an instance by: nova's display name, else libvirt's.
pub fn name(instance: &Instance) -> &str {
    match &instance.identity.nova {
        Some(nova) if !nova.display_name.is_empty() => &nova.display_name,
        _ => &instance.identity.name,
    }
}

/// Whether an instance goes by this name: its UUID, libvirt's name or the display name.
pub fn goes_by(instance: &Instance, name: &str) -> bool {
    let identity = &instance.identity;
    identity.uuid == name
        || identity.name == name
        || identity.nova.as_ref().is_some_and(|nova| nova.display_name == name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sandbox::LogLevel;
    use wat_guests::{GOOD, Wat, text_at_scratch};

    use super::*;
    use crate::example;

    fn player(wat: &Wat<'_>) -> Player {
        let engine = Engine::new().unwrap();
        let module = Module::compile(&engine, &wat.component(), Path::new("played.wasm")).unwrap();
        Player::new(&engine, &module, "played", &Terms::default()).unwrap()
    }

    #[test]
    fn every_instance_is_polled_and_only_those_that_are_there_are_remembered() {
        let player = player(&Wat {
            imports: r#"(import "nephoscope:meter/state@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))"#,
            items: &text_at_scratch("key"),
            poll: &format!(
                "(drop (call $set (i32.const 2048) (i32.const 3) (i32.const 2048) (i32.const 1))) {GOOD}"
            ),
            ..Wat::default()
        });
        let (host, later) = (example::host().unwrap(), example::later().unwrap());
        let polls = player.play(&host, |_| true);
        assert_eq!(polls.len(), host.instances.len());
        for polled in &polls {
            assert!(matches!(&polled.outcome, Outcome::Samples { samples, .. } if samples.len() == 1));
            assert!(polled.memory >= 2 * 65_536 && !polled.took.is_zero());
        }
        let each = player.state_bytes() / polls.len();
        assert_eq!(player.play(&later, |instance| goes_by(instance, "web-1")).len(), 1);
        assert_eq!(player.state_bytes(), each * (polls.len() - 1), "cron-1 is gone, web-2 was not polled");
    }

    #[test]
    fn log_lines_stay_with_the_poll_that_wrote_them() {
        let player = player(&Wat {
            imports: r#"(import "nephoscope:meter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
            items: &text_at_scratch("careful\n"),
            poll: &format!("(call $log (i32.const 3) (i32.const 2048) (i32.const 8)) {GOOD}"),
            ..Wat::default()
        });
        let polls = player.play(&example::host().unwrap(), |_| true);
        let line = LogLine { level: LogLevel::Warn, text: "careful\\n".into() };
        for polled in polls {
            assert_eq!(polled.log, [line.clone()], "as the guest gave it, however many there are");
        }
    }

    #[test]
    fn an_instance_that_the_guest_is_done_with_is_not_polled_again() {
        // The result is an error, `permanent` with an empty text.
        let player = player(&Wat {
            poll: "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store8 (i32.const 516) (i32.const 4))
                   (i32.store (i32.const 524) (i32.const 0)) (i32.const 512)",
            ..Wat::default()
        });
        let host = example::host().unwrap();
        let first = player.play(&host, |_| true);
        assert!(first.iter().all(|polled| polled.outcome == Outcome::Permanent(String::new())), "{first:?}");
        assert!(player.play(&host, |_| true).is_empty());
    }

    #[test]
    fn an_instance_goes_by_each_of_its_names() {
        let host = example::host().unwrap();
        let found = |name: &str| host.instances.iter().filter(|instance| goes_by(instance, name)).count();
        for name in ["web-1", "instance-0000002a", "b9c03180-1f4e-4f8a-9c0d-2f0c5f3f8a11", "builder"] {
            assert_eq!(found(name), 1, "{name}");
        }
        assert_eq!(found("web"), 0);
    }
}

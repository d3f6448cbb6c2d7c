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

use inspector::{Group, Instance, Missing, Snapshot};
use sample::{Meter, Volume};
use sandbox::state::State;
use sandbox::{
    Capability, Engine, Failure, Guest, Isolation, Limits, LoadError, LogLine, Module, Outcome, Session,
    Spec, as_reported,
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

    /// Polls one instance; what is remembered of it is dropped before, where it is shut off.
    pub fn poll(&self, instance: &Arc<Instance>) -> Polled {
        self.state.follow_one(instance);
        poll(&mut self.guest.session(&self.state).keeping_log(), instance)
    }

    /// Polls the instances of one moment as an agent's cycle does: those that are gone or shut off are forgotten, and those
    /// that the guest has said never to poll again are left out.
    pub fn play(&self, snapshot: &Snapshot, wanted: impl Fn(&Instance) -> bool) -> Vec<Polled> {
        self.state.follow(snapshot);
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

    /// The group whose reading had failed, where the guest did no more than hand that failure on, and its text: nobody's fault but the
    /// host's.
    pub fn handed_on<'a>(&self, polled: &'a Polled) -> Option<(Group, &'a str)> {
        let Outcome::Failed(Failure::Failed(text)) = &polled.outcome else { return None };
        let groups = self.guest.groups();
        let failed = |missing: &Missing| matches!(missing, Missing::Failed(why) if as_reported(why) == *text);
        let mut missing = polled.instance.missing();
        let (group, _) = missing.find(|(group, missing)| groups.contains(group) && failed(missing))?;
        Some((group, text))
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

/// A volume to the last digit, and by its case: `512` is a count, `+512` and `-5` are signed, `512.0` is a real.
pub fn exact(volume: Volume) -> String {
    match volume {
        Volume::Count(count) => count.to_string(),
        Volume::Signed(number) => format!("{number:+}"),
        Volume::Real(number) => format!("{number:?}"),
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

    use inspector::Power;
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
        let web_1 = |instance: &Instance| goes_by(instance, "web-1");
        assert_eq!(player.play(&later, web_1).len(), 1);
        assert_eq!(player.state_bytes(), each * (polls.len() - 2), "cron-1 is gone, off-1 is off");
        let mut off = later.instances.iter().find(|instance| web_1(instance)).unwrap().clone();
        Arc::make_mut(&mut off).power = Power::ShutOff;
        player.poll(&off);
        player.play(&Snapshot { instances: vec![off], ..later }, |_| false);
        assert_eq!(player.state_bytes(), 0, "whoever is off has nothing that a start could be compared with");
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
            assert_eq!(
                polled.log,
                std::slice::from_ref(&line),
                "as the guest gave it, however many there are"
            );
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
    fn a_failure_that_is_handed_on_is_told_from_the_guests_own() {
        // The error of the reading's result stands 4 on from its discriminant, as that of poll's.
        let handing_on = player(&Wat {
            imports: r#"(import "nephoscope:meter/vnics@0.1.0" "inspect" (func $inspect (param i32)))"#,
            poll: &format!(
                "(call $inspect (i32.const 8192))
                 (if (i32.eqz (i32.load8_u (i32.const 8192))) (then (return {GOOD})))
                 (i32.store8 (i32.const 512) (i32.const 1))
                 (memory.copy (i32.const 516) (i32.const 8196) (i32.const 12))
                 (i32.const 512)"
            ),
            ..Wat::default()
        });
        let host = example::host().unwrap();
        let handed_on: Vec<_> = handing_on
            .play(&host, |_| true)
            .iter()
            .filter_map(|polled| Some((name(&polled.instance).to_owned(), handing_on.handed_on(polled)?.0)))
            .collect();
        assert_eq!(handed_on, [("stuck-1".to_owned(), Group::Vnics)]);
        let trapping = player(&Wat { poll: "unreachable", ..Wat::default() });
        assert!(trapping.play(&host, |_| true).iter().all(|polled| trapping.handed_on(polled).is_none()));
    }

    #[test]
    fn volumes_are_shown_to_the_last_digit_and_by_their_case() {
        assert_eq!(exact(Volume::Count(u64::MAX)), "18446744073709551615");
        assert_eq!(exact(Volume::Signed(5)), "+5");
        assert_eq!(exact(Volume::Signed(i64::MIN)), "-9223372036854775808");
        assert_eq!(exact(Volume::Real(512.0)), "512.0");
        assert_eq!(exact(Volume::Real(0.1 + 0.2)), "0.30000000000000004");
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

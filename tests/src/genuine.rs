//! The genuine Ceilometer's compute agent beside ours: what it publishes, and how ours is compared with it.
//!
//! It polls on while ours polls once, so there is a reading of its before ours and one after:
//!
//! ```text
//!  genuine  ──cycle──────cycle──────cycle──────cycle──────cycle──▶
//!                        before │        │       after
//!  ours                         └─ once ─┘
//! ```
//!
//! A volume that stands still is the same in all three, to its type. A counter lies between the two. The memory of the hypervisor's
//! process goes up and down: it is near what the genuine agent has read at any time. A delta is compared with the genuine agent's
//! first, as ours is the first too.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use lab::{Ceilometer, Libvirtd, PollingAgent, until};
use serde_json::Value;
use tempfile::TempDir;

use crate::notification::without;
use crate::program::lines;
use crate::{Bus, LIMIT, broker};

/// The meter that every instance has, whatever its state.
const EVERYWHERE: &str = "disk.root.size";
/// Cycles whose last is known to have begun after a moment and ended: the one that the moment is in, that one, and the one after.
const CYCLES: usize = 3;

/// The meters that it polls, each of which discovers anew where that has failed.
const POLLSTERS: usize = 36;
/// The meter whose volume goes both ways while its instance does nothing.
const WANDERING: &str = "memory.resident";
/// How far beyond the genuine agent's readings it may be, as a part of them: those are few, and between them it moves on.
const WANDERS: f64 = 0.05;

/// What it logs then.
const UNDISCOVERED: [&str; 2] = ["Unable to discover resources", "Skipping local_instances, keystone issue"];

/// What is each message's own.
const OWN: [&str; 5] = ["message_id", "message_signature", "timestamp", "monotonic_time", "counter_volume"];

/// Meter and resource.
pub type Key = (String, String);

/// A running genuine agent, and what it has published so far.
#[derive(Debug)]
pub struct Genuine {
    agent: PollingAgent,
    bus: Bus,
    taken: Vec<Value>,
    _folder: TempDir,
}

impl Genuine {
    /// Starts it on a libvirt, with more lines of its configuration.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(libvirtd: &Libvirtd, options: &str) -> Result<Genuine> {
        let folder = tempfile::Builder::new().prefix("nephoscope-genuine-").tempdir()?;
        let vhost = broker().vhost()?;
        let bus = Bus::connect(&vhost.url())?;
        bus.tap(QUEUE)?;
        let options = format!("[DEFAULT]\nhost = compute-1\n{options}");
        let agent = Ceilometer::get()?.polling_agent(&vhost, folder.path(), &libvirtd.uri_ro(), &options)?;
        Ok(Genuine { agent, bus, taken: Vec::new(), _folder: folder })
    }

    /// Every sample so far.
    ///
    /// # Errors
    /// A message that is none of its.
    pub fn taken(&mut self) -> Result<&[Value]> {
        for message in self.bus.take_all(QUEUE)? {
            self.taken.append(&mut message.samples()?);
        }
        Ok(&self.taken)
    }

    /// Waits until it has polled everything since now.
    ///
    /// # Errors
    /// It does not.
    pub fn polls(&mut self) -> Result<()> {
        let resource = until("a sample of the genuine agent", LIMIT, || {
            let first = self.taken()?.iter().find(|sample| sample["counter_name"] == EVERYWHERE);
            Ok(first.map(|sample| sample["resource_id"].clone()))
        })?;
        let count = |taken: &[Value]| {
            let of_it =
                |sample: &&Value| sample["counter_name"] == EVERYWHERE && sample["resource_id"] == resource;
            taken.iter().filter(of_it).count()
        };
        let now = count(self.taken()?);
        until("whole cycles of the genuine agent", LIMIT, || {
            Ok((count(self.taken()?) >= now + CYCLES).then_some(()))
        })
    }

    /// Waits until it has failed to discover instances for whole cycles, for each of its meters.
    ///
    /// # Errors
    /// It does not fail.
    pub fn fails(&mut self) -> Result<()> {
        let count = |agent: &PollingAgent| -> Result<usize> {
            let log = agent.log()?;
            Ok(UNDISCOVERED.iter().map(|text| lines(&log, &[text]).len()).sum())
        };
        let now = count(&self.agent)?;
        until("failures of the genuine agent's discovery", LIMIT, || {
            Ok((count(&self.agent)? >= now + CYCLES * POLLSTERS).then_some(()))
        })
    }

    /// The last sample of each meter and resource.
    ///
    /// # Errors
    /// A message that is none of its.
    pub fn last(&mut self) -> Result<BTreeMap<Key, Value>> {
        self.taken()?.iter().map(|sample| Ok((key(sample)?, sample.clone()))).collect()
    }

    /// The first sample of each meter and resource.
    ///
    /// # Errors
    /// A message that is none of its.
    pub fn first(&mut self) -> Result<BTreeMap<Key, Value>> {
        self.taken()?.iter().rev().map(|sample| Ok((key(sample)?, sample.clone()))).collect()
    }

    /// Every volume of a meter and resource so far.
    fn volumes(&self, of: &Key) -> Result<Vec<Value>> {
        let mut volumes = Vec::new();
        for sample in &self.taken {
            if key(sample)? == *of {
                volumes.push(sample["counter_volume"].clone());
            }
        }
        Ok(volumes)
    }

    /// Ends it in an orderly way.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(self) -> Result<()> {
        self.agent.stop()
    }
}

const QUEUE: &str = "genuine";

/// Runs ours between two polls of the genuine agent, and compares what they publish. Gives every difference in words.
///
/// # Errors
/// One of them does not poll.
pub fn compare(genuine: &mut Genuine, ours: impl FnOnce() -> Result<Vec<Value>>) -> Result<Vec<String>> {
    genuine.polls()?;
    let before = genuine.last()?;
    let ours = by_key(&ours()?)?;
    genuine.polls()?;
    let (first, after) = (genuine.first()?, genuine.last()?);
    let mut differences = Vec::new();
    for (key, theirs) in &after {
        let Some(ours) = ours.get(key) else {
            differences.push(format!("{key:?}: ours is missing"));
            continue;
        };
        let mut say = |what: String| differences.push(format!("{} of {}: {what}", key.0, key.1));
        for (field, one, other) in unequal(&without(theirs, &OWN), &without(ours, &OWN)) {
            say(format!("{field} is {one} there and {other} here"));
        }
        if theirs["counter_name"] == WANDERING {
            let all = genuine.volumes(key)?;
            if !is_near(&ours["counter_volume"], &all) {
                say(format!("{} is not near any of {all:?}", ours["counter_volume"]));
            }
            continue;
        }
        let volumes = match theirs["counter_type"].as_str() {
            Some("delta") => [first.get(key), first.get(key)],
            _ => [before.get(key), Some(theirs)],
        };
        let [Some(before), Some(after)] = volumes.map(|sample| Some(sample?["counter_volume"].clone()))
        else {
            say("it was not there before".to_owned());
            continue;
        };
        if !is_between(&ours["counter_volume"], &before, &after) {
            say(format!("{} is not between {before} and {after}", ours["counter_volume"]));
        }
    }
    let more = ours.keys().filter(|key| !after.contains_key(*key));
    differences.extend(more.map(|key| format!("{key:?}: theirs is missing")));
    Ok(differences)
}

/// Samples by meter and resource, each of which is there once.
///
/// # Errors
/// One is there twice.
pub fn by_key(samples: &[Value]) -> Result<BTreeMap<Key, Value>> {
    let mut by_key = BTreeMap::new();
    for sample in samples {
        let twice = by_key.insert(key(sample)?, sample.clone());
        ensure!(twice.is_none(), "twice in a cycle: {sample}");
    }
    Ok(by_key)
}

fn key(sample: &Value) -> Result<Key> {
    let text =
        |key: &str| sample[key].as_str().map(str::to_owned).with_context(|| format!("no {key}: {sample}"));
    Ok((text("counter_name")?, text("resource_id")?))
}

/// What differs between two objects, those within them included: the path, one value and the other.
fn unequal(
    one: &serde_json::Map<String, Value>,
    other: &serde_json::Map<String, Value>,
) -> Vec<(String, Value, Value)> {
    let absent = Value::from("(absent)");
    let mut unequal = Vec::new();
    let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for key in keys {
        match (one.get(key).unwrap_or(&absent), other.get(key).unwrap_or(&absent)) {
            (Value::Object(one), Value::Object(other)) => {
                let within = self::unequal(one, other).into_iter();
                unequal.extend(within.map(|(path, one, other)| (format!("{key}.{path}"), one, other)));
            }
            (one, other) if one == other => {}
            (one, other) => unequal.push((key.clone(), one.clone(), other.clone())),
        }
    }
    unequal
}

/// Whether a volume is one of two of its own type, or between them.
fn is_between(ours: &Value, one: &Value, other: &Value) -> bool {
    if let (Some(ours), Some(one), Some(other)) = (ours.as_i64(), one.as_i64(), other.as_i64()) {
        return (one.min(other)..=one.max(other)).contains(&ours);
    }
    let is_real = [ours, one, other].iter().all(|volume| volume.is_f64());
    let (Some(ours), Some(one), Some(other)) = (ours.as_f64(), one.as_f64(), other.as_f64()) else {
        return false;
    };
    is_real && (one.min(other)..=one.max(other)).contains(&ours)
}

/// Whether a volume has others' type, and lies between the least and the greatest of them or little beyond.
fn is_near(ours: &Value, others: &[Value]) -> bool {
    let same_type = others.iter().all(|other| other.is_f64() == ours.is_f64());
    let numbers: Option<Vec<f64>> = others.iter().map(Value::as_f64).collect();
    let (Some(ours), Some(numbers)) = (ours.as_f64(), numbers.filter(|numbers| !numbers.is_empty())) else {
        return false;
    };
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min) * (1.0 - WANDERS);
    let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max) * (1.0 + WANDERS);
    same_type && (least..=greatest).contains(&ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_volume_is_between_others_of_its_type() {
        assert!(is_between(&json!(2), &json!(1), &json!(3)));
        assert!(is_between(&json!(2.5), &json!(3.0), &json!(1.0)));
        assert!(!is_between(&json!(4), &json!(1), &json!(3)));
        assert!(!is_between(&json!(2), &json!(2.0), &json!(2.0)));
        assert!(!is_between(&Value::Null, &json!(1), &json!(3)));
    }

    #[test]
    fn a_volume_that_wanders_is_near_others_of_its_type() {
        let others = [json!(120), json!(100), json!(110)];
        for (ours, is) in [(96, true), (125, true), (94, false), (127, false)] {
            assert_eq!(is_near(&json!(ours), &others), is, "{ours}");
        }
        assert!(!is_near(&json!(110.0), &others) && !is_near(&Value::Null, &others));
        assert!(!is_near(&json!(110), &[]));
    }

    #[test]
    fn what_differs_is_found_at_any_depth_and_on_both_sides() {
        let (one, other) =
            (json!({"a": {"b": 1, "c": 2}, "d": null}), json!({"a": {"b": 1.0, "c": 2}, "e": null}));
        let (Value::Object(one), Value::Object(other)) = (one, other) else { panic!("objects") };
        let paths: Vec<String> = unequal(&one, &other).into_iter().map(|(path, ..)| path).collect();
        assert_eq!(paths, ["a.b", "d", "e"]);
        assert_eq!(unequal(&one, &one), []);
    }
}

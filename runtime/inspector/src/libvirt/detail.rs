//! The calls for one instance each: handing them out, and what is said of the instances that gave nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::aside::Who;
use super::bulk::Terms;
use super::crew::{Orders, Outcome, Perform, Task, work};
use super::link::{Bulk, Link, Station};
use super::readings::{Readings, reading};
use super::sweep::Swept;
use super::{Cycle, Reader, bulk, percall, sweep};
use crate::error::{InspectError, chain};
use crate::ffi::{self, Domain};
use crate::identity::Identity;
use crate::settings::Settings;
use crate::snapshot::{Group, Groups, Missing};

/// What is known of an instance that is to be read.
struct Job {
    domain: Arc<Domain>,
    identity: Arc<Identity>,
    active: bool,
}

/// Fails only where the connection is gone.
type Read = Result<Readings, ffi::Error>;

/// The instances' readings, as far as there are any.
pub(super) type All = BTreeMap<Arc<str>, Readings>;

impl Reader {
    /// Reads what needs calls per instance; empty where the groups need none.
    pub(super) fn read_instances(
        &self,
        cycle: &mut Cycle,
        link: &Arc<Link>,
        swept: &BTreeMap<Arc<str>, Swept>,
        groups: &Groups,
        end: Instant,
    ) -> Result<All, InspectError> {
        let mut all = All::new();
        let mut queue = VecDeque::new();
        if !is_needed(link.bulk, groups) {
            return Ok(all);
        }
        for (uuid, swept) in swept {
            let Some(identity) = cycle.cache.get(uuid) else { continue };
            if self.asides.has(uuid) {
                fail(
                    &mut all,
                    groups,
                    uuid,
                    "set aside: a call into its monitor has not returned".to_owned(),
                );
            } else {
                let (domain, identity) = (Arc::clone(&swept.domain), Arc::clone(identity));
                let job = Job { domain, identity, active: swept.is_active() };
                let who = Who { uuid: Arc::clone(uuid), name: Arc::clone(&swept.name) };
                queue.push_back((who, job));
            }
        }
        cycle.stations.iter_mut().for_each(|station| station.keep_only(|uuid| swept.contains_key(uuid)));
        while !queue.is_empty() && Instant::now() < end {
            let places = self.asides.places().min(queue.len());
            let stations = self.man(cycle, link, places, end)?;
            let perform = performer(link.bulk, groups, &self.settings);
            let Some(perform) = perform.filter(|_| !stations.is_empty()) else { break };
            let orders = Orders { call: self.settings.deadlines.call, end, perform };
            let outcome = work(queue, stations, orders, &self.asides);
            queue = note(outcome, cycle, &mut all, groups)?;
        }
        let stuck = self.asides.stuck();
        for (who, _) in queue {
            let why = if Instant::now() < end {
                format!("not read: {stuck} instances do not answer, and no more may be asked")
            } else {
                "not read before the snapshot's deadline".to_owned()
            };
            fail(&mut all, groups, &who.uuid, why);
        }
        self.fall_back(cycle, link, swept, &mut all, groups, end)?;
        Ok(all)
    }

    /// Stations for as many places, as far as there are any to be had.
    fn man(
        &self,
        cycle: &mut Cycle,
        link: &Link,
        places: usize,
        end: Instant,
    ) -> Result<Vec<Station>, InspectError> {
        let mut stations = cycle.stations.split_off(cycle.stations.len().saturating_sub(places));
        while stations.len() < places {
            match link.station(&self.settings, &self.seats, end) {
                Ok(station) => stations.push(station),
                // The first must be had: without any nothing is wrong with an instance, but with the daemon.
                Err(error) if stations.is_empty() && self.asides.stuck() == 0 => return Err(error),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "fewer libvirt connections to read instances on");
                    break;
                }
            }
        }
        Ok(stations)
    }

    /// Where memory could not be read, what is known of it without the monitor. All else is read by now: only a connection
    /// that is gone costs the snapshot, for then it can be taken again.
    fn fall_back(
        &self,
        cycle: &mut Cycle,
        link: &Arc<Link>,
        swept: &BTreeMap<Arc<str>, Swept>,
        all: &mut All,
        groups: &Groups,
        end: Instant,
    ) -> Result<(), InspectError> {
        if link.bulk != Bulk::Full || !groups.contains(&Group::Memory) {
            return Ok(());
        }
        let failed = all.iter().filter(|(_, readings)| matches!(readings.memory, Err(Missing::Failed(_))));
        let failed: Vec<_> = failed
            .filter_map(|(uuid, _)| Some((Arc::clone(uuid), Arc::clone(&swept.get(uuid)?.domain))))
            .collect();
        if failed.is_empty() || Instant::now() >= end {
            return Ok(());
        }
        let Some(known) = unless_gone(sweep::memory(link, failed, self.deadline(end)))? else {
            cycle.suspect = true;
            return Ok(());
        };
        for (uuid, memory) in known {
            if let (Some(readings), Ok(memory)) = (all.get_mut(&uuid), memory) {
                readings.memory = Ok(memory);
            }
        }
        Ok(())
    }
}

/// What was read, nothing where that failed; an error only where the connection is gone.
fn unless_gone<T>(read: Result<T, InspectError>) -> Result<Option<T>, InspectError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_disconnect() => Err(error),
        Err(error) => {
            tracing::warn!(
                error = chain(&error),
                "no memory of the instances that do not answer; replacing the connection"
            );
            Ok(None)
        }
    }
}

/// Notes what came of the jobs; gives back those that nobody came to.
fn note(
    outcome: Outcome<Station, Job, Read>,
    cycle: &mut Cycle,
    all: &mut All,
    groups: &Groups,
) -> Result<VecDeque<Task<Job>>, InspectError> {
    cycle.stations.extend(outcome.tools);
    for (uuid, result) in outcome.done {
        match result {
            Some(Ok(readings)) => drop(all.insert(uuid, readings)),
            Some(Err(error)) => return Err(InspectError::call("read an instance", error)),
            None => fail(all, groups, &uuid, "the thread that read it failed".to_owned()),
        }
    }
    for uuid in outcome.late {
        fail(all, groups, &uuid, "no answer in time; set aside until there is one".to_owned());
    }
    Ok(outcome.left)
}

fn fail(all: &mut All, groups: &Groups, uuid: &Arc<str>, why: String) {
    all.insert(Arc::clone(uuid), Readings::missing(groups, &Missing::Failed(why)));
}

/// Whether the groups need calls per instance with this driver.
pub(super) fn is_needed(driver: Bulk, groups: &Groups) -> bool {
    match driver {
        Bulk::Full => bulk::instance_stats(groups).is_some(),
        Bulk::State | Bulk::None => percall::is_needed(groups),
    }
}

/// How an instance is read with this driver; None where the groups need no calls per instance.
fn performer(driver: Bulk, groups: &Groups, settings: &Settings) -> Option<Perform<Station, Job, Read>> {
    let (groups, stopped_disks, call) = (groups.clone(), settings.stopped_disks, settings.deadlines.call);
    let terms = match driver {
        Bulk::Full => {
            let stats = bulk::instance_stats(&groups)?;
            Some(Terms { groups: groups.clone(), stats, stopped_disks, call })
        }
        Bulk::State | Bulk::None if percall::is_needed(&groups) => None,
        Bulk::State | Bulk::None => return None,
    };
    Some(Box::new(move |station, uuid, job| {
        let domain = match reading(station.domain(uuid, &job.domain))? {
            Ok(Some(domain)) => domain,
            Ok(None) => return Ok(Readings::missing(&groups, &Missing::NotFound)),
            Err(why) => return Ok(Readings::missing(&groups, &why)),
        };
        match &terms {
            Some(terms) => bulk::read(&domain, terms, &job.identity, job.active),
            None => percall::read(&domain, &groups, &job.identity, job.active, stopped_disks),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_a_lost_connection_costs_what_was_read() {
        assert_eq!(unless_gone(Ok(1)).unwrap(), Some(1));
        let late = InspectError::Deadline { call: "read", deadline: Duration::ZERO };
        assert_eq!(unless_gone::<u32>(Err(late)).unwrap(), None);
        let failed = |code, domain| {
            let error = ffi::Error { code, domain, message: String::new() };
            unless_gone::<u32>(Err(InspectError::call("read", error)))
        };
        let (qemu, remote, internal) = (10, 7, 1);
        assert_eq!(failed(internal, qemu).unwrap(), None);
        assert!(failed(internal, remote).unwrap_err().is_disconnect());
    }
}

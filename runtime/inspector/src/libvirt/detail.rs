//! The calls for one instance each: handing them out, and what is said of the instances that gave nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::crew::{Orders, Perform, Task, work};
use super::link::{Bulk, Link};
use super::readings::Readings;
use super::sweep::Swept;
use super::{Cycle, Reader, bulk, percall, sweep};
use crate::error::InspectError;
use crate::ffi::{self, Domain};
use crate::identity::Identity;
use crate::snapshot::{Group, Groups, Missing};

/// What a thread needs to read one instance. The connection is held as long as the call lasts.
struct Job {
    link: Arc<Link>,
    domain: Arc<Domain>,
    identity: Arc<Identity>,
    active: bool,
}

type Read = Perform<Job, Result<Readings, ffi::Error>>;

impl Reader {
    /// Reads what needs a call per instance; empty where the groups need none.
    pub(super) fn read_instances(
        &self,
        cycle: &mut Cycle,
        link: Arc<Link>,
        swept: &BTreeMap<Arc<str>, Swept>,
        groups: &Groups,
        end: Instant,
    ) -> Result<BTreeMap<Arc<str>, Readings>, InspectError> {
        let mut all = BTreeMap::new();
        if reader(link.bulk, groups).is_none() {
            return Ok(all);
        }
        let fail = |all: &mut BTreeMap<_, _>, uuid: &Arc<str>, why: String| {
            all.insert(Arc::clone(uuid), Readings::missing(groups, &Missing::Failed(why)));
        };
        let mut queue = VecDeque::new();
        for (uuid, swept) in swept {
            let Some(identity) = cycle.cache.get(uuid) else { continue };
            if self.asides.has(uuid) {
                fail(&mut all, uuid, "set aside: an earlier call has not returned".to_owned());
                continue;
            }
            queue.push_back((Arc::clone(uuid), self.job(&link, swept, identity)));
        }
        let mut link = link;
        while !queue.is_empty() && Instant::now() < end {
            let places = self.asides.places(link.number);
            if places == 0 {
                match self.move_on(cycle, &link, &mut queue, &mut all, groups, end)? {
                    Some(next) => link = next,
                    None => break,
                }
                continue;
            }
            let Some(perform) = reader(link.bulk, groups) else { break };
            let call = self.settings.deadlines.call;
            let orders = Orders { places, call, end, connection: link.number, perform };
            let outcome = work(queue, orders, &self.asides);
            queue = outcome.left;
            for (uuid, result) in outcome.done {
                match result {
                    Some(Ok(readings)) => drop(all.insert(uuid, readings)),
                    Some(Err(error)) => return Err(InspectError::call("read an instance", error)),
                    None => fail(&mut all, &uuid, "the thread that read it failed".to_owned()),
                }
            }
            for uuid in outcome.late {
                fail(&mut all, &uuid, "no answer in time; set aside until there is one".to_owned());
            }
        }
        let stuck = self.asides.stuck();
        for (uuid, _) in queue {
            let why = if Instant::now() < end {
                format!("not read: {stuck} instances do not answer, and no more may be asked")
            } else {
                "not read before the snapshot's deadline".to_owned()
            };
            fail(&mut all, &uuid, why);
        }
        self.fall_back(&link, swept, &mut all, groups, end)?;
        Ok(all)
    }

    fn job(&self, link: &Arc<Link>, swept: &Swept, identity: &Arc<Identity>) -> Job {
        Job {
            link: Arc::clone(link),
            domain: Arc::clone(&swept.domain),
            identity: Arc::clone(identity),
            active: swept.is_active(),
        }
    }

    /// Another connection for the rest of the queue, with its own handles; None where there is none to be had.
    fn move_on(
        &self,
        cycle: &mut Cycle,
        link: &Arc<Link>,
        queue: &mut VecDeque<Task<Job>>,
        all: &mut BTreeMap<Arc<str>, Readings>,
        groups: &Groups,
        end: Instant,
    ) -> Result<Option<Arc<Link>>, InspectError> {
        let next = self.connect(cycle)?;
        if next.number == link.number || self.asides.places(next.number) == 0 {
            return Ok(None);
        }
        let handles = sweep::handles(&next, self.deadline(end))?;
        for (uuid, mut job) in std::mem::take(queue) {
            match handles.get(&uuid) {
                Some(domain) => {
                    job.domain = Arc::clone(domain);
                    job.link = Arc::clone(&next);
                    queue.push_back((uuid, job));
                }
                None => drop(all.insert(uuid, Readings::missing(groups, &Missing::NotFound))),
            }
        }
        Ok(Some(next))
    }

    /// Where memory could not be read, what is known of it without the monitor.
    fn fall_back(
        &self,
        link: &Arc<Link>,
        swept: &BTreeMap<Arc<str>, Swept>,
        all: &mut BTreeMap<Arc<str>, Readings>,
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
        for (uuid, memory) in sweep::memory(link, failed, self.deadline(end))? {
            if let (Some(readings), Ok(memory)) = (all.get_mut(&uuid), memory) {
                readings.memory = Ok(memory);
            }
        }
        Ok(())
    }
}

/// How an instance is read with this driver; None where the groups need no call per instance.
fn reader(driver: Bulk, groups: &Groups) -> Option<Read> {
    let groups = groups.clone();
    match driver {
        Bulk::Full => {
            let stats = bulk::instance_stats(&groups)?;
            Some(Box::new(move |job| bulk::read(&job.domain, stats, &groups, &job.identity, job.active)))
        }
        Bulk::State | Bulk::None => {
            if !percall::is_needed(&groups) {
                return None;
            }
            Some(Box::new(move |job| percall::read(&job.domain, &groups, &job.identity, job.active)))
        }
    }
}

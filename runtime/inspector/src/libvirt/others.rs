//! Calls of others that are stuck in the instances' monitors: of an agent before this one, first of all. libvirtd stays in such a
//! call when its client is gone, and so an agent that is started again and again would stop one worker after the other. Also of a
//! client beside this one that has met a hung qemu first: our calls do not wait for its, and would never be late.
//!
//! After each new connection libvirtd is asked of every running instance, once, whether a call is in its monitor and for how long
//! (virDomainGetControlInfo, which enters none); later of those whose monitors the last snapshot found busy. One that has been there for longer than a call may take is counted as a
//! stuck one of our own, and its instance is set aside until libvirtd says that it is free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::aside::{MOST_NAMED, Who};
use super::link::{Bulk, Link};
use super::sweep::{self, Swept};
use super::{Cycle, Reader};
use crate::error::InspectError;
use crate::ffi::ControlInfo;
use crate::probe::ControlState;
use crate::snapshot::Reading;

impl Reader {
    /// Brings the list of the others' stuck calls up to date. Fails only where the connection is gone.
    pub(super) fn heed_others(
        &self,
        cycle: &mut Cycle,
        link: &Arc<Link>,
        swept: &BTreeMap<Arc<str>, Swept>,
        end: Instant,
    ) -> Result<(), InspectError> {
        if link.bulk != Bulk::Full {
            // A driver without monitors.
            return Ok(());
        }
        let others = self.asides.others();
        let busy = std::mem::take(&mut cycle.busy);
        others.iter().filter(|uuid| !swept.contains_key(*uuid)).for_each(|uuid| self.asides.returned(uuid));
        let asked = swept.iter().filter(|(uuid, swept)| {
            let is_due = cycle.is_new || busy.contains(*uuid);
            others.contains(*uuid) || (is_due && swept.is_active() && !self.asides.has(uuid))
        });
        let asked: Vec<_> =
            asked.map(|(uuid, swept)| (Arc::clone(uuid), Arc::clone(&swept.domain))).collect();
        if asked.is_empty() {
            cycle.is_new = false;
            return Ok(());
        }
        for (uuid, info) in sweep::controls(link, asked, self.deadline(end))? {
            match stuck_for(&info, self.settings.deadlines.call) {
                Some(lasting) if !others.contains(&uuid) => {
                    let Some(swept) = swept.get(&uuid) else { continue };
                    self.asides.put_other(&Who { uuid, name: Arc::clone(&swept.name) }, lasting);
                }
                Some(_) => {}
                None => self.asides.returned(&uuid),
            }
        }
        cycle.is_new = false;
        Ok(())
    }
}

/// Says whose monitors the snapshot found busy, the first few by name.
pub(super) fn tell_of_busy(busy: &BTreeSet<Arc<str>>, swept: &BTreeMap<Arc<str>, Swept>) {
    if busy.is_empty() {
        return;
    }
    let named = busy.iter().take(MOST_NAMED).map(|uuid| {
        let name = swept.get(uuid).map_or("", |swept| &swept.name);
        format!("{name} ({uuid})")
    });
    let named: Vec<String> = named.collect();
    let more = busy.len().saturating_sub(MOST_NAMED);
    tracing::warn!(
        count = busy.len(),
        "monitors are busy with other clients' calls, and were not read: {}{}",
        named.join(", "),
        if more > 0 { format!(", and {more} more") } else { String::new() }
    );
}

/// For how long a call has been in the monitor, where that is longer than one may take.
fn stuck_for(info: &Reading<ControlInfo>, call: Duration) -> Option<Duration> {
    let info = info.as_ref().ok()?;
    let lasting = Duration::from_millis(info.state_time);
    (ControlState::from_libvirt(info.state) == ControlState::Occupied && lasting > call).then_some(lasting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Missing;

    #[test]
    fn only_a_call_that_takes_too_long_is_stuck() {
        let call = Duration::from_secs(3);
        let stuck = |state, state_time| stuck_for(&Ok(ControlInfo { state, state_time }), call);
        let (ok, job, occupied, error) = (0, 1, 2, 3);
        assert_eq!(stuck(occupied, 3001), Some(Duration::from_millis(3001)));
        assert_eq!(stuck(occupied, 3000), None, "a slow one");
        assert_eq!(stuck(job, 60_000), None, "a migration lets others in");
        assert_eq!((stuck(ok, 0), stuck(error, 60_000)), (None, None));
        assert_eq!(stuck_for(&Err(Missing::ShutOff), call), None);
    }
}

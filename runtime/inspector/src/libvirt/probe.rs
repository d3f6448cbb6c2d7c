//! How libvirtd's ways into the instances' qemus are, after a snapshot.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::link::Link;
use super::{Reader, sweep};
use crate::error::InspectError;
use crate::ffi;
use crate::probe::{Control, ControlState, Probe};
use crate::snapshot::{Groups, Missing, Reading};

impl Reader {
    /// A snapshot, and libvirtd's view of each instance after it: of a monitor that the snapshot itself found stuck it tells too.
    pub(crate) fn probe(&self, groups: &Groups) -> Result<Probe, InspectError> {
        let _in = self.span.enter();
        let mut cycle = self.cycle.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.snapshot_in(&mut cycle, groups)?;
        let end = Instant::now() + self.settings.deadlines.sweep;
        // A connection that has become suspect was given up by the snapshot.
        let link = self.connect(&mut cycle, end)?;
        let controls = self.controls(&link, end);
        if controls.is_err() {
            super::disconnect(&mut cycle, link);
        }
        let controls = controls?;
        Ok(Probe::new(snapshot, |uuid| controls.get(uuid).cloned().unwrap_or(Err(Missing::NotFound))))
    }

    /// libvirtd's view of its way into every instance.
    fn controls(
        &self,
        link: &Arc<Link>,
        end: Instant,
    ) -> Result<BTreeMap<Arc<str>, Reading<Control>>, InspectError> {
        let swept = sweep::host(link, &Groups::new(), self.deadline(end))?;
        let domains = swept.into_iter().map(|(uuid, swept)| (uuid, swept.domain)).collect();
        let controls = sweep::controls(link, domains, self.deadline(end))?;
        Ok(controls.into_iter().map(|(uuid, info)| (uuid, info.map(control))).collect())
    }
}

fn control(info: ffi::ControlInfo) -> Control {
    let state = ControlState::from_libvirt(info.state);
    let lasting = Duration::from_millis(info.state_time);
    let now = SystemTime::now();
    Control { state, lasting, since: now.checked_sub(lasting).unwrap_or(now) }
}

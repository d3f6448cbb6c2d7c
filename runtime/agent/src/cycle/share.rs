//! A guest over a share of the instances, on one thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant as Clock;

use inspector::Instance;
use sandbox::{Outcome, Session, thread_cpu};

use super::conduct::Conduct;
use super::deliver::Batches;
use super::{Cycle, Report};
use crate::guests::record::Tally;
use crate::guests::roster::Selection;
use crate::guests::warden::Notice;

/// Polls these instances with a selection's guest and, wherever that fails on its probation, with the generation before it.
pub(super) fn poll(cycle: &Cycle<'_>, selection: usize, instances: &[Arc<Instance>], report: &mut Report) {
    let (chosen, turns) = (&cycle.polled.selections[selection], &cycle.turns[selection]);
    let mut holder = turns.is_polled.then(|| Poller::new(cycle, chosen, &turns.holder));
    let stand_in = chosen.stand_in.as_deref();
    let mut stand_in = stand_in.map(|stand_in| Poller::new(cycle, stand_in, &turns.stand_in));
    for instance in instances {
        let mut next = holder.as_mut().filter(|holder| !holder.is_set_aside());
        if next.is_none() {
            next = stand_in.as_mut().filter(|stand_in| !stand_in.is_set_aside());
        }
        let Some(poller) = next else {
            report.set_aside(chosen.guest.name(), 1);
            continue;
        };
        if cycle.host.stop.load(Ordering::Relaxed) || Clock::now() >= cycle.deadline {
            report.left_out += 1;
            continue;
        }
        let is_holder = std::ptr::eq(poller.chosen, chosen);
        if !poller.poll(instance, report)
            && is_holder
            && let Some(stand_in) = stand_in.as_mut().filter(|stand_in| !stand_in.is_set_aside())
        {
            stand_in.poll(instance, report);
        }
    }
    for poller in [holder, stand_in].into_iter().flatten() {
        poller.finish(report);
    }
}

/// A generation that polls in a cycle.
struct Poller<'a> {
    cycle: &'a Cycle<'a>,
    chosen: &'a Selection,
    conduct: &'a Conduct,
    session: Session<'a>,
    batches: Batches<'a>,
    tally: Tally,
}

impl<'a> Poller<'a> {
    fn new(cycle: &'a Cycle<'a>, chosen: &'a Selection, conduct: &'a Conduct) -> Self {
        let session = chosen.guest.guest.session(&chosen.state).sharing(&conduct.loud);
        Self {
            cycle,
            chosen,
            conduct,
            session,
            batches: Batches::new(cycle, chosen),
            tally: Tally::default(),
        }
    }

    fn is_set_aside(&self) -> bool {
        self.conduct.is_set_aside(self.cycle, &self.chosen.guest)
    }

    /// Whether the guest did what a guest should. An instance that it wants never to poll again is none that it failed at.
    fn poll(&mut self, instance: &Arc<Instance>, report: &mut Report) -> bool {
        if self.cycle.hypervisor.is_banned(self.chosen.guest.id, &instance.identity.uuid) {
            return true;
        }
        report.polls += 1;
        let (started, computed) = (Clock::now(), thread_cpu());
        let outcome = self.cycle.span.in_scope(|| self.session.poll(instance));
        let took = started.elapsed();
        self.conduct.polled(took, thread_cpu().saturating_sub(computed));
        self.tally.polled(took, self.session.memory());
        self.take(outcome, instance, report)
    }

    /// Ceilometer's three outcomes: vanished or not implemented is skipped at debug level, everything else is an error, and
    /// polling goes on with the next instance.
    fn take(&mut self, outcome: Outcome, instance: &Arc<Instance>, report: &mut Report) -> bool {
        let guest = self.chosen.guest.name();
        let uuid = &instance.identity.uuid;
        let Cycle { host, hypervisor, name, .. } = self.cycle;
        let name = *name;
        match outcome {
            Outcome::Samples { samples, refused } => {
                for refusal in &refused {
                    self.tally.refused(refusal.label());
                    if report.refused(guest, refusal.label()) {
                        tracing::warn!(
                            guest,
                            instance = uuid,
                            hypervisor = name,
                            "refused a sample: {refusal}"
                        );
                    }
                }
                if let Some(refusal) = refused.first() {
                    self.offended(&format!("a sample was refused: {refusal}"));
                }
                self.tally.sampled(samples.len());
                let (owner, metadata) =
                    hypervisor.describe(instance, &host.plan.pipeline, host.tenants.as_ref());
                for sample in samples {
                    self.batches.add(sample, instance, &owner, &metadata, report);
                }
            }
            Outcome::Skipped(skip) => {
                report.skipped(guest, skip.label());
                tracing::debug!(guest, instance = uuid, hypervisor = name, "skipped: {skip}");
            }
            Outcome::Permanent(reason) => {
                tracing::error!(
                    guest,
                    instance = uuid,
                    hypervisor = name,
                    "will not be polled again by this guest: {reason}"
                );
                hypervisor.ban(self.chosen.guest.id, uuid);
                self.tally.failed("permanent");
                report.failed(guest, "permanent");
            }
            Outcome::Failed(failure) => {
                self.tally.failed(failure.label());
                if report.failed(guest, failure.label()) {
                    tracing::error!(
                        guest,
                        instance = uuid,
                        hypervisor = name,
                        "no samples of this instance: {failure}"
                    );
                }
                // A guest that reports errors in good order is not set aside for it: the readings may be at fault, for each
                // instance anew.
                if failure.is_misconduct() {
                    self.conduct.failed(&failure.to_string());
                    self.answer_for(&failure.to_string());
                    return false;
                }
            }
        }
        true
    }

    fn offended(&self, reason: &str) {
        self.conduct.offended(reason);
        self.answer_for(reason);
    }

    /// Has the old generation back, where this was one offence too many for a probation.
    fn answer_for(&self, reason: &str) {
        let Selection { guest, .. } = self.chosen;
        if guest.health.offended(reason) {
            self.cycle.host.guests().tell(Notice::Fallen(guest.id));
        }
    }

    fn finish(self, report: &mut Report) {
        self.batches.finish(report);
        self.chosen.guest.record.add(self.tally);
    }
}

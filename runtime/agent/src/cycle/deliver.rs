//! From a guest's samples to batches of one meter each.

use std::sync::Arc;

use inspector::Instance;
use sample::{Metadata, Sample};
use sandbox::GuestSample;
use uuid::Uuid;

use super::hypervisor::Owner;
use super::{Cycle, Report};
use crate::guests::roster::Selection;

/// Samples that are handed to the publishers at once; each of them splits at its own batch size.
const BATCH: usize = 50;

/// The batches that a share of instances fills: one per meter.
pub(super) struct Batches<'a> {
    cycle: &'a Cycle<'a>,
    chosen: &'a Selection,
    by_meter: Vec<Vec<Sample>>,
}

impl<'a> Batches<'a> {
    pub(super) fn new(cycle: &'a Cycle<'a>, chosen: &'a Selection) -> Self {
        Self { cycle, chosen, by_meter: vec![Vec::new(); chosen.meters.len()] }
    }

    /// Stamps a sample and puts it into its meter's batch; a meter that the source does not poll is left out.
    pub(super) fn add(
        &mut self,
        sample: GuestSample,
        instance: &Instance,
        owner: &Owner,
        metadata: &Arc<Metadata>,
        report: &mut Report,
    ) {
        let position = sample.meter;
        if !self.chosen.meters[position] {
            return;
        }
        let meter = &self.chosen.guest.meters[position];
        let resource_id = if sample.resource_id == instance.identity.uuid {
            Arc::clone(&owner.id)
        } else {
            sample.resource_id.into()
        };
        let batch = &mut self.by_meter[position];
        batch.push(Sample {
            source: Arc::clone(&self.cycle.host.source_name),
            meter: Arc::clone(&meter.name),
            kind: meter.kind,
            unit: Arc::clone(&meter.unit),
            volume: sample.volume,
            user_id: owner.user_id.clone(),
            project_id: owner.project_id.clone(),
            user_name: owner.user_name.clone(),
            project_name: owner.project_name.clone(),
            resource_id,
            timestamp: self.cycle.timestamp,
            metadata: Arc::clone(metadata),
            extra: sample.metadata,
            message_id: Uuid::new_v4(),
            monotonic_time: Some(instance.taken_at as f64 / 1e9),
        });
        if batch.len() >= BATCH {
            let batch = std::mem::take(batch);
            self.send(batch, report);
        }
    }

    /// Hands on what is left.
    pub(super) fn finish(mut self, report: &mut Report) {
        for batch in std::mem::take(&mut self.by_meter) {
            if !batch.is_empty() {
                self.send(batch, report);
            }
        }
    }

    fn send(&self, batch: Vec<Sample>, report: &mut Report) {
        let Cycle { host, source, .. } = self.cycle;
        let sinks = &host.plan.pipeline.sources[source.index].sinks;
        report.samples += batch.len();
        host.outlets.publish(sinks, &host.sources[source.index], batch);
    }
}

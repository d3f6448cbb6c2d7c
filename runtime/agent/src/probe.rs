//! What a plan finds when it is tried: hypervisors read once, publishers' targets reached, Nova asked. No guest runs, nothing is
//! published.

use std::thread;

use inspector::{Groups, InspectError, Probe};
use publisher::probe::Unreachable;

use crate::cycle::inspector;
use crate::plan::Plan;

/// Whether a broker or a file can be reached.
pub struct Reached {
    /// The sink.
    pub sink: String,
    /// The broker without its credentials, or the file.
    pub target: String,
    /// What came of it.
    pub outcome: Result<(), Unreachable>,
}

/// Reads every hypervisor once, with the groups of readings that the plan's guests import; all at once, each within its own deadlines.
/// Gives what was found by the hypervisors' positions in the pipeline. Blocks for as long as that takes.
pub fn hypervisors(plan: &Plan) -> Vec<Result<Probe, InspectError>> {
    let groups: Groups =
        plan.roster().sources.iter().flat_map(|source| source.groups.iter().copied()).collect();
    let groups = &groups;
    thread::scope(|scope| {
        let probes: Vec<_> = plan
            .pipeline
            .hypervisors
            .iter()
            .map(|hypervisor| scope.spawn(move || inspector(hypervisor)?.probe(groups)))
            .collect();
        let lost = || InspectError::Thread { call: "probe a hypervisor", source: None };
        probes.into_iter().map(|probe| probe.join().unwrap_or_else(|_| Err(lost()))).collect()
    })
}

/// Tries every publisher's target, all at once.
pub async fn targets(plan: &Plan) -> Vec<Reached> {
    let each = plan.pipeline.sinks.iter().flat_map(|sink| {
        sink.publishers.iter().map(async |settings| {
            let found = publisher::probe::probe(&settings.target).await;
            let reached = found.into_iter().map(|(target, outcome)| Reached {
                sink: sink.name.value.clone(),
                target,
                outcome,
            });
            reached.collect::<Vec<_>>()
        })
    });
    futures_util::future::join_all(each).await.into_iter().flatten().collect()
}

/// Asks Nova once for the servers of every hypervisor; none where the pipeline names no Nova.
///
/// # Errors
/// The system gave no thread to ask from.
pub async fn nova(plan: &Plan) -> std::io::Result<Vec<nova::Health>> {
    let Some(tenants) = crate::cycle::tenants(&plan.pipeline)? else { return Ok(Vec::new()) };
    crate::tenants::listed(&tenants).await;
    let found = tenants.health();
    tenants.stop();
    Ok(found)
}

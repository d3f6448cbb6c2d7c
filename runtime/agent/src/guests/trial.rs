//! A module is tried before it polls: on instances of this host as they were last recorded, under its limits, with nothing published
//! and nothing remembered.

use std::sync::Arc;

use inspector::{Instance, Power};
use sandbox::state::State;
use sandbox::{Guest, Outcome};

/// Instances that a module is tried on at most.
pub(crate) const INSTANCES: usize = 8;

/// What a module did on trial that a poll must not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the instance {instance}: {what}")]
pub struct Misconduct {
    /// The guest.
    pub guest: String,
    /// The instance that it polled.
    pub instance: String,
    /// A trap, a limit, or a sample that is refused.
    pub what: String,
}

/// Those of a host's instances that show most: of each power state some, running ones first.
pub(crate) fn choose(instances: &[Arc<Instance>]) -> Vec<Arc<Instance>> {
    let running = |instance: &&Arc<Instance>| instance.power == Power::Running;
    let (most, others) = (instances.iter().filter(running), instances.iter().filter(|one| !running(one)));
    // A quarter is kept for those that do not run: readings that are missing are what meters stumble over.
    let kept = others.clone().count().min(INSTANCES / 4);
    let mut chosen: Vec<_> = most.take(INSTANCES - kept).cloned().collect();
    chosen.extend(others.take(INSTANCES - chosen.len()).cloned());
    chosen
}

/// Polls each instance twice, so that a guest that remembers its last poll is tried with something to remember.
pub(crate) fn pass(guest: &Guest, instances: &[Arc<Instance>]) -> Result<(), Misconduct> {
    let state = Arc::<State>::default();
    let mut session = guest.session(&state).keeping_log();
    for instance in instances.iter().chain(instances) {
        let what = match session.poll(instance) {
            Outcome::Failed(failure) if failure.is_misconduct() => failure.to_string(),
            Outcome::Samples { refused, .. } if !refused.is_empty() => {
                format!("a sample is refused: {}", refused[0])
            }
            _ => continue,
        };
        let instance = instance.identity.uuid.clone();
        return Err(Misconduct { guest: guest.name().to_owned(), instance, what });
    }
    Ok(())
}

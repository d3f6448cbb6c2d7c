//! What a module goes through before it polls anything: who made it, what it is, what it wants, what it declares, what it does.
//!
//! Every step refuses by name, and nothing of a module that is refused by one step is tried by the next. None of it is in the way of polls.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Grant, Pipeline, REPORT_STOPPED, Stopped};
use inspector::{Groups, Instance};
use sandbox::{Capability, Engine, Guest, Isolation, LoadError, Module, Spec};

use trust::{Identity, Trust, signature};

use super::Guests;
use super::generation::{PlannedMeter, meters};
use super::limits::limits;
use super::trial::{self, Misconduct};
use trust::Sha256;

/// A module as it is put before the gate.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Where it came from, for messages.
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha256: Sha256,
    pub(crate) signature: Option<Vec<u8>>,
    /// Whether the operator has vouched for its digest.
    pub(crate) vouched: bool,
}

impl Candidate {
    /// A module, for which nobody has vouched yet.
    pub(crate) fn new(path: PathBuf, bytes: Vec<u8>, signature: Option<Vec<u8>>) -> Self {
        Self { path, sha256: Sha256::of(&bytes), bytes, signature, vouched: false }
    }

    /// Reads a module as it lies there, with the signature beside it.
    pub(crate) fn read(path: &Path) -> Result<Self, LoadError> {
        let bytes = sandbox::module::bytes(path)?;
        // One that is there and cannot be read must not count as none: it is refused as what it then looks like.
        let signature = signature::beside(path).unwrap_or_else(|_| Some(Vec::new()));
        Ok(Self::new(path.to_owned(), bytes, signature))
    }
}

/// A module that passed.
pub(crate) struct Admitted {
    pub(crate) guest: Guest,
    pub(crate) meters: Vec<PlannedMeter>,
    pub(crate) sha256: Sha256,
    pub(crate) signer: Option<String>,
}

/// Why a module is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not trusted.
    #[error("the module of guest {guest} may not run: {refusal}")]
    Untrusted {
        /// The guest.
        guest: String,
        /// What would be right.
        refusal: trust::Refusal,
    },
    /// It wants more than its signer may claim.
    #[error("guest {guest}: {excess}")]
    Claims {
        /// The guest.
        guest: String,
        /// What goes beyond.
        excess: trust::Excess,
    },
    /// What the sandbox says of it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Two guests would report one meter.
    #[error("guest {guest} declares the meter {meter}, which guest {owner} has already")]
    MeterTaken {
        /// The guest.
        guest: String,
        /// The meter.
        meter: String,
        /// Whose it is.
        owner: String,
    },
    /// A generation that was to come back is not there, or not what it was.
    #[error(
        "the module of generation {generation} of guest {guest}, {sha256}, is not in the state folder as it was"
    )]
    Lost {
        /// The guest.
        guest: String,
        /// The generation.
        generation: u32,
        /// The digest of its module.
        sha256: Sha256,
    },
    /// It failed where it was tried.
    #[error("guest {} failed on trial", .0.guest)]
    Trial(#[from] Misconduct),
}

/// What the gate compares with.
pub(crate) struct Gate<'a> {
    engine: &'a Engine,
    pipeline: &'a Pipeline,
    trust: Arc<Trust>,
}

impl<'a> Gate<'a> {
    pub(crate) fn new(guests: &'a Guests, pipeline: &'a Pipeline) -> Self {
        Self { engine: &guests.engine, pipeline, trust: guests.trust() }
    }

    /// Takes a module as a guest on these terms. `owner` says who else has a meter; `recorded` gives
    /// instances to try it on, with these groups of readings.
    pub(crate) fn admit(
        &self,
        described: &config::Guest,
        candidate: &Candidate,
        owner: impl Fn(&str) -> Option<String>,
        recorded: impl FnOnce(&Groups) -> Vec<Arc<Instance>>,
    ) -> Result<Admitted, Refusal> {
        let identity = self.judge(described, candidate)?;
        sandbox::world::check(&candidate.bytes, &candidate.path)?;
        let module = Module::compile(self.engine, &candidate.bytes, &candidate.path)?;
        let guest = Guest::of(self.engine, &module, self.spec(described))?;
        if let Some(key) = &identity.signer {
            let declared = guest.meters().iter().map(|meter| meter.name.as_str());
            let imported = guest.capabilities().iter().map(|capability| capability.as_str());
            key.claims(declared, imported)
                .map_err(|excess| Refusal::Claims { guest: described.name.clone(), excess })?;
        }
        if let Some((meter, owner)) =
            guest.meters().iter().find_map(|meter| Some((&meter.name, owner(&meter.name)?)))
        {
            return Err(Refusal::MeterTaken { guest: described.name.clone(), meter: meter.clone(), owner });
        }
        trial::pass(&guest, &recorded(&guest.groups()))?;
        let meters = meters(&guest);
        let signer = identity.signer.as_ref().map(|key| key.name.clone());
        Ok(Admitted { guest, meters, sha256: identity.sha256, signer })
    }

    /// Whether a module may run. An operator's word for its digest is a pin.
    fn judge(&self, described: &config::Guest, candidate: &Candidate) -> Result<Identity, Refusal> {
        let pin = described.sha256.as_ref().map(|pin| pin.value);
        let pin = pin.or_else(|| candidate.vouched.then_some(candidate.sha256));
        let identity = self
            .trust
            .judge(&candidate.bytes, candidate.signature.as_deref(), pin)
            .map_err(|refusal| Refusal::Untrusted { guest: described.name.clone(), refusal })?;
        if let Some(warning) = &identity.warning {
            tracing::warn!(guest = described.name, "{warning}");
        }
        Ok(identity)
    }

    fn spec(&self, described: &config::Guest) -> Spec {
        let mut settings = described.settings.clone();
        let stopped = (self.pipeline.polling.stopped == Stopped::Sizes).to_string();
        settings.entry(REPORT_STOPPED.to_owned()).or_insert(stopped);
        Spec {
            name: described.name.clone(),
            module: described.module.value.clone(),
            grants: described.grants.iter().map(|grant| capability(*grant)).collect(),
            limits: limits(&described.limits),
            settings,
            isolation: match described.isolation {
                config::Isolation::Poll => Isolation::Poll,
                config::Isolation::Cycle => Isolation::Cycle,
            },
        }
    }
}

/// Grants that a guest has and does not import.
pub(crate) fn unused_grants(grants: &[Grant], imported: &BTreeSet<Capability>) -> Vec<Capability> {
    grants
        .iter()
        .map(|grant| capability(*grant))
        .filter(|capability| !imported.contains(capability))
        .collect()
}

const fn capability(grant: Grant) -> Capability {
    match grant {
        Grant::Instance => Capability::Instance,
        Grant::Memory => Capability::Memory,
        Grant::Cpu => Capability::Cpu,
        Grant::Disks => Capability::Disks,
        Grant::Vnics => Capability::Vnics,
        Grant::Perf => Capability::Perf,
        Grant::RawStats => Capability::RawStats,
        Grant::DomainXml => Capability::DomainXml,
        Grant::State => Capability::State,
        Grant::Settings => Capability::Settings,
        Grant::Log => Capability::Log,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grant_is_the_capability_of_its_name() {
        for grant in Grant::all() {
            assert_eq!(grant.as_str(), capability(grant).as_str());
        }
    }
}

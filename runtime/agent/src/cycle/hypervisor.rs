//! A hypervisor that is polled, and what is remembered of its instances between cycles.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use config::{Names, Pipeline};
use inspector::{Groups, Identity, InspectError, Inspector, Instance, Power, Snapshot};
use nova::{TenantMetadata, user_metadata};
use sample::Metadata;
use serde_json::Value;

use crate::guests::generation::Id;
use crate::guests::roster::Polled;
use crate::guests::trial;
use crate::resource_metadata::resource_metadata;

/// Where what a tenant says of a server stands in its samples' metadata.
const USER_METADATA: &str = "user_metadata";

pub(super) struct Hypervisor {
    /// Its name in its samples.
    host: String,
    pub(super) inspector: Inspector,
    described: Mutex<HashMap<String, Described>>,
    /// Instances that a generation of a guest wants never to poll again.
    banned: Mutex<HashSet<(Id, String)>>,
    /// Some instances of the last snapshot, to try new modules on.
    recorded: Mutex<Option<Recorded>>,
}

struct Recorded {
    groups: Groups,
    instances: Vec<Arc<Instance>>,
    at: Instant,
}

/// How old a record may be before one of fewer readings takes its place.
const RECORD: Duration = Duration::from_secs(600);

/// What the samples of an instance share, as long as its identity and state are the same.
struct Described {
    identity: Arc<Identity>,
    power: Power,
    tenant: Option<Arc<nova::Metadata>>,
    owner: Owner,
    metadata: Arc<Metadata>,
}

/// Project, user and id of an instance, shared by its samples.
#[derive(Clone)]
pub(in crate::cycle) struct Owner {
    pub(in crate::cycle) id: Arc<str>,
    pub(in crate::cycle) project_id: Option<Arc<str>>,
    pub(in crate::cycle) user_id: Option<Arc<str>>,
    pub(in crate::cycle) project_name: Option<Arc<str>>,
    pub(in crate::cycle) user_name: Option<Arc<str>>,
}

/// What reads the hypervisor. Nothing is connected to before the first snapshot.
pub(crate) fn inspector(described: &config::Hypervisor) -> Result<Inspector, InspectError> {
    match &described.inspector {
        config::Inspector::Libvirt(settings) => Ok(Inspector::libvirt(settings.clone())),
        config::Inspector::Replay { snapshot } => Inspector::replay(&snapshot.value),
    }
}

impl Hypervisor {
    /// Nothing is connected to before the first snapshot.
    pub(super) fn new(described: &config::Hypervisor) -> Result<Self, InspectError> {
        Ok(Self {
            host: described.host.clone(),
            inspector: inspector(described)?,
            described: Mutex::default(),
            banned: Mutex::default(),
            recorded: Mutex::default(),
        })
    }

    /// Drops what is remembered of instances that left the hypervisor.
    pub(super) fn forget_gone(&self, polled: &Polled, snapshot: &Snapshot) {
        let read = snapshot.instances.iter().map(|instance| instance.identity.uuid.as_str());
        // Those that could not be read this time are not gone.
        let present: HashSet<&str> =
            read.chain(snapshot.left_out.iter().map(|left_out| left_out.uuid.as_str())).collect();
        lock(&self.described).retain(|uuid, _| present.contains(uuid.as_str()));
        lock(&self.banned).retain(|(_, uuid)| present.contains(uuid.as_str()));
        for selection in &polled.selections {
            selection.state.retain(&present);
        }
    }

    /// The instance's metadata and owner, made anew only where they changed.
    pub(super) fn describe(
        &self,
        instance: &Instance,
        pipeline: &Pipeline,
        tenants: Option<&TenantMetadata>,
    ) -> (Owner, Arc<Metadata>) {
        let identity = &instance.identity;
        // Who is not nova's is none that Nova could tell of.
        let tenant = tenants
            .filter(|_| identity.nova.is_some())
            .and_then(|tenants| tenants.get(&self.host, &identity.uuid));
        let mut cache = lock(&self.described);
        if let Some(known) = cache.get(&identity.uuid)
            && Arc::ptr_eq(&known.identity, identity)
            && known.power == instance.power
            && known.tenant.as_ref().map(Arc::as_ptr) == tenant.as_ref().map(Arc::as_ptr)
        {
            return (known.owner.clone(), Arc::clone(&known.metadata));
        }
        let mut fields = resource_metadata(identity, instance.power, &self.host);
        if let (Some(nova), Some(tenant)) = (&pipeline.nova, &tenant) {
            let reserved = user_metadata(&nova.reserved, tenant, |key| fields.contains_key(key));
            if !reserved.is_empty() {
                fields.insert(USER_METADATA.to_owned(), Value::Object(reserved));
            }
        }
        let metadata = Arc::new(Metadata::new(fields));
        let owner = Owner::of(identity, pipeline.polling.names);
        let described = Described {
            identity: Arc::clone(identity),
            power: instance.power,
            tenant,
            owner: owner.clone(),
            metadata: Arc::clone(&metadata),
        };
        cache.insert(identity.uuid.clone(), described);
        (owner, metadata)
    }

    /// Keeps some of a snapshot's instances to try new modules on.
    pub(super) fn record(&self, snapshot: &Snapshot) {
        let mut recorded = lock(&self.recorded);
        // A source that reads little must not take from a trial what another one has read.
        let stays = |old: &Recorded| !snapshot.groups.is_superset(&old.groups) && old.at.elapsed() < RECORD;
        if !recorded.as_ref().is_some_and(stays) {
            let (groups, instances) = (snapshot.groups.clone(), trial::choose(&snapshot.instances));
            *recorded = Some(Recorded { groups, instances, at: Instant::now() });
        }
    }

    /// Instances with these groups of readings: those of the last snapshot, or of one that is taken for it. None where the hypervisor does not
    /// answer.
    pub(super) fn recorded(&self, groups: &Groups) -> Vec<Arc<Instance>> {
        let fits =
            |recorded: &&Recorded| recorded.groups.is_superset(groups) && !recorded.instances.is_empty();
        if let Some(recorded) = lock(&self.recorded).as_ref().filter(fits) {
            return recorded.instances.clone();
        }
        match self.inspector.snapshot(groups) {
            Ok(snapshot) => trial::choose(&snapshot.instances),
            Err(error) => {
                tracing::warn!(host = self.host, "no instance to try a new module on: {error}");
                Vec::new()
            }
        }
    }

    /// Never polls this instance with this generation again.
    pub(super) fn ban(&self, guest: Id, uuid: &str) {
        lock(&self.banned).insert((guest, uuid.to_owned()));
    }

    pub(super) fn is_banned(&self, guest: Id, uuid: &str) -> bool {
        let banned = lock(&self.banned);
        !banned.is_empty() && banned.contains(&(guest, uuid.to_owned()))
    }
}

impl Owner {
    fn of(identity: &Identity, names: Names) -> Self {
        let shared = |text: &Option<String>| text.as_deref().map(Into::into);
        let nova = identity.nova.as_ref().filter(|_| names == Names::Both);
        Self {
            id: identity.uuid.as_str().into(),
            project_id: shared(&identity.project_id),
            user_id: shared(&identity.user_id),
            project_name: nova.and_then(|nova| shared(&nova.project_name)),
            user_name: nova.and_then(|nova| shared(&nova.user_name)),
        }
    }
}

// What the locks guard is a cache or a set: whole after every operation, also where a thread panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

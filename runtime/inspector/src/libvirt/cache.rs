//! The identities of the instances, by UUID.
//!
//! An entry holds while the instance's run is the same (libvirt numbers the runs of a domain anew at each start), no event told
//! of a change, and it is not too old. What an entry was made from is compared with what comes in its place: where the XML is
//! the same, so is the `Arc`.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain_xml::{self, Known};
use crate::error::chain;
use crate::ffi::Changed;
use crate::identity::Identity;
use crate::settings::Settings;

/// The identities.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: BTreeMap<Arc<str>, Entry>,
    /// Spreads the refreshes, so that a host's XML is not read all at once.
    spread: RandomState,
}

#[derive(Debug)]
struct Entry {
    run: Option<u32>,
    due: Instant,
    /// Or why the XML was refused: it is not parsed again before it may have changed.
    identity: Result<Arc<Identity>, String>,
}

impl Cache {
    /// Drops what events told of.
    pub(super) fn changed(&mut self, changed: &Changed, now: Instant) {
        match changed {
            Changed::All => self.entries.values_mut().for_each(|entry| entry.due = now),
            Changed::These(uuids) => uuids.iter().for_each(|uuid| self.suspect(uuid, now)),
        }
    }

    /// The instance's XML is to be read anew.
    pub(super) fn suspect(&mut self, uuid: &str, now: Instant) {
        if let Some(entry) = self.entries.get_mut(uuid) {
            entry.due = now;
        }
    }

    /// Whether the instance's XML must be read for this run of it.
    pub(super) fn is_due(&self, uuid: &str, run: Option<u32>, now: Instant) -> bool {
        self.entries.get(uuid).is_none_or(|entry| entry.run != run || entry.due <= now)
    }

    /// Takes the XML of this name and run of the instance; it holds for the refresh period at most.
    pub(super) fn learn(
        &mut self,
        settings: &Settings,
        refresh: Duration,
        uuid: &Arc<str>,
        (name, run): (&str, Option<u32>),
        xml: String,
        now: Instant,
    ) {
        let due = now + self.period(uuid, refresh);
        let old = self.entries.remove(uuid).and_then(|entry| entry.identity.ok());
        let identity = match old {
            Some(old) if old.xml == xml && old.name == name => Ok(old),
            _ => parsed(settings, uuid, name, xml).map(Arc::new),
        };
        self.entries.insert(Arc::clone(uuid), Entry { run, due, identity });
    }

    /// The instance's identity, where its XML could be read.
    pub(super) fn get(&self, uuid: &str) -> Option<&Arc<Identity>> {
        self.entries.get(uuid)?.identity.as_ref().ok()
    }

    /// Why there is no identity, in words.
    pub(super) fn why_not(&self, uuid: &str) -> String {
        match self.entries.get(uuid).map(|entry| &entry.identity) {
            Some(Err(why)) => why.clone(),
            Some(Ok(_)) | None => "its XML could not be read".to_owned(),
        }
    }

    /// Forgets the instances that are gone.
    pub(super) fn keep_only(&mut self, exists: impl Fn(&str) -> bool) {
        self.entries.retain(|uuid, _| exists(uuid));
    }

    /// How long an entry holds: between half of the refresh period and the whole.
    fn period(&self, uuid: &str, refresh: Duration) -> Duration {
        let half = refresh / 2;
        let steps = 1024;
        let step = u32::try_from(self.spread.hash_one(uuid) % u64::from(steps)).unwrap_or(0);
        half + half / steps * step
    }
}

fn parsed(settings: &Settings, uuid: &str, name: &str, xml: String) -> Result<Identity, String> {
    let known = Known {
        uuid,
        name,
        default_project: settings.default_project.as_deref(),
        default_user: settings.default_user.as_deref(),
    };
    domain_xml::identity(xml, known).map_err(|error| {
        let why = chain(&error);
        tracing::warn!(uuid, name, error = why, "an instance is left out: its XML is refused");
        why
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const UUID: &str = "b9c03180-1f4e-4f8a-9c0d-2f0c5f3f8a11";

    fn xml(inner: &str) -> String {
        format!("<domain><uuid>{UUID}</uuid>{inner}</domain>")
    }

    fn learn(cache: &mut Cache, run: Option<u32>, xml: String, now: Instant) {
        let settings = Settings::default();
        cache.learn(&settings, settings.xml_refresh, &Arc::from(UUID), ("vm", run), xml, now);
    }

    #[test]
    fn an_entry_holds_until_the_run_changes_an_event_comes_or_it_is_old() {
        let mut cache = Cache::default();
        let now = Instant::now();
        assert!(cache.is_due(UUID, Some(1), now), "unknown");
        learn(&mut cache, Some(1), xml(""), now);
        assert!(!cache.is_due(UUID, Some(1), now));
        assert!(cache.is_due(UUID, Some(2), now), "started anew");
        assert!(cache.is_due(UUID, None, now), "shut off");
        let refresh = Settings::default().xml_refresh;
        assert!(!cache.is_due(UUID, Some(1), now + refresh / 3));
        assert!(cache.is_due(UUID, Some(1), now + refresh));
        cache.changed(&Changed::These(BTreeSet::from(["other".to_owned()])), now);
        assert!(!cache.is_due(UUID, Some(1), now));
        cache.changed(&Changed::These(BTreeSet::from([UUID.to_owned()])), now);
        assert!(cache.is_due(UUID, Some(1), now));
    }

    #[test]
    fn the_same_xml_keeps_the_same_identity() {
        let mut cache = Cache::default();
        let now = Instant::now();
        learn(&mut cache, Some(1), xml(""), now);
        let first = Arc::clone(cache.get(UUID).unwrap());
        cache.changed(&Changed::All, now);
        assert!(cache.is_due(UUID, Some(1), now));
        learn(&mut cache, Some(1), xml(""), now);
        assert!(Arc::ptr_eq(&first, cache.get(UUID).unwrap()));
        learn(&mut cache, Some(1), xml("<os/>"), now);
        assert!(!Arc::ptr_eq(&first, cache.get(UUID).unwrap()));
    }

    #[test]
    fn a_refused_xml_is_remembered_as_refused() {
        let mut cache = Cache::default();
        let now = Instant::now();
        learn(&mut cache, None, "<domain/>".to_owned(), now);
        assert!(cache.get(UUID).is_none());
        assert!(cache.why_not(UUID).contains("UUID"), "{}", cache.why_not(UUID));
        assert!(!cache.is_due(UUID, None, now), "not parsed again in every cycle");
        learn(&mut cache, None, "<domain".to_owned(), now);
        let (why, cause) = (cache.why_not(UUID), roxmltree::Document::parse("<domain").unwrap_err());
        assert!(why.ends_with(&cause.to_string()), "{why}");
        cache.keep_only(|_| false);
        assert!(cache.is_due(UUID, None, now));
    }
}

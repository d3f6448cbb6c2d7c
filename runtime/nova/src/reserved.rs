//! Which of a server's metadata its samples carry: Ceilometer's `reserved_metadata_*`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Ceilometer's `[DEFAULT]reserved_metadata_length`.
pub const LENGTH: usize = 256;

/// Which metadata is a sample's, in Ceilometer's names and with its defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// `reserved_metadata_namespace`: keys that begin with one of these, which is cut off.
    pub namespace: Vec<String>,
    /// `reserved_metadata_keys`: keys besides, whole.
    pub keys: Vec<String>,
    /// `reserved_metadata_length`: characters of a value that are kept.
    pub length: usize,
}

impl Default for Reserved {
    fn default() -> Self {
        Self { namespace: vec!["metering.".into()], keys: Vec::new(), length: LENGTH }
    }
}

impl Reserved {
    /// Whether a key of a server's metadata is one of these.
    pub fn has(&self, key: &str) -> bool {
        self.namespace.iter().any(|prefix| key.starts_with(prefix.as_str()))
            || self.keys.iter().any(|reserved| reserved == key)
    }
}

/// A sample's `user_metadata`, as Ceilometer's `add_reserved_user_metadata` makes it of a server's metadata; where it is empty,
/// the sample has none. `taken` says whether the sample's metadata has a key already, which is then left out.
///
/// Prefixes come in their order, then keys in theirs, and what comes later under the same name wins. The one freedom: within a prefix
/// Ceilometer takes keys in the order of Nova's answer, and here they are sorted.
pub fn user_metadata(
    reserved: &Reserved,
    tenant: &BTreeMap<String, String>,
    taken: impl Fn(&str) -> bool,
) -> Map<String, Value> {
    let mut kept = Map::new();
    let mut keep = |name: &str, value: &str| {
        let name = name.replace('.', "_");
        if !taken(&name) {
            kept.insert(name, Value::String(value.chars().take(reserved.length).collect()));
        }
    };
    for prefix in &reserved.namespace {
        for (key, value) in tenant {
            if let Some(name) = key.strip_prefix(prefix.as_str()) {
                keep(name, value);
            }
        }
    }
    for key in &reserved.keys {
        if let Some(value) = tenant.get(key) {
            keep(key, value);
        }
    }
    kept
}

//! Mappings with known keys.
//!
//! Every mapping of a file has a [`Section`]: a table of its keys with type, default and meaning. The decoder refuses what
//! the table does not have, and `docs/configuration.md` is made from it.

use std::path::{Path, PathBuf};

use crate::fault::{shown, shown_key};
use crate::yaml::{Entry, Node, Value};
use crate::{Faults, Place};

/// How like a known key an unknown one must be (Jaro–Winkler) to be taken for a misspelling of it.
const ALIKE: f64 = 0.82;

/// How long a part of a known key must be, in bytes, to stand for it.
const LEAST_PART: usize = 4;

/// One key of a [`Section`].
#[derive(Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// The type of its value, in words.
    pub kind: &'static str,
    /// What holds where it is absent, as it would be written; empty where that is nothing.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// A mapping of a configuration file.
#[derive(Debug)]
pub struct Section {
    /// What the mapping is, with its article: "a source".
    pub title: &'static str,
    /// Where it stands in a file: `sources[]`.
    pub path: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// A row of a [`Section`].
pub(crate) const fn key(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, kind, default, meaning }
}

/// What is done with keys that a section does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Refuse,
    /// Ceilometer reads over them in its own files, so they are warnings there.
    Warn,
}

/// What a file is decoded with: where faults go, and where relative paths begin.
pub(crate) struct Decoder<'a> {
    pub faults: &'a mut Faults,
    pub folder: &'a Path,
}

impl Decoder<'_> {
    /// Notes what was expected in place of a node.
    pub fn expected<T>(&mut self, what: &str, node: &Node) -> Option<T> {
        let found = match &node.value {
            Value::Scalar(text) => shown(text),
            _ => node.kind().to_owned(),
        };
        self.faults.error(&node.place, format!("expected {what}, found {found}"));
        None
    }

    /// A path as the file means it: relative ones begin at the file's own folder.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The elements of a list, as far as they can be read. None where it is no list, or empty.
    pub fn list<T>(
        &mut self,
        node: &Node,
        what: &str,
        mut each: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Sequence(items) = &node.value else {
            return self.expected(&format!("a list of {what}"), node);
        };
        if items.is_empty() {
            self.faults.error(&node.place, format!("an empty list: at least one of {what} is needed"));
            return None;
        }
        Some(items.iter().filter_map(|item| each(self, item)).collect())
    }
}

/// A mapping that is being decoded.
#[derive(Clone, Copy)]
pub(crate) struct Map<'n> {
    section: &'static Section,
    entries: &'n [Entry],
    /// Where the mapping begins.
    pub place: &'n Place,
}

impl<'n> Map<'n> {
    /// A node as this section; keys that it does not have are noted.
    pub fn open(
        d: &mut Decoder<'_>,
        node: &'n Node,
        section: &'static Section,
        unknown: Unknown,
    ) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            // Not quoted: it may be a secret whose key lacks the space after its colon.
            let found = node.kind();
            d.faults.error(&node.place, format!("expected {} (a mapping), found {found}", section.title));
            return None;
        };
        for entry in entries {
            if section.keys.iter().any(|key| key.name == entry.key) {
                continue;
            }
            let message = format!(
                "unknown key {} in {}; {}",
                shown_key(&entry.key),
                section.title,
                meant(&entry.key, section.keys.iter().map(|key| key.name))
            );
            match unknown {
                Unknown::Refuse => d.faults.error(&entry.place, message),
                Unknown::Warn => d.faults.warning(&entry.place, format!("{message} (ignored)")),
            }
        }
        Some(Self { section, entries, place: &node.place })
    }

    /// The section of this key; an absent one has no keys. None where it is no mapping.
    pub fn section(&self, d: &mut Decoder<'_>, name: &str, section: &'static Section) -> Option<Self> {
        match self.get(name) {
            Some(node) => Self::open(d, node, section, Unknown::Refuse),
            None => Some(Self { section, entries: &[], place: self.place }),
        }
    }

    /// The value of a key; one without a value counts as absent.
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        debug_assert!(self.section.keys.iter().any(|key| key.name == name), "{name} is not in the table");
        self.entries
            .iter()
            .find(|entry| entry.key == name)
            .map(|entry| &entry.node)
            .filter(|node| !node.is_null())
    }

    /// The value of a key, `null` included: in a change it removes something.
    pub fn given(&self, name: &str) -> Option<&'n Node> {
        debug_assert!(self.section.keys.iter().any(|key| key.name == name), "{name} is not in the table");
        self.entries.iter().find(|entry| entry.key == name).map(|entry| &entry.node)
    }

    /// Whether a key has a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Notes those of `keys` that have a value: where `beside` has one too, nobody reads it.
    pub fn idle(&self, d: &mut Decoder<'_>, keys: &[&str], beside: &str) {
        for key in keys {
            if let Some(node) = self.get(key) {
                d.faults.warning(&node.place, format!("`{key}` has no effect beside `{beside}`"));
            }
        }
    }

    /// The value of a key that must be there.
    pub fn required<T>(
        &self,
        d: &mut Decoder<'_>,
        name: &str,
        read: impl FnOnce(&mut Decoder<'_>, &Node) -> Option<T>,
    ) -> Option<T> {
        match self.get(name) {
            Some(node) => read(d, node),
            None => {
                // A misspelt key is one fault, not two.
                let keys = || self.section.keys.iter().map(|key| key.name);
                let unknown = |entry: &&Entry| keys().all(|key| key != entry.key);
                let misspelt = self
                    .entries
                    .iter()
                    .filter(unknown)
                    .any(|entry| closest(&entry.key, keys()) == Some(name));
                if !misspelt {
                    d.faults.error(self.place, format!("{} needs the key `{name}`", self.section.title));
                }
                None
            }
        }
    }

    /// The value of a key that may be absent.
    pub fn optional<T>(
        &self,
        d: &mut Decoder<'_>,
        name: &str,
        read: impl FnOnce(&mut Decoder<'_>, &Node) -> Option<T>,
    ) -> Option<T> {
        read(d, self.get(name)?)
    }

    /// Puts the value of a key in place of its default, where there is one.
    pub fn set<T>(
        &self,
        d: &mut Decoder<'_>,
        name: &str,
        setting: &mut T,
        read: impl FnOnce(&mut Decoder<'_>, &Node) -> Option<T>,
    ) {
        if let Some(value) = self.optional(d, name, read) {
            *setting = value;
        }
    }
}

/// The advice after an unknown word: the known one that it most resembles, or all of them.
pub(crate) fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match closest(word, known.clone()) {
        Some(best) => format!("did you mean `{best}`?"),
        None => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The known word that an unknown one resembles, or is a part of (`durable` of `amqp_durable_queues`).
fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let likeness = |other: &str| strsim::jaro_winkler(&word, &other.replace('-', "_"));
    let best = known.clone().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    if likeness(best) >= ALIKE {
        return Some(best);
    }
    let mut parts = known.filter(|other| word.len() >= LEAST_PART && other.contains(&word));
    match (parts.next(), parts.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

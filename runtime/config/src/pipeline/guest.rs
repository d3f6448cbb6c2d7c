//! Guests: modules, what they may read and how much they may use.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use trust::Sha256;

use super::{REPORT_STOPPED, Stopped};
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};
use crate::{Located, Place};

/// The most guests of one pipeline, those of its guest folder included; each holds compiled code and is called for every instance.
pub const MAX_GUESTS: usize = 256;

/// The most settings of one guest.
const MAX_SETTINGS: usize = 256;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A pollster: a WebAssembly component and its terms.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its name in logs, counters and on the command line; unique.
    pub name: String,
    /// The module's file; it could be read when the pipeline file was.
    pub module: Located<PathBuf>,
    /// The hash that the module must have, whatever the policy.
    pub sha256: Option<Located<Sha256>>,
    /// The interfaces of the contract that it may import, in the order of the file.
    pub grants: Located<Vec<Grant>>,
    /// Whether it gets a fresh instance for each poll.
    pub isolation: Isolation,
    /// What it may use, where it differs from the sandbox's defaults.
    pub limits: LimitOverrides,
    /// Its own settings, which it reads through the interface `settings`.
    pub settings: BTreeMap<String, String>,
    /// Where it stands.
    pub place: Place,
}

impl Guest {
    /// Whether it may ask for readings of instances that are shut off: by its own setting, else by the pipeline's.
    pub(super) fn reports_stopped(&self, common: Stopped) -> bool {
        self.settings
            .get(REPORT_STOPPED)
            .map_or(common == Stopped::Sizes, |own| own.eq_ignore_ascii_case("true"))
    }
}

/// An interface of the guests' contract that a guest may be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the contract documents its interfaces")]
pub enum Grant {
    Instance,
    Memory,
    Cpu,
    Disks,
    Vnics,
    Perf,
    RawStats,
    DomainXml,
    State,
    Settings,
    Log,
}

/// Grants by the interfaces' names, in the order of the contract.
const GRANTS: &[(&str, Grant)] = &[
    ("instance", Grant::Instance),
    ("memory", Grant::Memory),
    ("cpu", Grant::Cpu),
    ("disks", Grant::Disks),
    ("vnics", Grant::Vnics),
    ("perf", Grant::Perf),
    ("raw-stats", Grant::RawStats),
    ("domain-xml", Grant::DomainXml),
    ("state", Grant::State),
    ("settings", Grant::Settings),
    ("log", Grant::Log),
];

impl Grant {
    /// Every grant, in the order of the contract.
    pub fn all() -> impl Iterator<Item = Self> {
        GRANTS.iter().map(|(_, grant)| *grant)
    }

    /// The interface's name: `raw-stats`.
    pub fn as_str(self) -> &'static str {
        GRANTS.iter().find(|(_, grant)| *grant == self).map_or("", |(name, _)| name)
    }
}

/// How long an instance of a guest lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// For one poll: it carries nothing from one instance to the next.
    #[default]
    Poll,
    /// For one cycle: faster, for guests that are trusted.
    Cycle,
}

const ISOLATIONS: &[(&str, Isolation)] = &[("poll", Isolation::Poll), ("cycle", Isolation::Cycle)];

/// Limits of a guest that the file sets; the sandbox has a default for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    /// Linear memory, in bytes.
    pub memory: Option<usize>,
    /// Elements of all tables.
    pub table: Option<usize>,
    /// Computing time of one poll.
    pub cpu: Option<Duration>,
    /// Samples of one poll.
    pub samples: Option<usize>,
    /// Bytes of the texts in the samples of one poll.
    pub sample_bytes: Option<usize>,
    /// Bytes that the host copies out of the guest in one call.
    pub host_bytes: Option<usize>,
    /// Bytes of log lines of one poll.
    pub log_bytes: Option<usize>,
    /// Bytes that it may remember per instance.
    pub state_bytes: Option<usize>,
    /// Polls that may fail in one cycle before the guest is set aside until the next.
    pub failures_per_cycle: Option<u32>,
}

pub(crate) static GUEST: Section = Section {
    title: "a guest",
    path: "guests[]",
    about: "A pollster, as a WebAssembly component.",
    keys: &[
        key("name", "name", "", "Required. Its name in logs and on the command line; unique."),
        key("module", "path", "", "Required. The component's file."),
        key(
            "sha256",
            "text",
            "",
            "A pin: the module must have this sha256, in every policy of `trust`, and needs nothing else in the default one.",
        ),
        key(
            "grants",
            "list of words",
            "",
            "Required. The interfaces that it may import: instance, memory, cpu, disks, vnics, perf, raw-stats, domain-xml, state, \
             settings, log. A module that imports more is refused.",
        ),
        key(
            "isolation",
            "word",
            "poll",
            "`poll`: a fresh instance for each poll, which carries nothing from one tenant to the next. `cycle`: one for each cycle, \
             faster, for guests that you trust.",
        ),
        key("limits", "mapping", "", "What it may use."),
        key("settings", "mapping of texts", "", "Its own settings, for the interface `settings`."),
    ],
};

pub(crate) static LIMITS: Section = Section {
    title: "the limits",
    path: "guests[].limits",
    about: "What a guest may use; what passes a limit costs that one poll.",
    keys: &[
        key("memory", "size", "64MiB", "Linear memory; at most 256MiB."),
        key("table", "number", "20000", "Elements of all tables; at most 40000."),
        key("cpu", "duration", "50ms", "Computing time of one poll."),
        key("samples", "number", "1000", "Samples of one poll."),
        key("sample_bytes", "size", "256KiB", "Texts in the samples of one poll."),
        key("host_bytes", "size", "1MiB", "What the host copies out of the guest in one call."),
        key(
            "log_bytes",
            "size",
            "16KiB",
            "Log lines of one poll, stdout and stderr included; the rest is cut off.",
        ),
        key("state_bytes", "size", "64KiB", "What it may remember for each instance."),
        key(
            "failures_per_cycle",
            "number",
            "5",
            "Polls that may fail in a cycle before the guest is set aside until the next.",
        ),
    ],
};

pub(super) fn guest(d: &mut Decoder<'_>, node: &Node) -> Option<Guest> {
    let map = Map::open(d, node, &GUEST, Unknown::Refuse)?;
    let name = map.required(d, "name", value::name);
    let module = map.required(d, "module", |d, node| {
        Some(Located { value: value::readable(d, node)?, place: node.place.clone() })
    });
    let sha256 = map.optional(d, "sha256", sha256);
    let grants = map.required(d, "grants", grants);
    let mut isolation = Isolation::default();
    map.set(d, "isolation", &mut isolation, self::isolation);
    let limits = limits(d, &map);
    let settings = map.optional(d, "settings", settings).unwrap_or_default();
    let granted = |grant| grants.as_ref().is_some_and(|grants| grants.contains(&grant));
    if let (Some(node), false) = (map.get("settings"), granted(Grant::Settings))
        && grants.is_some()
    {
        d.faults.warning(&node.place, "these settings cannot be read: `settings` is not among the grants");
    }
    // A pin that cannot be read must not become none.
    let pinned = sha256.is_some() == map.has("sha256");
    Some(Guest {
        name: name?,
        module: module.filter(|_| pinned)?,
        sha256,
        grants: grants?,
        isolation,
        limits,
        settings,
        place: node.place.clone(),
    })
}

fn sha256(d: &mut Decoder<'_>, node: &Node) -> Option<Located<Sha256>> {
    let value = value::text(d, node)?.parse().ok();
    let value =
        value.or_else(|| d.expected("a sha256 of 64 hexadecimal digits (`sha256sum MODULE`)", node))?;
    Some(Located { value, place: node.place.clone() })
}

pub(super) fn isolation(d: &mut Decoder<'_>, node: &Node) -> Option<Isolation> {
    value::word(ISOLATIONS)(d, node)
}

/// The list may be empty: a guest that reads nothing is of little use, but harmless.
pub(super) fn grants(d: &mut Decoder<'_>, node: &Node) -> Option<Located<Vec<Grant>>> {
    let Value::Sequence(items) = &node.value else { return d.expected("a list of grants", node) };
    let mut value: Vec<Grant> = Vec::new();
    for item in items {
        let Some(grant) = value::word(GRANTS)(d, item) else { continue };
        if value.contains(&grant) {
            d.faults.warning(&item.place, format!("`{}` is granted twice", grant.as_str()));
        } else {
            value.push(grant);
        }
    }
    Some(Located { value, place: node.place.clone() })
}

/// The limits of a guest of which nothing else is known.
pub(crate) fn limits_of(d: &mut Decoder<'_>, node: &Node) -> Option<LimitOverrides> {
    let map = Map::open(d, node, &GUEST, Unknown::Refuse)?;
    Some(limits(d, &map))
}

pub(crate) fn limits(d: &mut Decoder<'_>, guest: &Map<'_>) -> LimitOverrides {
    let Some(map) = guest.section(d, "limits", &LIMITS) else { return LimitOverrides::default() };
    LimitOverrides {
        // The ceilings of memory and tables are the sizes of the sandbox's pool.
        memory: map.optional(d, "memory", value::size(64 * KIB, 256 * MIB)),
        table: map.optional(d, "table", value::number(0, 40_000)),
        cpu: map.optional(d, "cpu", value::duration(Duration::from_millis(1), Duration::from_secs(10))),
        samples: map.optional(d, "samples", value::number(1, 100_000)),
        sample_bytes: map.optional(d, "sample_bytes", value::size(KIB, 16 * MIB)),
        host_bytes: map.optional(d, "host_bytes", value::size(KIB, 64 * MIB)),
        log_bytes: map.optional(d, "log_bytes", value::size(0, MIB)),
        state_bytes: map.optional(d, "state_bytes", value::size(0, 16 * MIB)),
        failures_per_cycle: map.optional(d, "failures_per_cycle", value::number(1, 1_000_000)),
    }
}

pub(crate) fn settings(d: &mut Decoder<'_>, node: &Node) -> Option<BTreeMap<String, String>> {
    let Value::Mapping(entries) = &node.value else { return d.expected("a mapping of settings", node) };
    if entries.len() > MAX_SETTINGS {
        d.faults.error(&node.place, format!("{} settings; at most {MAX_SETTINGS}", entries.len()));
        return None;
    }
    let mut settings = BTreeMap::new();
    for entry in entries {
        // A setting without a value is one that is empty: the guest can tell it from one that is absent.
        let text =
            if entry.node.is_null() { Some(String::new()) } else { value::text_or_empty(d, &entry.node) };
        if let Some(text) = text {
            settings.insert(entry.key.clone(), text);
        }
    }
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grant_has_its_own_name() {
        let names: std::collections::BTreeSet<_> = Grant::all().map(Grant::as_str).collect();
        assert_eq!(names.len(), 11);
        assert!(!names.contains(""));
    }
}

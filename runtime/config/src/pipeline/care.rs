//! How a running agent cares for its guests: the folder where new ones are put, how they are swapped, when they are set aside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::guest::{self, Grant, Guest, Isolation, LimitOverrides};
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::yaml::Node;
use crate::{Located, Place, value};

/// The ending of a module's name in a guest folder.
const MODULE: &str = "wasm";

/// A folder whose modules are guests, beside those that the file names.
#[derive(Clone, Debug)]
pub struct GuestFolder {
    /// The folder; it is there.
    pub path: PathBuf,
    /// What each of them may import.
    pub grants: Located<Vec<Grant>>,
    /// Whether they get a fresh instance for each poll.
    pub isolation: Isolation,
    /// What each of them may use, where it differs from the sandbox's defaults.
    pub limits: LimitOverrides,
    /// Where it stands.
    pub place: Place,
}

impl GuestFolder {
    /// The name of the guest whose module this path is: `disk-fill` of `disk-fill.wasm`. None where it is no module, or no name.
    pub fn name_of(&self, path: &Path) -> Option<String> {
        let is_module =
            path.parent() == Some(&self.path) && path.extension().is_some_and(|end| end == MODULE);
        let name = path.file_stem()?.to_str()?;
        (is_module && value::is_name(name) && !name.starts_with('.')).then(|| name.to_owned())
    }

    /// The module of a guest.
    pub fn module_of(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{MODULE}"))
    }

    /// A guest of the folder, as if the file had it.
    pub fn guest(&self, name: &str) -> Guest {
        Guest {
            name: name.to_owned(),
            module: Located { value: self.module_of(name), place: self.place.clone() },
            grants: self.grants.clone(),
            sha256: None,
            isolation: self.isolation,
            limits: self.limits.clone(),
            settings: BTreeMap::new(),
            place: self.place.clone(),
        }
    }
}

/// How a new module takes an old one's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// How long a file must not have changed before it is read.
    pub debounce: Duration,
    /// How long a new generation is on probation; at least two cycles.
    pub probation: Duration,
    /// How many polls may trap, pass a limit or return a sample that is refused in that time, before the old generation comes back.
    pub failures: u32,
    /// How many good generations of a guest are kept.
    pub keep: usize,
}

impl Default for Swap {
    fn default() -> Self {
        Self {
            debounce: Duration::from_millis(200),
            probation: Duration::from_secs(600),
            failures: 5,
            keep: 3,
        }
    }
}

/// When a guest that keeps failing is set aside, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// After how many cycles in a row in which it failed too often.
    pub cycles: u32,
    /// The first time; doubled each time.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

impl Default for SetAside {
    fn default() -> Self {
        Self { cycles: 3, first: Duration::from_secs(60), most: Duration::from_secs(3_600) }
    }
}

pub(crate) static FOLDER: Section = Section {
    title: "the section `guest_folder`",
    path: "guest_folder",
    about: "A folder whose modules are guests beside those of `guests`: `disk-fill.wasm` is the guest `disk-fill`. What is put there, replaced or taken away takes \
            effect in the running agent. With those of `guests` at most 256: the first by name.",
    keys: &[
        key(
            "path",
            "path",
            "",
            "Required. The folder; nobody whom you would not let run meters may write to it.",
        ),
        key("grants", "list of words", "", "Required. The interfaces that each of them may import."),
        key("isolation", "word", "poll", "As of a guest."),
        key("limits", "mapping", "", "As of a guest; for each of them."),
    ],
};

pub(crate) static SWAP: Section = Section {
    title: "the section `swap`",
    path: "swap",
    about: "How a new module takes an old one's place in a running agent.",
    keys: &[
        key(
            "debounce",
            "duration",
            "200ms",
            "How long a module's file must not have changed before it is read.",
        ),
        key(
            "probation",
            "duration",
            "10m",
            "How long a new generation is on probation, and at least two cycles. In that time the old one polls in its stead wherever it fails.",
        ),
        key(
            "failures",
            "number",
            "5",
            "Polls that may trap, pass a limit or return a sample that is refused during probation, before the old generation comes back for good.",
        ),
        key("keep", "number", "3", "Good generations that are kept of each guest, for `guest rollback`."),
    ],
};

pub(crate) static ASIDE: Section = Section {
    title: "the section `set_aside`",
    path: "set_aside",
    about: "When a guest that keeps failing is set aside. It is tried again after a time that doubles, with a random fifth more or less.",
    keys: &[
        key(
            "cycles",
            "number",
            "3",
            "Cycles in a row in which it reached its `failures_per_cycle`, or none of its polls succeeded.",
        ),
        key("first", "duration", "1m", "How long it is set aside the first time."),
        key("most", "duration", "1h", "How long at most."),
    ],
};

pub(super) fn folder(d: &mut Decoder<'_>, node: &Node) -> Option<GuestFolder> {
    let map = Map::open(d, node, &FOLDER, Unknown::Refuse)?;
    let path = map.required(d, "path", value::folder);
    let grants = map.required(d, "grants", guest::grants);
    let mut isolation = Isolation::default();
    map.set(d, "isolation", &mut isolation, guest::isolation);
    let limits = guest::limits(d, &map);
    Some(GuestFolder { path: path?, grants: grants?, isolation, limits, place: node.place.clone() })
}

pub(super) fn swap(d: &mut Decoder<'_>, file: &Map<'_>) -> Swap {
    let mut swap = Swap::default();
    if let Some(map) = file.section(d, "swap", &SWAP) {
        let day = Duration::from_secs(86_400);
        map.set(
            d,
            "debounce",
            &mut swap.debounce,
            value::duration(Duration::from_millis(1), Duration::from_secs(60)),
        );
        map.set(d, "probation", &mut swap.probation, value::duration(Duration::ZERO, day));
        map.set(d, "failures", &mut swap.failures, value::number(1, 1_000_000));
        map.set(d, "keep", &mut swap.keep, value::number(1, 100));
    }
    swap
}

pub(super) fn set_aside(d: &mut Decoder<'_>, file: &Map<'_>) -> SetAside {
    let mut aside = SetAside::default();
    if let Some(map) = file.section(d, "set_aside", &ASIDE) {
        let day = Duration::from_secs(86_400);
        map.set(d, "cycles", &mut aside.cycles, value::number(1, 1_000));
        map.set(d, "first", &mut aside.first, value::duration(Duration::from_millis(100), day));
        map.set(d, "most", &mut aside.most, value::duration(Duration::from_millis(100), day));
        if aside.most < aside.first {
            d.faults.error(map.place, "`most` is less than `first`");
        }
    }
    aside
}

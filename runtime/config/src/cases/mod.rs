//! Case files: tests of a guest as data, for `nephoscope guest test`.
//!
//! A case polls instances of recorded snapshots one after another, each changed as the case says, and says what must come of it. Volumes
//! are exact: the way a number is written is its type. What needs the snapshots (whether there is such an instance, or such a disk) is said
//! by [`Change::apply`] and by who runs the cases, at the places that are kept here.

mod change;
mod expect;
mod fields;
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use change::Change;
pub(crate) use expect::SAMPLE;
pub use expect::{Expect, Line, LogLevel, Sample, Skip};
pub(crate) use tables::{CHANGE, CPU, DISK, MEMORY, VCPU, VNIC};

use crate::pipeline::{self, LimitOverrides};
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};
use crate::{Faults, Loaded, Located, Place, file};

/// What a case file says.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// The file, as it was named.
    pub path: PathBuf,
    /// The component; none where the file leaves it to the command line.
    pub guest: Option<Located<PathBuf>>,
    /// What it may use, where that differs from the sandbox's defaults.
    pub limits: LimitOverrides,
    /// The cases, in the order of the file; at least one, names are unique.
    pub cases: Vec<Case>,
}

/// Polls one after another: what the guest remembers in `state` lasts from one to the next.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: Located<String>,
    /// The guest's settings: the file's, and the case's own over them.
    pub settings: BTreeMap<String, String>,
    /// At least one.
    pub polls: Vec<Poll>,
}

/// One poll, and what must come of it.
#[derive(Clone, Debug)]
pub struct Poll {
    /// Where the instance is taken from.
    pub snapshot: Located<Recorded>,
    /// The instance: UUID, libvirt's name or display name.
    pub instance: Located<String>,
    /// How long after the poll before it its readings were taken; none: as the snapshot says.
    pub after: Option<Duration>,
    /// What is changed of the instance first.
    pub change: Change,
    /// What must come; none: not yet written.
    pub expect: Option<Expect>,
    /// Lines that must be among those that the guest logs; an empty list: none may be. None: nothing is said about them.
    pub log: Option<Vec<Line>>,
    /// Words of each sample that must be refused, in their order.
    pub refused: Vec<String>,
    /// Where it stands.
    pub place: Place,
}

/// A recorded snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recorded {
    /// The example host.
    Example,
    /// The example host, five minutes on.
    ExampleLater,
    /// A file.
    File(PathBuf),
}

pub(crate) static FILE: Section = Section {
    title: "a case file",
    path: "",
    about: "Paths are relative to the file's own folder.",
    keys: &[
        key("guest", "path", "", "The component. Required, unless the command line names one (`--guest`)."),
        key("settings", "mapping of texts", "", "The guest's settings in every case."),
        key("limits", "mapping", "", "What the guest may use, as in a pipeline file."),
        key("cases", "list", "", "Required. The cases."),
    ],
};

pub(crate) static CASE: Section = Section {
    title: "a case",
    path: "cases[]",
    about: "Polls one after another; what the guest remembers in `state` lasts from one to the next, and no longer.",
    keys: &[
        key("name", "text", "", "Required. What the case shows; unique in its file."),
        key("settings", "mapping of texts", "", "The guest's settings, over those of the file."),
        key("polls", "list", "", "Required. The polls."),
    ],
};

pub(crate) static POLL: Section = Section {
    title: "a poll",
    path: "cases[].polls[]",
    about: "One instance, and what must come of it.",
    keys: &[
        key(
            "snapshot",
            "word, or path",
            "example",
            "`example`: a made-up host that is part of Nephoscope; `example-later`: the same host five minutes on; else the path of a \
             recording (`nephoscope snapshot record`).",
        ),
        key("instance", "text", "", "Required. Its UUID, libvirt's name or its display name."),
        key(
            "after",
            "duration",
            "",
            "How long after the poll before this one the readings were taken (`taken-at` of the contract); absent, as the snapshot \
             says. The first poll has none.",
        ),
        key("change", "mapping", "", "What is changed of the instance's readings first."),
        key(
            "expect",
            "list of samples, or mapping",
            "",
            "The samples that must come, in the guest's order, `[]` for none; or `{skipped: WORD}` with `not-found`, `shut-off`, \
             `unsupported` or `no-data`; `{failed: TEXT}` or `{permanent: TEXT}` with a text that must occur in the reason. A poll without \
             it fails, and shows what came: to be pasted here.",
        ),
        key(
            "log",
            "list of mappings",
            "",
            "Lines that must be among those that the guest logs, `{warn: TEXT}`, by level and a text that occurs in them. `[]`: nothing \
             may be logged.",
        ),
        key(
            "refused",
            "list of texts",
            "",
            "Of each sample that the runtime must refuse, in their order, a text that occurs in the reason. Absent: none may be.",
        ),
    ],
};

/// Reads a case file; neither the component nor a recording is opened.
///
/// # Errors
/// Every fault of the file.
pub fn load_cases(path: impl AsRef<Path>) -> Result<Loaded<CaseFile>, Faults> {
    let path = path.as_ref();
    let mut faults = Faults::default();
    let value = file::open(path, None, &mut faults).and_then(|root| {
        let mut d = Decoder { faults: &mut faults, folder: file::folder(path) };
        case_file(&mut d, &root, path)
    });
    Loaded::new(value, faults)
}

fn case_file(d: &mut Decoder<'_>, root: &Node, path: &Path) -> Option<CaseFile> {
    let map = Map::open(d, root, &FILE, Unknown::Refuse)?;
    let guest = map.optional(d, "guest", |d, node| located(node, value::path(d, node)));
    let settings = map.optional(d, "settings", pipeline::settings).unwrap_or_default();
    let limits = pipeline::limits(d, &map);
    let cases =
        map.required(d, "cases", |d, node| d.list(node, "cases", |d, node| case(d, node, &settings)))?;
    let names = cases.iter().map(|case| (case.name.as_str(), &case.name.place));
    pipeline::unique(d, "case", names);
    Some(CaseFile { path: path.to_owned(), guest, limits, cases })
}

fn case(d: &mut Decoder<'_>, node: &Node, common: &BTreeMap<String, String>) -> Option<Case> {
    let map = Map::open(d, node, &CASE, Unknown::Refuse)?;
    let name = map.required(d, "name", |d, node| located(node, value::text(d, node)));
    let mut settings = common.clone();
    settings.extend(map.optional(d, "settings", pipeline::settings).unwrap_or_default());
    let polls = map.required(d, "polls", |d, node| {
        let mut first = true;
        d.list(node, "polls", |d, node| poll(d, node, std::mem::take(&mut first)))
    });
    Some(Case { name: name?, settings, polls: polls? })
}

fn poll(d: &mut Decoder<'_>, node: &Node, first: bool) -> Option<Poll> {
    let map = Map::open(d, node, &POLL, Unknown::Refuse)?;
    let snapshot = match map.get("snapshot") {
        Some(node) => located(node, recorded(d, node)),
        None => Some(Located { value: Recorded::Example, place: map.place.clone() }),
    };
    let instance = map.required(d, "instance", |d, node| located(node, value::text(d, node)));
    let after = map.optional(d, "after", value::duration(Duration::ZERO, Duration::from_secs(366 * 86_400)));
    if let (true, Some(node)) = (first, map.get("after")) {
        d.faults.error(&node.place, "`after` counts from the poll before: the first one has none");
    }
    let change = map.optional(d, "change", change::change);
    let expect = map.optional(d, "expect", expect::expect);
    let log = map.optional(d, "log", expect::log);
    let refused = map.optional(d, "refused", |d, node| d.list(node, "texts", value::text));
    Some(Poll {
        snapshot: snapshot?,
        instance: instance?,
        after,
        change: change.unwrap_or_default(),
        expect,
        log,
        refused: refused.unwrap_or_default(),
        place: node.place.clone(),
    })
}

fn recorded(d: &mut Decoder<'_>, node: &Node) -> Option<Recorded> {
    let text = value::text(d, node)?;
    Some(match text.as_str() {
        "example" => Recorded::Example,
        "example-later" => Recorded::ExampleLater,
        path => Recorded::File(d.resolve(path)),
    })
}

fn located<T>(node: &Node, value: Option<T>) -> Option<Located<T>> {
    Some(Located { value: value?, place: node.place.clone() })
}

/// The one key of a mapping and its value: `{failed: TEXT}`.
fn single(node: &Node) -> Option<(&str, &Node)> {
    match &node.value {
        Value::Mapping(entries) => match &entries[..] {
            [entry] => Some((&entry.key, &entry.node)),
            _ => None,
        },
        _ => None,
    }
}

//! The agent's file, in Ceilometer's vocabulary.
//!
//! Sections are decoded in one pass; then names are looked up (unique, existing sinks). `sources` is the list itself or the
//! name of a polling.yaml, which is read by the same code, more leniently: what Ceilometer reads over is a warning there.

mod care;
mod guest;
mod host;
mod nova;
mod sink;
mod source;
mod spool;
mod trusted;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use publisher::{Profile, Target};
use sample::signature::Secret;

pub(crate) use care::{ASIDE, FOLDER, SWAP};
pub use care::{GuestFolder, SetAside, Swap};
pub(crate) use guest::{GUEST, LIMITS, limits, limits_of, settings};
pub use guest::{Grant, Guest, Isolation, LimitOverrides, MAX_GUESTS};
pub(crate) use host::{DEADLINES, INSTANCES, KEEPALIVE, LIBVIRT, RECONNECT};
pub use host::{Hypervisor, Inspector};
pub(crate) use nova::NOVA;
pub use sink::Sink;
pub(crate) use sink::{AMQP, COLLECTOR, PUBLISHER, SINK};
pub(crate) use source::SOURCE;
pub use source::Source;
pub(crate) use spool::SPOOL;
pub use spool::{NoSpoolFolder, Spool, SpoolFolder, SpoolSettings};
pub use trusted::read_pins;
pub(crate) use trusted::{TRUST, TRUSTED_KEY};

use crate::fault::shown;
use crate::file;
use crate::secret::secret;
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};
use crate::{Faults, Loaded, Place};

/// Threads beyond this wait for each other.
const MAX_WORKERS: u64 = 256;

/// What a pipeline file says.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The file, as it was named.
    pub path: PathBuf,
    /// The samples' `source`: Ceilometer's `[DEFAULT]sample_source`.
    pub sample_source: String,
    /// What is read; at least one, names are unique.
    pub hypervisors: Vec<Hypervisor>,
    /// The pollsters, names are unique; at least one, where there is no guest folder.
    pub guests: Vec<Guest>,
    /// Which modules may run.
    pub trust: ::trust::Trust,
    /// The file of the pins in `trust`, which may change while an agent runs.
    pub pins: Option<PathBuf>,
    /// Where further pollsters are put.
    pub guest_folder: Option<GuestFolder>,
    /// How a new module takes an old one's place.
    pub swap: Swap,
    /// When a guest that keeps failing is set aside.
    pub set_aside: SetAside,
    /// Where the agent keeps its guests' generations; none: in a temporary folder, until it ends.
    pub state: Option<PathBuf>,
    /// Whether samples are kept on disk until the broker has them.
    pub spool: Spool,
    /// The admin socket of `nephoscope guest list` and its like; none: there is none.
    pub socket: Option<PathBuf>,
    /// What is polled; at least one, names are unique.
    pub sources: Vec<Source>,
    /// Where samples go; at least one, names are unique.
    pub sinks: Vec<Sink>,
    /// How it is polled.
    pub polling: Polling,
    /// Where tenants' server metadata comes from; none: samples have no `user_metadata`.
    pub nova: Option<::nova::Settings>,
}

/// How sources are polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polling {
    /// The first poll of a source waits a random time up to this, and never longer than its interval.
    pub start_jitter: Duration,
    /// Threads that run guests: Ceilometer's `threads_to_process_pollsters`.
    pub workers: usize,
    /// What stopped instances report: Ceilometer's `report_stopped_instance_metrics`.
    pub stopped: Stopped,
    /// The names in samples: Ceilometer's `identity_name_discovery`.
    pub names: Names,
}

/// The setting that tells guests what stopped instances report, in `polling` and among a guest's own.
pub const REPORT_STOPPED: &str = "report_stopped_instance_metrics";

/// What guests that follow Ceilometer's rules report of an instance that is shut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stopped {
    /// What its metadata tells alone: the sizes of its disks by its flavor.
    #[default]
    Flavor,
    /// Power state, vCPUs, memory and the sizes of its disks too.
    Sizes,
}

/// Whether samples carry the names of project and user beside their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Ids alone.
    #[default]
    Ids,
    /// Both, as nova's metadata in the domain has them.
    Both,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            start_jitter: Duration::from_secs(10),
            workers: 2,
            stopped: Stopped::default(),
            names: Names::default(),
        }
    }
}

pub(crate) static FILE: Section = Section {
    title: "a pipeline file",
    path: "",
    about: "Paths are relative to the file's own folder.",
    keys: &[
        key(
            "inspector",
            "word",
            "libvirt",
            "`libvirt`, or `replay`: the readings of a recorded snapshot, without any libvirt.",
        ),
        key(
            "snapshot",
            "path",
            "",
            "With `inspector: replay`: the recording (`nephoscope snapshot record`).",
        ),
        key("libvirt", "mapping, or list of them", "", "The connection to libvirt, or several."),
        key("instances", "mapping", "", "Instances without nova's metadata."),
        key(
            "host",
            "text",
            "",
            "This host's name in the samples; absent, its hostname. On a nova host, what `[DEFAULT]host` says there.",
        ),
        key("sample_source", "text", "openstack", "The samples' `source`."),
        key("guests", "list", "", "The pollsters. Required where there is no `guest_folder`."),
        key("guest_folder", "mapping", "", "A folder where further pollsters are put."),
        key("trust", "mapping", "", "Which modules may run."),
        key("sources", "list, or path", "", "Required. What is polled; or a polling.yaml of Ceilometer's."),
        key("sinks", "list", "", "Required. Where samples go."),
        key("polling", "mapping", "", "How it is polled."),
        key("publisher", "mapping", "", "What publishers have in common."),
        key("nova", "mapping", "", "Tenants' server metadata, from Nova."),
        key("swap", "mapping", "", "How a new module takes an old one's place."),
        key("set_aside", "mapping", "", "When a guest that keeps failing is set aside."),
        key(
            "state",
            "path",
            "",
            "A folder of the agent's own, for its guests' generations and their compiled code, and for the spool. Absent, systemd's `StateDirectory=`; without that, generations are \
             forgotten when the agent ends, and so are samples that the broker does not have by then.",
        ),
        key("spool", "mapping, or switch", "", "Samples on disk until the broker has them."),
        key(
            "socket",
            "path",
            "",
            "The admin socket, for `nephoscope guest list`, `install`, `remove` and `rollback`. Absent, `agent.sock` in systemd's `RuntimeDirectory=`; without that, \
             there is none.",
        ),
    ],
};

pub(crate) static POLLING: Section = Section {
    title: "the section `polling`",
    path: "polling",
    about: "How it is polled.",
    keys: &[
        key(
            "batch_size",
            "number",
            "50",
            "Most samples in a message; 0 means one sample per message, as in Ceilometer.",
        ),
        key(
            "start_jitter",
            "duration",
            "10s",
            "A source's first poll waits a random time up to this, so that hosts do not poll in step.",
        ),
        key("threads_to_process_pollsters", "number", "2", "Threads that run guests."),
        key(
            REPORT_STOPPED,
            "switch",
            "false",
            "Of an instance that is shut off, report its power state, vCPUs, memory and its disks' sizes too, as Ceilometer's option of this \
             name. Guests with the grant `settings` find it there under this name; one's own settings are stronger. Where no guest has it \
             as `true`, the images of such instances are not opened, and their disks are missing as shut off.",
        ),
        key(
            "identity_name_discovery",
            "switch",
            "false",
            "Samples carry `user_name` and `project_name`, as nova wrote them into the domain; Keystone is not asked.",
        ),
    ],
};

pub(crate) static COMMON: Section = Section {
    title: "the section `publisher`",
    path: "publisher",
    about: "What publishers have in common.",
    keys: &[key(
        "telemetry_secret",
        "text or SECRET",
        "change this for valid signing",
        "Signs every sample, as Ceilometer's `[publisher]telemetry_secret`. The default is public and protects nothing; `\"\"` leaves \
         samples unsigned.",
    )],
};

pub(crate) static POLLING_FILE: Section = Section {
    title: "a polling.yaml",
    path: "",
    about: "Ceilometer's own file.",
    keys: &[key("sources", "list", "", "Required. What is polled.")],
};

/// Reads a pipeline file. Opens and reads the files that it names; connects to nothing.
///
/// # Errors
/// Every fault of the file, warnings included, if one of them is an error.
pub fn load_pipeline(path: impl AsRef<Path>) -> Result<Loaded<Pipeline>, Faults> {
    let path = path.as_ref();
    let mut faults = Faults::default();
    let pipeline = file::open(path, None, &mut faults).and_then(|root| {
        let mut d = Decoder { faults: &mut faults, folder: file::folder(path) };
        pipeline(&mut d, path, &root)
    });
    Loaded::new(pipeline, faults)
}

fn pipeline(d: &mut Decoder<'_>, path: &Path, root: &Node) -> Option<Pipeline> {
    let map = Map::open(d, root, &FILE, Unknown::Refuse)?;
    let host = match map.get("host") {
        Some(node) => value::text(d, node).map(|name| host::Host { set: Some(name), system: String::new() }),
        None => hostname(d, &map).map(|system| host::Host { set: None, system }),
    };
    // Where the name has a fault, what stands in for it is not used.
    let named = host.is_some();
    let host = host.unwrap_or(host::Host { set: None, system: String::new() });
    let own_name = host.set.clone().unwrap_or_else(|| host.system.clone());
    let hypervisors = host::hypervisors(d, &map, host).filter(|_| named);
    let mut sample_source = "openstack".to_owned();
    map.set(d, "sample_source", &mut sample_source, value::text);
    let (polling, common) = polling(d, &map, &own_name);
    let nova = nova::nova(d, &map);
    let trust = trusted::trust(d, &map);
    let pins = trusted::pins_file(d, &map);
    let guest_folder = map.optional(d, "guest_folder", care::folder);
    let list = |d: &mut Decoder<'_>, node: &Node| d.list(node, "guests", guest::guest);
    let guests = match map.get("guest_folder") {
        Some(_) => map.optional(d, "guests", list),
        None => map.required(d, "guests", list),
    };
    let swap = care::swap(d, &map);
    let set_aside = care::set_aside(d, &map);
    let state = map.optional(d, "state", value::path);
    let spool = spool::spool(d, &map);
    let socket = map.optional(d, "socket", value::path);
    let drafts = map.required(d, "sources", sources);
    let sinks =
        map.required(d, "sinks", |d, node| d.list(node, "sinks", |d, node| sink::sink(d, node, &common)));

    let guests = guests.unwrap_or_default();
    unique(d, "guest", guests.iter().map(|guest| (guest.name.as_str(), &guest.place)));
    bounded(d, map.place, "guests", guests.len(), MAX_GUESTS);
    let mut drafts = drafts.unwrap_or_default();
    unique(d, "source", drafts.iter().map(|draft| (draft.source.name.as_str(), &draft.source.name.place)));
    bounded(d, map.place, "sources", drafts.len(), source::MAX_SOURCES);
    // Without a readable list of sinks, the sources' references cannot be judged.
    if let Some(sinks) = &sinks {
        unique(d, "sink", sinks.iter().map(|sink| (sink.name.as_str(), &sink.name.place)));
        bounded(d, map.place, "sinks", sinks.len(), sink::MAX_SINKS);
        sink::join(d, &mut drafts, sinks, sink::declared(&map));
    }
    // A guest or a sink that has a fault may be the one that a switch is for.
    if !d.faults.is_fatal() {
        idle_switches(d, &map, &polling, &guests, sinks.as_deref().unwrap_or_default());
    }
    let mut hypervisors = hypervisors?;
    if guests.iter().any(|guest| guest.reports_stopped(polling.stopped)) {
        host::read_stopped_disks(&mut hypervisors);
    }
    Some(Pipeline {
        path: path.to_owned(),
        sample_source,
        hypervisors,
        guests,
        trust: trust?,
        pins,
        guest_folder,
        swap,
        set_aside,
        state,
        spool,
        socket,
        sources: drafts.into_iter().map(|draft| draft.source).collect(),
        sinks: sinks?,
        polling,
        nova,
    })
}

/// Notes switches of `polling` that are on and that nothing here heeds.
fn idle_switches(d: &mut Decoder<'_>, file: &Map<'_>, polling: &Polling, guests: &[Guest], sinks: &[Sink]) {
    let Some(map) = file.section(d, "polling", &POLLING) else { return };
    let mut idle = |name: &str, why: &str| {
        if let Some(node) = map.get(name) {
            d.faults.warning(&node.place, format!("`{name}` has no effect: {why}"));
        }
    };
    let reads_settings = |guest: &Guest| guest.grants.contains(&Grant::Settings);
    if polling.stopped == Stopped::Sizes && !guests.iter().any(reads_settings) {
        idle("report_stopped_instance_metrics", "no guest has the grant `settings`");
    }
    let mut publishers = sinks.iter().flat_map(|sink| &sink.publishers);
    if polling.names == Names::Both && publishers.all(|publisher| is_for_a_collector(&publisher.target)) {
        idle("identity_name_discovery", "samples for a `collector` have no names");
    }
}

fn is_for_a_collector(target: &Target) -> bool {
    matches!(target, Target::Amqp(settings) if settings.profile != Profile::Polling)
}

fn polling(d: &mut Decoder<'_>, file: &Map<'_>, host: &str) -> (Polling, sink::Common) {
    let mut polling = Polling::default();
    let mut common = sink::Common { batch_size: publisher::BATCH_SIZE, secret: None, host: host.to_owned() };
    if let Some(map) = file.section(d, "polling", &POLLING) {
        map.set(d, "batch_size", &mut common.batch_size, sink::batch_size);
        map.set(
            d,
            "start_jitter",
            &mut polling.start_jitter,
            value::duration(Duration::ZERO, Duration::from_secs(3_600)),
        );
        map.set(d, "threads_to_process_pollsters", &mut polling.workers, value::number(1, MAX_WORKERS));
        if map.optional(d, REPORT_STOPPED, value::switch) == Some(true) {
            polling.stopped = Stopped::Sizes;
        }
        if map.optional(d, "identity_name_discovery", value::switch) == Some(true) {
            polling.names = Names::Both;
        }
    }
    if let Some(map) = file.section(d, "publisher", &COMMON)
        && let Some(text) = map.optional(d, "telemetry_secret", secret)
    {
        common.secret = Some(Secret::new(text));
    }
    (polling, common)
}

/// The list of sources, or the polling.yaml that holds it.
fn sources(d: &mut Decoder<'_>, node: &Node) -> Option<Vec<source::Draft>> {
    let Value::Scalar(name) = &node.value else {
        return d.list(node, "sources", |d, node| source::source(d, node, Unknown::Refuse));
    };
    let path = d.resolve(name);
    let root = file::open(&path, Some(&node.place), d.faults)?;
    let map = Map::open(d, &root, &POLLING_FILE, Unknown::Warn)?;
    map.required(d, "sources", |d, node| {
        d.list(node, "sources", |d, node| source::source(d, node, Unknown::Warn))
    })
}

pub(crate) fn unique<'a>(d: &mut Decoder<'_>, what: &str, names: impl Iterator<Item = (&'a str, &'a Place)>) {
    let mut seen: HashMap<&str, &Place> = HashMap::new();
    for (name, place) in names {
        if let Some(first) = seen.insert(name, place) {
            d.faults.error(place, format!("a second {what} {}; the first stands at {first}", shown(name)));
        }
    }
}

fn bounded(d: &mut Decoder<'_>, place: &Place, what: &str, count: usize, most: usize) {
    if count > most {
        d.faults.error(place, format!("{count} {what}; at most {most}"));
    }
}

fn hostname(d: &mut Decoder<'_>, file: &Map<'_>) -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        d.faults.error(file.place, "this host's name cannot be found out: set `host`");
        return None;
    }
    Some(name.to_owned())
}

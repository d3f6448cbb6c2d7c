//! How hypervisors are read: over libvirt connections, or from a recording.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use inspector::Settings;
use inspector::settings::StoppedDisks;

use crate::fault::shown;
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};
use crate::{Located, Place};

/// The most libvirt connections of one pipeline; each has up to a dozen threads when instances hang.
const MAX_CONNECTIONS: usize = 64;

/// A hypervisor that is polled.
#[derive(Clone, Debug)]
pub struct Hypervisor {
    /// Its name in logs and reports; unique.
    pub name: String,
    /// Its name in its samples (`instance_host`, and hashed in `host`): Ceilometer's `[DEFAULT]host`.
    pub host: String,
    /// How it is read.
    pub inspector: Inspector,
}

/// How a hypervisor is read.
#[derive(Clone, Debug)]
pub enum Inspector {
    /// From libvirt.
    Libvirt(Settings),
    /// From a recorded snapshot; every poll sees the same readings.
    Replay {
        /// The recording; it could be read when the pipeline file was.
        snapshot: Located<PathBuf>,
    },
}

pub(crate) static LIBVIRT: Section = Section {
    title: "the section `libvirt`",
    path: "libvirt",
    about: "The connection, which is opened read-only. In place of the mapping, a list of them: each hypervisor is then polled by itself, with \
            threads, deadlines and guests' state of its own, and none waits for another.",
    keys: &[
        key(
            "uri",
            "text",
            "qemu:///system",
            "libvirt's connection URI, local or remote; in a list each connection names its own.",
        ),
        key("name", "text", "", "Its name in logs and reports, unique; absent, the URI."),
        key(
            "host",
            "text",
            "",
            "This hypervisor's name in its samples. Absent: the top level's `host`; of a remote URI its host, where there are several connections or \
             the top level names none. The end of a tunnel (`localhost`, `127.0.0.1`, `::1`) names none.",
        ),
        key("deadlines", "mapping", "", "How long libvirt may take."),
        key(
            "xml_refresh",
            "duration",
            "3600s",
            "Every instance's XML is read anew at least this often; changes that libvirt tells of are noticed at once. \
             At most 600s where the driver does not tell of all.",
        ),
        key("reconnect", "mapping", "", "Waits between attempts to open the connection."),
        key("keepalive", "mapping", "", "libvirt's keepalive."),
    ],
};

pub(crate) static DEADLINES: Section = Section {
    title: "the deadlines",
    path: "libvirt.deadlines",
    about: "How long libvirt may take; what is late holds up nothing else.",
    keys: &[
        key("open", "duration", "10s", "Opening the connection."),
        key(
            "sweep",
            "duration",
            "10s",
            "A call for the whole host, which no instance can block; past it the connection counts as hung.",
        ),
        key(
            "call",
            "duration",
            "3s",
            "A call for one instance; past it the instance is set aside until the call returns.",
        ),
        key(
            "snapshot",
            "duration",
            "30s",
            "All of a poll's readings; instances that were not read by then have none.",
        ),
    ],
};

pub(crate) static RECONNECT: Section = Section {
    title: "the section `reconnect`",
    path: "libvirt.reconnect",
    about: "Waits between attempts to open the connection; they double from `first` to `most`.",
    keys: &[
        key("first", "duration", "500ms", "The first wait."),
        key("most", "duration", "5s", "The longest wait."),
    ],
};

pub(crate) static KEEPALIVE: Section = Section {
    title: "the section `keepalive`",
    path: "libvirt.keepalive",
    about: "How a dead connection is noticed.",
    keys: &[
        key("interval", "duration", "5s", "Idle time before a probe is sent; 0 means no keepalive."),
        key("count", "number", "4", "Unanswered probes after which the connection counts as dead."),
    ],
};

pub(crate) static INSTANCES: Section = Section {
    title: "the section `instances`",
    path: "instances",
    about: "Instances without nova's metadata, as on a plain libvirt host. Nova's instances have their own project and user.",
    keys: &[
        key("project", "text", "", "Their samples' project_id."),
        key("user", "text", "", "Their samples' user_id."),
    ],
};

const KINDS: &[(&str, Kind)] = &[("libvirt", Kind::Libvirt), ("replay", Kind::Replay)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Libvirt,
    Replay,
}

/// The hypervisors that the file names; at least one. `host` is what the top level says of this host's name.
pub(super) fn hypervisors(d: &mut Decoder<'_>, file: &Map<'_>, host: Host) -> Option<Vec<Hypervisor>> {
    let mut kind = Kind::Libvirt;
    file.set(d, "inspector", &mut kind, value::word(KINDS));
    let connections = connections(d, file);
    match kind {
        Kind::Libvirt => {
            if let Some(node) = file.get("snapshot") {
                d.faults.error(&node.place, "a snapshot is replayed with `inspector: replay` only");
            }
            let (connections, whole) = connections?;
            named(d, connections, &host).filter(|_| whole)
        }
        Kind::Replay => {
            if let Some(node) = file.get("libvirt") {
                d.faults.warning(&node.place, "`libvirt` has no effect with `inspector: replay`");
            }
            let Some(node) = file.get("snapshot") else {
                d.faults
                    .error(file.place, "`inspector: replay` needs the key `snapshot`: the recording's file");
                return None;
            };
            let snapshot = Located { value: value::readable(d, node)?, place: node.place.clone() };
            let inspector = Inspector::Replay { snapshot };
            Some(vec![Hypervisor {
                name: "recording".to_owned(),
                host: host.of(None, None, true),
                inspector,
            }])
        }
    }
}

/// This host's name, as far as the top level says it.
pub(super) struct Host {
    /// The key `host`.
    pub set: Option<String>,
    /// The system's name, where that is needed.
    pub system: String,
}

impl Host {
    /// The name of a hypervisor in its samples. The host of a remote URI stands in only where the top level's name cannot be meant
    /// for it.
    fn of(&self, own: Option<&str>, uri: Option<&str>, alone: bool) -> String {
        let top = self.set.as_deref();
        own.or(top.filter(|_| alone))
            .or_else(|| uri.and_then(remote_host))
            .or(top)
            .unwrap_or(&self.system)
            .to_owned()
    }
}

/// The host that a connection URI names: `compute-1` of `qemu+ssh://root@compute-1:22/system`. A loopback address is the near end of a
/// tunnel, which every host has, and so names none.
fn remote_host(uri: &str) -> Option<&str> {
    let authority = uri.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(literal) => literal.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    let is_loopback = match address(host) {
        Some(address) => address.is_loopback(),
        None => host.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    };
    (!host.is_empty() && !is_loopback).then_some(host)
}

/// The numeric address that a host is named by, if it is; an IPv6 zone (`%eth0`) is no part of it.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.split_once('%').map_or(host, |(bare, _)| bare);
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// A connection as the file describes it.
struct Connection {
    name: Option<Located<String>>,
    host: Option<String>,
    settings: Settings,
    place: Place,
    /// Of the URI.
    uri_place: Place,
}

/// Gives each connection its names; they and the URIs must differ, or instances would be polled twice.
fn named(d: &mut Decoder<'_>, connections: Vec<Connection>, host: &Host) -> Option<Vec<Hypervisor>> {
    let alone = connections.len() == 1;
    let (mut uris, mut names) = (HashMap::new(), HashMap::new());
    let mut whole = true;
    let mut hypervisors = Vec::with_capacity(connections.len());
    for Connection { name, host: own, mut settings, place, uri_place } in connections {
        let uri = settings.uri.clone();
        if let Some(first) = uris.insert(uri.clone(), place.clone()) {
            let what = shown(&uri);
            d.faults.error(&place, format!("a second connection to {what}; the first stands at {first}"));
            whole = false;
            continue;
        }
        let (name, place) = match name {
            Some(name) => (name.value, name.place),
            None => (uri.clone(), place),
        };
        if let Some(first) = names.insert(name.clone(), place.clone()) {
            let what = shown(&name);
            d.faults.error(&place, format!("a second connection called {what}; the first stands at {first}"));
            whole = false;
        }
        settings.name = (!alone).then(|| name.clone());
        let stands = host.of(own.as_deref(), Some(&uri), alone);
        if own.is_none() && remote_host(&uri) == Some(&stands) && address(&stands).is_some() {
            let what = shown(&stands);
            d.faults.warning(
                &uri_place,
                format!("samples name this host {what}: set `host` to what nova calls it"),
            );
        }
        hypervisors.push(Hypervisor { name, host: stands, inspector: Inspector::Libvirt(settings) });
    }
    whole.then_some(hypervisors)
}

/// The connections that can be read, and whether these are all.
fn connections(d: &mut Decoder<'_>, file: &Map<'_>) -> Option<(Vec<Connection>, bool)> {
    let instances = file.section(d, "instances", &INSTANCES);
    let described = match file.get("libvirt") {
        Some(node @ Node { value: Value::Sequence(items), .. }) => {
            if items.len() > MAX_CONNECTIONS {
                d.faults
                    .error(&node.place, format!("{} connections; at most {MAX_CONNECTIONS}", items.len()));
                return None;
            }
            d.list(node, "connections", |d, node| {
                // One that has a fault leaves its place empty: the others are judged all the same.
                let map = Map::open(d, node, &LIBVIRT, Unknown::Refuse);
                Some(map.and_then(|map| {
                    let uri = map.required(d, "uri", value::text);
                    connection(d, &map, uri)
                }))
            })?
        }
        _ => vec![file.section(d, "libvirt", &LIBVIRT).and_then(|map| {
            let uri = match map.get("uri") {
                Some(node) => value::text(d, node),
                None => Some(inspector::settings::DEFAULT_URI.to_owned()),
            };
            connection(d, &map, uri)
        })],
    };
    let instances = instances?;
    let project = instances.optional(d, "project", value::text);
    let user = instances.optional(d, "user", value::text);
    let count = described.len();
    let mut connections: Vec<Connection> = described.into_iter().flatten().collect();
    for connection in &mut connections {
        connection.settings.default_project.clone_from(&project);
        connection.settings.default_user.clone_from(&user);
    }
    let whole = connections.len() == count;
    Some((connections, whole))
}

fn connection(d: &mut Decoder<'_>, map: &Map<'_>, uri: Option<String>) -> Option<Connection> {
    let mut settings = Settings::default();
    let time = |least, most| value::duration(Duration::from_millis(least), Duration::from_secs(most));
    map.set(d, "xml_refresh", &mut settings.xml_refresh, time(1_000, 7 * 86_400));
    if let Some(map) = map.section(d, "deadlines", &DEADLINES) {
        map.set(d, "open", &mut settings.deadlines.open, time(100, 600));
        map.set(d, "sweep", &mut settings.deadlines.sweep, time(100, 600));
        map.set(d, "call", &mut settings.deadlines.call, time(10, 600));
        map.set(d, "snapshot", &mut settings.deadlines.snapshot, time(100, 3_600));
        if settings.deadlines.snapshot < settings.deadlines.call {
            d.faults.error(map.place, "`snapshot` is shorter than `call`, which is a part of it");
        }
    }
    if let Some(map) = map.section(d, "reconnect", &RECONNECT) {
        map.set(d, "first", &mut settings.reconnect.first, time(10, 3_600));
        map.set(d, "most", &mut settings.reconnect.most, time(10, 3_600));
        if settings.reconnect.most < settings.reconnect.first {
            d.faults.error(map.place, "`most` is shorter than `first`");
        }
    }
    if let Some(map) = map.section(d, "keepalive", &KEEPALIVE) {
        map.set(d, "interval", &mut settings.keepalive.interval, keepalive_interval);
        map.set(d, "count", &mut settings.keepalive.count, value::number(1, 1_000));
    }
    let name = map.optional(d, "name", super::source::located);
    let host = map.optional(d, "host", value::text);
    settings.uri = uri?;
    let uri_place = map.get("uri").map_or(map.place, |node| &node.place).clone();
    Some(Connection { name, host, settings, place: map.place.clone(), uri_place })
}

/// Has the disks of instances that are shut off read.
pub(super) fn read_stopped_disks(hypervisors: &mut [Hypervisor]) {
    for hypervisor in hypervisors {
        if let Inspector::Libvirt(settings) = &mut hypervisor.inspector {
            settings.stopped_disks = StoppedDisks::Read;
        }
    }
}

/// libvirt counts whole seconds.
fn keepalive_interval(d: &mut Decoder<'_>, node: &Node) -> Option<Duration> {
    let time = value::duration(Duration::ZERO, Duration::from_secs(3_600))(d, node)?;
    if time.subsec_nanos() > 0 { d.expected("whole seconds", node) } else { Some(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_uri_names_its_host() {
        for (uri, host) in [
            ("qemu:///system", None),
            ("qemu+unix:///system?socket=/run/libvirt/libvirt-sock-ro", None),
            ("qemu+ssh://compute-1/system", Some("compute-1")),
            ("qemu+ssh://root@compute-1:22/system?keyfile=/k@y", Some("compute-1")),
            ("qemu+tls://[2001:db8::1]:16514/system", Some("2001:db8::1")),
            ("qemu+tcp://10.0.0.3/system", Some("10.0.0.3")),
            ("qemu+tcp://localhost:16509/system", None),
            ("qemu+tcp://root@LocalHost./system", None),
            ("qemu+tcp://127.1.2.3/system", None),
            ("qemu+tcp://[::1]:16509/system", None),
            ("qemu+tcp://[::ffff:127.0.0.1]/system", None),
            ("qemu+ssh://localhost.example.org/system", Some("localhost.example.org")),
            ("test:///default", None),
            ("no uri", None),
        ] {
            assert_eq!(remote_host(uri), host, "{uri}");
        }
    }

    #[test]
    fn an_address_is_one_whatever_its_zone() {
        for (host, is_one) in [
            ("10.0.0.3", true),
            ("2001:db8::1", true),
            ("fe80::1%eth0", true),
            ("compute-1", false),
            ("", false),
        ] {
            assert_eq!(address(host).is_some(), is_one, "{host}");
        }
    }

    #[test]
    fn the_nearest_name_of_a_host_holds() {
        let (remote, local) = (Some("qemu+ssh://compute-2/system"), Some("qemu:///system"));
        let said = Host { set: Some("compute-1".into()), system: "here".into() };
        assert_eq!(said.of(Some("own"), remote, true), "own");
        assert_eq!(said.of(None, remote, true), "compute-1", "said for the one connection that there is");
        assert_eq!(said.of(None, remote, false), "compute-2");
        assert_eq!(said.of(None, local, false), "compute-1");
        let unsaid = Host { set: None, system: "here".into() };
        assert_eq!(unsaid.of(None, remote, true), "compute-2");
        assert_eq!(unsaid.of(None, local, true), "here");
        let tunnel = Some("qemu+tcp://127.0.0.1:16509/system");
        assert_eq!(unsaid.of(None, tunnel, true), "here");
        assert_eq!(said.of(None, tunnel, false), "compute-1");
    }
}

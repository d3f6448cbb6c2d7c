//! How the host is read: from libvirt, or from a recording.

use std::path::PathBuf;
use std::time::Duration;

use inspector::Settings;

use crate::Located;
use crate::section::{Decoder, Map, Section, key};
use crate::value;

/// How the host is read.
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
    about: "The connection, which is opened read-only.",
    keys: &[
        key("uri", "text", "qemu:///system", "libvirt's connection URI."),
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

pub(super) fn inspector(d: &mut Decoder<'_>, file: &Map<'_>) -> Option<Inspector> {
    let mut kind = Kind::Libvirt;
    file.set(d, "inspector", &mut kind, value::word(KINDS));
    let settings = libvirt(d, file);
    match kind {
        Kind::Libvirt => {
            if let Some(node) = file.get("snapshot") {
                d.faults.error(&node.place, "a snapshot is replayed with `inspector: replay` only");
            }
            Some(Inspector::Libvirt(settings?))
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
            Some(Inspector::Replay {
                snapshot: Located { value: value::readable(d, node)?, place: node.place.clone() },
            })
        }
    }
}

fn libvirt(d: &mut Decoder<'_>, file: &Map<'_>) -> Option<Settings> {
    let map = file.section(d, "libvirt", &LIBVIRT);
    let instances = file.section(d, "instances", &INSTANCES);
    let (map, instances) = (map?, instances?);
    let mut settings = Settings::default();
    let time = |least, most| value::duration(Duration::from_millis(least), Duration::from_secs(most));
    map.set(d, "uri", &mut settings.uri, value::text);
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
    settings.default_project = instances.optional(d, "project", value::text);
    settings.default_user = instances.optional(d, "user", value::text);
    Some(settings)
}

/// libvirt counts whole seconds.
fn keepalive_interval(d: &mut Decoder<'_>, node: &crate::yaml::Node) -> Option<Duration> {
    let time = value::duration(Duration::ZERO, Duration::from_secs(3_600))(d, node)?;
    if time.subsec_nanos() > 0 { d.expected("whole seconds", node) } else { Some(time) }
}

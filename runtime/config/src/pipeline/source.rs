//! Sources: which meters of which instances, how often, and where to. Ceilometer's polling.yaml holds the same.

use std::time::Duration;

use crate::fault::shown;
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};
use crate::{Filter, Located};

/// The most sources of one pipeline.
pub(super) const MAX_SOURCES: usize = 256;

/// The most patterns of one list.
const MAX_PATTERNS: usize = 1_000;

/// Below this a snapshot takes longer than the interval.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// Longer than any rhythm of measuring.
const MOST_INTERVAL: Duration = Duration::from_secs(31 * 86_400);

/// Ceilometer's discovery of the instances on this host, which is what there is to poll here.
const LOCAL_INSTANCES: &str = "local_instances";

/// A source of samples.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name; unique.
    pub name: Located<String>,
    /// The time from the start of one poll to the start of the next.
    pub interval: Duration,
    /// The meters that it polls.
    pub meters: Located<Filter>,
    /// The instances that it polls, by UUID or by libvirt's domain name.
    pub resources: Filter,
    /// Where its samples go: indices into [`Pipeline::sinks`](super::Pipeline::sinks), each once, at least one.
    pub sinks: Vec<usize>,
    /// The patterns of `meters`, for [`Self::unprovided`].
    patterns: Vec<Located<String>>,
}

impl Source {
    /// Whether it polls this meter.
    pub fn selects(&self, meter: &str) -> bool {
        self.meters.selects(meter)
    }

    /// Whether it polls this instance.
    pub fn polls(&self, uuid: &str, domain_name: &str) -> bool {
        self.resources.selects_any(&[uuid, domain_name])
    }

    /// The patterns of `meters` that ask for something which is not among these meters.
    pub fn unprovided<'a>(&'a self, provided: &[&str]) -> impl Iterator<Item = &'a Located<String>> {
        self.patterns.iter().filter(move |pattern| {
            !pattern.starts_with('!')
                && Filter::new([pattern.as_str()])
                    .is_ok_and(|filter| !provided.iter().any(|meter| filter.selects(meter)))
        })
    }
}

pub(crate) static SOURCE: Section = Section {
    title: "a source",
    path: "sources[]",
    about: "What is polled, how often, and where the samples go. In place of the list, `sources: polling.yaml` takes a file of \
            Ceilometer's as it is.",
    keys: &[
        key("name", "text", "", "Required. Its name; unique."),
        key(
            "interval",
            "duration",
            "",
            "Required. The time from the start of one poll to the start of the next.",
        ),
        key(
            "meters",
            "list of patterns",
            "",
            "Required. Meters: names, wildcards (`disk.*`), or exclusions (`!disk.*`, in quotes). An exclusion wins; exclusions alone, or \
             with `*`, have all the rest. Exclusions beside names, or `*` beside names, are refused, as by Ceilometer.",
        ),
        key(
            "resources",
            "list of patterns",
            "",
            "Instances: UUIDs or libvirt domain names, by the same rules. Absent: all.",
        ),
        key("sinks", "list of texts", "", "Where the samples go. Absent: to every sink."),
        key(
            "discovery",
            "list of texts",
            "",
            "Ceilometer's discoveries; `local_instances` (all instances of this host) is the one that there is.",
        ),
        key(
            "group_id_coordination_expression",
            "text",
            "",
            "Read over: each agent polls its own host alone.",
        ),
    ],
};

/// A source before the names of its sinks were looked up.
pub(super) struct Draft {
    pub source: Source,
    /// None: all sinks.
    pub sinks: Option<Vec<Located<String>>>,
}

pub(super) fn source(d: &mut Decoder<'_>, node: &Node, unknown: Unknown) -> Option<Draft> {
    let map = Map::open(d, node, &SOURCE, unknown)?;
    let name = map.required(d, "name", located);
    let interval = map.required(d, "interval", value::duration(LEAST_INTERVAL, MOST_INTERVAL));
    let meters = map.required(d, "meters", |d, node| patterns(d, node, "meters"));
    let mut resources = map.get("resources").and_then(|node| match &node.value {
        // Ceilometer takes an empty list for an absent one.
        Value::Sequence(items) if items.is_empty() => None,
        _ => Some(patterns(d, node, "resources")?.0.value),
    });
    if map.optional(d, "discovery", discovery) == Some(true) {
        // Ceilometer adds up what is listed and what is discovered.
        if let (Some(_), Some(node)) = (&resources, map.get("resources")) {
            d.faults.warning(&node.place, "`discovery: [local_instances]` adds every instance to these");
        }
        resources = None;
    }
    if let Some(node) = map.get("group_id_coordination_expression") {
        d.faults.warning(&node.place, "coordination has no effect: each agent polls its own host");
    }
    let sinks = map.optional(d, "sinks", |d, node| d.list(node, "sinks", located));
    let (meters, patterns) = meters?;
    Some(Draft {
        source: Source {
            name: name?,
            interval: interval?,
            meters,
            resources: resources.unwrap_or_else(Filter::all),
            sinks: Vec::new(),
            patterns,
        },
        sinks,
    })
}

pub(super) fn located(d: &mut Decoder<'_>, node: &Node) -> Option<Located<String>> {
    Some(Located { value: value::text(d, node)?, place: node.place.clone() })
}

pub(super) type Patterns = (Located<Filter>, Vec<Located<String>>);

pub(super) fn patterns(d: &mut Decoder<'_>, node: &Node, what: &str) -> Option<Patterns> {
    let mut complete = true;
    let patterns = d.list(node, what, |d, node| {
        let pattern = located(d, node);
        complete &= pattern.is_some();
        pattern
    })?;
    if !complete {
        return None;
    }
    if patterns.len() > MAX_PATTERNS {
        d.faults.error(&node.place, format!("{} {what}; at most {MAX_PATTERNS}", patterns.len()));
        return None;
    }
    match Filter::new(patterns.iter().map(|pattern| pattern.as_str())) {
        Ok(value) => Some((Located { value, place: node.place.clone() }, patterns)),
        Err(fault) => {
            d.faults.error(&node.place, format!("{what}: {fault}"));
            None
        }
    }
}

/// Whether all instances of the host are among what is discovered.
fn discovery(d: &mut Decoder<'_>, node: &Node) -> Option<bool> {
    let Value::Sequence(items) = &node.value else { return d.expected("a list of discoveries", node) };
    let mut local = false;
    for item in items {
        let Some(name) = value::text(d, item) else { continue };
        if name.split("://").next() == Some(LOCAL_INSTANCES) {
            local = true;
        } else {
            let name = shown(&name);
            d.faults.warning(
                &item.place,
                format!("{name} discovers nothing on a hypervisor host; `local_instances` does"),
            );
        }
    }
    Some(local)
}

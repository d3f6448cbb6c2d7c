//! Ceilometer's custom: names, kinds and units as those who read samples know them. What goes against it works, and gets a word.

use sample::{Kind, Meter};

use super::Report;

/// Ceilometer's own meters of a compute host; `docs/meters.md` has them with their sources.
const CEILOMETERS: [(&str, Kind, &str); 36] = [
    ("power.state", Kind::Gauge, ""),
    ("cpu", Kind::Cumulative, "ns"),
    ("vcpus", Kind::Gauge, "vcpu"),
    ("memory", Kind::Gauge, "MiB"),
    ("memory.available", Kind::Gauge, "MiB"),
    ("memory.usage", Kind::Gauge, "MiB"),
    ("memory.resident", Kind::Gauge, "MiB"),
    ("memory.swap.in", Kind::Cumulative, "MiB"),
    ("memory.swap.out", Kind::Cumulative, "MiB"),
    ("disk.device.read.requests", Kind::Cumulative, "request"),
    ("disk.device.read.bytes", Kind::Cumulative, "B"),
    ("disk.device.read.latency", Kind::Cumulative, "ns"),
    ("disk.device.write.requests", Kind::Cumulative, "request"),
    ("disk.device.write.bytes", Kind::Cumulative, "B"),
    ("disk.device.write.latency", Kind::Cumulative, "ns"),
    ("disk.device.capacity", Kind::Gauge, "B"),
    ("disk.device.allocation", Kind::Gauge, "B"),
    ("disk.device.usage", Kind::Gauge, "B"),
    ("disk.root.size", Kind::Gauge, "GiB"),
    ("disk.ephemeral.size", Kind::Gauge, "GiB"),
    ("network.incoming.bytes", Kind::Cumulative, "B"),
    ("network.incoming.bytes.delta", Kind::Delta, "B"),
    ("network.incoming.bytes.rate", Kind::Gauge, "B/s"),
    ("network.incoming.packets", Kind::Cumulative, "packet"),
    ("network.incoming.packets.drop", Kind::Cumulative, "packet"),
    ("network.incoming.packets.error", Kind::Cumulative, "packet"),
    ("network.outgoing.bytes", Kind::Cumulative, "B"),
    ("network.outgoing.bytes.delta", Kind::Delta, "B"),
    ("network.outgoing.bytes.rate", Kind::Gauge, "B/s"),
    ("network.outgoing.packets", Kind::Cumulative, "packet"),
    ("network.outgoing.packets.drop", Kind::Cumulative, "packet"),
    ("network.outgoing.packets.error", Kind::Cumulative, "packet"),
    ("perf.cpu.cycles", Kind::Gauge, ""),
    ("perf.instructions", Kind::Gauge, ""),
    ("perf.cache.references", Kind::Gauge, ""),
    ("perf.cache.misses", Kind::Gauge, ""),
];

/// Units that people write, and what Ceilometer writes for them.
const UNITS: [(&str, &str); 18] = [
    ("byte", "B"),
    ("bytes", "B"),
    ("byte/s", "B/s"),
    ("bytes/s", "B/s"),
    ("bps", "B/s"),
    ("mb", "MiB"),
    ("gb", "GiB"),
    ("second", "s"),
    ("seconds", "s"),
    ("sec", "s"),
    ("nanosecond", "ns"),
    ("nanoseconds", "ns"),
    ("percent", "%"),
    ("pct", "%"),
    ("requests", "request"),
    ("packets", "packet"),
    ("vcpus", "vcpu"),
    ("count", ""),
];

/// Compares the declared meters with the custom.
pub(super) fn compare(report: &mut Report) {
    for meter in report.meters.clone() {
        for (what, remedy) in oddities(&meter) {
            report.warn(format!("the meter {}: {what}", meter.name), remedy);
        }
    }
}

fn oddities(meter: &Meter) -> Vec<(String, String)> {
    let mut odd = Vec::new();
    let Meter { name, kind, unit, description } = meter;
    if let Some((_, its, their)) = CEILOMETERS.iter().find(|(known, ..)| known == name) {
        if (kind, unit.as_str()) != (its, *their) {
            let its_unit = if their.is_empty() { "no unit" } else { their };
            odd.push((
                "Ceilometer's own meter of that name is of another kind or unit".to_owned(),
                format!("make it a {its} with {its_unit}, or give it a name of its own"),
            ));
        }
        return odd;
    }
    if name.chars().any(char::is_uppercase) {
        odd.push((
            "its name has upper-case letters".to_owned(),
            format!("by custom it would be {}", name.to_lowercase()),
        ));
    }
    if let Some((_, custom)) = UNITS.iter().find(|(odd, _)| odd.eq_ignore_ascii_case(unit)) {
        let custom = if custom.is_empty() { "no unit at all".to_owned() } else { format!("`{custom}`") };
        odd.push((format!("its unit is `{unit}`"), format!("by custom it would be {custom}")));
    }
    if *kind != Kind::Gauge && (unit == "%" || unit.ends_with("/s")) {
        odd.push((
            format!("a {kind} in `{unit}`"),
            "a rate or a share is a gauge: it may fall, and samples of it are not added up".to_owned(),
        ));
    }
    for (ending, its) in [(".rate", Kind::Gauge), (".delta", Kind::Delta)] {
        if name.ends_with(ending) && *kind != its {
            odd.push((
                format!("a {kind} whose name ends in `{ending}`"),
                format!("make it a {its}, or name it otherwise"),
            ));
        }
    }
    if description.trim().is_empty() {
        odd.push((
            "it has no description".to_owned(),
            "say in one sentence what it measures: operators choose meters by that".to_owned(),
        ));
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_meters_are_those_of_the_documentation() {
        let documented: Vec<(&str, &str, &str)> = include_str!("../../../../docs/meters.md")
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
                let name = cells.next()?.strip_suffix('`')?;
                Some((name, cells.next()?, cells.next()?))
            })
            .filter(|(name, kind, _)| *name != "mem.max" && kind.parse::<Kind>().is_ok())
            .collect();
        let known: Vec<_> =
            CEILOMETERS.iter().map(|(name, kind, unit)| (*name, kind.as_str(), *unit)).collect();
        assert_eq!(known, documented);
    }

    fn meter(name: &str, kind: Kind, unit: &str) -> Meter {
        Meter { name: name.into(), kind, unit: unit.into(), description: "What it is".into() }
    }

    #[test]
    fn what_goes_against_the_custom_gets_a_word() {
        let odd = |name, kind, unit| -> Vec<String> {
            oddities(&meter(name, kind, unit))
                .into_iter()
                .map(|(what, remedy)| format!("{what}; {remedy}"))
                .collect()
        };
        assert_eq!(odd("mem.max", Kind::Gauge, "MiB"), [""; 0]);
        assert_eq!(odd("cpu", Kind::Cumulative, "ns"), [""; 0]);
        assert_eq!(
            odd("cpu", Kind::Gauge, "%"),
            [
                "Ceilometer's own meter of that name is of another kind or unit; make it a cumulative with ns, or give it a \
              name of its own"
            ]
        );
        assert_eq!(
            odd("Mem.Max", Kind::Gauge, ""),
            ["its name has upper-case letters; by custom it would be mem.max"]
        );
        assert_eq!(odd("a.b", Kind::Gauge, "Bytes"), ["its unit is `Bytes`; by custom it would be `B`"]);
        assert_eq!(odd("a.b", Kind::Cumulative, "B/s").len(), 1);
        assert_eq!(odd("a.b.rate", Kind::Cumulative, "B/s").len(), 2);
    }
}

//! The keys of a change, and the field of a recording that each of them is.

use inspector::snapshot::{Cpu, Disk, Memory, Vcpu, Vnic};

use super::fields::{Field, Slot};
use crate::section::{Key, Section, key};

/// A number that may be missing.
const fn counter(name: &'static str) -> Key {
    key(name, "number", "", "`null`: not reported.")
}

pub(crate) static CHANGE: Section = Section {
    title: "a change",
    path: "cases[].polls[].change",
    about: "What is changed of the instance, as a JSON merge patch (RFC 7386) with the names of recordings: what is not named stays, and \
            `null` removes. In place of the mapping of a reading may stand why it is missing: `not-found`, `shut-off`, `unsupported`, `no-data` or \
            `{failed: TEXT}`. Nothing follows from anything: with `power: shut-off` alone the readings stay as they are.",
    keys: &[
        key(
            "power",
            "word",
            "",
            "`no-state`, `running`, `blocked`, `paused`, `shutdown`, `shut-off`, `crashed` or `suspended`.",
        ),
        key("display_name", "text", "", "The user's name for it."),
        key("project_id", "text", "", "`null`: none."),
        key("user_id", "text", "", "`null`: none."),
        key("domain_xml", "text", "", "The XML."),
        key("memory", "mapping, or word", "", "Sizes in bytes."),
        key("cpu", "mapping, or word", "", "Processors."),
        key(
            "disks",
            "mapping, list, or word",
            "",
            "By target, `{vda: {read_bytes: 5}, vdb: null}`; a list of disks replaces all of them.",
        ),
        key("vnics", "mapping, list, or word", "", "By name on the host, likewise."),
        key("perf", "mapping, or word", "", "Counts by event: `{cpu_cycles: 5}`."),
        key(
            "raw_stats",
            "mapping, or word",
            "",
            "Fields by libvirt's name: `5` is `unsigned`, `-5` and `+5` `signed`, `5.0` `real`, `true` a `flag`, all else and what has quotes a `text`.",
        ),
    ],
};

const fn always(name: &'static str) -> Key {
    key(name, "number", "", "")
}

pub(crate) static MEMORY: Section = Section {
    title: "the memory of a change",
    path: "cases[].polls[].change.memory",
    about: "The contract's interface `memory`.",
    keys: &[
        always("maximum"),
        counter("actual"),
        counter("available"),
        counter("usable"),
        counter("unused"),
        counter("rss"),
        counter("swap_in"),
        counter("swap_out"),
        counter("major_faults"),
        counter("minor_faults"),
        counter("disk_caches"),
        counter("hugetlb_pgalloc"),
        counter("hugetlb_pgfail"),
        counter("last_update"),
    ],
};

pub(super) static MEMORY_FIELDS: [Field<Memory>; 14] = [
    Field { name: "maximum", slot: Slot::Number(|memory| &mut memory.maximum) },
    Field { name: "actual", slot: Slot::Count(|memory| &mut memory.actual) },
    Field { name: "available", slot: Slot::Count(|memory| &mut memory.available) },
    Field { name: "usable", slot: Slot::Count(|memory| &mut memory.usable) },
    Field { name: "unused", slot: Slot::Count(|memory| &mut memory.unused) },
    Field { name: "rss", slot: Slot::Count(|memory| &mut memory.rss) },
    Field { name: "swap_in", slot: Slot::Count(|memory| &mut memory.swap_in) },
    Field { name: "swap_out", slot: Slot::Count(|memory| &mut memory.swap_out) },
    Field { name: "major_faults", slot: Slot::Count(|memory| &mut memory.major_faults) },
    Field { name: "minor_faults", slot: Slot::Count(|memory| &mut memory.minor_faults) },
    Field { name: "disk_caches", slot: Slot::Count(|memory| &mut memory.disk_caches) },
    Field { name: "hugetlb_pgalloc", slot: Slot::Count(|memory| &mut memory.hugetlb_pgalloc) },
    Field { name: "hugetlb_pgfail", slot: Slot::Count(|memory| &mut memory.hugetlb_pgfail) },
    Field { name: "last_update", slot: Slot::Count(|memory| &mut memory.last_update) },
];

pub(crate) static CPU: Section = Section {
    title: "the processors of a change",
    path: "cases[].polls[].change.cpu",
    about: "The contract's interface `cpu`, times in nanoseconds.",
    keys: &[
        always("current"),
        always("maximum"),
        counter("time"),
        counter("user"),
        counter("system"),
        key("vcpus", "mapping, or list", "", "By number, `{0: {wait: 5}}`; a list of them replaces all."),
    ],
};

pub(super) static CPU_FIELDS: [Field<Cpu>; 5] = [
    Field { name: "current", slot: Slot::Small(|cpu| &mut cpu.current) },
    Field { name: "maximum", slot: Slot::Small(|cpu| &mut cpu.maximum) },
    Field { name: "time", slot: Slot::Count(|cpu| &mut cpu.time) },
    Field { name: "user", slot: Slot::Count(|cpu| &mut cpu.user) },
    Field { name: "system", slot: Slot::Count(|cpu| &mut cpu.system) },
];

pub(crate) static VCPU: Section = Section {
    title: "a processor of a change",
    path: "cases[].polls[].change.cpu.vcpus[]",
    about: "A virtual processor.",
    keys: &[
        always("number"),
        key("state", "number", "", "0 offline, 1 running, 2 blocked."),
        key("time", "number", "", "`null`: not reported; guests do not see such a processor."),
        counter("wait"),
        counter("delay"),
    ],
};

pub(super) static VCPU_FIELDS: [Field<Vcpu>; 5] = [
    Field { name: "number", slot: Slot::Small(|vcpu| &mut vcpu.number) },
    Field { name: "state", slot: Slot::Small(|vcpu| &mut vcpu.state) },
    Field { name: "time", slot: Slot::Count(|vcpu| &mut vcpu.time) },
    Field { name: "wait", slot: Slot::Count(|vcpu| &mut vcpu.wait) },
    Field { name: "delay", slot: Slot::Count(|vcpu| &mut vcpu.delay) },
];

pub(crate) static DISK: Section = Section {
    title: "a disk of a change",
    path: "cases[].polls[].change.disks[]",
    about: "The contract's interface `disks`, sizes in bytes, times in nanoseconds.",
    keys: &[
        key("device", "text", "", "The target: `vda`."),
        key("source", "text", "", "`null`: none."),
        counter("read_requests"),
        counter("read_bytes"),
        counter("read_time"),
        counter("write_requests"),
        counter("write_bytes"),
        counter("write_time"),
        counter("flush_requests"),
        counter("flush_time"),
        counter("errors"),
        counter("capacity"),
        counter("allocation"),
        counter("physical"),
    ],
};

pub(super) static DISK_FIELDS: [Field<Disk>; 14] = [
    Field { name: "device", slot: Slot::Name(|disk| &mut disk.device) },
    Field { name: "source", slot: Slot::Text(|disk| &mut disk.source) },
    Field { name: "read_requests", slot: Slot::Count(|disk| &mut disk.read_requests) },
    Field { name: "read_bytes", slot: Slot::Count(|disk| &mut disk.read_bytes) },
    Field { name: "read_time", slot: Slot::Count(|disk| &mut disk.read_time) },
    Field { name: "write_requests", slot: Slot::Count(|disk| &mut disk.write_requests) },
    Field { name: "write_bytes", slot: Slot::Count(|disk| &mut disk.write_bytes) },
    Field { name: "write_time", slot: Slot::Count(|disk| &mut disk.write_time) },
    Field { name: "flush_requests", slot: Slot::Count(|disk| &mut disk.flush_requests) },
    Field { name: "flush_time", slot: Slot::Count(|disk| &mut disk.flush_time) },
    Field { name: "errors", slot: Slot::Count(|disk| &mut disk.errors) },
    Field { name: "capacity", slot: Slot::Count(|disk| &mut disk.capacity) },
    Field { name: "allocation", slot: Slot::Count(|disk| &mut disk.allocation) },
    Field { name: "physical", slot: Slot::Count(|disk| &mut disk.physical) },
];

pub(crate) static VNIC: Section = Section {
    title: "a vnic of a change",
    path: "cases[].polls[].change.vnics[]",
    about: "The contract's interface `vnics`.",
    keys: &[
        key("name", "text", "", "The device on the host: `tap2b0405c7-5a`."),
        key("mac", "text", "", ""),
        key("bridge", "text", "", "`null`: none."),
        key("filterref", "text", "", "`null`: none."),
        key("interface_id", "text", "", "`null`: none."),
        key(
            "parameters",
            "mapping, or list of pairs",
            "",
            "The network filter's: `{bridge: br-int}`; `null` removes one. `[[bridge, br-int]]` replaces all.",
        ),
        counter("rx_bytes"),
        counter("rx_packets"),
        counter("rx_errors"),
        counter("rx_drop"),
        counter("tx_bytes"),
        counter("tx_packets"),
        counter("tx_errors"),
        counter("tx_drop"),
    ],
};

pub(super) static VNIC_FIELDS: [Field<Vnic>; 14] = [
    Field { name: "name", slot: Slot::Name(|vnic| &mut vnic.name) },
    Field { name: "mac", slot: Slot::Name(|vnic| &mut vnic.mac) },
    Field { name: "bridge", slot: Slot::Text(|vnic| &mut vnic.bridge) },
    Field { name: "filterref", slot: Slot::Text(|vnic| &mut vnic.filterref) },
    Field { name: "interface_id", slot: Slot::Text(|vnic| &mut vnic.interface_id) },
    Field { name: "parameters", slot: Slot::Pairs(|vnic| &mut vnic.parameters) },
    Field { name: "rx_bytes", slot: Slot::Count(|vnic| &mut vnic.rx_bytes) },
    Field { name: "rx_packets", slot: Slot::Count(|vnic| &mut vnic.rx_packets) },
    Field { name: "rx_errors", slot: Slot::Count(|vnic| &mut vnic.rx_errors) },
    Field { name: "rx_drop", slot: Slot::Count(|vnic| &mut vnic.rx_drop) },
    Field { name: "tx_bytes", slot: Slot::Count(|vnic| &mut vnic.tx_bytes) },
    Field { name: "tx_packets", slot: Slot::Count(|vnic| &mut vnic.tx_packets) },
    Field { name: "tx_errors", slot: Slot::Count(|vnic| &mut vnic.tx_errors) },
    Field { name: "tx_drop", slot: Slot::Count(|vnic| &mut vnic.tx_drop) },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn same<T>(section: &Section, fields: &[Field<T>], beside: &[&str]) {
        let keys: Vec<_> =
            section.keys.iter().map(|key| key.name).filter(|name| !beside.contains(name)).collect();
        let fields: Vec<_> = fields.iter().map(|field| field.name).collect();
        assert_eq!(keys, fields, "{}", section.title);
    }

    #[test]
    fn every_key_has_its_field() {
        same(&MEMORY, &MEMORY_FIELDS, &[]);
        same(&CPU, &CPU_FIELDS, &["vcpus"]);
        same(&VCPU, &VCPU_FIELDS, &[]);
        same(&DISK, &DISK_FIELDS, &[]);
        same(&VNIC, &VNIC_FIELDS, &[]);
    }
}

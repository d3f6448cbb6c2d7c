//! What a case changes of an instance before it is polled: a merge patch in the words of recordings.
//!
//! Decoding says what is wrong in itself; [`Change::apply`] says what is wrong with this instance (it has no such disk).

use std::fmt;
use std::sync::Arc;

use inspector::identity::{DiskDevice, Identity, VnicDevice};
use inspector::snapshot::{Cpu, Disk, Field as Raw, Memory, Vcpu, Vnic};
use inspector::{Instance, Missing, Power, Reading};
use sample::Volume;

use super::expect::{SKIPS, Skip, volume};
use super::fields::{Field, Patch, merge, pairs};
use super::single;
use super::tables::{CHANGE, CPU, CPU_FIELDS, DISK, DISK_FIELDS, MEMORY, MEMORY_FIELDS};
use super::tables::{VCPU, VCPU_FIELDS, VNIC, VNIC_FIELDS};
use crate::fault::shown;
use crate::section::{Decoder, Map, Section, Unknown};
use crate::value;
use crate::yaml::{Node, Value};
use crate::{Faults, Place};

/// What is changed of an instance.
#[derive(Clone, Default)]
pub struct Change(Option<Arc<Parts>>);

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Change" } else { "no change" })
    }
}

struct Parts {
    power: Option<Power>,
    display_name: Option<String>,
    project_id: Option<Option<String>>,
    user_id: Option<Option<String>>,
    xml: Option<String>,
    memory: Option<OfReading<Patch<Memory>>>,
    cpu: Option<OfReading<CpuPatch>>,
    disks: Option<OfReading<Devices<Disk>>>,
    vnics: Option<OfReading<Devices<Vnic>>>,
    perf: Option<OfReading<Pairs<u64>>>,
    raw: Option<OfReading<Pairs<Raw>>>,
}

/// How many devices a fault names.
const MAX_KNOWN: usize = 10;

type Pairs<V> = Vec<(String, Option<V>)>;

/// What becomes of one reading.
enum OfReading<P> {
    Missing(Missing),
    Present(P, Place),
}

struct CpuPatch {
    fields: Patch<Cpu>,
    vcpus: Option<Devices<Vcpu>>,
}

/// What becomes of a list of devices.
enum Devices<T: 'static> {
    /// It is replaced.
    Whole(Vec<Patch<T>>),
    /// Some are changed, or removed, by name.
    Named(Vec<(String, Place, Option<Patch<T>>)>),
}

/// A record that stands in a list and has a name there.
trait Device: Default + 'static {
    const WHAT: &'static str;
    const SECTION: &'static Section;
    const FIELDS: &'static [Field<Self>];

    fn name(&self) -> String;
}

impl Device for Disk {
    const WHAT: &'static str = "disk";
    const SECTION: &'static Section = &DISK;
    const FIELDS: &'static [Field<Self>] = &DISK_FIELDS;

    fn name(&self) -> String {
        self.device.clone()
    }
}

impl Device for Vnic {
    const WHAT: &'static str = "vnic";
    const SECTION: &'static Section = &VNIC;
    const FIELDS: &'static [Field<Self>] = &VNIC_FIELDS;

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Device for Vcpu {
    const WHAT: &'static str = "vcpu";
    const SECTION: &'static Section = &VCPU;
    const FIELDS: &'static [Field<Self>] = &VCPU_FIELDS;

    fn name(&self) -> String {
        self.number.to_string()
    }
}

const POWERS: &[(&str, Power)] = &[
    ("no-state", Power::NoState),
    ("running", Power::Running),
    ("blocked", Power::Blocked),
    ("paused", Power::Paused),
    ("shutdown", Power::Shutdown),
    ("shut-off", Power::ShutOff),
    ("crashed", Power::Crashed),
    ("suspended", Power::Suspended),
];

pub(super) fn change(d: &mut Decoder<'_>, node: &Node) -> Option<Change> {
    let map = Map::open(d, node, &CHANGE, Unknown::Refuse)?;
    let or_none = |d: &mut Decoder<'_>, name: &str| match map.given(name) {
        Some(node) if node.is_null() => Some(None),
        Some(node) => value::text(d, node).map(Some),
        None => None,
    };
    for key in ["power", "display_name", "domain_xml"] {
        if let Some(node) = map.given(key).filter(|node| node.is_null()) {
            d.faults.error(&node.place, format!("`{key}` cannot be removed"));
        }
    }
    let parts = Parts {
        power: map.optional(d, "power", value::word(POWERS)),
        display_name: map.optional(d, "display_name", value::text),
        project_id: or_none(d, "project_id"),
        user_id: or_none(d, "user_id"),
        xml: map.optional(d, "domain_xml", value::text),
        memory: of_reading(d, map.given("memory"), |d, node| {
            let map = Map::open(d, node, &MEMORY, Unknown::Refuse)?;
            Some(Patch::read(d, &map, &MEMORY_FIELDS))
        }),
        cpu: of_reading(d, map.given("cpu"), |d, node| {
            let map = Map::open(d, node, &CPU, Unknown::Refuse)?;
            let fields = Patch::read(d, &map, &CPU_FIELDS);
            Some(CpuPatch { fields, vcpus: map.optional(d, "vcpus", devices) })
        }),
        disks: of_reading(d, map.given("disks"), devices),
        vnics: of_reading(d, map.given("vnics"), devices),
        perf: of_reading(d, map.given("perf"), |d, node| pairs(d, node, value::number(0, u64::MAX))),
        raw: of_reading(d, map.given("raw_stats"), |d, node| pairs(d, node, raw)),
    };
    Some(Change(Some(Arc::new(parts))))
}

fn of_reading<P>(
    d: &mut Decoder<'_>,
    node: Option<&Node>,
    read: impl FnOnce(&mut Decoder<'_>, &Node) -> Option<P>,
) -> Option<OfReading<P>> {
    let node = node?;
    Some(match (&node.value, single(node)) {
        // A merge patch removes what is null: then there is no reading.
        (Value::Null, _) => OfReading::Missing(Missing::NoData),
        (Value::Scalar(_), _) => OfReading::Missing(match value::word(SKIPS)(d, node)? {
            Skip::NotFound => Missing::NotFound,
            Skip::ShutOff => Missing::ShutOff,
            Skip::Unsupported => Missing::Unsupported,
            Skip::NoData => Missing::NoData,
        }),
        (_, Some(("failed", text))) => OfReading::Missing(Missing::Failed(value::text(d, text)?)),
        _ => OfReading::Present(read(d, node)?, node.place.clone()),
    })
}

fn devices<T: Device>(d: &mut Decoder<'_>, node: &Node) -> Option<Devices<T>> {
    let patch = |d: &mut Decoder<'_>, node: &Node| {
        let map = Map::open(d, node, T::SECTION, Unknown::Refuse)?;
        Some(Patch::read(d, &map, T::FIELDS))
    };
    match &node.value {
        Value::Sequence(items) => {
            let whole = |d: &mut Decoder<'_>, node: &Node| {
                let patch = patch(d, node)?;
                if let Some(lacks) = patch.lacks() {
                    d.faults.error(&node.place, format!("a {} of a list needs {lacks}", T::WHAT));
                }
                Some(patch)
            };
            Some(Devices::Whole(items.iter().filter_map(|item| whole(d, item)).collect()))
        }
        Value::Mapping(entries) => {
            let mut named = Vec::new();
            for entry in entries {
                let patch = if entry.node.is_null() { None } else { Some(patch(d, &entry.node)?) };
                named.push((entry.key.clone(), entry.place.clone(), patch));
            }
            Some(Devices::Named(named))
        }
        _ => d.expected(&format!("a mapping or a list of {}s", T::WHAT), node),
    }
}

/// A field of libvirt's statistics, of the type that its form says.
fn raw(d: &mut Decoder<'_>, node: &Node) -> Option<Raw> {
    let text = value::text_or_empty(d, node)?;
    Some(match (node.plain, text.as_str(), volume(&text)) {
        (true, "true", _) => Raw::Flag(true),
        (true, "false", _) => Raw::Flag(false),
        (true, _, Some(Volume::Count(count))) => Raw::Unsigned(count),
        (true, _, Some(Volume::Signed(number))) => Raw::Signed(number),
        (true, _, Some(Volume::Real(real))) => Raw::Real(real),
        _ => Raw::Text(text),
    })
}

impl Change {
    /// Changes an instance; what this one does not have is noted.
    pub fn apply(&self, instance: &mut Instance, faults: &mut Faults) {
        let Some(parts) = &self.0 else { return };
        let identity = Arc::make_mut(&mut instance.identity);
        parts.identify(identity);
        if let Some(power) = parts.power {
            instance.power = power;
        }
        put(&mut instance.memory, parts.memory.as_ref(), |memory, patch, place| {
            record(memory, patch, place, "memory", faults);
        });
        put(&mut instance.cpu, parts.cpu.as_ref(), |cpu, patch, place| {
            record(cpu, &patch.fields, place, "cpu", faults);
            if let (Ok(cpu), Some(vcpus)) = (cpu, &patch.vcpus) {
                vcpus.put(&mut cpu.vcpus, faults);
            }
        });
        put(&mut instance.disks, parts.disks.as_ref(), |disks, patch, _| patch.put(present(disks), faults));
        put(&mut instance.vnics, parts.vnics.as_ref(), |vnics, patch, _| patch.put(present(vnics), faults));
        put(&mut instance.perf, parts.perf.as_ref(), |perf, patch, _| merge(present(perf), patch));
        put(&mut instance.raw, parts.raw.as_ref(), |raw, patch, _| merge(present(raw), patch));
        // As the XML would have them: a vnic's filterref may be the resource of a sample.
        if let (true, Ok(disks)) = (parts.disks.is_some(), &instance.disks) {
            identity.disks = disks.iter().map(disk_device).collect();
        }
        if let (true, Ok(vnics)) = (parts.vnics.is_some(), &instance.vnics) {
            identity.vnics = vnics.iter().map(vnic_device).collect();
        }
    }
}

impl Parts {
    fn identify(&self, identity: &mut Identity) {
        if let Some(name) = &self.display_name {
            identity.nova.get_or_insert_default().display_name.clone_from(name);
        }
        if let Some(project) = &self.project_id {
            identity.project_id.clone_from(project);
        }
        if let Some(user) = &self.user_id {
            identity.user_id.clone_from(user);
        }
        if let Some(xml) = &self.xml {
            identity.xml.clone_from(xml);
        }
    }
}

fn put<T, P>(
    reading: &mut Reading<T>,
    change: Option<&OfReading<P>>,
    present: impl FnOnce(&mut Reading<T>, &P, &Place),
) {
    match change {
        Some(OfReading::Missing(why)) => *reading = Err(why.clone()),
        Some(OfReading::Present(patch, place)) => present(reading, patch, place),
        None => {}
    }
}

/// A record that is missing becomes one, if the change has all that is always there.
fn record<T: Default>(
    reading: &mut Reading<T>,
    patch: &Patch<T>,
    place: &Place,
    name: &str,
    faults: &mut Faults,
) {
    if let (Err(why), Some(lacks)) = (&*reading, patch.lacks()) {
        faults.error(place, format!("the instance has no `{name}` ({why}), so {lacks} must be given"));
        return;
    }
    patch.put(present(reading));
}

fn present<T: Default>(reading: &mut Reading<T>) -> &mut T {
    if reading.is_err() {
        *reading = Ok(T::default());
    }
    match reading {
        Ok(present) => present,
        Err(_) => unreachable!("it was just made"),
    }
}

impl<T: Device> Devices<T> {
    fn put(&self, devices: &mut Vec<T>, faults: &mut Faults) {
        let named = match self {
            Self::Whole(patches) => {
                let made = patches.iter().map(|patch| {
                    let mut device = T::default();
                    patch.put(&mut device);
                    device
                });
                *devices = made.collect();
                return;
            }
            Self::Named(named) => named,
        };
        for (name, place, patch) in named {
            let Some(at) = devices.iter().position(|device| device.name() == *name) else {
                let known: Vec<_> = devices.iter().take(MAX_KNOWN).map(T::name).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                faults
                    .error(place, format!("the instance has no {} {}; it has {known}", T::WHAT, shown(name)));
                continue;
            };
            match patch {
                Some(patch) => patch.put(&mut devices[at]),
                None => drop(devices.remove(at)),
            }
        }
    }
}

fn disk_device(disk: &Disk) -> DiskDevice {
    DiskDevice { device: disk.device.clone(), source: disk.source.clone() }
}

fn vnic_device(vnic: &Vnic) -> VnicDevice {
    VnicDevice {
        name: vnic.name.clone(),
        mac: vnic.mac.clone(),
        bridge: vnic.bridge.clone(),
        filterref: vnic.filterref.clone(),
        interface_id: vnic.interface_id.clone(),
        parameters: vnic.parameters.clone(),
    }
}

//! What a guest may be granted: an interface of the contract each.
//!
//! A component's type says what it wants to read; the operator's grants say what it may. [`Guest::load`](crate::Guest::load)
//! compares the two and then links what was granted and nothing else: two locks.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use inspector::Group;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::contract::{PACKAGE, VERSION};
use crate::world;

/// An interface of the contract that answers calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Who the instance is.
    Instance,
    /// Its memory.
    Memory,
    /// Its processors.
    Cpu,
    /// Its disks.
    Disks,
    /// Its network interfaces.
    Vnics,
    /// Its hardware performance events.
    Perf,
    /// Every field that libvirt's bulk statistics returned.
    RawStats,
    /// Its XML.
    DomainXml,
    /// What the guest remembers between polls.
    State,
    /// The guest's own settings.
    Settings,
    /// Lines in the agent's log.
    Log,
}

impl Capability {
    /// All of them, in the order of the contract's world.
    pub const ALL: [Self; 11] = [
        Self::Instance,
        Self::Memory,
        Self::Cpu,
        Self::Disks,
        Self::Vnics,
        Self::Perf,
        Self::RawStats,
        Self::DomainXml,
        Self::State,
        Self::Settings,
        Self::Log,
    ];

    /// The interface's name in the contract, which is also the grant's in a pipeline file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Disks => "disks",
            Self::Vnics => "vnics",
            Self::Perf => "perf",
            Self::RawStats => "raw-stats",
            Self::DomainXml => "domain-xml",
            Self::State => "state",
            Self::Settings => "settings",
            Self::Log => "log",
        }
    }

    /// What it lets a guest read, in one sentence for who grants it.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Instance => "Who the instance is: UUID, names, project, user, flavor, power state.",
            Self::Memory => "Its memory: the maximum, what the balloon leaves it, and what its OS reports.",
            Self::Cpu => "Its processors: how many, and the time that each has run, waited and been delayed.",
            Self::Disks => "Its disks: requests, bytes and times, sizes, and the path or volume behind each.",
            Self::Vnics => "Its network interfaces: counters, MAC addresses, ports and network filters.",
            Self::Perf => "Its hardware performance events, where they are enabled.",
            Self::RawStats => "Every field that libvirt's bulk statistics report of it, whichever they are.",
            Self::DomainXml => {
                "Its whole XML, without passwords; that has a tenant's texts and the host's paths."
            }
            Self::State => "What the guest itself remembered at its last poll of the instance.",
            Self::Settings => "The guest's own settings in the pipeline file.",
            Self::Log => "Nothing: it may write lines to the agent's log.",
        }
    }

    /// The group of readings that a snapshot must hold for it.
    pub const fn group(self) -> Option<Group> {
        match self {
            Self::Memory => Some(Group::Memory),
            Self::Cpu => Some(Group::Cpu),
            Self::Disks => Some(Group::Disks),
            Self::Vnics => Some(Group::Vnics),
            Self::Perf => Some(Group::Perf),
            Self::RawStats => Some(Group::RawStats),
            Self::Instance | Self::DomainXml | Self::State | Self::Settings | Self::Log => None,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// No interface of the contract has this name.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} is no grant; there are {}", names())]
pub struct UnknownCapability {
    /// The name as it was given.
    pub name: String,
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        Self::ALL
            .into_iter()
            .find(|capability| capability.as_str() == text)
            .ok_or_else(|| UnknownCapability { name: text.to_owned() })
    }
}

/// The package of the contract, and the version that this runtime has.
pub const CONTRACT: (&str, &str) = (PACKAGE, VERSION);

/// All names, with commas between them.
pub fn names() -> String {
    join(Capability::ALL)
}

/// Names, with commas between them.
pub fn join(capabilities: impl IntoIterator<Item = Capability>) -> String {
    let names: Vec<_> = capabilities.into_iter().map(Capability::as_str).collect();
    names.join(", ")
}

/// What a component imports.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    /// Interfaces of the contract of which it imports at least one function.
    pub(crate) capabilities: BTreeSet<Capability>,
    /// The interfaces of WASI that it imports.
    pub(crate) wasi: Vec<String>,
    /// Imports that no Nephoscope has, or not in this version.
    pub(crate) unknown: Vec<String>,
}

/// Reads a component's imports. An interface of which only types are used demands nothing.
pub(crate) fn demanded(component: &Component) -> Demand {
    let mut demand = Demand::default();
    let engine = component.engine();
    for (name, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = item.ty else {
            demand.unknown.push(name.to_owned());
            continue;
        };
        let functions =
            interface.exports(engine).any(|(_, export)| matches!(export.ty, ComponentItem::ComponentFunc(_)));
        if is_of_wasi(name) {
            demand.wasi.push(name.to_owned());
            continue;
        }
        match of_contract(name) {
            Some(capability) if functions => drop(demand.capabilities.insert(capability)),
            Some(_) => {}
            None if is_types(name) => {}
            None => demand.unknown.push(name.to_owned()),
        }
    }
    demand
}

/// The packages of WASI 0.2 that are linked.
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

fn is_of_wasi(import: &str) -> bool {
    let parts = || {
        let (package, interface) = import.strip_prefix("wasi:")?.split_once('/')?;
        Some((package, interface.split_once('@')?.1))
    };
    parts().is_some_and(|(package, version)| WASI.contains(&package) && version.starts_with("0.2."))
}

fn of_contract(import: &str) -> Option<Capability> {
    interface(import)?.parse().ok()
}

fn is_types(import: &str) -> bool {
    interface(import) == Some("types")
}

/// The interface of the contract that an import names, of a version that this runtime has.
fn interface(import: &str) -> Option<&str> {
    let (interface, version) = import.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')?;
    world::is_compatible(version).then_some(interface)
}

#[cfg(test)]
mod tests {
    use super::is_of_wasi;

    #[test]
    fn wasi_is_what_is_linked_of_it() {
        assert!(is_of_wasi("wasi:cli/stdout@0.2.0") && is_of_wasi("wasi:io/streams@0.2.12"));
        for other in ["wasi:http/types@0.2.0", "wasi:cli/stdout@0.3.0", "wasi:cli/stdout", "wasi:nn", "env"] {
            assert!(!is_of_wasi(other), "{other}");
        }
    }
}

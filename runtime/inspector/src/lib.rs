//! The inspector: one snapshot of a hypervisor host per cycle, from libvirt or from a recording.

pub mod identity;
pub mod settings;
pub mod snapshot;

pub use identity::Identity;
pub use settings::Settings;
pub use snapshot::{Group, Groups, Instance, Missing, Power, Reading, Snapshot};

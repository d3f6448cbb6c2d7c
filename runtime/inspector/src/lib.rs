//! The inspector: one snapshot of a hypervisor host per cycle, from libvirt or from a recording.
//!
//! [`Inspector::snapshot`] reads the whole host at once, with only those [`Groups`] that are asked for, under deadlines
//! ([`Settings`]); guests then read the [`Snapshot`] and nothing else. What libvirt did not give is [`Missing`] or `None`,
//! never 0. The module `libvirt` says how the calls are spread over threads and what happens when one of them hangs.
//!
//! `unsafe` is allowed in the module `ffi` alone.
#![deny(unsafe_code)]

mod clock;
pub mod domain_xml;
mod error;
mod ffi;
mod fields;
mod health;
pub mod identity;
mod inspector;
mod libvirt;
pub mod probe;
pub mod recording;
mod replay;
pub mod settings;
pub mod snapshot;

pub use error::{InspectError, LibvirtError};
pub use health::{Health, SetAside};
pub use identity::Identity;
pub use inspector::Inspector;
pub use libvirt::Bare;
pub use probe::{Control, ControlState, Probe, Probed};
pub use recording::{RecordingError, load, record};
pub use settings::Settings;
pub use snapshot::{Group, Groups, Instance, LeftOut, Missing, Power, Reading, Snapshot};

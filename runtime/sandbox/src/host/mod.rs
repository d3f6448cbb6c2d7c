//! The host functions: an interface of the contract per file, each reading the snapshot alone.

mod cpu;
mod disks;
mod domain_xml;
mod instance;
pub(crate) mod log;
mod memory;
mod perf;
mod raw_stats;
mod settings;
mod state;
mod vnics;

use inspector::Missing;

use crate::contract::nephoscope::meter::types::{self, Error};
use crate::poll::Poll;

impl types::Host for Poll {}

/// Why a reading is missing, in the contract's words.
fn missing(missing: &Missing) -> Error {
    match missing {
        Missing::NotFound => Error::NotFound,
        Missing::ShutOff => Error::ShutOff,
        Missing::Unsupported => Error::Unsupported,
        Missing::NoData => Error::NoData,
        // The groups of every loaded guest are asked for; a recording may lack one.
        Missing::NotAsked => Error::NoData,
        Missing::Failed(text) => Error::Failed(text.clone()),
    }
}

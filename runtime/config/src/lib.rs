//! Pipeline, collector and case files: read into plain settings, with every fault at once, by file, line and column.
//!
//! ```text
//!  text ──yaml──▶ nodes with places ──section, value──▶ settings
//!                         └────────── faults ──────────────┘     nothing starts while one of them is an error
//! ```
//!
//! The decoder goes on after a fault, so that one `nephoscope check` shows all of them. What cannot be known here (whether a
//! module imports more than it was granted, which meters it has) the agent adds to the same list, at the [`Place`] that each
//! setting keeps.
//!
//! Files are hostile until read: size, number of nodes (aliases included), depth and every value are bounded. Secrets
//! (`telemetry_secret`, brokers' URLs, Nova's login) stand in the file, in a file of their own or in the environment, and show neither in
//! faults nor in `Debug`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`pipeline`] | the agent's file: guests, sources, sinks |
//! | [`collector_file`] | the collector's file |
//! | [`cases`] | an author's tests of a guest |
//! | [`arguments`] | values of the command line that are written as in the files |
//! | [`fault`] | faults, for people and as JSON |
//! | [`reference`](mod@reference) | the tables of all keys, from which `docs/configuration.md` is made |
#![forbid(unsafe_code)]

pub mod arguments;
mod broker;
pub mod cases;
pub mod collector_file;
pub mod fault;
mod file;
mod http_api;
pub mod pipeline;
mod place;
pub mod reference;
mod secret;
pub mod section;
mod value;
mod yaml;

pub use cases::load_cases;
pub use collector_file::{CollectorFile, load_collector};
pub use fault::{Fault, Faults, Severity};
pub use pipeline::{
    Grant, Guest, GuestFolder, Hypervisor, Inspector, Isolation, LimitOverrides, MAX_GUESTS, Names,
    NoSpoolFolder, Pipeline, Polling, REPORT_STOPPED, SetAside, Sink, Source, Spool, SpoolFolder,
    SpoolSettings, Stopped, Swap, load_pipeline, read_pins,
};
pub use place::{Located, Place};
pub use sample::filter::{Filter, FilterFault};

/// A file that can be used, and what its operator should know about it.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// What the file says.
    pub value: T,
    /// Faults, all of them [`Severity::Warning`].
    pub warnings: Faults,
}

impl<T> Loaded<T> {
    /// The outcome of a load: the value, unless an error was noted.
    fn new(value: Option<T>, faults: Faults) -> Result<Self, Faults> {
        match value {
            Some(value) if !faults.is_fatal() => Ok(Self { value, warnings: faults }),
            _ => Err(faults),
        }
    }
}

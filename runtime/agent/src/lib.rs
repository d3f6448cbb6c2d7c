//! The agent: joins inspector, sandbox and publisher.
//!
//! ```text
//!  pipeline file ─▶ Plan: guests loaded, meters matched with sources, every fault listed
//!                     │
//!  tick of a source ─▶ cycle: one snapshot ─▶ polls on worker threads ─▶ samples, stamped ─▶ batches ─▶ publishers
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`plan`] | from a pipeline file to what will run, or its faults |
//! | [`schedule`] | when a source polls: jitter at the start, no drift, no overlap |
//! | [`guests`] | generations of guests, and what swaps them while the agent runs |
//! | [`cycle`] | one poll of a source: snapshot, guests, batches |
//! | [`resource_metadata`] | an instance's metadata as Ceilometer's agent writes it |
//! | [`admin`] | the socket where an operator asks for guests, and changes them |
//! | [`outlets`] | the publishers of the sinks |
//! | [`probe`] | whether hypervisors and publishers' targets answer |
//! | `tenants` | waiting for Nova, where there is no second poll |
//! | [`run`](mod@run) | the whole agent, from start to an orderly end |
#![forbid(unsafe_code)]

pub mod admin;
pub mod cycle;
pub mod guests;
pub mod outlets;
pub mod plan;
pub mod probe;
pub mod resource_metadata;
pub mod run;
pub mod schedule;
mod tenants;

pub use guests::Means;
pub use plan::{Plan, chain};
pub use run::{End, Mode, RunError, run};

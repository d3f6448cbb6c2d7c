//! The sandbox: pollsters as WebAssembly components, under limits.
//!
//! ```text
//!  file ──▶ Guest::load: bounded read ▶ parse + compile ▶ imports against grants ▶ link ▶ meters()
//!                                                                                      │
//!  Instance (of a snapshot) ──▶ Session::poll: fresh store ▶ poll() ▶ check samples ◀──┘
//! ```
//!
//! A guest is an attacker. It sees one instance's readings, through host functions that read a finished snapshot and never
//! wait; the sandbox never talks to libvirt. Whatever a guest does costs that one poll: a trap or a limit ends it, the store
//! is dropped, and the caller is told which [`Failure`] it was.
//!
//! | module | what it holds |
//! |---|---|
//! | [`capability`] | what a guest may be granted, and the comparison of imports with grants |
//! | [`limits`] | every bound, with its default and its reason |
//! | [`engine`] | wasmtime's settings and the thread that ticks epochs |
//! | [`module`] | the first half of loading: from a file to a compiled component, whose imports and exports are known |
//! | [`world`] | whether a module is a guest of this contract, before it is compiled |
//! | [`guest`] | loading: from a file to a checked, linked, asked guest |
//! | [`compile`] | from a module to machine code, here or in a child |
//! | [`cache`] | machine code that is kept |
//! | [`cached`] | loading it: the one place of `unsafe` |
//! | [`session`] | polling: one guest over the instances of a cycle |
//! | [`samples`] | what a guest returned, checked |
//! | [`failure`] | the fixed labels of everything that can go wrong |
//! | [`state`] | what a guest remembers between polls |
//!
//! `unsafe` is allowed in the module `cached` alone.
#![deny(unsafe_code)]

pub mod cache;
pub mod cached;
pub mod capability;
pub mod compile;
mod contract;
mod declaration;
pub mod engine;
pub mod failure;
pub mod guest;
mod host;
pub mod limits;
pub mod module;
mod poll;
pub mod samples;
pub mod session;
pub mod state;
mod wasi;
pub mod world;

pub use cache::Cache;
pub use capability::Capability;
pub use compile::Compiler;
pub use engine::Engine;
pub use failure::{Failure, Refusal, Skip};
pub use guest::{Guest, Isolation, LoadError, Spec};
pub use host::log::{LogLevel, LogLine, LoudLines};
pub use limits::Limits;
pub use module::Module;
pub use poll::thread_cpu;
pub use samples::GuestSample;
pub use session::{Outcome, Session, as_reported};

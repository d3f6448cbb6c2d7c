//! An author's workbench: a guest is made, checked and tried here, without libvirt, a broker or root.
//!
//! ```text
//!  wit/ ──▶ bindings ──▶ (the author's compiler) ──▶ componentize ──▶ component ──▶ check, play, bench
//!                                                                      example host ──┘
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`world`] | an author's WIT folder, and the world that is built in it |
//! | [`bench`](mod@bench) | what a component costs: size, compiling, loading, polls |
//! | [`bindings`] | generated sources for languages whose own tools cannot read WIT: C (and C++, Zig), Go |
//! | [`componentize`] | a component of a core module, or of WebAssembly text |
//! | [`check`] | what a file is, what it would read, its meters, and everything that is wrong with it |
//! | [`example`] | two moments of a made-up host, to try guests on |
//! | [`text`] | names and texts of others, fit for a terminal |
//! | [`play`] | polls of one component over snapshots, outside a pipeline |
//! | [`project`] | new projects, of templates in each language |
//! | [`cases`] | tests in data: what must come of polls, compared to the bit |
#![forbid(unsafe_code)]

pub mod bench;
pub mod bindings;
pub mod cases;
pub mod check;
pub mod componentize;
pub mod example;
pub mod play;
pub mod project;
pub mod text;
pub mod world;

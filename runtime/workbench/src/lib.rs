//! An author's workbench: a guest is made, checked and tried here, without libvirt, a broker or root.
//!
//! ```text
//!  wit/ ──▶ bindings ──▶ (the author's compiler) ──▶ componentize ──▶ component
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`world`] | an author's WIT folder, and the world that is built in it |
//! | [`bindings`] | generated sources for languages whose own tools cannot read WIT: C (and C++, Zig), Go |
//! | [`componentize`] | a component of a core module, or of WebAssembly text |
#![forbid(unsafe_code)]

pub mod bindings;
pub mod componentize;
pub mod world;

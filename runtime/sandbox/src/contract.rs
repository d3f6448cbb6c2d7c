//! The host's side of `nephoscope:meter@0.1.0`, generated from `wit/v0.1.0`.
#![allow(missing_docs, clippy::all, unused_qualifications)]

wasmtime::component::bindgen!({
    path: "../../wit/v0.1.0",
    world: "full",
    // A reading that is asked for outside a poll ends the guest.
    imports: { default: trappable },
});

/// The package that guests import from.
pub(crate) const PACKAGE: &str = "nephoscope:meter";
/// Its version.
pub(crate) const VERSION: &str = "0.1.0";

//! Modules from OCI registries, by digest: what is pulled today is what was pulled yesterday.
//!
//! ```text
//!  oci://HOST/REPOSITORY@sha256:… ──▶ manifest, of that digest ──▶ the one layer that is a module ──▶ bytes, of the layer's digest
//!                                                             └──▶ the one that is its signature, if there is one
//! ```
//!
//! A registry and what is between are hostile: a reference has a digest or is refused, every byte is held to a digest before it is handed
//! on, and reading a layer stops at its bound, whatever size the manifest tells. What bounds a manifest, which oci-client reads whole, is its
//! deadline. A layer's `urls`, which could lead anywhere, are not followed.
//!
//! | module | what it holds |
//! |---|---|
//! | [`reference`](mod@reference) | what is pulled, and from where |
//! | [`credentials`] | logins, from a file or from Docker's config |
//! | [`pull`](mod@pull) | pulling |
#![forbid(unsafe_code)]

pub mod credentials;
pub mod pull;
pub mod reference;

pub use credentials::{Credentials, CredentialsFault};
pub use pull::{Options, PullError, Pulled, Transport, pull};
pub use reference::{Reference, ReferenceFault};

//! Who may run: modules that the operator has pinned by their hash, or that are signed by keys that the operator trusts.
//!
//! ```text
//!  module ──sha256──▶ the guest's own pin ──▶ signature, where there is one ──▶ policy ──▶ Identity
//!                          │ another file          │ broken                       │ unknown
//!                          └───────────────────────┴── Refusal ◀──────────────────┘
//! ```
//!
//! Signatures are OpenSSH's (`ssh-keygen -Y sign -n nephoscope-guest -f KEY module.wasm` writes `module.wasm.sig` beside the module), of
//! ed25519 keys alone. The namespace keeps a signature that was made for something else, a login or a commit, from counting here. Modules
//! and signatures are hostile until judged: what is read of them is bounded, and nothing here runs or parses a module.
//!
//! | module | what it holds |
//! |---|---|
//! | [`digest`] | the hash of a module |
//! | [`pins`] | the hashes of a `sha256sum` file |
//! | [`key`] | trusted keys, and what their modules may claim |
//! | [`signature`] | signatures, and the file beside a module |
//! | [`judge`] | the policies, and what is said of a module |
#![forbid(unsafe_code)]

pub mod digest;
pub mod judge;
pub mod key;
pub mod pins;
pub mod signature;

pub use digest::Sha256;
pub use judge::{Identity, Policy, Refusal, Trust};
pub use key::{Excess, Key, KeyFault, PublicKey};
pub use pins::{PinFault, Pins};
pub use signature::{NAMESPACE, SignatureFault};

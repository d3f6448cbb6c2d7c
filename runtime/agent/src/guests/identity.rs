//! Which module a generation is, and who has signed it.

pub use trust::Sha256;

/// The name of a trusted key.
pub type Signer = String;

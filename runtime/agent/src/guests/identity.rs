//! placeholder until trust lands
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::fmt;

/// A digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);
/// A name.
pub type Signer = String;
impl Sha256 {
    /// of
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
    /// short
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}
impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
impl From<Sha256> for String {
    fn from(d: Sha256) -> Self {
        d.to_string()
    }
}
impl TryFrom<String> for Sha256 {
    type Error = String;
    fn try_from(t: String) -> Result<Self, String> {
        let mut out = [0u8; 32];
        if t.len() != 64 {
            return Err("no digest".into());
        }
        for (i, b) in out.iter_mut().enumerate() {
            *b =
                u8::from_str_radix(t.get(2 * i..2 * i + 2).unwrap_or("zz"), 16).map_err(|e| e.to_string())?;
        }
        Ok(Self(out))
    }
}
impl std::str::FromStr for Sha256 {
    type Err = String;
    fn from_str(t: &str) -> Result<Self, String> {
        Self::try_from(t.to_owned())
    }
}

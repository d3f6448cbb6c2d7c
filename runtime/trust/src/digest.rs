//! The hash of a module, which is its name wherever one has to be certain.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest;

/// Digits of the short form: as many as tell any two modules apart that an operator will ever see.
const SHORT: usize = 12;

/// A sha256; as text, 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sha256([u8; 32]);

/// A text that is no sha256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sha256 has 64 hexadecimal digits")]
pub struct NotASha256;

impl Sha256 {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The hash of what is left to read.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match from.read(&mut buffer)? {
                0 => return Ok(Self(hasher.finalize().into())),
                bytes => hasher.update(&buffer[..bytes]),
            }
        }
    }

    /// The first digits, for tables and log lines.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(SHORT);
        text
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = NotASha256;

    /// Capital digits are taken too, as `sha256sum -c` does.
    fn from_str(text: &str) -> Result<Self, NotASha256> {
        let digits: Vec<u8> = text
            .chars()
            .map(|digit| digit.to_digit(16).map(|value| value as u8))
            .collect::<Option<_>>()
            .ok_or(NotASha256)?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        match bytes.try_into() {
            Ok(bytes) if digits.len() == 64 => Ok(Self(bytes)),
            _ => Err(NotASha256),
        }
    }
}

impl From<Sha256> for String {
    fn from(hash: Sha256) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Sha256 {
    type Error = NotASha256;

    fn try_from(text: String) -> Result<Self, NotASha256> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of no bytes at all, as `sha256sum` says it.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_hash_is_its_64_digits() {
        let hash = Sha256::of(b"");
        assert_eq!(hash.to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(hash));
        assert_eq!(EMPTY.to_uppercase().parse(), Ok(hash));
        assert_eq!(hash.short(), "e3b0c44298fc");
        assert_ne!(hash, Sha256::of(b"\0"));
    }

    #[test]
    fn nothing_else_is_one() {
        let long = format!("{EMPTY}0");
        let other = EMPTY.replace('e', "g");
        let wide = EMPTY.replacen("e3", "é", 1);
        for wrong in ["", "e3", &EMPTY[1..], &EMPTY[2..], &long, &other, &wide, &format!(" {EMPTY}")] {
            assert_eq!(wrong.parse::<Sha256>(), Err(NotASha256), "{wrong:?}");
        }
    }

    #[test]
    fn in_json_it_is_a_text() {
        let hash = Sha256::of(b"");
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{EMPTY}\""));
        assert_eq!(serde_json::from_str::<Sha256>(&json).unwrap(), hash);
        assert!(serde_json::from_str::<Sha256>("\"e3\"").is_err());
    }
}

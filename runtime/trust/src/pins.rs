//! Pins: the hashes of modules that may run, as `sha256sum *.wasm` prints them.
//!
//! A pin is a hash; the name beside it is for people. A module that was moved or renamed is the same module.

use std::collections::BTreeSet;

use crate::Sha256;

/// A file of pins larger than this is not read: a line is some hundred bytes, and there are at most [`MAX_PINS`].
pub const MAX_BYTES: u64 = 1024 * 1024;

/// More pins than this are no operator's.
pub const MAX_PINS: usize = 10_000;

/// The hashes that are pinned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(BTreeSet<Sha256>);

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PinFault {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong, and what would be right.
    pub message: &'static str,
}

impl Pins {
    /// Reads what `sha256sum` prints: 64 digits, a blank, a blank or `*`, and a name; a `\` before the digits says that the name has
    /// escapes. Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// Every line that is not of this form, up to the first few.
    pub fn parse(text: &str) -> Result<Self, Vec<PinFault>> {
        /// A file that is something else altogether is wrong in every line.
        const SHOWN: usize = 10;
        let mut pins = BTreeSet::new();
        let mut faults = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let fault = match pin(text) {
                Ok(None) => continue,
                Ok(Some(_)) if pins.len() >= MAX_PINS => "more than 10000 pins",
                Ok(Some(hash)) => {
                    pins.insert(hash);
                    continue;
                }
                Err(message) => message,
            };
            faults.push(PinFault { line, message: fault });
            if faults.len() == SHOWN || pins.len() >= MAX_PINS {
                break;
            }
        }
        if faults.is_empty() { Ok(Self(pins)) } else { Err(faults) }
    }

    /// Whether a module is pinned.
    pub fn contains(&self, hash: &Sha256) -> bool {
        self.0.contains(hash)
    }

    /// How many modules are pinned.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Sha256> for Pins {
    fn from_iter<T: IntoIterator<Item = Sha256>>(hashes: T) -> Self {
        Self(hashes.into_iter().collect())
    }
}

fn pin(line: &str) -> Result<Option<Sha256>, &'static str> {
    const WANTED: &str =
        "expected a sha256 of 64 digits, two blanks and a file's name, as `sha256sum *.wasm` prints them";
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (hash, name) = line.strip_prefix('\\').unwrap_or(line).split_once(' ').ok_or(WANTED)?;
    let hash = hash.parse().map_err(|_| WANTED)?;
    match name.strip_prefix([' ', '*']) {
        Some(name) if !name.is_empty() => Ok(Some(hash)),
        _ => Err(WANTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> Sha256 {
        Sha256::of(bytes)
    }

    #[test]
    fn pins_are_read_as_sha256sum_prints_them() {
        let text = format!(
            "{}  a.wasm\n{} *b c.wasm\r\n\\{}  new\\nline.wasm\n\n# by hand\n{}  a.wasm\n",
            hash(b"a"),
            hash(b"b").to_string().to_uppercase(),
            hash(b"c"),
            hash(b"a"),
        );
        let pins = Pins::parse(&text).unwrap();
        assert_eq!(pins, [hash(b"a"), hash(b"b"), hash(b"c")].into_iter().collect());
        assert!(pins.contains(&hash(b"c")) && !pins.contains(&hash(b"d")));
        assert_eq!(Pins::parse("").unwrap().len(), 0);
    }

    #[test]
    fn each_wrong_line_is_named() {
        let good = hash(b"a");
        let text = format!(
            "{good}  a\n{good}\n{good} a\n{good}  \n{}  a\n  {good}  a\nSHA256 (a) = {good}\n",
            "ab".repeat(20)
        );
        let faults = Pins::parse(&text).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7]);
        assert!(faults[0].message.contains("sha256sum"));
    }

    #[test]
    fn a_file_that_is_something_else_is_not_named_line_by_line() {
        assert_eq!(Pins::parse(&"\0asm\n".repeat(1_000)).unwrap_err().len(), 10);
    }

    #[test]
    fn pins_are_bounded() {
        let line = |number: usize| format!("{}  a\n", hash(&number.to_le_bytes()));
        let most: String = (0..MAX_PINS).map(line).collect();
        assert_eq!(Pins::parse(&most).unwrap().len(), MAX_PINS);
        let faults = Pins::parse(&(most + &line(MAX_PINS))).unwrap_err();
        assert_eq!((faults.len(), faults[0].line, faults[0].message), (1, 10_001, "more than 10000 pins"));
    }
}

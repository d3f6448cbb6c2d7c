//! Whether a module is a guest of this contract: told by the names that it imports and exports, before anything of it is compiled.
//!
//! The contract's versions follow cargo's rules: `0.1.1` only adds to `0.1.0`, `0.2.0` may break. So a guest of any `0.1` is taken where all that it imports is there;
//! one of another minor is refused by name.

use std::collections::BTreeSet;
use std::path::Path;

use wasmparser::{Parser, Payload};

use crate::contract::{PACKAGE, VERSION};
use crate::guest::LoadError;
use crate::module::hint;

/// Components and modules in each other, at most: a whole Python has two levels.
const MOST_DEPTH: usize = 16;

/// Refuses what is no whole component, no guest, or a guest of another version of the contract.
///
/// # Errors
/// [`LoadError`] names the file and what would be right.
pub fn check(bytes: &[u8], path: &Path) -> Result<(), LoadError> {
    let names = names(bytes).map_err(|source| LoadError::NotAComponent {
        path: path.to_owned(),
        hint: hint(bytes),
        source,
    })?;
    let versions: BTreeSet<&str> = names.iter().filter_map(|name| version(name)).collect();
    let others: Vec<String> =
        versions.into_iter().filter(|version| !is_compatible(version)).map(str::to_owned).collect();
    if !others.is_empty() {
        return Err(LoadError::AnotherVersion { path: path.to_owned(), versions: others });
    }
    let pollster = format!("{PACKAGE}/pollster");
    if names.iter().any(|name| name.split('@').next() == Some(&pollster)) {
        return Ok(());
    }
    Err(LoadError::NotAPollster { path: path.to_owned() })
}

/// The version of the contract that a name is of: `0.1.0` of `nephoscope:meter/memory@0.1.0`.
fn version(name: &str) -> Option<&str> {
    name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@').map(|(_, version)| version)
}

/// Whether what is of this version of the contract is to be found in this runtime's.
pub(crate) fn is_compatible(version: &str) -> bool {
    let minor = |version: &str| {
        let mut parts = version.splitn(3, '.').map(|part| part.parse::<u32>().ok());
        let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
        Some(((major, minor), patch))
    };
    match (minor(version), minor(VERSION)) {
        (Some((asked, _)), Some((own, _))) => asked == own,
        _ => false,
    }
}

/// What the component itself imports and exports; what those inside it do is between them.
fn names(bytes: &[u8]) -> wasmtime::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } if depth == 0 => {
                wasmtime::ensure!(encoding == wasmparser::Encoding::Component, "it is a core module");
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                wasmtime::ensure!(depth <= MOST_DEPTH, "components are nested more than {MOST_DEPTH} deep");
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_no_other_contract_and_a_minor_is() {
        for (version, expected) in [
            ("0.1.0", true),
            ("0.1.7", true),
            ("0.2.0", false),
            ("1.1.0", false),
            ("0.1", false),
            ("0.1.0-rc1", false),
            ("", false),
        ] {
            assert_eq!(is_compatible(version), expected, "{version:?}");
        }
    }
}

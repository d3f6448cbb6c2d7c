//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// What commands keep between them: state, rendered files, logs. Ignored by git wherever cargo's own target folder is.
pub fn target() -> PathBuf {
    root().join("target")
}

/// A binary of the dev profile. It lies beside this one, wherever the target folder has been set to.
pub fn binary(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe().context("failed to find this program")?.with_file_name(name))
}

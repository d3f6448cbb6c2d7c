//! What is expensive to make and the same for every run: kept in `target/lab`, made by one process at a time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder of the cache, `target/lab` of this workspace.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab").components().fold(
        PathBuf::new(),
        |mut path, part| {
            if part == std::path::Component::ParentDir {
                path.pop();
            } else {
                path.push(part);
            }
            path
        },
    )
}

/// Gives the folder `name` of the cache, made by `make` where it is missing, half made (its maker was killed), or made
/// from another `recipe`. Others who want the same wait for the maker.
pub fn get_or_make(name: &str, recipe: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    get_or_make_in(&folder(), name, recipe, make)
}

/// The same in another folder than the cache's.
pub fn get_or_make_in(
    base: &Path,
    name: &str,
    recipe: &str,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    fs::create_dir_all(base).with_context(|| format!("failed to create {}", base.display()))?;
    let made = base.join(name);
    let stamp = made.join(".recipe");
    let is_made = || fs::read_to_string(&stamp).is_ok_and(|found| found == recipe);
    if is_made() {
        return Ok(made);
    }
    let lock = File::create(base.join(format!("{name}.lock")))?;
    lock.lock().with_context(|| format!("failed to lock {name} in {}", base.display()))?;
    if is_made() {
        return Ok(made);
    }
    if made.exists() {
        fs::remove_dir_all(&made).with_context(|| format!("failed to remove {}", made.display()))?;
    }
    fs::create_dir(&made)?;
    make(&made).with_context(|| format!("failed to make {}", made.display()))?;
    fs::write(&stamp, recipe)?;
    Ok(made)
}

//! Room on the disk. Whoever runs out of it half-way sees a hundred other faults: a package that does not install, a broker that takes
//! no more messages.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// What is needed even where everything has been built: data of brokers and databases, logs.
const LEAST: u64 = 1 << 30;

/// Sees to it that what is built and downloaded into cargo's target folder, so many GiB in an empty one, has room on its disk.
pub fn require(gib: u64) -> Result<()> {
    let program = std::env::current_exe().context("failed to find this program")?;
    // Two folders up: that of the profile, and cargo's.
    let target = program.ancestors().nth(2).context("this program is in no folder")?;
    let free = rustix::fs::statvfs(target).context("failed to ask for the disk's room")?;
    check(target, gib << 30, free.f_bavail * free.f_frsize)
}

fn check(target: &Path, takes: u64, free: u64) -> Result<()> {
    if free >= takes {
        return Ok(());
    }
    let more = takes.saturating_sub(size(target)).max(LEAST);
    if free < more {
        bail!(
            "{} needs {:.1} GiB more, and its disk has {:.1} GiB free: make room, or set CARGO_TARGET_DIR to a folder on \
             another disk. What older builds left there goes with `cargo clean`",
            target.display(),
            gib(more),
            gib(free)
        );
    }
    Ok(())
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// Bytes that a folder takes on the disk. What vanishes meanwhile does not count; what builds before left there does.
fn size(folder: &Path) -> u64 {
    fn add(folder: &Path, linked: &mut HashSet<(u64, u64)>) -> u64 {
        let Ok(entries) = fs::read_dir(folder) else { return 0 };
        let entries = entries.flatten().filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)));
        entries
            .map(|(path, found)| match found.is_dir() {
                true => add(&path, linked),
                // Cargo links what it has built to a second place.
                false if found.nlink() > 1 && !linked.insert((found.dev(), found.ino())) => 0,
                false => found.blocks() * 512,
            })
            .sum()
    }
    add(folder, &mut HashSet::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guests::scratch::Scratch;

    #[test]
    fn what_is_built_already_needs_no_room() {
        let scratch = Scratch::new("room");
        let folder = scratch.path().join("debug/deps");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("program"), vec![1; 3 << 20]).unwrap();
        fs::hard_link(folder.join("program"), scratch.path().join("debug/program")).unwrap();
        let target = scratch.path();
        check(target, LEAST + (3 << 20), LEAST).unwrap();
        check(target, 2 << 20, 2 << 20).unwrap();
        for (takes, free) in [(LEAST + (5 << 20), LEAST), (2 << 20, 1 << 20)] {
            let error = check(target, takes, free).unwrap_err().to_string();
            assert!(error.contains("GiB more") && error.contains("cargo clean"), "{error}");
        }
    }
}

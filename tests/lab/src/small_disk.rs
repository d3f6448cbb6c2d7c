//! A disk that is small enough to be filled: a tmpfs of its own size in a temporary folder.
//!
//! What can fail: not root, or mounts are forbidden (an unprivileged container). Space is given out in whole pages
//! ([`SmallDisk::leave`] rounds up to them), so a file on a full disk may still grow to the end of its last page, and be
//! written over where it has been written before.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::output;
use crate::process::Kept;

/// Detaches the disk at once, also from those that still have files on it open.
const UNMOUNT: &str = "umount -l \"$SMALL_DISK\"";
/// One write of the ballast's.
const BLOCK: usize = 64 * 1024;

/// A mounted small disk; dropping it unmounts and removes it, whoever still uses it.
#[derive(Debug)]
pub struct SmallDisk {
    // The mount goes before the folder that it is in, or the folder could not be removed.
    _mount: Kept,
    path: PathBuf,
    _folder: TempDir,
}

impl SmallDisk {
    /// Mounts an empty disk of this many bytes, rounded up to pages.
    pub fn mount(bytes: u64) -> Result<SmallDisk> {
        // The kernel takes 0 for no limit.
        ensure!(bytes > 0, "a disk of no size");
        if !rustix::process::geteuid().is_root() {
            bail!("a small disk needs root (it is mounted): run this as root or through sudo");
        }
        let folder = tempfile::Builder::new().prefix("nephoscope-disk-").tempdir()?;
        let path = folder.path().join("disk");
        fs::create_dir(&path)?;
        // The keeper is there before the mount, so that there is no moment at which nobody would unmount it; a process
        // that idles stands for the mount, which has none.
        let mut idle = Command::new("sleep");
        idle.arg("infinity").env("SMALL_DISK", &path);
        let mount = Kept::start_with_last_words(&idle, &folder.path().join("log"), UNMOUNT)?;
        let options = format!("size={bytes},mode=0700");
        output(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "nephoscope-disk"]).arg(&path))
            .context("failed to mount a small disk; are mounts forbidden (an unprivileged container)?")?;
        Ok(SmallDisk { _mount: mount, path, _folder: folder })
    }

    /// The folder that is the disk; root alone may enter it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that are free, in whole pages.
    pub fn available(&self) -> Result<u64> {
        let told = rustix::fs::statvfs(&self.path).context("failed to ask for the small disk's space")?;
        Ok(told.f_bavail * told.f_frsize)
    }

    /// Writes the file `ballast` until nothing more can be written.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        let block = vec![0; BLOCK];
        loop {
            // A write that finds less room than it needs writes what there is; only the next one fails.
            match ballast.write(&block) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("failed to write the ballast"),
            }
        }
    }

    /// Fills the disk but for this many bytes, rounded up to pages; where the ballast takes more already, it shrinks.
    pub fn leave(&self, bytes: u64) -> Result<()> {
        self.fill()?;
        let page = rustix::fs::statvfs(&self.path)?.f_frsize;
        let ballast = File::options().write(true).open(self.ballast())?;
        let size = ballast.metadata()?.len();
        let Some(kept) = bytes.checked_next_multiple_of(page).and_then(|freed| size.checked_sub(freed))
        else {
            bail!("{bytes} bytes cannot be left free: the ballast, which is all that can go, has {size}");
        };
        ballast.set_len(kept).context("failed to shorten the ballast")
    }

    /// Removes the ballast, where there is some.
    pub fn free(&self) -> Result<()> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("failed to remove the ballast")
            }
            _ => Ok(()),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

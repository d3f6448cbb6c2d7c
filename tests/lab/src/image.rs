//! What is behind the disks of a private libvirtd: files in its folder, raw and qcow2, and loop devices over such files.
//!
//! A block device has a link `FOLDER/NAME` to its loop device, as udev's `/dev/disk/by-id` has for volumes, over the raw file
//! `FOLDER/NAME.raw`. [`DETACH`] lets go of the loop devices that the links of a folder name.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::guest::{Disk, Image};
use crate::output;

/// A shell text for a keeper's last words; the folder is in `DISKS`. A device that a process still has open goes with its end.
pub(crate) const DETACH: &str = r#"for link in "$DISKS"/*; do
    [ -L "$link" ] && losetup -d "$(readlink "$link")"
done"#;

/// The major number of loop devices.
const LOOP_MAJOR: &str = "7";
/// Another process may take the free device before its node is made.
const LOOP_TRIES: usize = 10;

/// Makes what is behind a disk, where its file is to be in this folder.
pub(crate) fn make(disk: &Disk, folder: &Path) -> Result<()> {
    let path = folder.join(&disk.file);
    match disk.image {
        Image::None => Ok(()),
        Image::Raw => sparse(&path, disk.bytes),
        Image::Qcow2 => {
            let mut create = Command::new("qemu-img");
            create.args(["create", "-q", "-f", "qcow2"]).arg(&path).arg(disk.bytes.to_string());
            output(&mut create).map(drop)
        }
        Image::Block => {
            let backing = folder.join(format!("{}.raw", disk.file));
            sparse(&backing, disk.bytes)?;
            let device = attach(&backing).context("failed to make a loop device")?;
            symlink(device, &path).with_context(|| format!("failed to link {}", path.display()))
        }
    }
}

fn sparse(path: &Path, bytes: u64) -> Result<()> {
    File::create(path)?.set_len(bytes).with_context(|| format!("failed to make {}", path.display()))
}

/// A loop device over the file, by its path. A container's `/dev` may lack the node of a free one: then it is made.
fn attach(file: &Path) -> Result<String> {
    let mut tries = 0;
    loop {
        tries += 1;
        match output(Command::new("losetup").args(["--find", "--show"]).arg(file)) {
            Ok(device) => return Ok(device.trim().to_owned()),
            Err(error) if tries == LOOP_TRIES => return Err(error),
            Err(_) => make_node()?,
        }
    }
}

/// Makes the node of the loop device that is free.
fn make_node() -> Result<()> {
    let free = output(Command::new("losetup").arg("--find"))?;
    let free = free.trim();
    let number = free.strip_prefix("/dev/loop").with_context(|| format!("{free} is no loop device"))?;
    if Path::new(free).exists() {
        return Ok(());
    }
    output(Command::new("mknod").args([free, "b", LOOP_MAJOR, number])).map(drop)
}

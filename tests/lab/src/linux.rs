//! A small Linux for guests under qemu: Debian's cloud kernel, and an initial file system of busybox with the modules for
//! virtio's disk, network and balloon. Packages are downloaded and unpacked, not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, command_exists, output};

/// Kernel and initial file system.
#[derive(Clone, Debug)]
pub struct Linux {
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The initial file system, a cpio archive.
    pub initramfs: PathBuf,
}

/// In the order in which they must be loaded.
const MODULES: [&str; 10] = [
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/virtio/virtio_balloon.ko",
    "net/core/failover.ko",
    "drivers/net/net_failover.ko",
    "drivers/net/virtio_net.ko",
    "drivers/block/virtio_blk.ko",
];

const INIT: &str = include_str!("../assets/init.sh");

impl Linux {
    /// The small Linux of the cache, made where it is missing: needs apt with fresh package lists, and a network.
    pub fn get() -> Result<Linux> {
        if !command_exists("apt-get") || !command_exists("dpkg-deb") {
            bail!(
                "guests with an operating system need a Debian machine: their kernel is one of its packages"
            );
        }
        let folder = cache::get_or_make("guest-linux", &format!("{MODULES:?}\n{INIT}"), make)?;
        Ok(Linux { kernel: folder.join("vmlinuz"), initramfs: folder.join("initramfs.cpio") })
    }
}

fn make(folder: &Path) -> Result<()> {
    // The package of this name is empty and depends on the one that holds the present version.
    let depends =
        output(Command::new("apt-cache").args(["depends", "--important", "linux-image-cloud-amd64"]))?;
    let package = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
        .context("linux-image-cloud-amd64 depends on no kernel: are the package lists stale?")?;
    output(Command::new("apt-get").current_dir(folder).args(["-q", "download", package, "busybox-static"]))
        .context("failed to download the guests' kernel: `apt-get update` refreshes stale package lists")?;
    let unpacked = folder.join("unpacked");
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|ending| ending == "deb") {
            output(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&unpacked))?;
            fs::remove_file(file)?;
        }
    }
    let kernel = only_entry(&unpacked.join("boot"), "vmlinuz-")?;
    let modules = only_entry(&unpacked.join("lib/modules"), "")?.join("kernel");
    let mut archive = Archive::default();
    for name in ["bin", "dev", "lib", "proc", "sys"] {
        archive.folder(name);
    }
    archive.file("bin/busybox", &fs::read(unpacked.join("bin/busybox"))?);
    let mut order = String::new();
    for module in MODULES {
        let name = module.rsplit('/').next().unwrap_or(module);
        let bytes = fs::read(modules.join(module)).with_context(|| format!("the kernel has no {module}"))?;
        archive.file(&format!("lib/{name}"), &bytes);
        order += &format!("{name}\n");
    }
    archive.file("lib/order", order.as_bytes());
    archive.file("init", INIT.as_bytes());
    fs::write(folder.join("initramfs.cpio"), archive.end())?;
    fs::rename(kernel, folder.join("vmlinuz"))?;
    fs::remove_dir_all(unpacked)?;
    Ok(())
}

fn only_entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    fs::read_dir(folder)?
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .with_context(|| format!("nothing called {prefix}… in {}", folder.display()))
}

/// A cpio archive of the "newc" format, which the kernel unpacks; everything in it is executable and root's.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn folder(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    fn file(&mut self, name: &str, contents: &[u8]) {
        self.entry(name, 0o100_755, contents);
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.entries += 1;
        let (size, name_size) = (contents.len(), name.len() + 1);
        // inode, mode, uid, gid, links, mtime, size, device major and minor, special major and minor, name, checksum.
        let header = [self.entries, mode, 0, 0, 1, 0, size as u32, 0, 0, 0, 0, name_size as u32, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in header {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

//! A private libvirtd with small guests under qemu's own emulation.
//!
//! It runs in mount and network namespaces of its own, in which private folders stand at libvirt's compiled-in places and
//! `passwd` and `group` have the user that the qemu driver insists on; a libvirtd of the machine is neither seen nor
//! disturbed. Clients outside reach its sockets by their path. Works without systemd, without KVM, inside a virtual machine.
//!
//! Guests outlive a libvirtd that is killed ([`Libvirtd::kill`], [`Libvirtd::start_again`]) and end when the [`Libvirtd`] is
//! dropped. What can fail: not root, or namespaces and mounts are forbidden (an unprivileged container); libvirtd or
//! qemu is not installed. The first guest waits some seconds while libvirt asks qemu what it can do; the answer is kept
//! in the cache for the next libvirtd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::guest::Driver;
use crate::process::{Kept, Mark};
use crate::{Guest, Linux, Os, Power, cache, command_exists, image, output, until, wiring};

/// A tenth of a second on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Six seconds for one guest on an idle machine; more when a dozen boot together on two cores.
const BALLOON_LIMIT: Duration = Duration::from_secs(120);
/// A socket's path has at most 107 bytes; the longest one here is `FOLDER/run/libvirt-admin-sock`.
const PATH_LIMIT: usize = 80;

const SCRIPT: &str = include_str!("../assets/libvirtd.sh");

const LIBVIRTD_CONF: &str =
    "auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\nunix_sock_ro_perms = \"0777\"\n";

/// No virtlogd, no cgroups of systemd, no security driver; nobody's files are chowned.
const QEMU_CONF: &str = "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\nnamespaces = []\n\
                         dynamic_ownership = 0\nremember_owner = 0\nstdio_handler = \"file\"\n";

/// qemu runs in a session of its own, so the group of libvirtd's keeper does not hold it. Its id comes from its pid file in
/// the private folder and is believed when the process is that very guest.
const END_GUESTS: &str = r#"for file in "$GUESTS"/*.pid; do
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    name=${file##*/}
    tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "guest=${name%.pid}," && kill -KILL "$pid"
done"#;

/// A running private libvirtd and its guests; dropping it ends them all.
#[derive(Debug)]
pub struct Libvirtd {
    daemon: Option<Kept>,
    // Outlives the daemon, so that guests outlive a daemon that is killed.
    guests: Kept,
    folder: PathBuf,
    _temporary: Option<TempDir>,
}

impl Libvirtd {
    /// Starts a libvirtd in a temporary folder and waits until it answers.
    pub fn start() -> Result<Libvirtd> {
        let made = tempfile::Builder::new().prefix("nephoscope-libvirt-").tempdir()?;
        let mut libvirtd = Libvirtd::start_in(made.path())?;
        libvirtd._temporary = Some(made);
        Ok(libvirtd)
    }

    /// Starts a libvirtd with its data in this folder.
    pub fn start_in(folder: &Path) -> Result<Libvirtd> {
        if !rustix::process::geteuid().is_root() {
            bail!("a private libvirtd needs root (mount namespaces, taps): run this as root or through sudo");
        }
        for program in ["libvirtd", "virsh", "qemu-system-x86_64", "qemu-img", "losetup", "unshare"] {
            if !command_exists(program) {
                bail!("{program} is not installed: `cargo xtask setup` installs what the lab needs");
            }
        }
        if folder.as_os_str().len() > PATH_LIMIT {
            bail!("{} is too long a path for sockets: {PATH_LIMIT} bytes at most", folder.display());
        }
        for name in ["etc", "lib", "run/qemu", "log", "disks", "xml", "bin"] {
            fs::create_dir_all(folder.join(name))?;
        }
        wiring::programs(&folder.join("bin"))?;
        let log = folder.join("libvirtd.log");
        fs::write(folder.join("etc/qemu.conf"), QEMU_CONF)?;
        // Where a machine has a UUID two libvirtds would have the same, and refuse to migrate a guest between them.
        let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
        fs::write(
            folder.join("libvirtd.conf"),
            format!(
                "{LIBVIRTD_CONF}host_uuid = \"{}\"\nlog_outputs = \"3:file:{}\"\n",
                uuid.trim(),
                log.display()
            ),
        )?;
        add_line(
            "/etc/passwd",
            &folder.join("passwd"),
            "libvirt-qemu:x:64055:64055::/nonexistent:/bin/false",
        )?;
        add_line("/etc/group", &folder.join("group"), "libvirt-qemu:x:64055:")?;

        let mut idle = Command::new("sleep");
        idle.arg("infinity").env("GUESTS", folder.join("run/qemu")).env("DISKS", folder.join("disks"));
        let last_words = format!("{END_GUESTS}\n{}", image::DETACH);
        let guests = Kept::start_with_last_words(&idle, &folder.join("guests.log"), &last_words)?;
        let daemon = Some(start_daemon(folder)?);
        Ok(Libvirtd { daemon, guests, folder: folder.to_owned(), _temporary: None })
    }

    /// The address for clients that may change things.
    pub fn uri(&self) -> String {
        uri(&self.folder, "libvirt-sock")
    }

    /// The address for clients that may only read.
    pub fn uri_ro(&self) -> String {
        uri(&self.folder, "libvirt-sock-ro")
    }

    /// Runs `virsh ARGUMENTS` against this libvirtd and gives what it prints.
    pub fn virsh(&self, arguments: &[&str]) -> Result<String> {
        output(Command::new("virsh").args(["-q", "-c", &self.uri()]).args(arguments).env("LC_ALL", "C.UTF-8"))
    }

    /// The daemon's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Kept::pid)
    }

    /// The process id of a guest's qemu.
    pub fn guest_pid(&self, name: &str) -> Result<u32> {
        let file = self.folder.join(format!("run/qemu/{name}.pid"));
        let text = fs::read_to_string(file).with_context(|| format!("{name} does not run"))?;
        Ok(text.trim().parse()?)
    }

    /// Where the data and logs are: `log/qemu/NAME.log` of each guest, `libvirtd.log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Defines a guest, and starts it unless it shall be shut off.
    pub fn define_and_start(&self, guest: &Guest) -> Result<()> {
        if guest.os == Os::None && guest.power == Power::Running {
            // Its firmware would search for a boot device for ever, at the cost of a core.
            bail!("{} has no operating system to run: leave it paused", guest.name);
        }
        let disks = self.folder.join("disks");
        for disk in &guest.disks {
            image::make(disk, &disks)?;
        }
        for nic in &guest.nics {
            wiring::prepare(self, nic)?;
        }
        let boot = match guest.os {
            Os::Linux => Some(Linux::get()?),
            Os::None => None,
        };
        self.define(&guest.name, &guest.xml(Driver::Qemu { boot: boot.as_ref(), disks: &disks }))?;
        match guest.power {
            Power::ShutOff => return Ok(()),
            Power::Paused => self.virsh(&["start", &guest.name, "--paused"])?,
            Power::Running => self.virsh(&["start", &guest.name])?,
        };
        Ok(())
    }

    /// Defines a domain of this name by its XML, and starts nothing.
    pub fn define(&self, name: &str, xml: &str) -> Result<()> {
        let file = self.folder.join("xml").join(format!("{name}.xml"));
        fs::write(&file, xml)?;
        self.virsh(&["define", &file.to_string_lossy()]).map(drop)
    }

    /// Waits until the driver in a guest's kernel reports memory statistics.
    pub fn wait_for_balloon(&self, name: &str) -> Result<()> {
        until(&format!("the balloon statistics of {name}"), BALLOON_LIMIT, || {
            Ok(self.virsh(&["dommemstat", name])?.contains("unused").then_some(()))
        })
    }

    /// What `virsh dominfo` says about a domain: the value of the line that begins with `field` ("Max memory").
    pub fn dominfo(&self, name: &str, field: &str) -> Result<String> {
        self.virsh(&["dominfo", name])?
            .lines()
            .find_map(|line| line.split_once(':').filter(|(key, _)| *key == field))
            .map(|(_, value)| value.trim().to_owned())
            .with_context(|| format!("virsh dominfo {name} has no \"{field}\""))
    }

    /// Ends the daemon as a crash would; the guests run on.
    pub fn kill(&mut self) {
        self.daemon = None;
    }

    /// Starts the daemon again; it finds its guests.
    pub fn start_again(&mut self) -> Result<()> {
        if self.daemon.is_none() {
            for socket in ["libvirt-sock", "libvirt-sock-ro"] {
                let _ = fs::remove_file(self.folder.join("run").join(socket));
            }
            self.daemon = Some(start_daemon(&self.folder)?);
        }
        Ok(())
    }

    /// Lets daemon and guests outlive this process. Ending the marks in their order ends them; the folder stays.
    pub fn leave(self) -> Result<Vec<Mark>> {
        let mut marks = Vec::new();
        if let Some(daemon) = self.daemon {
            marks.push(daemon.leave()?);
        }
        marks.push(self.guests.leave()?);
        if let Some(temporary) = self._temporary {
            let _ = temporary.keep();
        }
        Ok(marks)
    }
}

fn start_daemon(folder: &Path) -> Result<Kept> {
    let capabilities = cache::folder().join("qemu-capabilities");
    fs::create_dir_all(&capabilities)?;
    let mut command = Command::new("unshare");
    let programs = std::env::var_os("PATH").unwrap_or_default();
    let programs = std::iter::once(folder.join("bin")).chain(std::env::split_paths(&programs));
    command
        .env("PATH", std::env::join_paths(programs)?)
        .args(["--mount", "--net", "--propagation", "private", "sh", "-c", SCRIPT, "libvirtd"])
        .arg(folder)
        .arg(capabilities)
        .env_remove("LIBVIRT_DEBUG")
        .env_remove("XDG_RUNTIME_DIR");
    let mut daemon = Kept::start(&command, &folder.join("libvirtd.out"))?;
    daemon.until("an answer of libvirtd", START_LIMIT, || {
        if !folder.join("run/libvirt-sock-ro").exists() {
            return Ok(None);
        }
        let asked = Command::new("virsh")
            .args(["-q", "-c", &uri(folder, "libvirt-sock-ro"), "-r", "version"])
            .output()?;
        Ok(asked.status.success().then_some(()))
    })?;
    Ok(daemon)
}

fn uri(folder: &Path, socket: &str) -> String {
    format!("qemu+unix:///system?socket={}", folder.join("run").join(socket).display())
}

fn add_line(from: &str, to: &Path, line: &str) -> Result<()> {
    let mut text = fs::read_to_string(from)?;
    let name = &line[..=line.find(':').unwrap_or(0)];
    if !text.lines().any(|present| present.starts_with(name)) {
        text = format!("{}\n{line}\n", text.trim_end());
    }
    fs::write(to, text).with_context(|| format!("failed to write {}", to.display()))
}

//! Debian's packages: which are missing, and their installation as root or through sudo.
//!
//! Package lists that are older than [`STALE`] are refreshed before an installation, and whatever their age when an
//! installation fails, as it does when the lists name versions that the archive has replaced. On a system without apt the
//! same table says what to install by hand.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lab::command_exists;

use super::Need;
use crate::progress::{Progress, run};

/// A day: security updates replace versions that often.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
const LISTS: &str = "/var/lib/apt/lists";

/// A package, and how another system than Debian shows that it has the same.
pub struct Package {
    name: &'static str,
    probe: Probe,
}

enum Probe {
    /// A program in PATH.
    Program(&'static str),
    /// A library that pkg-config knows.
    Library(&'static str),
    /// A file.
    File(&'static str),
    /// Nothing that another system would have.
    None,
}

/// To build the programs.
const BUILD: &[Package] = &[
    Package { name: "gcc", probe: Probe::Program("cc") },
    Package { name: "libc6-dev", probe: Probe::None },
    Package { name: "make", probe: Probe::Program("make") },
    Package { name: "pkg-config", probe: Probe::Program("pkg-config") },
    Package { name: "libvirt-dev", probe: Probe::Library("libvirt") },
];

const DEMO: &[Package] = &[
    Package { name: "rabbitmq-server", probe: Probe::File("/usr/lib/rabbitmq/bin/rabbitmq-server") },
    Package { name: "libvirt-clients", probe: Probe::Program("virsh") },
    // Signs modules; the crates' own tests need it too.
    Package { name: "openssh-client", probe: Probe::Program("ssh-keygen") },
];

/// Everything else that builds guests comes from PyPI.
const GUESTS: &[Package] = &[Package { name: "python3-venv", probe: Probe::Program("python3") }];

const TEST: &[Package] = &[
    Package { name: "libvirt-daemon", probe: Probe::Program("libvirtd") },
    Package { name: "qemu-system-x86", probe: Probe::Program("qemu-system-x86_64") },
    Package { name: "qemu-utils", probe: Probe::Program("qemu-img") },
    Package { name: "mount", probe: Probe::Program("losetup") },
    // Ceilometer's libvirt, and a module of an old one, are built here: PyPI has no binaries of them.
    Package { name: "python3-dev", probe: Probe::Program("python3-config") },
    // An OCI registry. Where systemd runs, Debian starts one of its own on port 5000; the tests do not use that.
    Package { name: "docker-registry", probe: Probe::Program("docker-registry") },
    // Where systemd runs, Debian starts one of its own on port 5432; the tests do not use that.
    Package { name: "postgresql", probe: Probe::Program("postgres") },
    // A wall clock that jumps.
    Package { name: "faketime", probe: Probe::Program("faketime") },
    // What libFuzzer is written in.
    Package { name: "g++", probe: Probe::Program("c++") },
    Package { name: "openssl", probe: Probe::Program("openssl") },
    Package { name: "ca-certificates", probe: Probe::None },
];

/// The packages of a need.
pub fn packages(need: Need) -> Vec<&'static Package> {
    match need {
        Need::Guests => BUILD.iter().chain(GUESTS).collect(),
        Need::Demo => BUILD.iter().chain(DEMO).collect(),
        Need::Test => BUILD.iter().chain(DEMO).chain(GUESTS).chain(TEST).collect(),
    }
}

/// Installs those that are missing.
pub fn install(packages: &[&Package], progress: Progress) -> Result<()> {
    if !is_debian() {
        return name_what_is_missing(packages);
    }
    install_names(&packages.iter().map(|package| package.name).collect::<Vec<_>>(), progress)
}

/// Whether this system is Debian or derived from it.
pub fn is_debian() -> bool {
    command_exists("apt-get") && command_exists("dpkg-query")
}

/// Installs those packages of a Debian system that are missing.
pub fn install_names(names: &[&str], progress: Progress) -> Result<()> {
    let missing = missing(names)?;
    if missing.is_empty() {
        return Ok(());
    }
    progress.step(&format!("Installing Debian's packages {}", missing.join(", ")));
    let mut refreshed = false;
    if lists_are_stale() {
        refresh(progress)?;
        refreshed = true;
    }
    let install = |simulate: bool| -> Result<Command> {
        let mut command = apt_get(simulate)?;
        command.args(["install", "-y", "-q", "--no-install-recommends"]);
        if simulate {
            command.arg("--simulate");
        }
        command.args(&missing);
        Ok(command)
    };
    // A conflict (packages of another release, say) is solved by removals; nobody should have to find out afterwards.
    let plan = install(true)?.stdin(Stdio::null()).output().context("failed to start apt-get")?;
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    let removed: Vec<&str> = plan
        .lines()
        .filter_map(|line| line.strip_prefix("Remv "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    if !removed.is_empty() {
        progress.step(&format!("apt-get removes what conflicts with them: {}", removed.join(", ")));
    }
    match run(&mut install(false)?) {
        Err(_) if !refreshed => {
            refresh(progress)?;
            run(&mut install(false)?)
        }
        done => done,
    }
}

fn refresh(progress: Progress) -> Result<()> {
    progress.step("Refreshing the package lists");
    run(apt_get(false)?.args(["update", "-q"]))
}

fn missing<'a>(names: &[&'a str]) -> Result<Vec<&'a str>> {
    // Unknown packages make its exit status 1 and go to standard error; the known ones are still told.
    let told = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(names)
        .stderr(Stdio::null())
        .output()
        .context("failed to start dpkg-query")?;
    let told = String::from_utf8_lossy(&told.stdout);
    let installed = |name: &str| told.lines().any(|line| line.split_once(' ') == Some((name, "installed")));
    Ok(names.iter().copied().filter(|name| !installed(name)).collect())
}

/// Whether there are no package lists, or none was fetched for a while.
fn lists_are_stale() -> bool {
    let Ok(entries) = fs::read_dir(LISTS) else { return true };
    let has_lists =
        entries.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().contains("_Packages"));
    // The files carry the archive's times; what apt itself touches at an update is these.
    let newest = ["/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists/partial", LISTS]
        .iter()
        .filter_map(|path| fs::metadata(Path::new(path)).ok()?.modified().ok())
        .max();
    let age = newest.and_then(|time| time.elapsed().ok());
    !has_lists || age.is_some_and(|age| age > STALE)
}

/// `apt-get` with the rights that it needs: as root, or through sudo, which may ask for a password where there is a
/// terminal to ask at.
fn apt_get(simulate: bool) -> Result<Command> {
    let mut command = if simulate || rustix::process::geteuid().is_root() {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    } else if command_exists("sudo") {
        let mut command = Command::new("sudo");
        if !std::io::stdin().is_terminal() {
            command.arg("-n");
        }
        command.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    } else {
        bail!(
            "packages are missing, and there is neither root nor sudo to install them: see `cargo xtask setup`"
        );
    };
    // Somebody else's apt (unattended upgrades) is waited for.
    command.args(["-o", "DPkg::Lock::Timeout=300"]);
    Ok(command)
}

fn name_what_is_missing(packages: &[&Package]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|package| !package.is_there()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "this is not a Debian system, so nothing was installed. Please install what Debian's packages {} hold, and start \
         again",
        missing.join(", ")
    )
}

impl Package {
    fn is_there(&self) -> bool {
        match self.probe {
            Probe::Program(name) => command_exists(name),
            Probe::Library(name) => Command::new("pkg-config")
                .args(["--exists", name])
                .status()
                .is_ok_and(|status| status.success()),
            Probe::File(path) => Path::new(path).exists(),
            Probe::None => true,
        }
    }
}

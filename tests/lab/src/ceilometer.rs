//! The genuine Ceilometer 27.0.0 (2026.1) with oslo.messaging 18.3.1, from PyPI, in a virtual environment of the cache: the
//! judge of the wire format. Making it takes a network and about a minute, once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{cache, output, python};

/// The last one is libvirt for Python, which only the polling agent imports: built here against the installed libvirt, whose version on
/// Debian 12 it has. It comes from no wheel, so that it needs a compiler, and headers of Python and libvirt.
const PACKAGES: [&str; 3] = ["ceilometer==27.0.0", "oslo.messaging==18.3.1", "libvirt-python==9.0.0"];
const PINS: &str = include_str!("../assets/ceilometer-27.0.0.txt");
const SIGN: &str = include_str!("../assets/signature.py");
/// The Python that the pins were resolved for; another one resolves the dependencies itself.
const PINNED_PYTHON: &str = "Python 3.11.";

/// The virtual environment of the cache with these packages, made where it is missing.
pub(crate) fn installed(name: &str, packages: &[&str], pins: &str) -> Result<PathBuf> {
    let python = python::with_venv()?;
    let version = output(Command::new(python).arg("--version"))?;
    let recipe = format!("{python} {version}{packages:?}\n{pins}");
    cache::get_or_make(name, &recipe, |folder| {
        output(Command::new(python).args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
        if version.starts_with(PINNED_PYTHON) {
            let file = folder.join("pins.txt");
            std::fs::write(&file, pins)?;
            pip.arg("--constraint").arg(file);
        }
        output(&mut pip).context(
            "the virtual environment needs a network, gcc, pkg-config and the headers of Python and libvirt: \
             `apt-get install gcc pkg-config python3-dev libvirt-dev`",
        )?;
        Ok(())
    })
}

/// An installed genuine Ceilometer.
#[derive(Clone, Debug)]
pub struct Ceilometer {
    folder: PathBuf,
}

impl Ceilometer {
    /// The Ceilometer of the cache, installed where it is missing: needs `python3-venv` and a network.
    pub fn get() -> Result<Ceilometer> {
        Ok(Ceilometer { folder: installed("ceilometer-27.0.0", &PACKAGES, PINS)? })
    }

    /// The path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// The folder of the virtual environment.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What its own `ceilometer.publisher.utils.compute_signature` makes of each message, a sample as it was parsed from
    /// JSON. A message's own `message_signature` does not count.
    pub fn signatures(&self, messages: &[Value], secret: &str) -> Result<Vec<String>> {
        sign(&self.program("python"), SIGN, messages, secret)
    }

    /// What its own code makes of one message.
    pub fn signature(&self, message: &Value, secret: &str) -> Result<String> {
        let mut one = self.signatures(std::slice::from_ref(message), secret)?;
        one.pop().context("no signature")
    }
}

/// Has a script sign messages: it reads `{"secret": …, "message": …}` per line and writes the signature of each on a line.
pub(crate) fn sign(python: &Path, script: &str, messages: &[Value], secret: &str) -> Result<Vec<String>> {
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("failed to start the genuine Ceilometer's Python")?;
    let mut input = child.stdin.take().context("no standard input")?;
    let lines: String = messages
        .iter()
        .map(|message| format!("{}\n", json!({"secret": secret, "message": message})))
        .collect();
    // Beside the reading, so that neither side waits for the other's full pipe.
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let done = child.wait_with_output()?;
    let written = writer.join();
    if !done.status.success() || !matches!(written, Ok(Ok(()))) {
        bail!("the genuine Ceilometer failed to sign: {}", done.status);
    }
    let signatures: Vec<String> = String::from_utf8(done.stdout)?.lines().map(str::to_owned).collect();
    if signatures.len() != messages.len() {
        bail!("{} signatures for {} messages", signatures.len(), messages.len());
    }
    Ok(signatures)
}

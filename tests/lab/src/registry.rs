//! A private OCI registry: Debian's docker-registry, with a folder of its own, on the loopback alone, without TLS.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::process::Kept;
use crate::{command_exists, free_port};

const PROGRAM: &str = "docker-registry";
/// Tenths of a second; much more for a machine that compiles beside it.
const START_LIMIT: Duration = Duration::from_secs(60);
/// `reader` with the password `shelf`, as `htpasswd -B` writes them.
const LOGINS: &str = "reader:$2y$05$9vdrqzDL4N1ZqmFgYqZi6OTudpNjT33Be6nTpb2IHlXiNCl1ftvYq\n";

/// Whom a registry serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// The user `reader` with the password `shelf`.
    Login,
}

/// A running registry; dropping it ends it at once.
#[derive(Debug)]
pub struct Registry {
    // The process goes before its folder.
    _process: Kept,
    port: u16,
    folder: TempDir,
}

impl Registry {
    /// Starts an empty registry and waits until it answers.
    pub fn start(access: Access) -> Result<Registry> {
        if !command_exists(PROGRAM) {
            bail!("there is no OCI registry: `apt-get install docker-registry`, or `cargo xtask setup`");
        }
        let folder = tempfile::Builder::new().prefix("nephoscope-registry-").tempdir()?;
        let port = free_port()?;
        let config = folder.path().join("config.yml");
        fs::write(&config, configuration(folder.path(), port, access)?)?;
        let log = folder.path().join("log");
        let mut process = Kept::start(Command::new(PROGRAM).arg("serve").arg(&config), &log)?;
        process.until("the registry's answer", START_LIMIT, || {
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
        })?;
        Ok(Registry { _process: process, port, folder })
    }

    /// Its address: `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// Where it keeps the bytes of this sha256.
    pub fn blob(&self, sha256: &str) -> PathBuf {
        let start = sha256.get(..2).unwrap_or(sha256);
        let blobs = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(start).join(sha256).join("data")
    }
}

fn configuration(folder: &Path, port: u16, access: Access) -> Result<String> {
    let data = folder.join("data");
    let mut text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: \"{}\"}}}}\nhttp: {{addr: \"{}:{port}\"}}\n",
        data.display(),
        Ipv4Addr::LOCALHOST
    );
    if access == Access::Login {
        let logins = folder.join("htpasswd");
        fs::write(&logins, LOGINS)?;
        text += &format!("auth: {{htpasswd: {{realm: lab, path: \"{}\"}}}}\n", logins.display());
    }
    Ok(text)
}

//! The genuine python-ceilometerclient 2.9.0, from PyPI, in a virtual environment of the cache: the last release of the client
//! that Ceilometer's API had, and so the judge of whatever answers in that API's place. Making it takes a network and some
//! seconds, once.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::ceilometer::installed;
use crate::until;

/// Its tables are drawn by a PrettyTable of its time: it asks for one before 0.8.
const PACKAGES: [&str; 2] = ["python-ceilometerclient==2.9.0", "prettytable==0.7.2"];
const PINS: &str = include_str!("../assets/ceilometerclient-2.9.0.txt");
/// A second on an idle machine, nearly all of it for imports.
const LIMIT: Duration = Duration::from_secs(60);

/// An installed genuine client.
#[derive(Clone, Debug)]
pub struct CeilometerClient {
    folder: PathBuf,
}

/// What a program that has run to its end has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl CeilometerClient {
    /// The one of the cache, installed where it is missing: needs `python3-venv` and a network.
    pub fn install() -> Result<CeilometerClient> {
        Ok(CeilometerClient { folder: installed("ceilometerclient-2.9.0", &PACKAGES, PINS)? })
    }

    /// Runs `ceilometer --os-token TOKEN --os-endpoint ENDPOINT ARGUMENTS`. An exit status other than 0 is no error.
    pub fn run(&self, endpoint: &str, token: &str, arguments: &[&str]) -> Result<Ran> {
        let access = ["--os-token", token, "--os-endpoint", endpoint];
        self.finish("ceilometer", &[&access, arguments].concat())
    }

    /// Runs a Python script that may import `ceilometerclient`; `arguments` are its `sys.argv[1:]`.
    pub fn python(&self, script: &str, arguments: &[&str]) -> Result<Ran> {
        self.finish("python", &[&["-c", script], arguments].concat())
    }

    fn finish(&self, program: &str, arguments: &[&str]) -> Result<Ran> {
        let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut command = Command::new(self.folder.join("bin").join(program));
        // Nobody's OS_CLOUD, proxy or netrc is to be obeyed. Each start would warn that the API has been deprecated.
        command
            .env_clear()
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONWARNINGS", "ignore");
        command.args(arguments).stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let mut child = command.spawn().with_context(|| format!("failed to start the genuine {program}"))?;
        let ended = until(&format!("the end of {program}"), LIMIT, || Ok(child.try_wait()?));
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let (stdout, stderr) = (text(stdout)?, text(stderr)?);
        match ended.with_context(|| format!("it wrote:\n{stdout}{stderr}"))?.code() {
            Some(code) => Ok(Ran { code, stdout, stderr }),
            None => bail!("{program} was killed; it wrote:\n{stdout}{stderr}"),
        }
    }
}

/// What has been written to a file.
fn text(mut file: File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

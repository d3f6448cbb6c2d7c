//! The real `nephoscope`, run as its users run it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, anyhow, ensure};
use lab::process::{Signal, signal};
use lab::until;

use crate::LIMIT;

/// What a run left.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error: the log.
    pub stderr: String,
}

impl Ended {
    /// The run, if it ended with this code.
    ///
    /// # Errors
    /// Another code; with all that the run has said.
    pub fn expect(self, code: i32) -> Result<Ended> {
        ensure!(
            self.code == Some(code),
            "ended with {:?} instead of {code}\nstandard output:\n{}\nstandard error:\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }

    /// The first line of the log that has all these words.
    ///
    /// # Errors
    /// There is none.
    pub fn line(&self, words: &[&str]) -> Result<&str> {
        line(&self.stderr, words)
    }
}

/// A run that has not ended; dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Starts the program in `folder`. `name` begins the names of the files that take its output.
    pub(crate) fn start(
        folder: &Path,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Running> {
        let (stdout, stderr) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.log")));
        // A test that is killed cannot drop anything: then the kernel ends what it started.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(path()).args(arguments).current_dir(folder);
        command.env_remove("NEPHOSCOPE_LOG").env_remove("NEPHOSCOPE_STORE").env_remove("RUST_LOG");
        command.envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let child = command.spawn().context("failed to start setpriv (package util-linux)")?;
        Ok(Running { child, stdout, stderr })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        read(&self.stderr)
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// It does not; with its log.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(anyhow!("ended by itself, {status}; its log:\n{}", self.log())),
        }
    }

    /// Waits until `look` gives a value, for as long as the program runs.
    ///
    /// # Errors
    /// The program ended, or [`LIMIT`] passed; with its log.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        until(what, LIMIT, || {
            self.check()?;
            look()
        })
        .map_err(|error| anyhow!("{error:#}; the program's log:\n{}", self.log()))
    }

    /// Waits until a line of its log has all these words.
    ///
    /// # Errors
    /// As of [`Running::until`].
    pub fn until_logged(&mut self, words: &[&str]) -> Result<()> {
        let log = self.stderr.clone();
        self.until(&format!("a log line with {words:?}"), || Ok(line(&read(&log), words).ok().map(drop)))
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(self) -> Result<Ended> {
        signal(self.pid(), Signal::TERM);
        self.wait()
    }

    /// Ends it as a crash would (SIGKILL).
    ///
    /// # Errors
    /// It does not end.
    pub fn kill(self) -> Result<Ended> {
        signal(self.pid(), Signal::KILL);
        self.wait()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It does not within [`LIMIT`]; with its log.
    pub fn wait(mut self) -> Result<Ended> {
        let child = &mut self.child;
        let status: ExitStatus = until("the program's end", LIMIT, || Ok(child.try_wait()?))
            .map_err(|error| anyhow!("{error:#}; its log:\n{}", read(&self.stderr)))?;
        Ok(Ended { code: status.code(), stdout: read(&self.stdout), stderr: read(&self.stderr) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines of a text that have all these words.
pub fn lines<'a>(text: &'a str, words: &[&str]) -> Vec<&'a str> {
    text.lines().filter(|line| words.iter().all(|word| line.contains(word))).collect()
}

/// The first line of a text that has all these words.
fn line<'a>(text: &'a str, words: &[&str]) -> Result<&'a str> {
    lines(text, words).first().copied().with_context(|| format!("no line with {words:?} in:\n{text}"))
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}

/// The program's file: beside this executable, or a folder above the tests' own, `target/debug/deps/…`.
pub fn path() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|error| panic!("this executable has no path: {error}"));
    let folder = own.parent().unwrap_or(Path::new("/"));
    let beside = folder.join("nephoscope");
    if beside.exists() {
        return beside;
    }
    let path = folder.parent().unwrap_or(Path::new("/")).join("nephoscope");
    assert!(path.exists(), "{} is missing: build it first, `cargo build -p nephoscope`", path.display());
    path
}

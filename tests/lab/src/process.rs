//! Processes that end with their owner.
//!
//! A neighbour runs under a *keeper*, a small shell in a process group of its own that watches a pipe from the owner. The
//! owner drops [`Kept`], or dies in whatever way: the pipe closes, the keeper kills the neighbour, does what else has
//! been asked of it (a libvirtd's guests run in sessions of their own), kills the rest of its group and is gone. A parent
//! death signal would not do: the kernel ties it to the *thread* that started the process, and a test's thread ends
//! before its process.
//!
//! Processes are told apart by id *and* start time ([`Mark`]), so that an id that was given to another process since is
//! never signalled.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};

use crate::until;

const KEEPER: &str = include_str!("../assets/keeper.sh");
/// A keeper kills at once; what takes time is the machine, where it is loaded.
const KEEPER_LIMIT: Duration = Duration::from_secs(20);
/// Lines of a neighbour's log that an error shows.
const LOG_LINES: usize = 15;

/// A process that this one has started and that ends with it.
#[derive(Debug)]
pub struct Kept {
    name: String,
    keeper: Child,
    owner: Option<ChildStdin>,
    pid: u32,
    log: PathBuf,
}

impl Kept {
    /// Starts the command with its output appended to `log`. Its standard input is empty.
    pub fn start(command: &Command, log: &Path) -> Result<Kept> {
        Kept::start_with_last_words(command, log, "")
    }

    /// The same; the keeper runs the shell text `last_words` after it has ended the command.
    pub fn start_with_last_words(command: &Command, log: &Path, last_words: &str) -> Result<Kept> {
        let name = Path::new(command.get_program())
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let output = File::options().create(true).append(true).open(log)?;
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEPER, "keeper", last_words]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => keeper.env(key, value),
                None => keeper.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            keeper.current_dir(folder);
        }
        let mut keeper = keeper
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        let owner = keeper.stdin.take();
        let told = keeper.stdout.take().context("the keeper has no output")?;
        let mut line = String::new();
        BufReader::new(told).read_line(&mut line)?;
        let pid = line.trim().parse().with_context(|| format!("the keeper of {name} told no process id"))?;
        Ok(Kept { name, keeper, owner, pid, log: log.to_owned() })
    }

    /// The process id of the command itself.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the command still runs; where it does not, an error with the end of its log.
    pub fn check(&mut self) -> Result<()> {
        match self.keeper.try_wait()? {
            None => Ok(()),
            Some(_) => bail!("{} has ended by itself; {}", self.name, self.last_lines()),
        }
    }

    /// Waits with a deadline as [`until`] does, and gives up early when the command ends.
    pub fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        until(what, limit, || {
            self.check()?;
            look()
        })
        .map_err(|error| anyhow!("{error:#}; {}", self.last_lines()))
    }

    /// Asks the command to end (SIGTERM) and waits until it has; kills it when it does not within `limit`.
    pub fn terminate(mut self, limit: Duration) -> Result<()> {
        signal(self.pid, Signal::TERM);
        let keeper = &mut self.keeper;
        until("the end of the process", limit, || Ok(keeper.try_wait()?))
            .with_context(|| format!("{} did not end when asked to", self.name))?;
        Ok(())
    }

    /// Stops the command (SIGSTOP) and waits until all its threads stand still. It can still be killed.
    pub fn pause(&self) -> Result<()> {
        pause(self.pid).with_context(|| format!("{} did not stop", self.name))
    }

    /// Lets a stopped command go on (SIGCONT).
    pub fn resume(&self) {
        signal(self.pid, Signal::CONT);
    }

    /// Lets the command outlive this process; [`Mark::end`] ends it.
    pub fn leave(mut self) -> Result<Mark> {
        let mark = Mark::of(self.keeper.id()).with_context(|| format!("{} has ended", self.name))?;
        if let Some(mut owner) = self.owner.take() {
            owner.write_all(b"keep\n")?;
        }
        Ok(mark)
    }

    /// The mark of the keeper: ending it ends the command with all that belongs to it.
    pub fn mark(&self) -> Option<Mark> {
        Mark::of(self.keeper.id())
    }

    fn last_lines(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        format!("its log {} ends with:\n{tail}", self.log.display())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Closing the pipe is what tells the keeper. After `leave` there is none to close and nothing to wait for.
        let Some(owner) = self.owner.take() else { return };
        let neighbour = Mark::of(self.pid);
        drop(owner);
        let keeper = &mut self.keeper;
        if until("the keeper's end", KEEPER_LIMIT, || Ok(keeper.try_wait()?)).is_err() {
            if let Some(group) = Pid::from_raw(keeper.id() as i32) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = keeper.wait();
        }
        // The keeper kills and goes; who is killed takes a moment to be gone, the longer the more memory it has.
        if let Some(neighbour) = neighbour {
            let _ =
                until("the neighbour's end", KEEPER_LIMIT, || Ok((!neighbour.is_running()).then_some(())));
        }
    }
}

/// One certain process: its id and when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The process id.
    pub pid: u32,
    /// Its start in clock ticks since the machine's boot (`/proc/PID/stat`, field 22).
    pub started: u64,
}

impl Mark {
    /// Marks a process that runs now.
    pub fn of(pid: u32) -> Option<Mark> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the command in parentheses and may hold anything, parentheses included.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        if fields.next()? == "Z" {
            return None;
        }
        Some(Mark { pid, started: fields.nth(18)?.parse().ok()? })
    }

    /// Whether that very process still runs.
    pub fn is_running(self) -> bool {
        Mark::of(self.pid) == Some(self)
    }

    /// Asks the process to end (SIGTERM) and waits until it has.
    pub fn end(self, limit: Duration) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        signal(self.pid, Signal::TERM);
        until("the end of the process", limit, || Ok((!self.is_running()).then_some(())))
            .with_context(|| format!("process {} did not end", self.pid))
    }
}

/// Stops a process of one's own (SIGSTOP) and waits until all its threads stand still.
pub(crate) fn pause(pid: u32) -> Result<()> {
    signal(pid, Signal::STOP);
    until("the stillness of the process", KEEPER_LIMIT, || {
        Mark::of(pid).context("the process has ended")?;
        Ok(stands_still(pid)?.then_some(()))
    })
}

/// Whether every thread of the process is stopped.
fn stands_still(pid: u32) -> Result<bool> {
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")? {
        // A thread may end between the list and the look; it is still enough.
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
        if state != Some("T") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sends a signal to a process of one's own; one that has just ended is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        let _ = kill_process(pid, signal);
    }
}

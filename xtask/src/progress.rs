//! What the user sees of a command: its steps with the time since its start, and what the steps run.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The time of one command.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    start: Instant,
}

impl Progress {
    /// Begins now.
    pub fn start() -> Progress {
        Progress { start: Instant::now() }
    }

    /// Says what begins now.
    pub fn step(&self, text: &str) {
        eprintln!("[{:6.1} s] {text}", self.seconds());
    }

    /// Seconds since the command began.
    pub fn seconds(&self) -> f32 {
        self.start.elapsed().as_secs_f32()
    }
}

/// Runs a command with its output going where this one's goes; an exit status other than 0 is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("failed to start {name}"))?;
    if !status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        bail!("`{name} {}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}

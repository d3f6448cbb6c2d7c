//! Which processes a command has left running, for the command that ends them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use lab::process::Mark;
use serde_json::{Value, json};

/// An orderly end of RabbitMQ takes a few seconds at most; keepers kill.
const END_LIMIT: Duration = Duration::from_secs(30);

/// What is left running, in the order in which it is to be ended.
#[derive(Debug, Default)]
pub struct State {
    /// Each with its name.
    pub processes: Vec<(String, Mark)>,
    /// What the user wants to know of them.
    pub notes: String,
}

impl State {
    /// Reads a state file; one that is missing is an empty state.
    pub fn read(file: &PathBuf) -> Result<State> {
        let Ok(text) = fs::read_to_string(file) else { return Ok(State::default()) };
        let value: Value =
            serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?;
        let process = |entry: &Value| {
            let mark = Mark {
                pid: u32::try_from(entry["pid"].as_u64()?).ok()?,
                started: entry["started"].as_u64()?,
            };
            Some((entry["name"].as_str()?.to_owned(), mark))
        };
        Ok(State {
            processes: value["processes"].as_array().into_iter().flatten().filter_map(process).collect(),
            notes: value["notes"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Adds processes under one name.
    pub fn add(&mut self, name: &str, marks: impl IntoIterator<Item = Mark>) {
        self.processes.extend(marks.into_iter().map(|mark| (name.to_owned(), mark)));
    }

    /// Writes the state file.
    pub fn write(&self, file: &PathBuf) -> Result<()> {
        let processes: Vec<Value> = self
            .processes
            .iter()
            .map(|(name, mark)| json!({"name": name, "pid": mark.pid, "started": mark.started}))
            .collect();
        let text = json!({"processes": processes, "notes": self.notes}).to_string();
        fs::write(file, text).with_context(|| format!("failed to write {}", file.display()))
    }

    /// Whether any of the processes still runs.
    pub fn is_running(&self) -> bool {
        self.processes.iter().any(|(_, mark)| mark.is_running())
    }

    /// Ends what still runs and removes the file.
    pub fn end(self, file: &PathBuf) -> Result<()> {
        for (name, mark) in &self.processes {
            mark.end(END_LIMIT).with_context(|| format!("failed to end {name}"))?;
        }
        match fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

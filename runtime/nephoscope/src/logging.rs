//! Logs, on standard error: standard output is for what a command is asked for.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line of text, as people read it.
    Text,
    /// A JSON object per line.
    Json,
}

/// Starts logging. `filter` is a level (`info`), or levels by part (`warn,guest=debug`).
pub fn start(filter: &str, format: Format) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        eprintln!("nephoscope: --log {filter:?}: {error}; logging at level info");
        EnvFilter::new("info")
    });
    // lapin logs every refusal and lost connection as an error; publisher and collector say the same, once.
    let filter = if filter.to_string().contains("lapin") { filter } else { silence(filter) };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Text => log.with_ansi(io::stderr().is_terminal()).with_target(false).init(),
        Format::Json => log.json().flatten_event(true).init(),
    }
}

fn silence(filter: EnvFilter) -> EnvFilter {
    match "lapin=off".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

//! Logs, on standard error: standard output is for what a command is asked for.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

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
    let discreet = filter_fn(|line| is_discreet(line.target(), *line.level()));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Text => {
            log.with_ansi(io::stderr().is_terminal()).with_target(false).finish().with(discreet).init()
        }
        Format::Json => log.json().flatten_event(true).finish().with(discreet).init(),
    }
}

fn silence(filter: EnvFilter) -> EnvFilter {
    match "lapin=off".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// Whether a line may be printed at all, whatever the filter asks for: the HTTP client (ureq) prints at level trace every byte that it
/// sends, passwords and tokens included.
fn is_discreet(target: &str, level: Level) -> bool {
    !target.starts_with("ureq") || level <= Level::INFO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_http_client_sends_is_never_printed() {
        for target in ["ureq", "ureq::run", "ureq_proto::util", "ureq_proto::body"] {
            assert!(!is_discreet(target, Level::TRACE) && !is_discreet(target, Level::DEBUG), "{target}");
            assert!(is_discreet(target, Level::WARN), "{target}");
        }
        assert!(is_discreet("nephoscope_nova", Level::TRACE) && is_discreet("guest", Level::DEBUG));
    }
}

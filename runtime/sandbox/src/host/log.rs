//! `log`: lines for the operator, under the guest's name and two limits: the bytes of a poll, and the warnings and errors of a cycle.
//!
//! An agent's lines go to its log; who tries a guest keeps them beside the poll that wrote them
//! ([`Session::keeping_log`](crate::Session::keeping_log)).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::contract::nephoscope::meter::log::{Host, Level};
use crate::limits::LOUD_LINES;
use crate::poll::Poll;

/// The warnings and errors of one guest in one cycle, over all sessions that share this.
#[derive(Debug, Default)]
pub struct LoudLines {
    written: AtomicU64,
}

impl LoudLines {
    /// Counts a line; whether it may be loud.
    fn admit(&self) -> bool {
        self.written.fetch_add(1, Ordering::Relaxed) < LOUD_LINES
    }

    /// Those beyond [`LOUD_LINES`], which were logged at level debug.
    pub fn left_out(&self) -> u64 {
        self.written.load(Ordering::Relaxed).saturating_sub(LOUD_LINES)
    }
}

/// A line's level, as the contract names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the contract documents its levels")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    /// `warn`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

/// A line that a guest wrote, control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// As the guest gave it; what it wrote on stdout and stderr is `info`.
    pub level: LogLevel,
    /// One line.
    pub text: String,
}

/// What a line costs beside its text: an empty line is not free.
const LINE_COST: usize = 32;

impl Host for Poll {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let Some(line) = self.admit(&message) else { return Ok(()) };
        if let Some(kept) = &mut self.kept_log {
            kept.push(LogLine { level: level.into(), text: line });
            return Ok(());
        }
        let guest = &self.profile.name;
        let instance = self.polled();
        let level = match level {
            Level::Warn | Level::Error if !self.loud.admit() => Level::Debug,
            level => level,
        };
        match level {
            Level::Trace => tracing::trace!(target: "guest", guest, instance, "{line}"),
            Level::Debug => tracing::debug!(target: "guest", guest, instance, "{line}"),
            Level::Info => tracing::info!(target: "guest", guest, instance, "{line}"),
            Level::Warn => tracing::warn!(target: "guest", guest, instance, "{line}"),
            Level::Error => tracing::error!(target: "guest", guest, instance, "{line}"),
        }
        Ok(())
    }
}

impl Poll {
    /// Logs what a guest wrote on stdout and stderr; `cut` says that some of it is gone already.
    pub(crate) fn log_output(&mut self, output: &str, cut: bool) {
        for line in output.lines().filter(|line| !line.trim().is_empty()) {
            let Some(line) = self.admit(line) else { continue };
            if let Some(kept) = &mut self.kept_log {
                kept.push(LogLine { level: LogLevel::Info, text: line });
                continue;
            }
            tracing::info!(target: "guest", guest = self.profile.name, instance = self.polled(), "{line}");
        }
        if cut {
            self.cut();
        }
    }

    /// The line as it may be logged, if there is room for it.
    fn admit(&mut self, line: &str) -> Option<String> {
        match self.log_left.checked_sub(line.len() + LINE_COST) {
            Some(left) if !self.log_cut => {
                self.log_left = left;
                Some(printable(line))
            }
            _ => {
                self.cut();
                None
            }
        }
    }

    fn cut(&mut self) {
        const CUT: &str = "log cut off: limits.log_bytes is used up in this poll";
        if !self.log_cut {
            match &mut self.kept_log {
                Some(kept) => kept.push(LogLine { level: LogLevel::Warn, text: CUT.to_owned() }),
                None => tracing::warn!(
                    target: "guest",
                    guest = self.profile.name,
                    instance = self.polled(),
                    "{CUT}"
                ),
            }
        }
        self.log_cut = true;
        self.profile.log_cut.fetch_add(1, Ordering::Relaxed);
    }

    fn polled(&self) -> Option<&str> {
        self.instance.as_ref().map(|instance| instance.identity.uuid.as_str())
    }
}

/// A guest's text as one line: control characters escaped, so that it can neither forge lines nor drive a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_guest_cannot_forge_lines_or_drive_a_terminal() {
        assert_eq!(printable("a\nERROR b\x1b[2J\u{9b}é"), "a\\nERROR b\\u{1b}[2J\\u{9b}é");
    }
}

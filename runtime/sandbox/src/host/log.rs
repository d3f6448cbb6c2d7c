//! `log`: lines for the operator, under the guest's name and a limit.

use std::sync::atomic::Ordering;

use crate::contract::nephoscope::meter::log::{Host, Level};
use crate::poll::Poll;

/// What a line costs beside its text: an empty line is not free.
const LINE_COST: usize = 32;

impl Host for Poll {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let cost = message.len() + LINE_COST;
        if cost > self.log_left {
            if self.log_left > 0 {
                tracing::warn!(target: "guest", guest = self.profile.name, "log cut off: limits.log_bytes is used up in this poll");
            }
            self.log_left = 0;
            self.profile.log_cut.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.log_left -= cost;
        let guest = &self.profile.name;
        let instance = self.instance.as_ref().map(|instance| instance.identity.uuid.as_str());
        let line = printable(&message);
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

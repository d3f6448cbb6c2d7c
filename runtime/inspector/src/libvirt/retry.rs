//! When the connection may be opened anew.

use std::time::{Duration, Instant};

use crate::settings::Reconnect;

/// The back-off between attempts.
#[derive(Debug)]
pub(super) struct Retry {
    settings: Reconnect,
    wait: Duration,
    next: Option<Instant>,
}

impl Retry {
    pub(super) fn new(settings: Reconnect) -> Self {
        Self { settings, wait: settings.first, next: None }
    }

    /// How long until an attempt is due.
    pub(super) fn due_in(&self, now: Instant) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    /// An attempt failed: the next one is due later, and the one after that twice as much.
    pub(super) fn failed(&mut self, now: Instant) {
        self.next = Some(now + self.wait);
        self.wait = self.wait.saturating_mul(2).min(self.settings.most);
    }

    /// An attempt succeeded.
    pub(super) fn succeeded(&mut self) {
        *self = Self::new(self.settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let second = Duration::from_secs(1);
        let mut retry = Retry::new(Reconnect { first: second, most: 3 * second });
        let now = Instant::now();
        assert_eq!(retry.due_in(now), Duration::ZERO);
        for wait in [1, 2, 3, 3] {
            retry.failed(now);
            assert_eq!(retry.due_in(now), wait * second);
        }
        assert_eq!(retry.due_in(now + 5 * second), Duration::ZERO);
        retry.succeeded();
        assert_eq!(retry.due_in(now), Duration::ZERO);
        retry.failed(now);
        assert_eq!(retry.due_in(now), second);
    }
}

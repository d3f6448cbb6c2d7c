//! What became of requests and connections, for the log.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the start.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
            /// All of them together when the log had them.
            told: AtomicU64,
        }

        impl Counters {
            /// One line of the log, if there is anything new.
            pub(crate) fn log(&self) {
                let all = [$(self.$name.load(Relaxed),)*].into_iter().sum();
                if self.told.swap(all, Relaxed) == all {
                    return;
                }
                tracing::info!($($name = self.$name.load(Relaxed),)* "api: since the start");
            }
        }
    };
}

counters! {
    /// Connections that were accepted.
    connections,
    /// Connections that ended before a request: no TLS, no HTTP, or too slow.
    broken,
    /// Requests that were answered as asked.
    answered,
    /// Requests that were refused for what was asked.
    refused,
    /// Requests without a token, or with a wrong one.
    unauthorized,
    /// Requests of those who ask too often.
    throttled,
    /// Requests that found no place, or no store.
    unavailable,
}

impl Counters {
    /// One more.
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// An answer of this status.
    pub(crate) fn answer(&self, status: u16) {
        Self::add(match status {
            401 => &self.unauthorized,
            429 => &self.throttled,
            400..=499 => &self.refused,
            500.. => &self.unavailable,
            _ => &self.answered,
        });
    }
}

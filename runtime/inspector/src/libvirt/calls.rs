//! One call on a thread of its own, with a deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use tracing::Span;

use crate::error::InspectError;

/// Runs `work` on a thread of its own and waits for it, but not longer than `deadline`. Past that the thread goes on by itself
/// and what it brings is dropped there; so what `work` holds (a connection, a seat) stays held until libvirt returns.
///
/// A thread costs some 30 µs beside a round trip of 200, so none is kept for the next time.
pub(super) fn within<T: Send + 'static>(
    deadline: Duration,
    call: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, InspectError> {
    let (sender, receiver) = sync_channel(1);
    let span = Span::current();
    let run = move || {
        let _in = span.enter();
        if let Ok(result) = catch_unwind(AssertUnwindSafe(work)) {
            // Nobody waits for it any more: dropped.
            let _ = sender.send(result);
        }
    };
    let spawned = Builder::new().name("libvirt-sweep".to_owned()).spawn(run);
    spawned.map_err(|error| InspectError::Thread { call, source: Some(error) })?;
    receiver.recv_timeout(deadline).map_err(|error| match error {
        RecvTimeoutError::Timeout => InspectError::Deadline { call, deadline },
        RecvTimeoutError::Disconnected => InspectError::Thread { call, source: None },
    })
}

/// Drops something whose end is a call of libvirt, and may block.
pub(super) fn dispose<T: Send + 'static>(thing: T) {
    // Where there is no thread to be had the closure is dropped here, and the thing with it.
    let _ = Builder::new().name("libvirt-close".to_owned()).spawn(move || drop(thing));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Instant;

    #[test]
    fn a_call_that_hangs_costs_its_deadline_and_keeps_what_it_holds() {
        let (release, released) = channel::<()>();
        let (held, freed) = channel::<()>();
        let started = Instant::now();
        let hang = move || {
            let _held = held;
            let _ = released.recv();
        };
        let error = within(Duration::from_millis(50), "hang", hang).unwrap_err();
        assert!(matches!(error, InspectError::Deadline { call: "hang", .. }));
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(freed.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty), "still held");
        drop(release);
        assert!(freed.recv().is_err(), "freed when the call returned");
    }

    #[test]
    fn a_result_comes_back() {
        assert_eq!(within(Duration::from_secs(5), "add", || 1 + 1).unwrap(), 2);
    }

    #[test]
    fn a_thread_that_panics_is_an_error_at_once() {
        let panic: fn() = || std::panic::panic_any("expected by the test");
        let error = within(Duration::from_secs(60), "panic", panic).unwrap_err();
        assert!(matches!(error, InspectError::Thread { .. }));
    }
}

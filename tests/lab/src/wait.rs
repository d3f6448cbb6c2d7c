//! Waiting with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks: short beside the tenths of a second that the quickest neighbour takes.
const PAUSE: Duration = Duration::from_millis(30);

/// Calls `look` until it gives a value, and fails when `limit` has passed or `look` itself fails. `what` completes the
/// sentence "… did not come about within 5 s".
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("{what} did not come about within {} s", limit.as_secs_f32());
        }
        std::thread::sleep(PAUSE);
    }
}

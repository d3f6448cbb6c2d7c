//! What came between two readings of a counter.

const NANOS_PER_SECOND: f64 = 1e9;

/// A counter at a moment: the snapshot's monotonic nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) count: u64,
    pub(crate) taken_at: u64,
}

/// What came since the last reading, and how fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) delta: u64,
    /// Per second; none where no time has passed, or where nothing was read before.
    pub(crate) rate: Option<f64>,
}

impl Change {
    /// Without a last reading the delta is 0. A counter that went back began anew: all that it counts came since.
    pub(crate) fn since(last: Option<Reading>, now: Reading) -> Self {
        let Some(last) = last else { return Self { delta: 0, rate: None } };
        let delta = now.count.checked_sub(last.count).unwrap_or(now.count);
        let nanos = now.taken_at.saturating_sub(last.taken_at);
        let rate = (nanos > 0).then(|| delta as f64 / (nanos as f64 / NANOS_PER_SECOND));
        Self { delta, rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn since(last: (u64, u64), now: (u64, u64)) -> (u64, Option<f64>) {
        let reading = |(count, taken_at)| Reading { count, taken_at };
        let Change { delta, rate } = Change::since(Some(reading(last)), reading(now));
        (delta, rate)
    }

    #[test]
    fn the_first_delta_is_0_and_there_is_no_rate() {
        let now = Reading { count: 7, taken_at: 7 };
        assert_eq!(Change::since(None, now), Change { delta: 0, rate: None });
    }

    #[test]
    fn a_rate_is_the_delta_by_the_seconds_between_the_readings() {
        assert_eq!(since((1000, 5 * SECOND), (1500, 15 * SECOND)), (500, Some(50.0)));
        assert_eq!(since((1000, 0), (1000, SECOND / 2)), (0, Some(0.0)));
        assert_eq!(since((0, 0), (3, SECOND / 2)), (3, Some(6.0)));
    }

    #[test]
    fn of_a_counter_that_went_back_the_new_value_came_since() {
        assert_eq!(since((1000, 0), (200, 10 * SECOND)), (200, Some(20.0)));
        assert_eq!(since((u64::MAX, 0), (0, SECOND)), (0, Some(0.0)));
    }

    #[test]
    fn without_time_between_there_is_no_rate() {
        assert_eq!(since((1, 7), (3, 7)), (2, None));
        assert_eq!(since((1, 7), (3, 6)), (2, None), "a clock that went back");
    }

    #[test]
    fn a_delta_is_exact_where_doubles_are_not() {
        assert_eq!(since((1, 0), ((1 << 60) + 2, 0)).0, (1 << 60) + 1);
    }
}

//! How a generation fares: on probation, good, or set aside for a while.
//!
//! ```text
//!                  ┌──── too many offences ───▶ the generation before it comes back for good
//!  probation ──────┤
//!                  └── its time is over ──▶ good ── keeps failing ──▶ set aside ── its time is over ──▶ on trial ── a sound cycle ──▶ good
//!                                                                        ▲                                 │
//!                                                                        └────── fails, twice as long ─────┘
//! ```
//!
//! An offence is a poll that trapped or passed a limit, or one of which a sample was refused. A guest that reports errors in good order
//! commits none: the readings may be at fault.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Cycles that a probation lasts at least, however long an interval is.
const LEAST_CYCLES: u32 = 2;

/// The part of a time by which it is lengthened or shortened at random, so that guests that failed together do not come back together.
const JITTER: f64 = 0.2;

/// When a generation comes back, and how often it may fail.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) swap: config::Swap,
    pub(crate) set_aside: config::SetAside,
}

/// What a cycle of one source has shown of a generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conduct {
    pub(crate) polls: u64,
    /// Polls that were an offence.
    pub(crate) offences: u64,
    /// Whether it was set aside for the rest of the cycle.
    pub(crate) cut_short: bool,
}

/// What changed with a cycle.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Turn {
    /// Its probation is over.
    Passed,
    /// It is set aside for this long.
    SetAside(Duration, String),
    /// It is sound again after it was set aside.
    Recovered,
}

/// How it stands, for those who look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: &'static str,
    pub(crate) since: DateTime<Utc>,
    pub(crate) reason: Option<String>,
}

pub(crate) struct Health {
    terms: Terms,
    inner: Mutex<Inner>,
}

struct Inner {
    phase: Phase,
    since: DateTime<Utc>,
    reason: Option<String>,
    /// Cycles in a row in which it failed.
    bad_cycles: u32,
    /// How often it was set aside in a row.
    times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Probation {
        until: Instant,
        cycles: u32,
        offences: u64,
    },
    /// The probation's threshold is passed; the old generation is about to come back.
    Fallen,
    Good,
    Aside {
        until: Instant,
    },
    Trial,
}

impl Health {
    /// Of a generation that takes another's place.
    pub(crate) fn on_probation(terms: &Terms, now: Instant) -> Self {
        let until = now + terms.swap.probation;
        Self::new(terms, Phase::Probation { until, cycles: 0, offences: 0 })
    }

    /// Of the first generation of a guest, or of one that has passed.
    pub(crate) fn good(terms: &Terms) -> Self {
        Self::new(terms, Phase::Good)
    }

    fn new(terms: &Terms, phase: Phase) -> Self {
        let inner = Inner { phase, since: Utc::now(), reason: None, bad_cycles: 0, times: 0 };
        Self { terms: terms.clone(), inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is a few plain assignments.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is polled in a cycle that begins now.
    pub(crate) fn is_polled(&self, now: Instant) -> bool {
        let mut inner = self.lock();
        match inner.phase {
            Phase::Aside { until } if now < until => false,
            Phase::Aside { .. } => {
                let reason = inner.reason.clone();
                inner.turn(Phase::Trial, reason);
                true
            }
            _ => true,
        }
    }

    /// Counts an offence as it happens; true the one time that it was one too many for a probation, with which the old generation is to
    /// come back.
    pub(crate) fn offended(&self, reason: &str) -> bool {
        let most = u64::from(self.terms.swap.failures);
        let mut inner = self.lock();
        let Phase::Probation { offences, .. } = &mut inner.phase else { return false };
        *offences += 1;
        if *offences < most {
            return false;
        }
        let reason =
            format!("{most} polls failed or had samples refused in its probation, the last one: {reason}");
        inner.turn(Phase::Fallen, Some(reason));
        true
    }

    /// Takes a cycle in. `random` is from 0 to 1.
    pub(crate) fn cycle_ended(
        &self,
        conduct: Conduct,
        reason: &str,
        now: Instant,
        random: f64,
    ) -> Option<Turn> {
        let Conduct { polls, offences, cut_short } = conduct;
        // A cycle without instances tells nothing.
        if polls == 0 && !cut_short {
            return None;
        }
        let bad = cut_short || offences == polls;
        let mut inner = self.lock();
        match inner.phase {
            Phase::Probation { until, cycles, offences } => {
                let cycles = cycles + 1;
                if now >= until && cycles >= LEAST_CYCLES {
                    inner.turn(Phase::Good, None);
                    return Some(Turn::Passed);
                }
                inner.phase = Phase::Probation { until, cycles, offences };
                None
            }
            Phase::Good if !bad => {
                inner.bad_cycles = 0;
                None
            }
            Phase::Good => {
                inner.bad_cycles += 1;
                let due = inner.bad_cycles >= self.terms.set_aside.cycles;
                due.then(|| self.set_aside(&mut inner, reason, now, random))
            }
            Phase::Trial if !bad => {
                inner.bad_cycles = 0;
                inner.times = 0;
                inner.turn(Phase::Good, None);
                Some(Turn::Recovered)
            }
            Phase::Trial => Some(self.set_aside(&mut inner, reason, now, random)),
            // Of another source, which began before.
            Phase::Aside { .. } | Phase::Fallen => None,
        }
    }

    fn set_aside(&self, inner: &mut Inner, reason: &str, now: Instant, random: f64) -> Turn {
        let config::SetAside { cycles, first, most } = &self.terms.set_aside;
        let time = first.saturating_mul(1u32.checked_shl(inner.times).unwrap_or(u32::MAX)).min(*most);
        let time = time.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
        inner.times = inner.times.saturating_add(1);
        let reason = match inner.times {
            1 => format!("it failed in {cycles} cycles in a row, the last time: {reason}"),
            times => format!("it failed again when it was tried for the {}. time: {reason}", times - 1),
        };
        inner.turn(Phase::Aside { until: now + time }, Some(reason.clone()));
        Turn::SetAside(time, reason)
    }

    pub(crate) fn standing(&self, now: Instant) -> Standing {
        let inner = self.lock();
        let (state, more) = match inner.phase {
            Phase::Probation { .. } => ("probation", None),
            Phase::Fallen => ("fallen", None),
            Phase::Good => ("good", None),
            Phase::Trial => ("on trial", None),
            Phase::Aside { until } => {
                let left = until.saturating_duration_since(now).as_secs();
                ("set aside", Some(format!("tried again in {left} s")))
            }
        };
        let parts: Vec<String> = inner.reason.iter().cloned().chain(more).collect();
        let reason = (!parts.is_empty()).then(|| parts.join("; "));
        Standing { state, since: inner.since, reason }
    }
}

impl Inner {
    fn turn(&mut self, phase: Phase, reason: Option<String>) {
        self.phase = phase;
        self.reason = reason;
        self.since = Utc::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Conduct = Conduct { polls: 10, offences: 1, cut_short: false };
    const BAD: Conduct = Conduct { polls: 5, offences: 5, cut_short: true };

    fn terms() -> Terms {
        let seconds = Duration::from_secs;
        Terms {
            swap: config::Swap { probation: seconds(60), failures: 3, ..config::Swap::default() },
            set_aside: config::SetAside { cycles: 2, first: seconds(10), most: seconds(35) },
        }
    }

    #[test]
    fn a_probation_ends_after_its_time_and_two_cycles() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let health = Health::on_probation(&terms(), start);
        assert_eq!(health.cycle_ended(Conduct::default(), "", at(61), 0.5), None, "nothing was polled");
        assert_eq!(health.cycle_ended(SOUND, "", at(61), 0.5), None, "the first cycle");
        assert_eq!(health.standing(at(61)).state, "probation");
        assert_eq!(health.cycle_ended(SOUND, "", at(62), 0.5), Some(Turn::Passed));
        assert_eq!(health.standing(at(62)).state, "good");
        assert!(!health.offended("it trapped"), "a probation that is over has no threshold");

        let health = Health::on_probation(&terms(), start);
        for cycle in 0..5 {
            assert_eq!(health.cycle_ended(SOUND, "", at(cycle), 0.5), None, "before its time");
        }
    }

    #[test]
    fn one_offence_too_many_is_told_once() {
        let health = Health::on_probation(&terms(), Instant::now());
        let told: Vec<_> = (0..5).map(|_| health.offended("it trapped: unreachable")).collect();
        assert_eq!(told, [false, false, true, false, false]);
        let standing = health.standing(Instant::now());
        assert_eq!(standing.state, "fallen");
        assert!(standing.reason.unwrap().ends_with("the last one: it trapped: unreachable"));
    }

    #[test]
    fn a_guest_that_keeps_failing_is_set_aside_for_longer_each_time_until_a_sound_cycle() {
        let mut now = Instant::now();
        let health = Health::good(&terms());
        assert_eq!(health.cycle_ended(BAD, "why", now, 0.5), None);
        assert_eq!(health.cycle_ended(SOUND, "", now, 0.5), None, "a sound cycle begins the row anew");
        assert_eq!(health.cycle_ended(BAD, "why", now, 0.5), None);
        let mut last = health.cycle_ended(BAD, "why", now, 0.5);
        for expected in [10, 20, 35, 35] {
            let Some(Turn::SetAside(time, reason)) = last else { panic!("{last:?}") };
            assert_eq!(time, Duration::from_secs(expected));
            assert!(reason.ends_with("why"), "{reason}");
            assert!(!health.is_polled(now + time - Duration::from_secs(1)));
            assert_eq!(health.cycle_ended(BAD, "", now, 0.5), None, "a cycle that began before");
            now += time;
            assert!(health.is_polled(now));
            assert_eq!(health.standing(now).state, "on trial");
            last = health.cycle_ended(BAD, "why", now, 0.5);
        }
        now += Duration::from_secs(35);
        assert!(health.is_polled(now));
        assert_eq!(health.cycle_ended(SOUND, "", now, 0.5), Some(Turn::Recovered));
        assert_eq!(health.cycle_ended(BAD, "", now, 0.5), None, "the row begins anew");
        let again = health.cycle_ended(BAD, "", now, 0.5);
        assert!(
            matches!(again, Some(Turn::SetAside(time, _)) if time == Duration::from_secs(10)),
            "{again:?}"
        );
    }

    #[test]
    fn the_times_of_those_that_fail_together_differ() {
        let aside = |random| {
            let health = Health::good(&Terms {
                set_aside: config::SetAside { cycles: 1, ..terms().set_aside },
                ..terms()
            });
            match health.cycle_ended(BAD, "", Instant::now(), random) {
                Some(Turn::SetAside(time, _)) => time.as_secs_f64().round() as u64,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([aside(0.0), aside(0.5), aside(1.0)], [8, 10, 12]);
    }
}

//! What a generation's polls came to, and what they cost.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Polls beyond this are counted as having taken it: a guest's limit of computing time is 10 s at most.
const MOST_MICROS: u64 = 60_000_000;

/// What a generation's polls came to since the agent started, or since it was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Polls.
    pub polls: u64,
    /// Samples that were accepted.
    pub samples: u64,
    /// Polls that failed, by the labels of the sandbox.
    pub failures: BTreeMap<String, u64>,
    /// Samples that were refused, by the labels of the sandbox.
    pub refused: BTreeMap<String, u64>,
    /// What half of the polls took at most, in microseconds; none before the first poll.
    pub p50_micros: Option<u64>,
    /// What 99 of 100 polls took at most, in microseconds.
    pub p99_micros: Option<u64>,
    /// The most linear memory that a poll had in use, in bytes.
    pub peak_memory: u64,
}

/// The polls of a share of instances, before they are added to the generation's.
#[derive(Default)]
pub(crate) struct Tally {
    micros: Vec<u64>,
    samples: u64,
    memory: usize,
    failures: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(crate) fn polled(&mut self, took: Duration, memory: usize) {
        self.micros.push(u64::try_from(took.as_micros()).unwrap_or(MOST_MICROS).clamp(1, MOST_MICROS));
        self.memory = self.memory.max(memory);
    }

    pub(crate) fn sampled(&mut self, samples: usize) {
        self.samples += samples as u64;
    }

    pub(crate) fn failed(&mut self, label: &'static str) {
        *self.failures.entry(label).or_default() += 1;
    }

    pub(crate) fn refused(&mut self, label: &'static str) {
        *self.refused.entry(label).or_default() += 1;
    }
}

pub(crate) struct Record {
    sums: Mutex<Sums>,
}

struct Sums {
    figures: Figures,
    micros: Histogram<u32>,
}

impl Record {
    pub(crate) fn new() -> Self {
        // Two digits are enough for an operator, and cost some kilobytes a guest.
        let micros = Histogram::new_with_bounds(1, MOST_MICROS, 2).expect("these bounds fit");
        Self { sums: Mutex::new(Sums { figures: Figures::default(), micros }) }
    }

    /// Takes in a share's polls; one lock for all of them.
    pub(crate) fn add(&self, tally: Tally) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let Sums { figures, micros } = &mut *sums;
        figures.polls += tally.micros.len() as u64;
        figures.samples += tally.samples;
        figures.peak_memory = figures.peak_memory.max(tally.memory as u64);
        for took in tally.micros {
            micros.saturating_record(took);
        }
        for (counts, by) in [(&mut figures.failures, tally.failures), (&mut figures.refused, tally.refused)] {
            for (label, count) in by {
                *counts.entry(label.to_owned()).or_default() += count;
            }
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |quantile| (!sums.micros.is_empty()).then(|| sums.micros.value_at_quantile(quantile));
        Figures { p50_micros: at(0.5), p99_micros: at(0.99), ..sums.figures.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_counts_quantiles_and_the_peak() {
        let record = Record::new();
        assert_eq!(record.figures(), Figures::default());
        for share in 0..2 {
            let mut tally = Tally::default();
            for micros in 1..=100 {
                tally.polled(Duration::from_micros(micros), 65_536 * (share + 1));
            }
            tally.sampled(7);
            tally.failed("trap");
            tally.refused("not_finite");
            record.add(tally);
        }
        let figures = record.figures();
        assert_eq!((figures.polls, figures.samples, figures.peak_memory), (200, 14, 131_072));
        assert_eq!(figures.failures, BTreeMap::from([("trap".to_owned(), 2)]));
        assert_eq!(figures.refused, BTreeMap::from([("not_finite".to_owned(), 2)]));
        assert_eq!((figures.p50_micros, figures.p99_micros), (Some(50), Some(99)));
    }

    #[test]
    fn a_poll_of_no_time_and_one_of_hours_are_counted() {
        let record = Record::new();
        let mut tally = Tally::default();
        tally.polled(Duration::ZERO, 0);
        tally.polled(Duration::MAX, 0);
        record.add(tally);
        let figures = record.figures();
        assert_eq!(figures.p50_micros, Some(1));
        assert!(figures.p99_micros.is_some_and(|most| most >= MOST_MICROS), "{figures:?}");
    }
}

//! What came of a poll, and in what it is not what was expected.

use config::cases::{Expect, Line, Poll, Sample, Skip};
use sample::{Meter, Volume};
use sandbox::{Failure, GuestSample, LogLine, Outcome};

use crate::play::Polled;

/// What came of a poll.
pub struct Came {
    /// As a case would expect it.
    pub outcome: Expect,
    /// Why the runtime refused samples, in their order.
    pub refused: Vec<String>,
    /// What the guest logged.
    pub log: Vec<LogLine>,
}

/// One way in which a poll did not do what was expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// The case does not say yet what must come.
    Unwritten,
    /// Samples, or something else in place of what was expected.
    Outcome,
    /// The guest logged no such line.
    NotLogged(Line),
    /// Nothing was to be logged.
    Logged(LogLine),
    /// A sample was refused that was not to be.
    Refused(String),
    /// No sample was refused with these words.
    NotRefused(String),
}

impl Came {
    pub(super) fn new(polled: Polled, meters: &[Meter]) -> Self {
        let uuid = &polled.instance.identity.uuid;
        let mut refused = Vec::new();
        let outcome = match polled.outcome {
            Outcome::Samples { samples, refused: refusals } => {
                refused = refusals.iter().map(ToString::to_string).collect();
                Expect::Samples(samples.into_iter().map(|sample| read(sample, meters, uuid)).collect())
            }
            Outcome::Skipped(skip) => Expect::Skipped(match skip {
                sandbox::Skip::NotFound => Skip::NotFound,
                sandbox::Skip::ShutOff => Skip::ShutOff,
                sandbox::Skip::Unsupported => Skip::Unsupported,
                sandbox::Skip::NoData => Skip::NoData,
            }),
            Outcome::Permanent(why) => Expect::Permanent(why),
            // What the guest itself reports is its text alone.
            Outcome::Failed(Failure::Failed(why)) => Expect::Failed(why),
            Outcome::Failed(failure) => Expect::Failed(failure.to_string()),
        };
        Self { outcome, refused, log: polled.log }
    }

    pub(super) fn differences(&self, poll: &Poll) -> Vec<Difference> {
        let mut differences = Vec::new();
        match &poll.expect {
            None => differences.push(Difference::Unwritten),
            Some(expected) if !is_as(expected, &self.outcome) => differences.push(Difference::Outcome),
            Some(_) => {}
        }
        let expected = poll.refused.iter().map(Some).chain(std::iter::repeat(None));
        let came = self.refused.iter().map(Some).chain(std::iter::repeat(None));
        for pair in expected.zip(came).take(poll.refused.len().max(self.refused.len())) {
            match pair {
                (Some(words), Some(reason)) if reason.contains(words) => {}
                (words, reason) => {
                    differences.extend(words.map(|words| Difference::NotRefused(words.clone())));
                    differences.extend(reason.map(|reason| Difference::Refused(reason.clone())));
                }
            }
        }
        match poll.log.as_deref() {
            Some([]) => differences.extend(self.log.iter().cloned().map(Difference::Logged)),
            Some(lines) => {
                let absent = lines.iter().filter(|line| !self.log.iter().any(|logged| is_line(logged, line)));
                differences.extend(absent.cloned().map(Difference::NotLogged));
            }
            None => {}
        }
        differences
    }
}

fn read(sample: GuestSample, meters: &[Meter], uuid: &str) -> Sample {
    Sample {
        meter: meters.get(sample.meter).map_or_else(String::new, |meter| meter.name.clone()),
        volume: sample.volume,
        resource_id: (sample.resource_id != uuid).then_some(sample.resource_id),
        metadata: sample.metadata.map(|metadata| metadata.fields().clone()).unwrap_or_default(),
    }
}

fn is_as(expected: &Expect, came: &Expect) -> bool {
    match (expected, came) {
        (Expect::Samples(expected), Expect::Samples(came)) => {
            expected.len() == came.len()
                && expected.iter().zip(came).all(|(one, other)| is_sample(one, other))
        }
        (Expect::Skipped(expected), Expect::Skipped(came)) => expected == came,
        (Expect::Permanent(words), Expect::Permanent(why)) | (Expect::Failed(words), Expect::Failed(why)) => {
            why.contains(words)
        }
        _ => false,
    }
}

fn is_sample(expected: &Sample, came: &Sample) -> bool {
    expected.meter == came.meter
        && is_volume(expected.volume, came.volume)
        && expected.resource_id == came.resource_id
        && expected.metadata == came.metadata
}

/// To the bit: 0.0 and -0.0 are two, and 5 and 5.0.
fn is_volume(expected: Volume, came: Volume) -> bool {
    match (expected, came) {
        (Volume::Real(expected), Volume::Real(came)) => expected.to_bits() == came.to_bits(),
        (expected, came) => expected == came,
    }
}

fn is_line(logged: &LogLine, expected: &Line) -> bool {
    logged.level.as_str() == expected.level.as_str() && logged.text.contains(&expected.text)
}

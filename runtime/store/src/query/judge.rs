//! Whether a sample fulfils a filter.
//!
//! What a series says of each clause, and what a metadata says, is asked once and remembered as two bits a clause. A sample then costs
//! a walk over the tree: thousands of samples share a series, and hundreds of thousands share some metadata.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::filter::{Filter, Node};
use super::samples::text;
use super::{Clause, Operator, Subject, TextField, TimeField, compare};
use crate::contract::{Found, Reader, Series};
use crate::decimal::Decimal;
use crate::{MessageId, StoreError};

/// Series and metadata that are remembered, of each so many: some 50 MB.
const REMEMBERED: usize = 1_000_000;

/// A filter, ready to judge.
pub(super) struct Judge<'f> {
    test: Test<'f>,
    of_series: Vec<&'f Clause>,
    of_metadata: Vec<&'f Clause>,
    series: HashMap<i64, Bits>,
    metadata: HashMap<i64, Bits>,
}

/// The filter's tree with its leaves told apart by what they need.
enum Test<'f> {
    All(Vec<Test<'f>>),
    Any(Vec<Test<'f>>),
    Not(Box<Test<'f>>),
    /// The clause of this number among those of series.
    Series(usize),
    /// The same among those of metadata.
    Metadata(usize),
    /// A clause on the sample itself.
    Sample(&'f Clause),
}

/// What is known of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    True,
    False,
    /// A comparison with what is missing: it will not become true.
    Unknown,
    /// It depends on a sample that is not there yet.
    Open,
}

impl From<Option<bool>> for Verdict {
    fn from(answer: Option<bool>) -> Self {
        match answer {
            Some(true) => Self::True,
            Some(false) => Self::False,
            None => Self::Unknown,
        }
    }
}

/// Answers to numbered clauses, of which there are fewer than bits.
#[derive(Clone, Copy, Default)]
struct Bits {
    known: u64,
    holds: u64,
}

impl Bits {
    fn of(answers: impl Iterator<Item = Option<bool>>) -> Self {
        let mut bits = Self::default();
        for (place, answer) in answers.enumerate() {
            bits.known |= u64::from(answer.is_some()) << place;
            bits.holds |= u64::from(answer == Some(true)) << place;
        }
        bits
    }

    fn get(self, place: usize) -> Option<bool> {
        (self.known >> place & 1 == 1).then_some(self.holds >> place & 1 == 1)
    }
}

impl<'f> Judge<'f> {
    pub(super) fn new(filter: &'f Filter) -> Self {
        let (mut of_series, mut of_metadata) = (Vec::new(), Vec::new());
        let test = Test::new(&filter.0, &mut of_series, &mut of_metadata);
        Self { test, of_series, of_metadata, series: HashMap::new(), metadata: HashMap::new() }
    }

    /// Reads what these samples refer to and what is not known yet.
    pub(super) fn learn(&mut self, reader: &mut dyn Reader, found: &[Found]) -> Result<(), StoreError> {
        if !self.of_series.is_empty() {
            let wanted = unknown(with_room(&mut self.series), found.iter().map(|found| found.series));
            for series in reader.series_by_id(&wanted)? {
                self.series.insert(series.id, self.bits(&series));
            }
        }
        if !self.of_metadata.is_empty() {
            let wanted = unknown(with_room(&mut self.metadata), found.iter().map(|found| found.metadata));
            for (id, text) in reader.metadata(&wanted)? {
                let fields = fields(&text)?;
                let bits = Bits::of(self.of_metadata.iter().map(|clause| of_metadata(clause, &fields)));
                self.metadata.insert(id, bits);
            }
        }
        Ok(())
    }

    /// Whether it asks anything of series.
    pub(super) fn tells_series_apart(&self) -> bool {
        !self.of_series.is_empty()
    }

    fn bits(&self, series: &Series) -> Bits {
        Bits::of(self.of_series.iter().map(|clause| of_series(clause, series)))
    }

    /// Whether it fulfils the filter, after [`Judge::learn`].
    pub(super) fn holds(&self, found: &Found) -> bool {
        let series = self.series.get(&found.series).copied().unwrap_or_default();
        let metadata = self.metadata.get(&found.metadata).copied().unwrap_or_default();
        self.test.verdict(series, metadata, Some(found)) == Verdict::True
    }

    /// Whether a series may have samples that fulfil the filter; where the filter is of series alone, whether they do.
    pub(super) fn may_hold(&self, series: &Series) -> bool {
        matches!(self.test.verdict(self.bits(series), Bits::default(), None), Verdict::True | Verdict::Open)
    }
}

/// The ids that are not known yet, each once.
pub(crate) fn unknown<T>(known: &HashMap<i64, T>, ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut wanted: Vec<i64> = ids.filter(|id| !known.contains_key(id)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// Forgetting everything when there is too much is crude and rare.
pub(super) fn with_room<T>(known: &mut HashMap<i64, T>) -> &mut HashMap<i64, T> {
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known
}

/// The fields of a metadata's text.
pub(super) fn fields(text: &str) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("its metadata: {error}")))
}

impl<'f> Test<'f> {
    fn new(node: &'f Node, of_series: &mut Vec<&'f Clause>, of_metadata: &mut Vec<&'f Clause>) -> Self {
        let mut all =
            |nodes: &'f [Node]| nodes.iter().map(|node| Self::new(node, of_series, of_metadata)).collect();
        match node {
            Node::All(nodes) => Self::All(all(nodes)),
            Node::Any(nodes) => Self::Any(all(nodes)),
            Node::Not(node) => Self::Not(Box::new(Self::new(node, of_series, of_metadata))),
            Node::Is(clause) if clause.is_of_series() => {
                of_series.push(clause);
                Self::Series(of_series.len() - 1)
            }
            Node::Is(clause) if clause.is_of_metadata() => {
                of_metadata.push(clause);
                Self::Metadata(of_metadata.len() - 1)
            }
            Node::Is(clause) => Self::Sample(clause),
        }
    }

    /// Of a sample, or of whatever sample of the series may come.
    fn verdict(&self, series: Bits, metadata: Bits, sample: Option<&Found>) -> Verdict {
        let verdict = |test: &Self| test.verdict(series, metadata, sample);
        match self {
            Self::All(tests) => {
                let mut all = Verdict::True;
                for test in tests {
                    match verdict(test) {
                        Verdict::True => {}
                        Verdict::False => return Verdict::False,
                        // Whatever else comes, it is not true any more.
                        Verdict::Unknown => all = Verdict::Unknown,
                        Verdict::Open if all == Verdict::True => all = Verdict::Open,
                        Verdict::Open => {}
                    }
                }
                all
            }
            Self::Any(tests) => {
                let mut any = Verdict::False;
                for test in tests {
                    match verdict(test) {
                        Verdict::False => {}
                        Verdict::True => return Verdict::True,
                        // It may still become true.
                        Verdict::Open => any = Verdict::Open,
                        Verdict::Unknown if any == Verdict::False => any = Verdict::Unknown,
                        Verdict::Unknown => {}
                    }
                }
                any
            }
            Self::Not(test) => match verdict(test) {
                Verdict::True => Verdict::False,
                Verdict::False => Verdict::True,
                other => other,
            },
            Self::Series(place) => series.get(*place).into(),
            Self::Metadata(place) if sample.is_some() => metadata.get(*place).into(),
            Self::Sample(clause) => match sample {
                Some(sample) => of_sample(clause, sample).into(),
                None => Verdict::Open,
            },
            Self::Metadata(_) => Verdict::Open,
        }
    }
}

fn of_series(clause: &Clause, series: &Series) -> Option<bool> {
    match clause {
        Clause::Text { field, operator, value } => Some(operator.holds(text(series, *field)?.cmp(value))),
        Clause::Matches { subject: Subject::Text(field), pattern } => {
            Some(pattern.0.is_match(text(series, *field)?))
        }
        _ => None,
    }
}

fn of_metadata(clause: &Clause, fields: &Map<String, Value>) -> Option<bool> {
    match clause {
        Clause::Metadata { path, operator, value } => compare::metadata(fields, path, *operator, value),
        Clause::Matches { subject: Subject::Metadata(path), pattern } => {
            compare::matches(fields, path, pattern)
        }
        _ => None,
    }
}

fn of_sample(clause: &Clause, found: &Found) -> Option<bool> {
    match clause {
        Clause::Time { field: TimeField::Timestamp, operator, value } => {
            Some(operator.holds(found.timestamp.cmp(&value.micros())))
        }
        Clause::Time { field: TimeField::RecordedAt, operator, value } => {
            Some(operator.holds(found.recorded_at.cmp(&value.micros())))
        }
        Clause::Volume { operator, value } => {
            Some(operator.holds(Decimal::parse(&found.volume.text())?.cmp(value)))
        }
        Clause::Text { field: TextField::MessageId, operator: Operator::Equal, value } => {
            Some(found.message_id == MessageId::new(value))
        }
        _ => None,
    }
}

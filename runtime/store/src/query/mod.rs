//! Ceilometer's queries over samples: `resource_id=UUID;timestamp>2026-01-01T00:00:00;metadata.display_name=web`.
//!
//! The syntax is python-ceilometerclient's (`-q`, `cli_to_array` in its `v2/options.py`): clauses joined by `;`, each a field,
//! one of `=` `!=` `<` `<=` `>` `>=` and a value, before which a data type may stand (`metadata.vcpus>=integer::4`: string,
//! integer, float, datetime, boolean). All clauses hold of every sample that is found. `query-samples` has a syntax of its own in
//! JSON, with `and`, `or`, `not`, `in` and `=~`, and can order by other fields than the time.
//!
//! | module | what it does |
//! |---|---|
//! | `filter` | conditions as a tree, and what of it an index can answer |
//! | `parse`, `complex` | texts to filters; whatever passes can be asked |
//! | `compare` | metadata and volumes, compared by their types, exactly |
//! | `judge` | whether a sample fulfils a filter; asks each series and each metadata once |
//! | `search` | samples along the indexes, and no further than the limit |
//! | `samples`, `meters`, `resources`, `statistics` | the answers |
//!
//! A comparison with what is missing or null is unknown, and so is `not` of it, as in SQL and in Ceilometer's SQL store. Only what is
//! known to fulfil a filter is found.

mod compare;
mod complex;
mod error;
mod filter;
mod judge;
mod meters;
mod parse;
mod resources;
mod samples;
mod search;
mod statistics;
#[cfg(test)]
pub(crate) mod tests;

use regex::Regex;
use sample::Timestamp;

use crate::decimal::Decimal;

pub use error::{QueryError, Quoted};
pub use filter::Filter;
pub(crate) use judge::unknown;
pub use meters::{Meter, meters};
pub use parse::Condition;
pub use resources::{Resource, resources};
pub use samples::{SampleQuery, StoredSample, check_limit, sample, samples};
pub(crate) use search::each_of;
pub use statistics::{Aggregate, GroupBy, Statistics, StatisticsQuery, statistics};

/// One condition.
#[derive(Clone, Debug, PartialEq)]
enum Clause {
    Text { field: TextField, operator: Operator, value: String },
    Time { field: TimeField, operator: Operator, value: Timestamp },
    Volume { operator: Operator, value: Decimal },
    Metadata { path: Vec<String>, operator: Operator, value: Literal },
    Matches { subject: Subject, pattern: Pattern },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextField {
    ResourceId,
    ProjectId,
    UserId,
    Meter,
    Kind,
    Unit,
    Source,
    MessageId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeField {
    Timestamp,
    RecordedAt,
}

/// What a pattern is looked for in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Text(TextField),
    Metadata(Vec<String>),
}

/// A regular expression. The library's take time in proportion to the text, whatever the expression.
#[derive(Clone, Debug)]
struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// Longer ones first: `<=` begins with `<`.
    const ALL: [Self; 6] =
        [Self::NotEqual, Self::GreaterOrEqual, Self::LessOrEqual, Self::Greater, Self::Less, Self::Equal];

    /// The sign in a query.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The word in an address of Ceilometer's API.
    const fn word(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
        }
    }
}

/// What a metadata field is compared with.
#[derive(Clone, Debug, PartialEq)]
enum Literal {
    /// Without a type: compared as whatever the field is.
    Any(String),
    String(String),
    Number(Decimal),
    Timestamp(Timestamp),
    Boolean(bool),
}

//! Ceilometer's queries over samples: `resource_id=UUID;timestamp>2026-01-01T00:00:00;metadata.display_name=web`.
//!
//! The syntax is python-ceilometerclient's (`-q`, `cli_to_array` in its `v2/options.py`): clauses joined by `;`, each a field,
//! one of `=` `!=` `<` `<=` `>` `>=` and a value, before which a data type may stand (`metadata.vcpus>=integer::4`: string,
//! integer, float, datetime, boolean). All clauses hold of every sample that is found.
//!
//! | module | what it does |
//! |---|---|
//! | `parse` | text to [`SampleQuery`]; whatever passes can be asked |
//! | `sql` | the part of a query that SQLite answers, values bound, never written into the text |
//! | `compare` | the rest: metadata and volumes, compared by their types, exactly |
//! | `select` | runs a query over a store |
//!
//! # Bounds
//! A query ends at its limit, and after [`DEADLINE`] in any case: a clause on metadata that nothing fulfils would otherwise read
//! the whole store. It fails where its samples have more than [`MAX_FOUND_METADATA`]: a limit alone would allow ten times that, and
//! what is read takes several times the memory of its text.

mod compare;
mod error;
mod parse;
mod select;
mod sql;

use std::time::Duration;

use sample::Timestamp;

use crate::decimal::Decimal;

pub use error::{QueryError, Quoted};
#[cfg(test)]
pub(crate) use select::samples_within;
pub use select::{StoredSample, samples};

/// Samples that a query finds unless it says otherwise: python-ceilometerclient's.
pub const DEFAULT_LIMIT: usize = 100;
/// The most samples that a query can ask for: about 15 MB as JSON with a genuine agent's metadata.
pub const MAX_LIMIT: usize = 10_000;
/// The most metadata that a query's samples may have together, in bytes of JSON, counted for each sample that has it, since
/// each one's is shown: a sample's own may have 64 KiB. Genuine ones have about 1 KiB.
pub const MAX_FOUND_METADATA: usize = 64 << 20;
/// The longest text of a query, in bytes.
pub const MAX_QUERY: usize = 8 << 10;
/// The most clauses of a query.
pub const MAX_CLAUSES: usize = 32;
/// How long a query may read.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Which samples to find; newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleQuery {
    pub(crate) clauses: Vec<Clause>,
    pub(crate) limit: usize,
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Clause {
    Text { field: TextField, operator: Operator, value: String },
    Timestamp { operator: Operator, value: Timestamp },
    Volume { operator: Operator, value: Decimal },
    Metadata { path: Vec<String>, operator: Operator, value: Literal },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextField {
    ResourceId,
    ProjectId,
    UserId,
    Meter,
    Source,
    MessageId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
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

    /// The sign in a query, and in SQL as well.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// What a metadata field is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    /// Without a type: compared as whatever the field is.
    Any(String),
    String(String),
    Number(Decimal),
    Timestamp(Timestamp),
    Boolean(bool),
}

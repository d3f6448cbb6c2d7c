//! What is wrong with a query, and what would be right.

use crate::bounds::{MAX_CLAUSES, MAX_DEPTH, MAX_LIMIT, MAX_PATTERNS, MAX_QUERY};

/// Why a text is no query. Parts of it are quoted with control characters escaped, and cut where they are long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Longer than [`MAX_QUERY`] bytes.
    #[error("the query is longer than {MAX_QUERY} bytes")]
    TooLong,
    /// More than [`MAX_CLAUSES`] clauses.
    #[error("the query has more than {MAX_CLAUSES} clauses")]
    TooManyClauses,
    /// More than [`MAX_PATTERNS`] regular expressions.
    #[error("the query has more than {MAX_PATTERNS} regular expressions")]
    TooManyPatterns,
    /// A clause without field, operator or value.
    #[error(
        "{clause}: the {part} is missing; a clause has the form resource_id=UUID, clauses are joined by ;"
    )]
    Incomplete {
        /// The clause.
        clause: Quoted,
        /// `field`, `operator` or `value`.
        part: &'static str,
    },
    /// A field that samples do not have.
    #[error(
        "{field} is no field; fields are resource_id, project_id, user_id, meter, type, unit, source, message_id, timestamp, recorded_at, volume and metadata.*"
    )]
    UnknownField {
        /// The field.
        field: Quoted,
    },
    /// An operator that the field does not have.
    #[error("{field} is not compared with {operator}; it takes {allowed}")]
    Operator {
        /// The field.
        field: Quoted,
        /// The operator.
        operator: &'static str,
        /// Which ones the field has.
        allowed: &'static str,
    },
    /// A data type that the field does not have.
    #[error("{field} is not compared as {found}; it takes {allowed}")]
    Type {
        /// The field.
        field: Quoted,
        /// The type before `::`.
        found: &'static str,
        /// Which ones the field has.
        allowed: &'static str,
    },
    /// A value that is not of its type.
    #[error("{field}: {value} is no {kind}")]
    Value {
        /// The field.
        field: Quoted,
        /// The value.
        value: Quoted,
        /// The type, with an example.
        kind: &'static str,
    },
    /// No operator of an address.
    #[error("{operator} is no operator; operators are eq, ne, lt, le, gt and ge")]
    UnknownWord {
        /// What stands there.
        operator: Quoted,
    },
    /// No operator of a complex query.
    #[error("{operator} is no operator; operators are =, !=, <, <=, >, >=, =~, in, and, or and not")]
    UnknownOperator {
        /// What stands there.
        operator: Quoted,
    },
    /// No data type.
    #[error("{kind} is no type; types are string, integer, float, datetime and boolean")]
    UnknownType {
        /// What stands there.
        kind: Quoted,
    },
    /// Not JSON.
    #[error("the {part} is no JSON: {fault}")]
    Json {
        /// `filter` or `orderby`.
        part: &'static str,
        /// What the reader says.
        fault: String,
    },
    /// JSON of another shape.
    #[error("the {part} has {found} where {expected} belongs")]
    Shape {
        /// `filter` or `orderby`.
        part: &'static str,
        /// What stands there.
        found: Quoted,
        /// What would be right.
        expected: &'static str,
    },
    /// A complex query of more than [`MAX_DEPTH`] levels.
    #[error("the filter is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// A regular expression that is none, or too large.
    #[error("{field}: the regular expression cannot be used: {fault}")]
    Pattern {
        /// The field.
        field: Quoted,
        /// What is wrong with it.
        fault: String,
    },
    /// A field that has no order.
    #[error("samples are not ordered by {field}; they are by any other field than metadata")]
    Order {
        /// The field.
        field: Quoted,
    },
    /// No field to group statistics by.
    #[error(
        "statistics are not grouped by {0}; they are by user_id, resource_id, project_id, source and resource_metadata.instance_type"
    )]
    GroupBy(Quoted),
    /// No function of statistics.
    #[error(
        "{0} is no function; functions are max, min, sum, avg, count, stddev and cardinality (of resource_id, user_id, project_id or source)"
    )]
    Aggregate(Quoted),
    /// A period of 0 seconds, or of more than a century.
    #[error("the period {0} is not between 1 and 4294967296 seconds")]
    Period(u64),
    /// A limit of 0, or above [`MAX_LIMIT`].
    #[error("the limit {0} is not between 1 and {MAX_LIMIT}")]
    Limit(usize),
}

/// A piece of somebody's input, safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted(String);

/// Characters of the input that an error repeats.
const QUOTED_CHARS: usize = 80;

impl Quoted {
    pub(super) fn new(text: &str) -> Self {
        let mut quoted: String = text.chars().take(QUOTED_CHARS).collect();
        if quoted.len() < text.len() {
            quoted.push('…');
        }
        Self(quoted)
    }
}

impl std::fmt::Display for Quoted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

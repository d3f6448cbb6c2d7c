//! What is wrong with a query, and what would be right.

use super::{MAX_CLAUSES, MAX_LIMIT, MAX_QUERY};

/// Why a text is no query. Parts of it are quoted with control characters escaped, and cut where they are long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Longer than [`MAX_QUERY`] bytes.
    #[error("the query is longer than {MAX_QUERY} bytes")]
    TooLong,
    /// More than [`MAX_CLAUSES`] clauses.
    #[error("the query has more than {MAX_CLAUSES} clauses")]
    TooManyClauses,
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
        "{field} is no field; fields are resource_id, project_id, user_id, meter, source, message_id, timestamp, volume and metadata.*"
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

//! From text to a filter.

use sample::Timestamp;

use super::filter::Node;
use super::{Clause, Filter, Literal, Operator, QueryError, Quoted, TextField, TimeField};
use crate::bounds::{MAX_CLAUSES, MAX_QUERY};
use crate::decimal::Decimal;

/// Segments of a metadata path: the walk tries each way of joining them again, for keys have dots too.
const MAX_SEGMENTS: usize = 16;
/// Nova's own metadata under its two names in Ceilometer's API.
const METADATA: [&str; 2] = ["metadata.", "resource_metadata."];

/// One condition in parts, as an address of Ceilometer's API has it: `q.field`, `q.op`, `q.value`, `q.type`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Condition<'a> {
    /// The field.
    pub field: &'a str,
    /// `eq`, `ne`, `lt`, `le`, `gt` or `ge`; `eq` where it is empty.
    pub operator: &'a str,
    /// The value.
    pub value: &'a str,
    /// `string`, `integer`, `float`, `datetime` or `boolean`; the field's own where it is empty.
    pub kind: &'a str,
}

impl Filter {
    /// The filter of a text such as `resource_id=UUID;timestamp>2026-01-31`.
    ///
    /// # Errors
    /// [`QueryError`] names the clause and says what would be right.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let clauses = clauses(text)?.map(|text| parts(text)?.clause().map(Node::Is));
        Ok(Self(Node::All(clauses.collect::<Result<_, _>>()?)))
    }

    /// The filter of all these conditions.
    ///
    /// # Errors
    /// As [`Filter::parse`].
    pub fn conditions<'a>(conditions: impl IntoIterator<Item = Condition<'a>>) -> Result<Self, QueryError> {
        let mut clauses = Vec::new();
        for condition in conditions {
            if clauses.len() == MAX_CLAUSES {
                return Err(QueryError::TooManyClauses);
            }
            clauses.push(Node::Is(condition.clause()?));
        }
        Ok(Self(Node::All(clauses)))
    }
}

impl<'a> Condition<'a> {
    /// The conditions of a text such as `resource_id=UUID;timestamp>2026-01-31`.
    ///
    /// # Errors
    /// As [`Filter::parse`].
    pub fn parse(text: &'a str) -> Result<Vec<Self>, QueryError> {
        clauses(text)?
            .map(|text| {
                let parts = parts(text)?;
                parts.clause()?;
                let Parts { field, operator, kind, value } = parts;
                Ok(Self { field, operator: operator.word(), value, kind: kind.map_or("", Type::as_str) })
            })
            .collect()
    }

    fn clause(&self) -> Result<Clause, QueryError> {
        let operator = match self.operator {
            "" => Operator::Equal,
            word => Operator::ALL
                .into_iter()
                .find(|operator| operator.word() == word)
                .ok_or_else(|| QueryError::UnknownWord { operator: Quoted::new(word) })?,
        };
        let kind = match self.kind {
            "" => None,
            name => Some(
                Type::ALL
                    .into_iter()
                    .find(|kind| kind.as_str() == name)
                    .ok_or_else(|| QueryError::UnknownType { kind: Quoted::new(name) })?,
            ),
        };
        if self.value.len() > MAX_QUERY {
            return Err(QueryError::TooLong);
        }
        Parts { field: self.field, operator, kind, value: self.value }.clause()
    }
}

/// What a name stands for.
pub(super) enum Field {
    Text(TextField),
    Time(TimeField),
    Volume,
    Metadata(Vec<String>),
}

/// The field of a name, or of its other name in Ceilometer's API.
pub(super) fn field(name: &str) -> Result<Field, QueryError> {
    Ok(match name {
        "resource_id" | "resource" => Field::Text(TextField::ResourceId),
        "project_id" | "project" => Field::Text(TextField::ProjectId),
        "user_id" | "user" => Field::Text(TextField::UserId),
        "meter" | "counter_name" => Field::Text(TextField::Meter),
        "type" | "counter_type" => Field::Text(TextField::Kind),
        "unit" | "counter_unit" => Field::Text(TextField::Unit),
        "source" => Field::Text(TextField::Source),
        "message_id" | "id" => Field::Text(TextField::MessageId),
        "timestamp" => Field::Time(TimeField::Timestamp),
        "recorded_at" => Field::Time(TimeField::RecordedAt),
        "volume" | "counter_volume" => Field::Volume,
        _ => {
            let unknown = || QueryError::UnknownField { field: Quoted::new(name) };
            let path = METADATA.iter().find_map(|prefix| name.strip_prefix(prefix)).ok_or_else(unknown)?;
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            if path.len() > MAX_SEGMENTS || path.iter().any(String::is_empty) {
                return Err(unknown());
            }
            Field::Metadata(path)
        }
    })
}

/// The data types that may stand before a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    String,
    Integer,
    Float,
    Datetime,
    Boolean,
}

impl Type {
    const ALL: [Self; 5] = [Self::String, Self::Integer, Self::Float, Self::Datetime, Self::Boolean];

    const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Datetime => "datetime",
            Self::Boolean => "boolean",
        }
    }
}

fn clauses(text: &str) -> Result<impl Iterator<Item = &str>, QueryError> {
    if text.len() > MAX_QUERY {
        return Err(QueryError::TooLong);
    }
    if text.split(';').count() > MAX_CLAUSES {
        return Err(QueryError::TooManyClauses);
    }
    Ok(text.split(';'))
}

/// The parts of a clause.
fn parts(text: &str) -> Result<Parts<'_>, QueryError> {
    let missing = |part| QueryError::Incomplete { clause: Quoted::new(text), part };
    let (at, operator) = first_operator(text).ok_or_else(|| missing("operator"))?;
    let field = text[..at].trim();
    let value = text[at + operator.as_str().len()..].trim();
    if field.is_empty() {
        return Err(missing("field"));
    }
    let (kind, value) = typed(value);
    if value.is_empty() {
        return Err(missing("value"));
    }
    Ok(Parts { field, operator, kind, value })
}

/// The leftmost operator and where it begins.
fn first_operator(text: &str) -> Option<(usize, Operator)> {
    text.char_indices().find_map(|(at, _)| {
        Operator::ALL
            .into_iter()
            .find(|operator| text[at..].starts_with(operator.as_str()))
            .map(|operator| (at, operator))
    })
}

/// `integer::4` is typed; `a::b` is not, and the colons belong to the value, as with the genuine client.
fn typed(value: &str) -> (Option<Type>, &str) {
    for kind in Type::ALL {
        if let Some(rest) = value.strip_prefix(kind.as_str()).and_then(|rest| rest.strip_prefix("::"))
            && !rest.is_empty()
        {
            return (Some(kind), rest);
        }
    }
    (None, value)
}

struct Parts<'a> {
    field: &'a str,
    operator: Operator,
    kind: Option<Type>,
    value: &'a str,
}

impl Parts<'_> {
    fn clause(&self) -> Result<Clause, QueryError> {
        let operator = self.operator;
        match field(self.field)? {
            Field::Text(field) => {
                self.allow(&[Type::String], "string")?;
                if field == TextField::MessageId && operator != Operator::Equal {
                    return Err(self.refused("="));
                }
                Ok(Clause::Text { field, operator, value: self.value.to_owned() })
            }
            Field::Time(field) => {
                self.allow(&[Type::Datetime, Type::String], "datetime")?;
                Ok(Clause::Time { field, operator, value: self.timestamp()? })
            }
            Field::Volume => {
                self.allow(&[Type::Integer, Type::Float], "integer and float")?;
                Ok(Clause::Volume { operator, value: self.number()? })
            }
            Field::Metadata(path) => {
                let value = match self.kind {
                    None => Literal::Any(self.value.to_owned()),
                    Some(Type::String) => Literal::String(self.value.to_owned()),
                    Some(Type::Integer | Type::Float) => Literal::Number(self.number()?),
                    Some(Type::Datetime) => Literal::Timestamp(self.timestamp()?),
                    Some(Type::Boolean) => Literal::Boolean(self.boolean()?),
                };
                if matches!(value, Literal::Boolean(_))
                    && !matches!(operator, Operator::Equal | Operator::NotEqual)
                {
                    return Err(self.refused("= and != as a boolean"));
                }
                Ok(Clause::Metadata { path, operator, value })
            }
        }
    }

    fn refused(&self, allowed: &'static str) -> QueryError {
        QueryError::Operator { field: Quoted::new(self.field), operator: self.operator.as_str(), allowed }
    }

    fn allow(&self, types: &[Type], allowed: &'static str) -> Result<(), QueryError> {
        match self.kind {
            Some(kind) if !types.contains(&kind) => {
                Err(QueryError::Type { field: Quoted::new(self.field), found: kind.as_str(), allowed })
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, kind: &'static str) -> QueryError {
        QueryError::Value { field: Quoted::new(self.field), value: Quoted::new(self.value), kind }
    }

    fn timestamp(&self) -> Result<Timestamp, QueryError> {
        Timestamp::parse(self.value)
            .map_err(|_| self.fault("timestamp such as 2026-01-31T23:59:59 or 2026-01-31"))
    }

    fn number(&self) -> Result<Decimal, QueryError> {
        let number = Decimal::parse(self.value);
        match self.kind {
            Some(Type::Integer) => number
                .filter(|_| !self.value.contains(['.', 'e', 'E']))
                .ok_or_else(|| self.fault("integer such as 4")),
            _ => number.ok_or_else(|| self.fault("number such as 4 or 0.5")),
        }
    }

    fn boolean(&self) -> Result<bool, QueryError> {
        match self.value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(self.fault("boolean such as true or false")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Vec<Clause>, QueryError> {
        Filter::parse(query).map(|filter| match filter.0 {
            Node::All(nodes) => nodes
                .into_iter()
                .map(|node| match node {
                    Node::Is(clause) => clause,
                    other => panic!("{other:?}"),
                })
                .collect(),
            other => panic!("{other:?}"),
        })
    }

    fn text(field: TextField, operator: Operator, value: &str) -> Clause {
        Clause::Text { field, operator, value: value.to_owned() }
    }

    #[test]
    fn the_documented_query_is_understood() {
        let clauses =
            parse("resource_id=5f1c; timestamp>2026-01-01T00:00:00 ;metadata.display_name=web").unwrap();
        assert_eq!(
            clauses,
            [
                text(TextField::ResourceId, Operator::Equal, "5f1c"),
                Clause::Time {
                    field: TimeField::Timestamp,
                    operator: Operator::Greater,
                    value: Timestamp::parse("2026-01-01T00:00:00").unwrap()
                },
                Clause::Metadata {
                    path: vec!["display_name".into()],
                    operator: Operator::Equal,
                    value: Literal::Any("web".into())
                },
            ]
        );
    }

    #[test]
    fn each_operator_is_the_longest_at_the_leftmost_place() {
        for operator in Operator::ALL {
            let query = format!("user{}a<=b", operator.as_str());
            assert_eq!(parse(&query).unwrap(), [text(TextField::UserId, operator, "a<=b")]);
        }
        assert_eq!(parse("project=a=b").unwrap(), [text(TextField::ProjectId, Operator::Equal, "a=b")]);
    }

    #[test]
    fn types_are_read_as_the_genuine_client_reads_them() {
        let value = |query: &str| match parse(query).unwrap().remove(0) {
            Clause::Metadata { value, .. } => value,
            other => panic!("{other:?}"),
        };
        assert_eq!(value("metadata.a=integer::-4"), Literal::Number(Decimal::parse("-4").unwrap()));
        assert_eq!(value("metadata.a=float::0.5"), Literal::Number(Decimal::parse("0.5").unwrap()));
        assert_eq!(value("resource_metadata.a=boolean::True"), Literal::Boolean(true));
        assert_eq!(value("metadata.a=string::4"), Literal::String("4".into()));
        assert_eq!(value("metadata.a=integer::"), Literal::Any("integer::".into()));
        assert_eq!(value("metadata.a=text::4"), Literal::Any("text::4".into()));
        assert_eq!(parse("resource=string::x").unwrap(), [text(TextField::ResourceId, Operator::Equal, "x")]);
        assert_eq!(parse("timestamp>datetime::2026-01-01").unwrap(), parse("timestamp>2026-01-01").unwrap());
    }

    #[test]
    fn faults_name_the_field_and_what_would_be_right() {
        for (query, expected) in [
            (
                "",
                "\"\": the operator is missing; a clause has the form resource_id=UUID, clauses are joined by ;",
            ),
            ("meter=a;", "\"\": the operator is missing"),
            ("resource_id", "\"resource_id\": the operator is missing"),
            ("=x", "\"=x\": the field is missing"),
            ("resource_id=", "\"resource_id=\": the value is missing"),
            ("colour=red", "\"colour\" is no field; fields are resource_id, project_id"),
            ("metadata.=x", "\"metadata.\" is no field"),
            ("metadata=x", "\"metadata\" is no field"),
            ("metadata.a..b=x", "\"metadata.a..b\" is no field"),
            (
                "timestamp>yesterday",
                "\"timestamp\": \"yesterday\" is no timestamp such as 2026-01-31T23:59:59",
            ),
            ("timestamp>integer::5", "\"timestamp\" is not compared as integer; it takes datetime"),
            ("resource_id=float::5", "\"resource_id\" is not compared as float; it takes string"),
            ("volume>many", "\"volume\": \"many\" is no number such as 4 or 0.5"),
            ("metadata.a=integer::1.5", "\"metadata.a\": \"1.5\" is no integer such as 4"),
            (
                "metadata.a>boolean::true",
                "\"metadata.a\" is not compared with >; it takes = and != as a boolean",
            ),
            ("metadata.a=boolean::maybe", "is no boolean such as true or false"),
            ("message_id!=a", "\"message_id\" is not compared with !=; it takes ="),
        ] {
            let error = parse(query).unwrap_err().to_string();
            assert!(error.starts_with(expected) || error.ends_with(expected), "{query}: {error}");
        }
    }

    #[test]
    fn hostile_input_is_refused_or_taken_as_a_value() {
        let injection = "x' OR 1=1 --";
        assert_eq!(
            parse(&format!("resource_id={injection}")).unwrap(),
            [text(TextField::ResourceId, Operator::Equal, injection)]
        );
        assert_eq!(parse(&"a".repeat(MAX_QUERY + 1)), Err(QueryError::TooLong));
        assert_eq!(parse(&"meter=a;".repeat(MAX_CLAUSES)), Err(QueryError::TooManyClauses));
        let deep = format!("metadata{}=x", ".a".repeat(MAX_SEGMENTS + 1));
        assert!(matches!(parse(&deep), Err(QueryError::UnknownField { .. })));
        let error = parse(&format!("\u{1b}[2Jé{}=x", "z".repeat(500))).unwrap_err().to_string();
        assert!(!error.contains('\u{1b}') && error.len() < 300, "{error}");
        assert!(parse("é=ü").is_err() && parse("metadata.é=ü").is_ok());
    }

    #[test]
    fn conditions_in_parts_are_the_same_clauses() {
        let parts =
            |field, operator, value, kind| Filter::conditions([Condition { field, operator, value, kind }]);
        assert_eq!(parts("timestamp", "gt", "2026-01-01", ""), Filter::parse("timestamp>2026-01-01"));
        assert_eq!(parts("metadata.a", "", "4", "integer"), Filter::parse("metadata.a=integer::4"));
        assert_eq!(parts("project", "ne", "a;b=c", "string").unwrap().projects_named(), ["a;b=c"]);
        for (wrong, expected) in [
            (
                parts("meter", "like", "a", ""),
                "\"like\" is no operator; operators are eq, ne, lt, le, gt and ge",
            ),
            (
                parts("metadata.a", "eq", "a", "text"),
                "\"text\" is no type; types are string, integer, float, datetime and boolean",
            ),
            (parts("colour", "eq", "red", ""), "\"colour\" is no field"),
        ] {
            let error = wrong.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

//! From text to a query.

use sample::Timestamp;

use super::{
    Clause, DEFAULT_LIMIT, Literal, MAX_CLAUSES, MAX_LIMIT, MAX_QUERY, Operator, QueryError, Quoted,
    SampleQuery, TextField,
};
use crate::decimal::Decimal;

/// Segments of a metadata path: the walk tries each way of joining them again, for keys have dots too.
const MAX_SEGMENTS: usize = 16;
/// Nova's own metadata under its two names in Ceilometer's API.
const METADATA: [&str; 2] = ["metadata.", "resource_metadata."];

impl SampleQuery {
    /// The query of `sample list -m METER -q QUERY -l LIMIT`.
    ///
    /// # Errors
    /// [`QueryError`] names the clause and says what would be right.
    pub fn parse(meter: Option<&str>, query: Option<&str>, limit: Option<usize>) -> Result<Self, QueryError> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(QueryError::Limit(limit));
        }
        let mut clauses = Vec::new();
        if let Some(meter) = meter {
            let (field, operator) = (TextField::Meter, Operator::Equal);
            clauses.push(Clause::Text { field, operator, value: meter.to_owned() });
        }
        if let Some(query) = query {
            if query.len() > MAX_QUERY {
                return Err(QueryError::TooLong);
            }
            if query.split(';').count() > MAX_CLAUSES {
                return Err(QueryError::TooManyClauses);
            }
            for text in query.split(';') {
                clauses.push(clause(text)?);
            }
        }
        Ok(Self { clauses, limit })
    }
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

fn clause(text: &str) -> Result<Clause, QueryError> {
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
    Parts { field, operator, kind, value }.clause()
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
        let field = match self.field {
            "resource_id" | "resource" => TextField::ResourceId,
            "project_id" | "project" => TextField::ProjectId,
            "user_id" | "user" => TextField::UserId,
            "meter" | "counter_name" => TextField::Meter,
            "source" => TextField::Source,
            "message_id" | "id" => TextField::MessageId,
            "timestamp" => {
                self.allow(&[Type::Datetime, Type::String], "datetime")?;
                return Ok(Clause::Timestamp { operator, value: self.timestamp()? });
            }
            "volume" | "counter_volume" => {
                self.allow(&[Type::Integer, Type::Float], "integer and float")?;
                return Ok(Clause::Volume { operator, value: self.number()? });
            }
            _ => return self.metadata(),
        };
        self.allow(&[Type::String], "string")?;
        if field == TextField::MessageId && operator != Operator::Equal {
            return Err(QueryError::Operator {
                field: Quoted::new(self.field),
                operator: operator.as_str(),
                allowed: "=",
            });
        }
        Ok(Clause::Text { field, operator, value: self.value.to_owned() })
    }

    fn metadata(&self) -> Result<Clause, QueryError> {
        let unknown = || QueryError::UnknownField { field: Quoted::new(self.field) };
        let path = METADATA.iter().find_map(|prefix| self.field.strip_prefix(prefix)).ok_or_else(unknown)?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.len() > MAX_SEGMENTS || path.iter().any(String::is_empty) {
            return Err(unknown());
        }
        let value = match self.kind {
            None => Literal::Any(self.value.to_owned()),
            Some(Type::String) => Literal::String(self.value.to_owned()),
            Some(Type::Integer | Type::Float) => Literal::Number(self.number()?),
            Some(Type::Datetime) => Literal::Timestamp(self.timestamp()?),
            Some(Type::Boolean) => Literal::Boolean(self.boolean()?),
        };
        if matches!(value, Literal::Boolean(_))
            && !matches!(self.operator, Operator::Equal | Operator::NotEqual)
        {
            return Err(QueryError::Operator {
                field: Quoted::new(self.field),
                operator: self.operator.as_str(),
                allowed: "= and != as a boolean",
            });
        }
        Ok(Clause::Metadata { path, operator: self.operator, value })
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
        SampleQuery::parse(None, Some(query), None).map(|query| query.clauses)
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
                Clause::Timestamp {
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
    fn limits_are_bounded() {
        let limit = |limit| SampleQuery::parse(None, None, limit).map(|query| query.limit);
        assert_eq!(limit(None), Ok(DEFAULT_LIMIT));
        assert_eq!(limit(Some(MAX_LIMIT)), Ok(MAX_LIMIT));
        for wrong in [0, MAX_LIMIT + 1, usize::MAX] {
            assert_eq!(limit(Some(wrong)), Err(QueryError::Limit(wrong)));
        }
    }
}

//! The filters and orders of `query-samples`, in JSON: `{"and": [{"=": {"meter": "cpu"}}, {">": {"volume": 5}}]}`.

use regex::RegexBuilder;
use sample::Timestamp;
use serde_json::{Map, Value};

use super::filter::Node;
use super::parse::{Field, field};
use super::samples::{Direction, OrderBy};
use super::{Clause, Filter, Literal, Operator, Pattern, QueryError, Quoted, Subject};
use crate::bounds::{MAX_CLAUSES, MAX_DEPTH, MAX_PATTERNS, MAX_QUERY};
use crate::decimal::Decimal;

/// Bytes of a compiled regular expression.
const MAX_PATTERN: usize = 256 << 10;
/// The most fields to order by.
const MAX_ORDERS: usize = 16;

impl Filter {
    /// A filter of `query-samples`.
    ///
    /// # Errors
    /// [`QueryError`] says what is wrong and what would be right.
    pub fn complex(text: &str) -> Result<Self, QueryError> {
        let value = json("filter", text)?;
        node(&value, 0, &mut Left { clauses: MAX_CLAUSES, patterns: MAX_PATTERNS }).map(Self)
    }
}

/// What a filter may still have.
struct Left {
    clauses: usize,
    patterns: usize,
}

impl Left {
    fn clause(&mut self) -> Result<(), QueryError> {
        self.clauses = self.clauses.checked_sub(1).ok_or(QueryError::TooManyClauses)?;
        Ok(())
    }

    fn pattern(&mut self) -> Result<(), QueryError> {
        self.patterns = self.patterns.checked_sub(1).ok_or(QueryError::TooManyPatterns)?;
        self.clause()
    }
}

/// Reads an `orderby` of `query-samples`: `[{"timestamp": "desc"}, {"volume": "asc"}]`.
pub(super) fn orders(text: &str) -> Result<Vec<(OrderBy, Direction)>, QueryError> {
    let shape = |found: &Value| shape("orderby", found, r#"a list of objects such as {"timestamp": "desc"}"#);
    let value = json("orderby", text)?;
    let list = value.as_array().ok_or_else(|| shape(&value))?;
    if list.len() > MAX_ORDERS {
        return Err(QueryError::TooManyClauses);
    }
    list.iter()
        .map(|entry| {
            let (name, direction) = only(entry).ok_or_else(|| shape(entry))?;
            let by = match field(name)? {
                Field::Text(field) => OrderBy::Text(field),
                Field::Time(field) => OrderBy::Time(field),
                Field::Volume => OrderBy::Volume,
                Field::Metadata(_) => return Err(QueryError::Order { field: Quoted::new(name) }),
            };
            let direction = match direction.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some("asc") => Direction::Ascending,
                Some("desc") => Direction::Descending,
                _ => return Err(shape(entry)),
            };
            Ok((by, direction))
        })
        .collect()
}

fn json(part: &'static str, text: &str) -> Result<Value, QueryError> {
    if text.len() > MAX_QUERY {
        return Err(QueryError::TooLong);
    }
    serde_json::from_str(text).map_err(|error| QueryError::Json {
        part,
        // It may repeat what stands there.
        fault: error.to_string().chars().take(200).collect(),
    })
}

fn shape(part: &'static str, found: &Value, expected: &'static str) -> QueryError {
    QueryError::Shape { part, found: Quoted::new(&found.to_string()), expected }
}

/// The one entry of an object that has one.
fn only(value: &Value) -> Option<(&str, &Value)> {
    let object: &Map<String, Value> = value.as_object()?;
    let (key, value) = object.iter().next()?;
    (object.len() == 1).then_some((key.as_str(), value))
}

fn node(value: &Value, depth: usize, left: &mut Left) -> Result<Node, QueryError> {
    if depth > MAX_DEPTH {
        return Err(QueryError::TooDeep);
    }
    let expected = r#"an object of one operator such as {"=": {"meter": "cpu"}}, {"and": [FILTER, FILTER]} or {"not": FILTER}"#;
    let (operator, operand) = only(value).ok_or_else(|| shape("filter", value, expected))?;
    let several = |left: &mut Left| {
        let list = operand.as_array().filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| shape("filter", value, "a list of filters"))?;
        list.iter().map(|value| node(value, depth + 1, left)).collect::<Result<Vec<_>, _>>()
    };
    match operator.to_ascii_lowercase().as_str() {
        "and" => Ok(Node::All(several(left)?)),
        "or" => Ok(Node::Any(several(left)?)),
        "not" => Ok(Node::Not(Box::new(node(operand, depth + 1, left)?))),
        "in" => {
            let expected = r#"a field with its values, such as {"in": {"meter": ["cpu", "memory"]}}"#;
            let (name, values) = only(operand).ok_or_else(|| shape("filter", value, expected))?;
            let values = values.as_array().filter(|values| !values.is_empty());
            let values = values.ok_or_else(|| shape("filter", value, expected))?;
            let is = |entry| leaf(name, Operator::Equal, entry, left);
            Ok(Node::Any(values.iter().map(is).collect::<Result<_, _>>()?))
        }
        sign => {
            let expected = r#"a field with its value, such as {"=": {"meter": "cpu"}}"#;
            let (name, literal) = only(operand).ok_or_else(|| shape("filter", value, expected))?;
            let operator = match sign {
                "=" => Operator::Equal,
                "!=" => Operator::NotEqual,
                "<" => Operator::Less,
                "<=" | "=<" => Operator::LessOrEqual,
                ">" => Operator::Greater,
                ">=" | "=>" => Operator::GreaterOrEqual,
                "=~" => return matches(name, literal, left),
                _ => return Err(QueryError::UnknownOperator { operator: Quoted::new(sign) }),
            };
            leaf(name, operator, literal, left)
        }
    }
}

fn leaf(name: &str, operator: Operator, value: &Value, left: &mut Left) -> Result<Node, QueryError> {
    left.clause()?;
    let wrong =
        |kind| QueryError::Value { field: Quoted::new(name), value: Quoted::new(&value.to_string()), kind };
    let refused =
        |allowed| QueryError::Operator { field: Quoted::new(name), operator: operator.as_str(), allowed };
    let number = || Decimal::parse(value.as_number()?.as_str());
    let clause = match field(name)? {
        Field::Text(field) => {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(wrong("text")),
            };
            if field == super::TextField::MessageId && operator != Operator::Equal {
                return Err(refused("="));
            }
            Clause::Text { field, operator, value }
        }
        Field::Time(field) => {
            let kind = "timestamp such as 2026-01-31T23:59:59 or 2026-01-31";
            let value =
                value.as_str().and_then(|text| Timestamp::parse(text).ok()).ok_or_else(|| wrong(kind))?;
            Clause::Time { field, operator, value }
        }
        Field::Volume => {
            let value = number().ok_or_else(|| wrong("number such as 4 or 0.5"))?;
            Clause::Volume { operator, value }
        }
        Field::Metadata(path) => {
            let value = match value {
                Value::String(text) => Literal::String(text.clone()),
                Value::Number(_) => {
                    Literal::Number(number().ok_or_else(|| wrong("number such as 4 or 0.5"))?)
                }
                Value::Bool(flag) if matches!(operator, Operator::Equal | Operator::NotEqual) => {
                    Literal::Boolean(*flag)
                }
                Value::Bool(_) => return Err(refused("= and != as a boolean")),
                _ => return Err(wrong("text, number or boolean")),
            };
            Clause::Metadata { path, operator, value }
        }
    };
    Ok(Node::Is(clause))
}

fn matches(name: &str, value: &Value, left: &mut Left) -> Result<Node, QueryError> {
    left.pattern()?;
    let subject = match field(name)? {
        Field::Text(super::TextField::MessageId) => {
            return Err(QueryError::Operator { field: Quoted::new(name), operator: "=~", allowed: "=" });
        }
        Field::Text(field) => Subject::Text(field),
        Field::Metadata(path) => Subject::Metadata(path),
        Field::Time(_) | Field::Volume => {
            let allowed = "=, !=, <, <=, > and >=";
            return Err(QueryError::Operator { field: Quoted::new(name), operator: "=~", allowed });
        }
    };
    let fault = |fault: String| QueryError::Pattern { field: Quoted::new(name), fault };
    let text = value.as_str().ok_or_else(|| fault("it is no text".into()))?;
    let regex = RegexBuilder::new(text).size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN).build();
    // The library's message shows the expression on lines of its own; its last one says what is wrong.
    let regex =
        regex.map_err(|error| fault(error.to_string().lines().last().unwrap_or_default().to_owned()))?;
    Ok(Node::Is(Clause::Matches { subject, pattern: Pattern(regex) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_what_is_wrong_and_what_would_be_right() {
        let deep = "{\"not\": ".repeat(20) + r#"{"=": {"meter": "cpu"}}"# + &"}".repeat(20);
        let many = format!(r#"{{"in": {{"meter": [{}"a"]}}}}"#, r#""a","#.repeat(MAX_CLAUSES));
        let pattern = r#"{"=~": {"meter": "c"}}"#;
        let patterns = format!(r#"{{"or": [{}]}}"#, [pattern; 5].join(","));
        for (text, expected) in [
            ("{", "the filter is no JSON: EOF while parsing an object at line 1 column 1"),
            (
                "[]",
                "the filter has \"[]\" where an object of one operator such as {\"=\": {\"meter\": \"cpu\"}}",
            ),
            (r#"{"=": {"colour": "red"}}"#, "\"colour\" is no field"),
            (
                r#"{"==": {"meter": "cpu"}}"#,
                "\"==\" is no operator; operators are =, !=, <, <=, >, >=, =~, in, and, or and not",
            ),
            (r#"{"=": {"meter": "cpu", "type": "gauge"}}"#, "a field with its value"),
            (r#"{"=": {"meter": ["cpu"]}}"#, "is no text"),
            (r#"{">": {"timestamp": "yesterday"}}"#, "is no timestamp such as 2026-01-31T23:59:59"),
            (r#"{">": {"volume": "5"}}"#, "is no number such as 4 or 0.5"),
            (
                r#"{">": {"metadata.a": true}}"#,
                "\"metadata.a\" is not compared with >; it takes = and != as a boolean",
            ),
            (r#"{"!=": {"message_id": "a"}}"#, "it takes ="),
            (r#"{"=~": {"volume": "5"}}"#, "\"volume\" is not compared with =~"),
            (
                r#"{"=~": {"meter": "("}}"#,
                "\"meter\": the regular expression cannot be used: error: unclosed group",
            ),
            (r#"{"=~": {"meter": "(a{1000}){1000}"}}"#, "the regular expression cannot be used"),
            (r#"{"and": []}"#, "a list of filters"),
            (r#"{"in": {"meter": []}}"#, "a field with its values"),
            (&deep, "nested more than 16 deep"),
            (&many, "more than 32 clauses"),
            (&patterns, "more than 4 regular expressions"),
        ] {
            let error = Filter::complex(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for (text, expected) in [
            ("5", "the orderby has \"5\" where a list of objects"),
            (r#"[{"timestamp": "down"}]"#, "a list of objects such as {\"timestamp\": \"desc\"}"),
            (r#"[{"metadata.a": "asc"}]"#, "samples are not ordered by \"metadata.a\""),
        ] {
            let error = orders(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn operators_and_fields_have_several_names() {
        let same = [
            r#"{"AND": [{"=<": {"counter_volume": 5}}, {"=": {"user": "u"}}]}"#,
            r#"{"and": [{"<=": {"volume": 5}}, {"=": {"user_id": "u"}}]}"#,
        ];
        let [one, other] = same.map(|text| Filter::complex(text).unwrap());
        assert_eq!(one, other);
        let orders = orders(r#"[{"volume": "ASC"}, {"timestamp": "desc"}]"#).unwrap();
        assert!(matches!(orders[0], (OrderBy::Volume, Direction::Ascending)));
    }
}

//! Comparisons that SQLite would not make exactly: metadata fields by their types, volumes to the digit.
//!
//! A field that is missing or null matches nothing, not even `!=`. Nor does an object or a list.

use std::cmp::Ordering;

use sample::Timestamp;
use serde_json::{Map, Value};

use super::{Literal, Operator, Pattern};
use crate::decimal::Decimal;

impl Operator {
    /// Whether the operator holds of two values that are in this order.
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// Whether the metadata's field fulfils the condition; none where there is no such field, or no single value in it.
pub(super) fn metadata(
    fields: &Map<String, Value>,
    path: &[String],
    operator: Operator,
    literal: &Literal,
) -> Option<bool> {
    let value = single(fields, path)?;
    Some(match order(value, literal, operator) {
        Some(order) => operator.holds(order),
        // Of another type than the literal: certainly another value, but neither above nor below.
        None => operator == Operator::NotEqual,
    })
}

/// Whether the pattern is found in the metadata's field; none as above.
pub(super) fn matches(fields: &Map<String, Value>, path: &[String], pattern: &Pattern) -> Option<bool> {
    Some(match single(fields, path)? {
        Value::String(text) => pattern.0.is_match(text),
        other => pattern.0.is_match(&other.to_string()),
    })
}

fn single<'a>(fields: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    find(fields, path).filter(|value| !matches!(value, Value::Null | Value::Object(_) | Value::Array(_)))
}

/// The field at the path. Keys have dots as well (`flavor.extra_specs.hw.numa`), so each way of joining segments is tried.
fn find<'a>(fields: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    (1..=path.len()).rev().find_map(|length| {
        let (key, rest) = path.split_at(length);
        match (fields.get(&key.join("."))?, rest) {
            (value, []) => Some(value),
            (Value::Object(inner), rest) => find(inner, rest),
            _ => None,
        }
    })
}

/// How the field stands to the literal; none where they are of types that do not compare.
fn order(value: &Value, literal: &Literal, operator: Operator) -> Option<Ordering> {
    match (value, literal) {
        (Value::Number(number), Literal::Any(text)) => Some(decimal(number.as_str())?.cmp(&decimal(text)?)),
        (Value::Bool(flag), Literal::Any(text)) => {
            let literal = [("true", true), ("false", false)];
            let (_, literal) = literal.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name))?;
            Some(flag.cmp(&literal))
        }
        (Value::String(field), Literal::Any(text)) => {
            // Extra specs are texts: "16" is more than "8". But "08" is not "8".
            if !matches!(operator, Operator::Equal | Operator::NotEqual)
                && let (Some(field), Some(number)) = (decimal(field), decimal(text))
            {
                return Some(field.cmp(&number));
            }
            Some(field.as_str().cmp(text))
        }
        (Value::String(field), Literal::String(text)) => Some(field.as_str().cmp(text)),
        (Value::Number(number), Literal::String(text)) => Some(number.as_str().cmp(text)),
        (Value::Bool(flag), Literal::String(text)) => Some(flag.to_string().as_str().cmp(text)),
        (Value::Number(number), Literal::Number(literal)) => Some(decimal(number.as_str())?.cmp(literal)),
        (Value::String(field), Literal::Number(literal)) => Some(decimal(field)?.cmp(literal)),
        (Value::String(field), Literal::Timestamp(literal)) => {
            Some(Timestamp::parse(field).ok()?.cmp(literal))
        }
        (Value::Bool(flag), Literal::Boolean(literal)) => Some(flag.cmp(literal)),
        (Value::String(field), Literal::Boolean(literal)) => match field.to_ascii_lowercase().as_str() {
            "true" => Some(true.cmp(literal)),
            "false" => Some(false.cmp(literal)),
            _ => None,
        },
        _ => None,
    }
}

fn decimal(text: &str) -> Option<Decimal> {
    Decimal::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::filter::Node;
    use crate::query::{Clause, Filter};
    use serde_json::json;

    fn matches(query: &str) -> bool {
        let fields = json!({
            "display_name": "web",
            "vcpus": 8,
            "huge": 18446744073709551615_u64,
            "ratio": 0.5,
            "active": true,
            "nothing": null,
            "launched": "2026-01-01T00:00:00Z",
            "padded": "08",
            "flavor": {"name": "m1.small", "extra_specs": {"hw:cpu.policy": "dedicated", "quota": "16"}},
            "image": {"id": "x"},
            "tags": ["a"],
        });
        let Node::All(nodes) = Filter::parse(query).unwrap().0 else { panic!("{query}") };
        nodes.iter().all(|node| match node {
            Node::Is(Clause::Metadata { path, operator, value }) => {
                metadata(fields.as_object().unwrap(), path, *operator, value) == Some(true)
            }
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn fields_are_compared_by_their_types() {
        for query in [
            "metadata.display_name=web",
            "metadata.display_name!=Web",
            "metadata.vcpus=8",
            "metadata.vcpus=8.0",
            "metadata.vcpus<10",
            "metadata.vcpus>=integer::8",
            "metadata.vcpus=string::8",
            "metadata.vcpus!=eight",
            "metadata.huge=18446744073709551615",
            "metadata.huge>18446744073709551614",
            "metadata.ratio<0.6",
            "metadata.active=True",
            "metadata.active!=boolean::no",
            "metadata.launched>datetime::2025-12-31",
            "metadata.launched<datetime::2026-01-01T00:00:00.5",
            "metadata.padded!=8",
            "metadata.padded=integer::8",
            "metadata.flavor.name=m1.small",
            "metadata.flavor.extra_specs.hw:cpu.policy=dedicated",
            "metadata.flavor.extra_specs.quota>9",
        ] {
            assert!(matches(query), "{query}");
        }
    }

    #[test]
    fn what_is_missing_or_no_single_value_matches_nothing() {
        for query in [
            "metadata.vcpus=9",
            "metadata.vcpus<eight",
            "metadata.vcpus=eight",
            "metadata.huge=18446744073709551616",
            "metadata.huge=18446744073709552000",
            "metadata.absent=x",
            "metadata.absent!=x",
            "metadata.nothing!=x",
            "metadata.nothing=null",
            "metadata.image!=x",
            "metadata.tags!=x",
            "metadata.display_name.more=x",
            "metadata.flavor.extra_specs.hw:cpu=dedicated",
            "metadata.display_name>datetime::2025-12-31",
            "metadata.padded=8",
        ] {
            assert!(!matches(query), "{query}");
        }
    }
}

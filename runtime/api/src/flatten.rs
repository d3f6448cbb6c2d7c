//! Metadata as the API tells them: one level, all texts.
//!
//! Ceilometer's `flatten_metadata`: names of nested objects are joined, the first time by a dot and then by colons
//! (`image_meta.base_image_ref`, `a.b:c`), and values are what Python's `str` makes of them: `True`, `None`, `2048.0`. Lists, and
//! objects inside of them, look as Python prints them.

use sample::python::number_of;
use serde_json::{Map, Number, Value};

/// Flattens resource_metadata. Fields of an object come in the order of their names; of two that get the same name, the later one
/// stays.
pub(crate) fn flatten(metadata: &Map<String, Value>) -> Map<String, Value> {
    let mut flat = Map::new();
    let mut path = String::new();
    object(metadata, &mut path, &mut flat);
    flat
}

// No deeper than metadata that are accepted: sample::bounds::MAX_DEPTH.
fn object(fields: &Map<String, Value>, path: &mut String, flat: &mut Map<String, Value>) {
    for (name, value) in sorted(fields) {
        let outer = path.len();
        path.push_str(name);
        if let Value::Object(inner) = value {
            path.push('.');
            object(inner, path, flat);
        } else {
            flat.insert(joined(path), Value::String(text(value)));
        }
        path.truncate(outer);
    }
}

fn joined(path: &str) -> String {
    path.replace('.', ":").replacen(':', ".", 1)
}

fn sorted(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = fields.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    entries
}

/// `str(value)`.
fn text(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::String(text) => out.push_str(text),
        other => repr(other, &mut out),
    }
    out
}

/// `repr(value)`.
fn repr(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => out.push_str(&digits(number)),
        Value::String(text) => literal(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                repr(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (name, item)) in sorted(fields).into_iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                literal(name, out);
                out.push_str(": ");
                repr(item, out);
            }
            out.push('}');
        }
    }
}

fn digits(number: &Number) -> String {
    let mut out = Vec::new();
    number_of(number, &mut out);
    // Digits are ASCII.
    String::from_utf8(out).unwrap_or_default()
}

/// `'…'`, with double quotes where that saves an escape.
fn literal(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            _ if character == quote => out.extend(['\\', quote]),
            _ if character.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn flat(value: Value) -> Value {
        Value::Object(flatten(value.as_object().unwrap()))
    }

    #[test]
    fn names_are_joined_by_one_dot_and_then_by_colons() {
        let nested = json!({"z": 1, "a": {"c": {"d": {"e": "x"}}, "b": "y"}, "k.l": {"m": "v"}, "p:q": "w", "empty": {}});
        let expected = json!({"a.b": "y", "a.c:d:e": "x", "k.l:m": "v", "p.q": "w", "z": "1"});
        assert_eq!(flat(nested).to_string(), expected.to_string());
    }

    #[test]
    fn of_two_fields_of_one_name_the_later_one_stays() {
        assert_eq!(flat(json!({"a.b": "dotted", "a": {"b": "nested"}})), json!({"a.b": "dotted"}));
    }

    #[test]
    fn values_are_what_python_prints() {
        for (value, text) in [
            (json!(true), "True"),
            (json!(null), "None"),
            (json!(2048.0), "2048.0"),
            (json!(1e16), "1e+16"),
            (json!(18_446_744_073_709_551_615_u64), "18446744073709551615"),
            (json!("it's"), "it's"),
            (json!(["a", 1, null, ["it's", "\"'"]]), r#"['a', 1, None, ["it's", '"\'']]"#),
            (json!([{"b": [], "a": "é\n\u{7f}"}]), r"[{'a': 'é\n\x7f', 'b': []}]"),
            (json!([]), "[]"),
        ] {
            assert_eq!(flat(json!({"f": value}))["f"], text);
        }
    }
}

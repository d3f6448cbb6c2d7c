//! JSON text, written straight into a buffer: as it is, or as it stands inside a JSON string.
//!
//! oslo.messaging's envelope carries the inner object as a *string*, so every quote and backslash of it is escaped once
//! more. Writing that form at once saves a pass over every byte. Numbers are written as Python prints them, so that the text
//! on the wire and the text that is signed agree.

use serde_json::{Map, Value};

use crate::python;

/// How the JSON text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As JSON.
    Plain,
    /// As JSON inside a JSON string, whose quotes the caller writes.
    Quoted,
}

impl Form {
    pub(crate) const fn quote(self) -> &'static [u8] {
        match self {
            Self::Plain => b"\"",
            Self::Quoted => b"\\\"",
        }
    }

    /// A backslash of the JSON text.
    const fn backslash(self) -> &'static [u8] {
        match self {
            Self::Plain => b"\\",
            Self::Quoted => b"\\\\",
        }
    }
}

/// Writes a text with its quotes.
pub(crate) fn text(form: Form, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(form.quote());
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        out.extend_from_slice(form.backslash());
        match byte {
            b'"' => out.extend_from_slice(form.quote()),
            b'\\' => out.extend_from_slice(form.backslash()),
            b'\n' => out.push(b'n'),
            b'\x08' => out.push(b'b'),
            b'\x0c' => out.push(b'f'),
            b'\r' => out.push(b'r'),
            b'\t' => out.push(b't'),
            _ => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(&[b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.extend_from_slice(form.quote());
}

/// Writes any value.
pub(crate) fn value(form: Form, value_: &Value, out: &mut Vec<u8>) {
    match value_ {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => match number.as_f64() {
            // What Python would print as `inf` has no other form in JSON than the one it came in.
            None => out.extend_from_slice(number.as_str().as_bytes()),
            Some(_) => python::number_of(number, out),
        },
        Value::String(text_) => text(form, text_, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                value(form, item, out);
            }
            out.push(b']');
        }
        Value::Object(fields) => object(form, fields, out),
    }
}

/// Writes an object.
pub(crate) fn object(form: Form, fields: &Map<String, Value>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (key, item)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        field(form, key, item, out);
    }
    out.push(b'}');
}

/// Writes `"key":value`.
pub(crate) fn field(form: Form, key: &str, item: &Value, out: &mut Vec<u8>) {
    text(form, key, out);
    out.push(b':');
    value(form, item, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_read_back() {
        let given = json!({"k\"\\\u{1}": ["é\n\r\t\u{7f}😀", {"a": null, "b": [true, false, 1.0, -5, u64::MAX]}, {}, []]});
        let mut plain = Vec::new();
        value(Form::Plain, &given, &mut plain);
        assert_eq!(serde_json::from_slice::<Value>(&plain).unwrap(), given);
        let mut quoted = vec![b'"'];
        value(Form::Quoted, &given, &mut quoted);
        quoted.push(b'"');
        let inner: String = serde_json::from_slice(&quoted).unwrap();
        assert_eq!(inner.as_bytes(), plain);
    }

    #[test]
    fn numbers_without_a_python_form_in_json_stay_as_they_came() {
        for (given, written) in [("1e400", "1e+400"), ("1E5", "100000.0"), ("-0", "0"), ("1e16", "1e+16")] {
            let mut out = Vec::new();
            value(Form::Plain, &serde_json::from_str(given).unwrap(), &mut out);
            assert_eq!(std::str::from_utf8(&out).unwrap(), written);
        }
    }
}

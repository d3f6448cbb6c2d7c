//! How Python prints what it read from JSON: the text that Ceilometer's signature covers.
//!
//! A number's text on the wire is not what is signed: the receiver parses it (`1E5` is the float 100000.0, `-0` the integer
//! 0) and prints the result.

use std::io::Write;

use serde_json::{Map, Number, Value};

/// `str(value)` of a value that is no object: texts as they are, lists as Python prints lists of byte strings.
pub(crate) fn str_of(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => out.extend_from_slice(text.as_bytes()),
        other => repr(other, out),
    }
}

/// `repr(value)`, with texts as byte strings (Ceilometer encodes every text inside a list before it prints it).
fn repr(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"None"),
        Value::Bool(true) => out.extend_from_slice(b"True"),
        Value::Bool(false) => out.extend_from_slice(b"False"),
        Value::Number(number) => number_of(number, out),
        Value::String(text) => bytes_literal(text.as_bytes(), out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                repr(item, out);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (index, (key, item)) in sorted(fields).into_iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                bytes_literal(key.as_bytes(), out);
                out.extend_from_slice(b": ");
                repr(item, out);
            }
            out.push(b'}');
        }
    }
}

/// The fields by code point of their keys, which is also the order of their UTF-8 bytes.
pub(crate) fn sorted(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = fields.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

/// A number as Python prints it after parsing: exact integers, doubles in `float`'s form.
pub fn number_of(number: &Number, out: &mut Vec<u8>) {
    let text = number.as_str();
    if text == "-0" {
        out.push(b'0');
    } else if text.contains(['.', 'e', 'E']) {
        // Only a JSON number reaches this; were it none, its text would stand as it is.
        match text.parse() {
            Ok(value) => float(value, out),
            Err(_) => out.extend_from_slice(text.as_bytes()),
        }
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Python's `repr` of a float: the shortest digits that read back as the same double, an exponent of at least two digits from
/// 1e16 on and below 1e-4, and always a sign that it is no integer.
pub(crate) fn float(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        let text = if value.is_nan() {
            "nan"
        } else if value > 0.0 {
            "inf"
        } else {
            "-inf"
        };
        out.extend_from_slice(text.as_bytes());
        return;
    }
    // Rust's {:e} finds the same digits, one before the point: -1.25e-7. They are at most 17, the whole at most 24 bytes.
    let mut buffer = [0_u8; 32];
    let mut rest = &mut buffer[..];
    let _ = write!(rest, "{value:e}");
    let left = rest.len();
    let text = &buffer[..32 - left];
    let (mantissa, exponent) = match text.iter().position(|byte| *byte == b'e') {
        Some(at) => (
            &text[..at],
            std::str::from_utf8(&text[at + 1..]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0),
        ),
        None => (text, 0_i32),
    };
    let mantissa = match mantissa.strip_prefix(b"-") {
        Some(rest) => {
            out.push(b'-');
            rest
        }
        None => mantissa,
    };
    let (first, fraction) = (mantissa[0], mantissa.get(2..).unwrap_or_default());
    if !(-4..16).contains(&exponent) {
        out.push(first);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + exponent.unsigned_abs() as usize - 1, b'0');
        out.push(first);
        out.extend_from_slice(fraction);
    } else {
        let whole = exponent.unsigned_abs() as usize;
        out.push(first);
        out.extend_from_slice(&fraction[..whole.min(fraction.len())]);
        out.resize(out.len() + whole.saturating_sub(fraction.len()), b'0');
        out.push(b'.');
        match fraction.get(whole..) {
            Some(rest) if !rest.is_empty() => out.extend_from_slice(rest),
            _ => out.push(b'0'),
        }
    }
}

/// `b'…'`, with double quotes where that saves an escape.
fn bytes_literal(text: &[u8], out: &mut Vec<u8>) {
    let quote = if text.contains(&b'\'') && !text.contains(&b'"') { b'"' } else { b'\'' };
    out.extend_from_slice(&[b'b', quote]);
    for &byte in text {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ if byte == quote => out.extend_from_slice(&[b'\\', quote]),
            b' '..=b'~' => out.push(byte),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> String {
        let mut out = Vec::new();
        number_of(&serde_json::from_str(text).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_print_as_python_prints_them_after_parsing() {
        for (json, python) in [
            ("1E5", "100000.0"),
            ("1.0e5", "100000.0"),
            ("1e+5", "100000.0"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("0e9", "0.0"),
            ("2048.000", "2048.0"),
            ("1e15", "1000000000000000.0"),
            ("1E16", "1e+16"),
            ("0.0001", "0.0001"),
            ("0.00012345", "0.00012345"),
            ("0.00001", "1e-05"),
            ("12345678901234567890.5", "1.2345678901234567e+19"),
            ("9007199254740993.0", "9007199254740992.0"),
            ("123.456", "123.456"),
            ("100", "100"),
            ("18446744073709551615", "18446744073709551615"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1e400", "inf"),
            ("-1e400", "-inf"),
            ("1e-400", "0.0"),
            ("5e-324", "5e-324"),
        ] {
            assert_eq!(number(json), python, "{json}");
        }
    }

    #[test]
    fn floats_read_back_as_themselves() {
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..100_000 {
            bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let value = f64::from_bits(bits);
            if !value.is_finite() {
                continue;
            }
            let mut out = Vec::new();
            float(value, &mut out);
            let text = std::str::from_utf8(&out).unwrap();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
            assert!(serde_json::from_str::<Number>(text).is_ok(), "{text} is JSON");
        }
    }
}

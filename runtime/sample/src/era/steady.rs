//! Values that Python 2 and Python 3 print alike, so that a signature over the printed text holds on both.
//!
//! | value | Python 2's `str` | Python 3's `str` | made to |
//! |---|---|---|---|
//! | 0.1234567890123 | `0.123456789012` | `0.1234567890123` | 12 digits |
//! | 123456789012.0 | `1.23456789012e+11` | `123456789012.0` | the integer 123456789012 |
//! | 1e16 and more, of 12 digits | `1e+16` | `1e+16` | itself |
//! | ["a"] | `['a']` | `[b'a']` | the text of the list's JSON |
//! | below the normal doubles | 12 digits that are not there | the shortest digits | 0.0 |
//!
//! Python 2 prints a float as `%.12g`, with `.0` after a whole number; so that this has room, the exponent begins at 1e11.

use std::borrow::Cow;
use std::io::Write;

use serde_json::{Map, Number, Value};

use crate::Volume;
use crate::json::{self, Form};

/// Where Python 2 begins to write an exponent. A double of 12 digits is a whole number from here on.
const EXPONENT: f64 = 1e11;
/// Where Python 3 does as well.
const BOTH_EXPONENT: f64 = 1e16;

/// The volume nearest to this one that prints alike.
pub(crate) fn volume(volume: Volume) -> Volume {
    match volume {
        Volume::Count(_) | Volume::Signed(_) => volume,
        Volume::Real(real) => self::real(real),
    }
}

fn real(real: f64) -> Volume {
    // Most volumes: whole numbers of few digits.
    if real.fract() == 0.0 && real.abs() < EXPONENT {
        return Volume::Real(real);
    }
    if real.abs() < f64::MIN_POSITIVE {
        return Volume::Real(0.0_f64.copysign(real));
    }
    let rounded = to_twelve_digits(real);
    if (EXPONENT..BOTH_EXPONENT).contains(&rounded.abs()) {
        // Whole, and within 2^53 or a multiple of a power of two that i64 holds.
        return Volume::Signed(rounded as i64);
    }
    Volume::Real(rounded)
}

/// The double next to the decimal of twelve digits that is next to this one.
fn to_twelve_digits(real: f64) -> f64 {
    // A sign, 13 characters, an exponent of five at most.
    let mut buffer = [0_u8; 32];
    let mut rest = &mut buffer[..];
    let _ = write!(rest, "{real:.11e}");
    let length = 32 - rest.len();
    std::str::from_utf8(&buffer[..length]).ok().and_then(|text| text.parse().ok()).unwrap_or(real)
}

/// These fields, printing alike.
pub(crate) fn fields(fields: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
    if fields.values().all(is_steady) {
        return Cow::Borrowed(fields);
    }
    Cow::Owned(fields.iter().map(|(key, value)| (key.clone(), self::value(value))).collect())
}

fn is_steady(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => match float(number) {
            Some(found) => real(found) == Volume::Real(found),
            None => true,
        },
        Value::Array(_) => false,
        Value::Object(fields) => fields.values().all(is_steady),
    }
}

fn value(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
        Value::Number(number) => match float(number).map(real) {
            Some(Volume::Real(real)) => Number::from_f64(real).map_or_else(|| value.clone(), Value::Number),
            Some(Volume::Signed(integer)) => integer.into(),
            Some(Volume::Count(_)) | None => value.clone(),
        },
        Value::Array(_) => {
            let mut text = Vec::new();
            json::value(Form::Plain, value, &mut text);
            Value::String(String::from_utf8_lossy(&text).into_owned())
        }
        Value::Object(inner) => Value::Object(fields(inner).into_owned()),
    }
}

/// What Python reads as a float.
fn float(number: &Number) -> Option<f64> {
    number.as_str().contains(['.', 'e', 'E']).then(|| number.as_f64()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::python;

    /// Python 2.7's `str` of a float: `%.12g`, and `.0` where that looks like an integer. For the latter it writes exponents
    /// one power earlier.
    fn python2(real: f64) -> String {
        let text = format!("{real:.11e}");
        let (mantissa, exponent) = text.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        let sign = if mantissa.starts_with('-') { "-" } else { "" };
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let digits = match digits.trim_end_matches('0') {
            "" => "0",
            some => some,
        };
        if !(-4..11).contains(&exponent) {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let minus = if exponent < 0 { '-' } else { '+' };
            return format!("{sign}{first}{point}{rest}e{minus}{:02}", exponent.abs());
        }
        if exponent < 0 {
            return format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
        }
        let whole = exponent.unsigned_abs() as usize + 1;
        let padded = format!("{digits:0<whole$}");
        let (whole, fraction) = padded.split_at(whole);
        format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
    }

    fn python3(real: f64) -> String {
        let mut out = Vec::new();
        python::float(real, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_reference_prints_as_python_2_does() {
        for (real, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (2048.0, "2048.0"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.333333333333"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (12345678901.0, "12345678901.0"),
            (99999999999.5, "99999999999.5"),
            (99999999999.96, "1e+11"),
            (1e11, "1e+11"),
            (123456789012.0, "1.23456789012e+11"),
            (1234567890123.0, "1.23456789012e+12"),
            (1e16, "1e+16"),
            (5e-324, "4.94065645841e-324"),
            (-1.5e300, "-1.5e+300"),
        ] {
            assert_eq!(python2(real), text);
        }
    }

    #[test]
    fn values_are_made_to_what_the_table_says() {
        for (given, made) in [
            (2048.0, Volume::Real(2048.0)),
            (0.1234567890123, Volume::Real(0.123456789012)),
            (99_999_999_999.96, Volume::Signed(100_000_000_000)),
            (-123_456_789_012.75, Volume::Signed(-123_456_789_013)),
            (1e11, Volume::Signed(100_000_000_000)),
            (9_999_999_999_999_999.0, Volume::Real(1e16)),
            (9_007_199_254_740_993.0, Volume::Signed(9_007_199_254_740_000)),
            (1e16, Volume::Real(1e16)),
            (5e-324, Volume::Real(0.0)),
            (f64::MAX, Volume::Real(1.79769313486e308)),
        ] {
            assert_eq!(real(given), made, "{given}");
        }
        assert_eq!(volume(Volume::Count(u64::MAX)), Volume::Count(u64::MAX));
    }

    #[test]
    fn doubles_of_every_size_print_alike_and_stay_near() {
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            bits
        };
        let (mut integers, mut reals) = (0, 0);
        for round in 0..300_000_u64 {
            // Any bits; sizes that occur; whole numbers; decimals of some digits.
            let given = match round % 4 {
                0 => f64::from_bits(next()),
                1 => (next() >> 11) as f64 / 10_f64.powi((next() >> 60) as i32),
                2 => (next() >> (next() >> 58)) as f64,
                _ => (next() >> 24) as f64 / 1_000.0,
            };
            if !given.is_finite() {
                continue;
            }
            match real(given) {
                Volume::Real(real) => {
                    reals += 1;
                    assert_eq!(python2(real), python3(real), "of {given:e}");
                    assert!(is_steady(&json!(real)), "{real:e} again");
                    let bound = (given.abs() * 1e-11).max(f64::MIN_POSITIVE);
                    assert!((given - real).abs() <= bound, "{given:e} became {real:e}");
                }
                Volume::Signed(integer) => {
                    integers += 1;
                    assert!(
                        (1e11..1e16).contains(&(integer.unsigned_abs() as f64)),
                        "{integer} of {given:e}"
                    );
                    assert!((given - integer as f64).abs() <= given.abs() * 1e-11);
                }
                Volume::Count(_) => panic!("a double became a count"),
            }
        }
        assert!(integers > 10_000 && reals > 10_000, "{integers} integers, {reals} doubles");
    }

    #[test]
    fn lists_become_their_text_and_the_rest_is_borrowed() {
        let given = json!({"a": [1.5, {"b": ["x\""]}], "c": {"d": [], "e": 0.12345678901234, "f": 1e12}, "g": u64::MAX});
        let made = fields(given.as_object().unwrap());
        assert_eq!(
            Value::Object(made.into_owned()),
            json!({"a": r#"[1.5,{"b":["x\""]}]"#, "c": {"d": "[]", "e": 0.123456789012, "f": 1_000_000_000_000_u64}, "g": u64::MAX})
        );
        let steady = json!({"a": "x", "b": 0.5, "c": {"d": null, "e": true}, "f": u64::MAX});
        assert!(matches!(fields(steady.as_object().unwrap()), Cow::Borrowed(_)));
    }
}

//! Decimal numbers, compared exactly.
//!
//! A counter of libvirt's goes up to 2^64 − 1, and another publisher's may pass that: beyond 2^53 a double rounds, beyond
//! 2^63 − 1 SQLite's INTEGER ends. So volumes are kept as the text in which they came, and compared as texts of digits.

use std::cmp::Ordering;

use sample::bounds::MAX_DIGITS;

/// A number of JSON's form, `-12.50e3`, without rounding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// The significant digits (ASCII) without zeros at either end; none for zero.
    digits: Vec<u8>,
    /// The value is 0.DIGITS times ten to this power.
    exponent: i64,
}

impl Decimal {
    /// Reads a number; none if the text is none, or longer than [`MAX_DIGITS`].
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_DIGITS {
            return None;
        }
        let (negative, text) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = [whole.as_bytes(), fraction.as_bytes()].concat();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        // Each term is below 2^32: no overflow.
        let exponent = i64::from(power) + whole.len() as i64 - leading as i64;
        Some(Self { negative, digits, exponent })
    }

    /// -1, 0 or 1.
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        // Digits without trailing zeros, read as a fraction, order as their bytes do.
        let magnitude = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        self.sign().cmp(&other.sign()).then_with(|| match self.sign() {
            -1 => magnitude().reverse(),
            0 => Ordering::Equal,
            _ => magnitude(),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn neighbours_beyond_doubles_and_64_bits_stay_apart() {
        let ascending = [
            "-1e400",
            "-18446744073709551615",
            "-10",
            "-9.5",
            "-0.001",
            "0",
            "1e-9999",
            "0.00099",
            "0.1",
            "0.10000000000000001",
            "9",
            "9.5",
            "10",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551614",
            "18446744073709551615",
            "18446744073709551616",
            "1e400",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(number(a).cmp(&number(b)), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn one_value_has_many_spellings() {
        for (a, b) in [
            ("2048", "2048.0"),
            ("2048", "2.048e3"),
            ("0", "-0.0"),
            ("1e2", "+100"),
            ("0.5", "5E-1"),
            ("0", "0e9"),
        ] {
            assert_eq!(number(a), number(b));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let long = "9".repeat(MAX_DIGITS + 1);
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e99999999999",
            "0x10",
            "NaN",
            "inf",
            "1,5",
            "1 ",
            "--1",
            "1.2.3",
            "٣",
            &long,
        ] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }
}

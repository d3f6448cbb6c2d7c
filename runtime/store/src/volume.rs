//! A volume in the form in which stores keep it.

use serde_json::Number;

/// Whole doubles up to here are exact.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A volume: the double next to it, to compute with, and its JSON text where that says more.
///
/// A counter of libvirt's goes up to 2^64 − 1, and `2048.0` is another text than `2048`: a sample is shown as it was received, to the
/// digit. Most volumes are whole and small, or the shortest text of a double; of those the double alone is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// The double next to it; finite.
    pub amount: f64,
    /// The JSON number, where it is not what [`Volume::text`] makes of the double.
    pub exact: Option<String>,
}

impl Volume {
    /// Of a JSON number.
    pub fn new(number: &Number) -> Self {
        let text = number.as_str();
        // Finite in whatever was received.
        let amount = text.parse().ok().filter(|amount: &f64| amount.is_finite()).unwrap_or(f64::MAX);
        let exact = (plain(amount) != text).then(|| text.to_owned());
        Self { amount, exact }
    }

    /// The JSON number's text.
    pub fn text(&self) -> String {
        self.exact.clone().unwrap_or_else(|| plain(self.amount))
    }
}

/// The text that most volumes of this double have: the shortest one, whole numbers without a fraction.
fn plain(amount: f64) -> String {
    // Rust writes doubles without exponents: 1e300 as three hundred digits, which is nobody's text.
    if amount.abs() >= WHOLE {
        return format!("{amount:e}");
    }
    amount.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_to_the_digit() {
        for (text, kept) in [
            ("0", false),
            ("-0", false),
            ("-0.0", true),
            ("17", false),
            ("-17", false),
            ("2048.0", true),
            ("0.1", false),
            ("0.10", true),
            ("1e3", true),
            ("1E400", true),
            ("9007199254740991", false),
            ("9007199254740993", true),
            ("18446744073709551615", true),
            ("1.7976931348623157e308", true),
            ("3.141592653589793", false),
            ("3.14159265358979323846", true),
        ] {
            let number: Number = text.parse().unwrap();
            let volume = Volume::new(&number);
            assert_eq!(volume.text(), number.as_str(), "{text}");
            assert_eq!(volume.exact.is_some(), kept, "{text}: {volume:?}");
            assert!(volume.amount.is_finite());
        }
    }
}

//! The bounds of what is published and of what is taken from others, and one walk that measures a JSON object against them.
//!
//! A message may come from anyone who reaches the broker. What costs more than its bytes is bounded here: nesting (stack),
//! flattened names (a deep object repeats its outer keys for every leaf in the signature's text), digits of numbers.

use serde_json::{Map, Value};

/// Longest name, unit or id: the column width of Ceilometer's stores, Gnocchi's included.
pub const MAX_TEXT: usize = 255;
/// Largest `resource_metadata` as JSON text, and largest sample beside it: sixty times what nova's instances have.
pub const MAX_METADATA: usize = 64 * 1024;
/// Largest text to sign that `resource_metadata` may amount to: a real instance's has about 1 kB.
pub const MAX_FLATTENED: usize = 128 * 1024;
/// Largest text to sign that a received sample may amount to; above what any sample that is published amounts to.
pub const MAX_SIGNED: usize = 256 * 1024;
/// Deepest nesting of a sample, in which `resource_metadata` is the first level: nova's has three below it.
pub const MAX_DEPTH: usize = 16;
/// Most characters of a number: the largest double written out has 309 digits; Python refuses integers beyond 4,300.
pub const MAX_DIGITS: usize = 400;
/// Largest message body that is read: fifty times a batch of 50 samples.
pub const MAX_BODY: usize = 4 * 1024 * 1024;
/// Most samples of a message that are read: what fits into the largest body, were each as small as can be.
pub const MAX_SAMPLES: usize = 10_000;

/// A key by which serde_json, as it is built here, tells a number from an object: a reader that is built so takes the object for a
/// broken number, and the whole message with it. Tenants name some keys (an image's properties).
pub(crate) const NUMBER_TOKEN: &str = "$serde_json::private::Number";

/// What a JSON object amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// About its JSON text, in bytes.
    pub bytes: usize,
    /// At least its text to sign, in bytes.
    pub signed: usize,
    /// A number is longer than [`MAX_DIGITS`] or no finite double.
    pub bad_number: bool,
    /// A text or a key has a NUL, which neither PostgreSQL nor C programs hold.
    pub nul: bool,
    /// A key is [`NUMBER_TOKEN`].
    pub number_token: bool,
    /// Nested deeper than [`MAX_DEPTH`]; the walk went no further.
    pub too_deep: bool,
}

impl Measure {
    /// Measures an object that stands in the sample under `outer` (its length counts in flattened names). Ends early, with the
    /// sizes that it has, once one of them is beyond all bounds.
    pub(crate) fn of(fields: &Map<String, Value>, outer: usize) -> Self {
        let mut measure = Self::default();
        // Under a name of the sample it is one level down, and the receiver measures the sample as a whole.
        measure.object(fields, outer, usize::from(outer > 0));
        measure
    }

    /// What both amount to.
    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            signed: self.signed + other.signed,
            bad_number: self.bad_number | other.bad_number,
            nul: self.nul | other.nul,
            number_token: self.number_token | other.number_token,
            too_deep: self.too_deep | other.too_deep,
        }
    }

    /// Whether the sizes are beyond what a sample may have.
    pub(crate) fn too_large(&self) -> bool {
        self.bytes > 2 * MAX_METADATA || self.signed > MAX_SIGNED
    }

    fn object(&mut self, fields: &Map<String, Value>, outer: usize, depth: usize) {
        for (key, value) in fields {
            if self.too_large() || self.too_deep {
                return;
            }
            self.bytes += key.len() + 4;
            self.nul |= key.contains('\0');
            self.number_token |= key == NUMBER_TOKEN;
            self.value(value, outer + key.len() + 1, depth);
        }
    }

    fn value(&mut self, value: &Value, path: usize, depth: usize) {
        match value {
            Value::Object(_) | Value::Array(_) if depth == MAX_DEPTH => self.too_deep = true,
            Value::Object(fields) => {
                self.bytes += 2;
                self.object(fields, path, depth + 1);
            }
            Value::Array(items) => {
                self.bytes += 2;
                self.signed += path;
                for item in items {
                    if self.too_large() || self.too_deep {
                        return;
                    }
                    self.bytes += 1;
                    // Names do not repeat inside a list, but an object there prints its keys, quoted.
                    self.value(item, 8, depth + 1);
                }
            }
            Value::String(text) => {
                self.bytes += text.len() + 2;
                self.signed += path + text.len();
                self.nul |= text.contains('\0');
            }
            Value::Number(number) => {
                let text = number.as_str();
                self.bytes += text.len();
                self.signed += path + text.len();
                self.bad_number |= text.len() > MAX_DIGITS || !text.parse::<f64>().is_ok_and(f64::is_finite);
            }
            Value::Null | Value::Bool(_) => {
                self.bytes += 4;
                self.signed += path + 4;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn measure(value: Value) -> Measure {
        Measure::of(value.as_object().unwrap(), 0)
    }

    #[test]
    fn a_name_repeated_for_every_leaf_counts_each_time() {
        let leaves: Map<String, Value> = (0..1_000).map(|leaf| (leaf.to_string(), Value::Null)).collect();
        let measure = measure(json!({ "k".repeat(1_000): leaves }));
        assert!(measure.bytes < 20_000 && measure.too_large(), "{measure:?}");
    }

    #[test]
    fn depth_numbers_and_nul_are_noticed() {
        let mut deep = json!(1);
        for _ in 0..MAX_DEPTH {
            deep = json!([deep]);
        }
        assert!(!measure(json!({"a": deep.clone()})).too_deep);
        assert!(measure(json!({"a": [deep]})).too_deep);
        assert!(measure(json!({"a\0": 1})).nul && measure(json!({"a": [{"b": "\0"}]})).nul);
        for number in ["1e400", "-1e400", &"9".repeat(MAX_DIGITS + 1)] {
            assert!(
                measure(serde_json::from_str(&format!("{{\"a\":{number}}}")).unwrap()).bad_number,
                "{number}"
            );
        }
        assert!(
            !measure(serde_json::from_str(&format!("{{\"a\":{}}}", "9".repeat(300))).unwrap()).bad_number
        );
    }
}

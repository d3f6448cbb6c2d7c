//! Ceilometer's HMAC over a sample.
//!
//! HMAC-SHA256 keyed with the secret, over the sample's keys and values without separators: keys sorted by code point, nested
//! objects flattened to `outer:inner`, values as Python prints them, `message_signature` itself left out. Nothing in the
//! text marks where a key ends, so two different samples can share a text: the scheme is what collectors expect, no more.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::bounds::Measure;
use crate::metadata::OUTER;
use crate::python;

/// The key on the wire that the signature does not cover.
const SIGNATURE: &str = "message_signature";

/// The secret that Ceilometer's packages come with since Kilo.
pub const CEILOMETER_SECRET: &str = "change this for valid signing";

/// The secret that signs samples. Only the state keyed with it is kept, and neither shows in `Debug`.
#[derive(Clone)]
pub struct Secret(Option<Hmac<Sha256>>);

impl Secret {
    /// An empty secret means unsigned samples.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        // HMAC takes keys of any length.
        Self(if text.is_empty() { None } else { Hmac::new_from_slice(text.as_bytes()).ok() })
    }

    /// Whether samples stay unsigned.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// A signature in the making; none where samples stay unsigned.
    pub(crate) fn begin(&self) -> Option<Signing> {
        self.0.clone().map(Signing)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A signature in the making.
pub(crate) struct Signing(Hmac<Sha256>);

impl Signing {
    /// Takes the next piece of the text to sign.
    pub(crate) fn update(&mut self, text: &[u8]) {
        self.0.update(text);
    }

    /// The signature: 64 hexadecimal digits.
    pub(crate) fn finish(self) -> [u8; 64] {
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0.finalize().into_bytes()) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        hex
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[nibble as usize]
}

/// The signature of a sample dict: 64 hexadecimal digits, or nothing with an empty secret.
pub fn sign(message: &Map<String, Value>, secret: &Secret) -> String {
    let Some(mut signing) = secret.begin() else { return String::new() };
    signing.update(&text_of(message, &[]));
    signing.finish().into_iter().map(char::from).collect()
}

/// Whether `message_signature` of a sample dict is the one that the secret gives; compares in constant time.
/// With an empty secret every sample passes; a sample beyond the [bounds](crate::bounds) never does.
pub fn verify(message: &Map<String, Value>, secret: &Secret) -> bool {
    if secret.is_empty() {
        return true;
    }
    let measure = Measure::of(message, 0);
    let claimed = claimed(message).filter(|_| !measure.too_large() && !measure.too_deep);
    claimed.is_some_and(|claimed| is_signature(&claimed, message, &[], secret))
}

/// What `message_signature` of a sample dict says, if it is of the form of a signature.
pub(crate) fn claimed(message: &Map<String, Value>) -> Option<[u8; 32]> {
    message.get(SIGNATURE).and_then(Value::as_str).and_then(from_hex)
}

/// Whether this is the signature of a sample that was found to be within bounds. Its metadata's text to sign, where that is not among the
/// fields, comes ready-made. With an empty secret nothing is.
pub(crate) fn is_signature(
    claimed: &[u8; 32],
    message: &Map<String, Value>,
    metadata: &[u8],
    secret: &Secret,
) -> bool {
    let Some(keyed) = &secret.0 else { return false };
    let mut signing = keyed.clone();
    signing.update(&text_of(message, metadata));
    signing.verify_slice(claimed).is_ok()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    // Lower case only, as Python compares the texts.
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn text_of(message: &Map<String, Value>, metadata: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(2048);
    let mut path = Vec::with_capacity(64);
    let fields = python::sorted(message);
    let (before, after) = fields.split_at(fields.partition_point(|(key, _)| key.as_str() < OUTER));
    let mut put = |fields: &[(&String, &Value)], text: &mut Vec<u8>| {
        for (key, value) in fields {
            if *key == SIGNATURE && !value.is_object() {
                continue;
            }
            path.clear();
            path.extend_from_slice(key.as_bytes());
            flatten(&mut path, value, text);
        }
    };
    put(before, &mut text);
    text.extend_from_slice(metadata);
    put(after, &mut text);
    text
}

/// Appends the text to sign of one field: its name, flattened where the value is an object, and its value. An empty object
/// vanishes. `path` is the field's name; it is given back as it was.
pub(crate) fn flatten(path: &mut Vec<u8>, value: &Value, text: &mut Vec<u8>) {
    let Value::Object(fields) = value else {
        text.extend_from_slice(path);
        python::str_of(value, text);
        return;
    };
    flatten_fields(path, fields, text);
}

/// [`flatten`] for the fields of an object.
pub(crate) fn flatten_fields(path: &mut Vec<u8>, fields: &Map<String, Value>, text: &mut Vec<u8>) {
    let length = path.len();
    for (key, inner) in python::sorted(fields) {
        path.push(b':');
        path.extend_from_slice(key.as_bytes());
        flatten(path, inner, text);
        path.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_changed_cut_or_upper_case_signature_is_refused() {
        let secret = Secret::new("s3cr3t");
        let mut message = json!({"a": 1}).as_object().unwrap().clone();
        assert!(!verify(&message, &secret), "none");
        let good = sign(&message, &secret);
        let bad =
            [good.to_uppercase(), good[..63].to_owned(), format!("{good}0"), "g".repeat(64), String::new()];
        for text in bad {
            message.insert(SIGNATURE.into(), json!(text));
            assert!(!verify(&message, &secret), "{text}");
            assert!(verify(&message, &Secret::new("")), "unsigned samples are welcome without a secret");
        }
        message.insert(SIGNATURE.into(), json!(good));
        assert!(verify(&message, &secret));
        assert!(!verify(&message, &Secret::new("another")));
        message.insert("a".into(), json!(2));
        assert!(!verify(&message, &secret));
    }

    #[test]
    fn a_forged_sample_that_would_cost_too_much_to_sign_is_refused_unsigned() {
        let leaves: Map<String, Value> = (0..1_000).map(|leaf| (leaf.to_string(), Value::Null)).collect();
        let mut message = json!({ "k".repeat(4_000): leaves }).as_object().unwrap().clone();
        let secret = Secret::new("s");
        let signature = sign(&message, &secret);
        message.insert(SIGNATURE.into(), json!(signature));
        assert!(!verify(&message, &secret));
    }

    #[test]
    fn the_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new("s3cr3t")), "Secret(…)");
    }
}

//! Ceilometer's HMAC over a sample.

use serde_json::{Map, Value};

/// The secret that signs samples; its text never shows in `Debug`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// An empty secret means unsigned samples.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether samples stay unsigned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The signature of a sample dict: 64 hexadecimal digits.
pub fn sign(_message: &Map<String, Value>, _secret: &Secret) -> String {
    String::new()
}

/// Whether `message_signature` of a sample dict is the one that the secret gives; compares in constant time.
/// With an empty secret every sample passes.
pub fn verify(_message: &Map<String, Value>, _secret: &Secret) -> bool {
    false
}

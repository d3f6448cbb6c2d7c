//! Every vector that the genuine Ceilometer's `compute_signature` gave.

use nephoscope_sample::signature::{Secret, sign, verify};
use serde_json::{Map, Value};

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    secret: String,
    message: Map<String, Value>,
    signature: String,
}

#[test]
fn signatures_equal_the_genuine_ones() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors/signatures.json")).unwrap();
    assert!(vectors.len() > 10, "only {} vectors", vectors.len());
    for Vector { name, secret, mut message, signature } in vectors {
        let secret = Secret::new(secret);
        assert_eq!(sign(&message, &secret), signature, "{name}");
        message.insert("message_signature".into(), signature.clone().into());
        assert!(verify(&message, &secret), "{name}");
    }
}

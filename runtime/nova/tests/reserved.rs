//! `user_metadata` against Ceilometer's own.
//!
//! `vectors/user_metadata.json` holds what the function `add_reserved_user_metadata` of Ceilometer 27.0.0's `sample.py` made of each
//! case; its result is a list of pairs there, for their order counts.

use std::collections::BTreeMap;

use nephoscope_nova::{Reserved, user_metadata};
use serde_json::Value;

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn user_metadata_is_what_ceilometer_makes_of_it() {
    let cases: Value = serde_json::from_str(include_str!("vectors/user_metadata.json")).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() >= 20, "{} cases", cases.len());
    for case in cases {
        let reserved = Reserved {
            namespace: texts(&case["namespace"]),
            keys: texts(&case["keys"]),
            length: usize::try_from(case["length"].as_u64().unwrap()).unwrap(),
        };
        let tenant: BTreeMap<String, String> = case["tenant"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let taken = texts(&case["taken"]);
        let made = user_metadata(&reserved, &tenant, |key| taken.iter().any(|taken| taken == key));
        let made: Vec<Value> =
            made.into_iter().map(|(key, value)| Value::from(vec![key.into(), value])).collect();
        assert_eq!(Value::from(made), case["user_metadata"], "{}", case["name"]);

        // What is thrown away before is nothing that the function would have used.
        let kept: BTreeMap<_, _> = tenant.clone().into_iter().filter(|(key, _)| reserved.has(key)).collect();
        let taken = |key: &str| taken.iter().any(|taken| taken == key);
        assert_eq!(
            user_metadata(&reserved, &kept, taken),
            user_metadata(&reserved, &tenant, taken),
            "{}",
            case["name"]
        );
    }
}

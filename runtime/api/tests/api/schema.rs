//! Answers are what the OpenAPI document says.

use serde_json::{Value, json};

use crate::server::{ADMIN, Server};

/// Whether a value is of a schema, as far as the document's schemas go. Says where it is not.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        return check(document, target.unwrap_or_else(|| panic!("{reference}")), value, at);
    }
    if let Some(expected) = schema.get("const") {
        assert_eq!(value, expected, "{at}");
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value}");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if !number.as_str().contains(['.', 'e', 'E']) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        Value::Null => vec![json!(kind)],
        one => vec![one.clone()],
    };
    assert!(
        types.iter().any(|allowed| allowed == kind || allowed == "number" && kind == "integer"),
        "{at}: {value}"
    );
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{at}[{index}]"));
    }
    let Some(fields) = value.as_object() else { return };
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(fields.contains_key(required.as_str().unwrap()), "{at}: {required} is missing");
    }
    for (name, field) in fields {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) => check(document, schema, field, &at),
            (None, Some(Value::Bool(false))) => panic!("{at} is not in the schema"),
            (None, Some(schema)) => check(document, schema, field, &at),
            (None, None) => {}
        }
    }
}

#[test]
fn every_answer_is_of_its_schema() {
    let server = Server::start();
    let document = server.found("/openapi.json");
    let of = |path: &str, method: &str, status: &str, value: &Value| {
        let mut schema = &document["paths"][path][method]["responses"][status];
        if let Some(reference) = schema["$ref"].as_str() {
            schema = document.pointer(&reference[1..]).unwrap();
        }
        let schema = &schema["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} {status}");
        check(&document, schema, value, path);
    };
    for (path, asked) in [
        ("/", "/"),
        ("/v2", "/v2"),
        ("/v2/meters", "/v2/meters"),
        ("/v2/meters", "/v2/meters?unique=True"),
        ("/v2/meters/{meter_name}", "/v2/meters/cpu"),
        ("/v2/meters/{meter_name}/statistics", "/v2/meters/cpu/statistics?groupby=project_id"),
        (
            "/v2/meters/{meter_name}/statistics",
            "/v2/meters/cpu/statistics?aggregate.func=max&aggregate.func=stddev",
        ),
        ("/v2/samples", "/v2/samples"),
        ("/v2/samples/{sample_id}", "/v2/samples/not-a-uuid"),
        ("/v2/resources", "/v2/resources"),
        ("/v2/resources/{resource_id}", "/v2/resources/r1"),
        ("/v2/capabilities", "/v2/capabilities"),
        ("/openapi.json", "/openapi.json"),
        ("/healthz", "/healthz"),
    ] {
        let found = server.found(asked);
        assert!(found.as_array().is_none_or(|list| !list.is_empty()), "{asked} finds something");
        of(path, "get", "200", &found);
    }
    let query = server.post_as(ADMIN, "/v2/query/samples", &json!({}));
    of("/v2/query/samples", "post", "200", &query.json());
    let sample = json!([{"counter_name": "cpu", "counter_type": "gauge", "counter_unit": "", "counter_volume": 1, "resource_id": "r"}]);
    let created = server.post_as(ADMIN, "/v2/meters/cpu", &sample);
    of("/v2/meters/{meter_name}", "post", "201", &created.json());
    of("/v2/samples", "get", "400", &server.get("/v2/samples?limit=0").json());
    of("/v2/samples", "get", "401", &server.get_as("wrong", "/v2/samples").json());
    of("/v2/samples/{sample_id}", "get", "404", &server.get("/v2/samples/none").json());
}

//! What cannot be asked, and what is said of it.

use serde_json::{Value, json};

use crate::server::{ADMIN, Server};

#[test]
fn what_is_wrong_with_a_query_is_told_in_its_own_words() {
    let server = Server::start();
    for (query, text) in [
        ("samples?q.field=colour&q.value=red", "\"colour\" is no field"),
        ("samples?q.field=meter&q.op=like&q.value=cpu", "\"like\" is no operator"),
        ("samples?q.field=metadata.a&q.type=complex&q.value=1", "\"complex\" is no type"),
        ("samples?q.field=metadata.a&q.type=integer&q.value=one", "\"one\" is no"),
        ("samples?q.field=timestamp&q.op=gt&q.value=yesterday", "\"yesterday\" is no"),
        ("samples?q.field=meter", "one q.field and one q.value"),
        ("samples?q.field=search_offset&q.value=5", "without timestamp"),
        ("samples?limit=0", "Limit must be positive"),
        ("samples?limit=-3", "Limit must be positive"),
        ("samples?limit=ten", "\"ten\""),
        ("samples?limit=10001", "10001"),
        ("samples?limits=10", "Unknown argument: \"limits\""),
        ("samples?limit=1&limit=2", "more than once"),
        ("meters?q.field=timestamp&q.op=gt&q.value=2026-01-01", "\"timestamp\": not valid for this resource"),
        ("resources?meter_links=no", "\"no\""),
        ("meters/cpu/statistics?period=-1", "Period must be positive"),
        ("meters/cpu/statistics?groupby=colour", "\"colour\""),
        ("meters/cpu/statistics?aggregate.func=median", "\"median\" is no function"),
        ("meters/cpu/statistics?aggregate.func=cardinality&aggregate.param=colour", "cardinality/colour"),
        ("meters/cpu/statistics?limit=1", "Unknown argument"),
        ("samples/not-a-uuid?limit=1", "Unknown argument"),
    ] {
        let answer = server.get(&format!("/v2/{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert!(answer.fault().contains(text), "{query}: {}", answer.fault());
    }
    let many = format!("/v2/samples?{}", "q.field=meter&q.value=a&".repeat(33));
    assert_eq!(server.get(&many).status, 400);
    assert_eq!(server.get(&format!("/v2/samples?{}", "x".repeat(9_000))).status, 400);
}

#[test]
fn what_is_wrong_with_a_complex_query_is_told_too() {
    let server = Server::start();
    let deep = (0..100).fold(json!({"=": {"meter": "cpu"}}), |inner, _| json!({"not": inner}));
    for (body, text) in [
        (json!({"filter": "{"}), "no JSON"),
        (json!({"filter": "{\"=\": {\"colour\": \"red\"}}"}), "\"colour\" is no field"),
        (json!({"filter": "{\"like\": {\"meter\": \"cpu\"}}"}), "\"like\" is no operator"),
        (json!({"filter": "{\"=~\": {\"meter\": \"(\"}}"}), "regular expression"),
        (json!({"filter": deep.to_string()}), "nested"),
        (json!({"filter": {"=": {"meter": "cpu"}}}), "a text that holds JSON"),
        (json!({"orderby": "[{\"metadata.a\": \"asc\"}]"}), "metadata"),
        (json!({"orderby": "[{\"volume\": \"up\"}]"}), r#"{\"volume\":\"up\"}"#),
        (json!({"limit": 0}), "Limit must be positive"),
        (json!({"limit": "five"}), "no whole number"),
        (json!({"limit": 1.5}), "no whole number"),
        (json!({"filters": "{}"}), "Unknown attribute: \"filters\""),
        (json!([]), "no JSON object"),
    ] {
        let answer = server.post_as(ADMIN, "/v2/query/samples", &body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert!(answer.fault().contains(text), "{body}: {}", answer.fault());
    }
    assert_eq!(server.post_text(ADMIN, "/v2/query/samples", "").status, 400);
    let nested = "[".repeat(10_000);
    assert_eq!(server.post_text(ADMIN, "/v2/query/samples", &nested).status, 400);
}

#[test]
fn what_is_not_there_is_told_and_where_it_was() {
    let server = Server::start();
    for (path, text) in [
        ("/v2/alarms", "Aodh"),
        ("/v2/alarms/1/history", "Aodh"),
        ("/v2/query/alarms", "Aodh"),
        ("/v2/events", "Panko"),
        ("/v2/event_types/x", "Panko"),
        ("/v1/meters", "/openapi.json"),
        ("/v2/meters/cpu/other", "/openapi.json"),
        ("/v2/../../etc/passwd", "There is no"),
        ("/v2/samples/none", "Sample \"none\" Not Found"),
        ("/v2/resources/none", "Resource \"none\" Not Found"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.fault().contains(text), "{path}: {}", answer.fault());
    }
    let long = server.get(&format!("/{}", "a".repeat(4_000)));
    assert!(long.fault().len() < 300, "what is repeated is cut");
}

#[test]
fn a_method_that_a_path_does_not_take_is_refused() {
    let server = Server::start();
    for (method, path) in
        [("DELETE", "/v2/samples"), ("PUT", "/v2/meters/cpu"), ("POST", "/"), ("GET", "/v2/query/samples")]
    {
        let answer = server.send(&format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {ADMIN}\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.fault().contains(method));
        assert!(answer.header("allow").is_some_and(|allowed| !allowed.contains(method)));
    }
}

#[test]
fn a_host_that_is_none_gets_into_no_link() {
    let server = Server::start();
    for host in ["evil.test/path", "a\"><script>", "user@evil.test", "a b", "a,b"] {
        let request = format!(
            "GET /v2/resources/r1 HTTP/1.1\r\nHost: {host}\r\nX-Auth-Token: {ADMIN}\r\nConnection: close\r\n\r\n"
        );
        let answer = server.send(&request);
        if answer.status == 200 {
            let href = answer.json()["links"][0]["href"].clone();
            assert_eq!(href, Value::from("/v2/resources/r1"), "{host}");
        } else {
            assert_eq!(answer.status, 400, "{host}");
        }
    }
}

//! Who sees what.

use serde_json::{Value, json};

use crate::server::{ADMIN, ALPHA, DISK, READER, Server, settings, token};

const PATHS: [&str; 11] = [
    "/",
    "/v2",
    "/v2/meters",
    "/v2/meters/cpu",
    "/v2/meters/cpu/statistics",
    "/v2/samples",
    "/v2/samples/not-a-uuid",
    "/v2/resources",
    "/v2/resources/r1",
    "/v2/capabilities",
    "/nothing/here",
];

#[test]
fn nothing_but_health_is_told_without_a_token() {
    let server = Server::start();
    let ask = |path: &str, header: &str| {
        server.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n{header}Connection: close\r\n\r\n"))
    };
    for path in PATHS {
        let answer = ask(path, "");
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.fault().contains("token"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"nephoscope\""));
    }
    assert_eq!(ask("/healthz", "").json(), json!({"status": "ok"}));
    for header in
        ["X-Auth-Token: wrong\r\n", "X-Auth-Token: \r\n", "Authorization: Basic YWRtaW4tdG9rZW4=\r\n"]
    {
        assert_eq!(ask("/v2/samples", header).status, 401, "{header}");
    }
    assert_eq!(ask("/v2/samples", &format!("Authorization: Bearer {ADMIN}\r\n")).status, 200);
}

#[test]
fn a_restricted_token_sees_its_projects_alone() {
    let server = Server::start();
    let found = |path: &str| {
        let answer = server.get_as(ALPHA, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json().as_array().unwrap().len()
    };
    assert_eq!(found("/v2/samples"), 3);
    assert_eq!(found("/v2/samples?q.field=project_id&q.value=alpha"), 3);
    assert_eq!(found("/v2/meters"), 1);
    assert_eq!(found("/v2/meters?unique=True"), 1);
    assert_eq!(found("/v2/meters/disk"), 0);
    assert_eq!(found("/v2/meters/disk/statistics"), 0);
    assert_eq!(found("/v2/resources"), 1);
    assert_eq!(found("/v2/samples?q.field=resource_id&q.op=ne&q.value=r1"), 0);
    assert_eq!(server.get_as(ALPHA, "/v2/samples/not-a-uuid").status, 404);
    assert_eq!(server.get_as(ALPHA, "/v2/resources/r2%2Fdisk%20%2541").status, 404);
    assert_eq!(server.get_as(ADMIN, "/v2/resources/r2%2Fdisk%20%2541").json()["resource_id"], DISK);
}

#[test]
fn a_query_that_names_another_project_is_refused() {
    let server = Server::start();
    for path in ["samples", "meters", "resources", "meters/cpu", "meters/cpu/statistics"] {
        for field in ["project_id", "project"] {
            for operator in ["eq", "ne"] {
                let path = format!("/v2/{path}?q.field={field}&q.op={operator}&q.value=beta");
                let answer = server.get_as(ALPHA, &path);
                assert_eq!(answer.status, 403, "{path}");
                assert_eq!(answer.fault(), "Not Authorized to access project \"beta\"");
            }
        }
    }
}

#[test]
fn complex_filters_lead_to_no_other_project() {
    let server = Server::start();
    let beta = json!({"=": {"project_id": "beta"}});
    let cpu = json!({"=": {"meter": "cpu"}});
    for filter in [
        beta.clone(),
        json!({"or": [cpu, beta]}),
        json!({"not": beta}),
        json!({"and": [{"not": {"or": [{"!=": {"project": "beta"}}, cpu]}}, cpu]}),
        json!({"in": {"project_id": ["alpha", "beta"]}}),
        json!({"not": {"in": {"project": ["beta"]}}}),
    ] {
        let answer = server.query_as(ALPHA, &filter);
        assert_eq!(answer.status, 403, "{filter}: {}", answer.text());
    }
    // These name none, and find nothing of another one.
    for filter in [
        json!({"not": {"=": {"project_id": "alpha"}}}),
        json!({"or": [{"=": {"meter": "disk"}}, {"=": {"resource_id": DISK}}]}),
        json!({"=~": {"project_id": "^beta$"}}),
        json!({"not": {"=~": {"project_id": "alpha"}}}),
    ] {
        let answer = server.query_as(ALPHA, &filter);
        assert_eq!((answer.status, answer.json()), (200, json!([])), "{filter}");
    }
    let all = server
        .query_as(ALPHA, &json!({"or": [{"=~": {"project_id": "."}}, {"=": {"meter": "disk"}}]}))
        .json();
    let projects: Vec<&Value> = all.as_array().unwrap().iter().map(|sample| &sample["project_id"]).collect();
    assert_eq!(projects, ["alpha"; 3]);
}

#[test]
fn a_token_without_projects_sees_nothing() {
    let mut settings = settings();
    settings.tokens.push(token("nobody", "nobody-token", Some(&[]), false));
    let server = Server::with(settings);
    for path in ["samples", "meters", "resources", "meters/cpu", "meters/cpu/statistics"] {
        assert_eq!(server.get_as("nobody-token", &format!("/v2/{path}")).json(), json!([]), "{path}");
    }
    assert_eq!(server.get_as(READER, "/v2/samples").json().as_array().unwrap().len(), 4);
}

#[test]
fn whoever_guesses_is_told_to_wait() {
    let server = Server::start();
    let mut answers = (0..1_000).map(|_| server.get_as("guess", "/v2/samples"));
    let refused = answers.find(|answer| answer.status != 401).expect("guessing has an end");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.fault().contains("try again later"));
}

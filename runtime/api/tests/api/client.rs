//! The client gives what the store's own functions give, but for metadata, which the API flattens.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use nephoscope_api::{Client, ClientError};
use serde_json::json;
use store::query::{Aggregate, Condition, GroupBy};
use store::{Filter, SampleQuery, StatisticsQuery};

use crate::server::{ADMIN, ALPHA, DISK, Server};

fn client(server: &Server, token: &str) -> Client {
    Client::new(&format!("http://{}/v2/", server.address), token, None).unwrap()
}

const CPU: Condition<'_> = Condition { field: "meter", operator: "eq", value: "cpu", kind: "string" };

#[test]
fn samples_are_the_stores() {
    let server = Server::start();
    let client = client(&server, ADMIN);
    let reader = &mut *server.store.reader().unwrap();
    let mut stored = store::samples(reader, &SampleQuery::new(Filter::meter("cpu"), 2).unwrap()).unwrap();
    let flat = json!({"display_name": "web", "flavor.a:b": "True", "flavor.ram": "2048.0", "instance_type": "m1", "tags": "['x', None]"});
    for sample in &mut stored {
        sample.metadata = Arc::new(flat.as_object().unwrap().clone());
    }
    assert_eq!(stored.len(), 2);
    assert_eq!(client.samples(Some("cpu"), &[], Some(2)).unwrap(), stored);
    assert_eq!(client.samples(None, &[CPU], Some(2)).unwrap(), stored);
    let query = client.query(Some(r#"{"=": {"meter": "cpu"}}"#), Some(r#"[{"timestamp": "desc"}]"#), Some(2));
    assert_eq!(query.unwrap(), stored);
    assert_eq!(client.sample(&stored[0].message_id).unwrap().as_ref(), stored.first());
    assert_eq!(client.sample("none").unwrap(), None);
}

#[test]
fn meters_and_resources_are_the_stores() {
    let server = Server::start();
    let client = client(&server, ADMIN);
    let reader = &mut *server.store.reader().unwrap();
    for unique in [false, true] {
        let stored = store::meters(reader, &Filter::default(), unique, 100).unwrap();
        assert_eq!(stored.len(), 2);
        assert_eq!(client.meters(&[], unique, None).unwrap(), stored);
    }
    let disk = store::resources(reader, &Filter::resource(DISK), 1, true).unwrap();
    assert_eq!(disk[0].meters, [Arc::from("disk")]);
    assert_eq!(client.resource(DISK).unwrap().as_ref(), disk.first());
    let condition = Condition { field: "resource_id", value: DISK, ..Condition::default() };
    assert_eq!(client.resources(&[condition], true, None).unwrap(), disk);
    assert!(client.resources(&[condition], false, None).unwrap()[0].meters.is_empty());
    assert_eq!(client.resource("none").unwrap(), None);
}

#[test]
fn statistics_are_the_stores() {
    let server = Server::start();
    let client = client(&server, ADMIN);
    let reader = &mut *server.store.reader().unwrap();
    let groups = [GroupBy::UserId, GroupBy::InstanceType];
    let query = StatisticsQuery::new("cpu", Filter::default()).unwrap().period(60).unwrap().group_by(groups);
    let stored = store::statistics(reader, &query).unwrap();
    assert_eq!(stored.len(), 3);
    assert_eq!(client.statistics("cpu", &[], Some(60), &groups, &[]).unwrap(), stored);
    let aggregates = [Aggregate::Max, Aggregate::Cardinality(GroupBy::ResourceId), Aggregate::Stddev];
    let chosen = client.statistics("cpu", &[], Some(60), &[], &aggregates).unwrap();
    let stored = store::statistics(reader, &query.aggregates(aggregates)).unwrap();
    assert_eq!(chosen[1].aggregates, stored[1].aggregates);
    assert!(chosen[1].min.is_nan() && chosen[1].max == stored[1].max);
}

#[test]
fn faults_are_told_in_the_apis_words() {
    let server = Server::start();
    let told = |token, value| {
        let condition = Condition { field: "project_id", value, ..Condition::default() };
        client(&server, token).samples(None, &[condition], Some(20_000)).unwrap_err()
    };
    match told("wrong", "alpha") {
        ClientError::Unauthorized { text, .. } => assert!(text.contains("valid token"), "{text}"),
        other => panic!("{other}"),
    }
    match told(ADMIN, "alpha") {
        ClientError::Refused { status: 400, text } => assert!(text.contains("20000"), "{text}"),
        other => panic!("{other}"),
    }
    match client(&server, ALPHA).query(Some(r#"{"=": {"project": "beta"}}"#), None, None) {
        Err(ClientError::Refused { status: 403, text }) => {
            assert!(text.contains("project \"beta\""), "{text}")
        }
        other => panic!("{other:?}"),
    }
}

/// What the client makes of an answer that this server gives.
fn answered(answer: &'static str) -> ClientError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let _ = stream.write_all(answer.as_bytes());
    });
    let error = Client::new(&endpoint, ADMIN, None).unwrap().samples(None, &[], None).unwrap_err();
    server.join().unwrap();
    error
}

#[test]
fn whoever_answers_may_be_anybody() {
    let gone = Client::new("http://127.0.0.1:1", ADMIN, None).unwrap().sample("x").unwrap_err();
    assert!(matches!(gone, ClientError::Unreachable { .. }), "{gone:?}");
    for (answer, text) in [
        ("SSH-2.0-OpenSSH_9.6\r\n", "HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "asked for"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n", "too large"),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            "redirects are not followed",
        ),
        (
            "HTTP/1.1 500 No\r\nConnection: close\r\n\r\n{\"error_message\": \"\\u001b[31mred\\u0007\"}",
            "\u{fffd}[31mred\u{fffd}",
        ),
        ("HTTP/1.1 502 No\r\nConnection: close\r\n\r\n<html", "no reason"),
    ] {
        let told = answered(answer).to_string();
        assert!(told.contains(text), "{answer:?}: {told}");
    }
}

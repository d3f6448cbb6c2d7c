//! Who connects, and to what.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nephoscope_api::{Client, ClientError, ServeError, Settings, Tls};
use serde_json::json;
use store::Sqlite;

use crate::server::{ADMIN, Server, read, row, settings};

fn refused(settings: Settings) -> ServeError {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Arc::new(Sqlite::new("/nonexistent/samples.sqlite"));
    runtime.block_on(nephoscope_api::Server::bind(settings, store, None)).err().unwrap()
}

#[test]
fn nothing_is_served_without_tokens_or_in_the_clear_by_mistake() {
    assert!(matches!(refused(Settings::new(Vec::new())), ServeError::NoTokens));
    let mut open = settings();
    open.listen = SocketAddr::from(([0, 0, 0, 0], open.listen.port()));
    assert!(matches!(refused(open.clone()), ServeError::Plaintext(_)));
    open.tls = Some(Tls { certificate: "/nonexistent".into(), key: "/nonexistent".into() });
    assert!(matches!(refused(open), ServeError::Certificate { .. }));
    let mut many = settings();
    many.tokens[0].projects = Some(vec!["p".to_owned(); 17]);
    assert!(matches!(refused(many), ServeError::TooManyProjects(_)));
    let server = Server::start();
    let mut taken = settings();
    taken.listen = server.address;
    assert!(matches!(refused(taken), ServeError::Listen { .. }));
}

#[test]
fn plaintext_may_be_allowed() {
    let mut settings = settings();
    settings.allow_plaintext = true;
    settings.listen = SocketAddr::from(([0, 0, 0, 0], settings.listen.port()));
    assert_eq!(Server::with(settings).get("/healthz").status, 200);
}

#[test]
fn with_a_certificate_there_is_tls_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let authority = lab::tls::Authority::make(folder.path()).unwrap();
    let identity = authority.server().unwrap();
    let mut settings = settings();
    settings.tls = Some(Tls { certificate: identity.certificate, key: identity.key });
    let server = Server::with(settings);
    let endpoint = format!("https://127.0.0.1:{}", server.address.port());
    let client = Client::new(&endpoint, ADMIN, Some(&authority.certificate)).unwrap();
    assert_eq!(client.samples(Some("cpu"), &[], None).unwrap().len(), 3);
    assert_eq!(server.get("/healthz").status, 0, "no word of HTTP to who speaks it in the clear");
    let other = lab::tls::Authority::make(&folder.path().join("other")).unwrap();
    let distrustful = Client::new(&endpoint, ADMIN, Some(&other.certificate)).unwrap();
    assert!(matches!(distrustful.sample("x"), Err(ClientError::Tls { .. })));
}

#[test]
fn what_is_no_http_is_ended() {
    let server = Server::start();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = server.connect();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_ne!(read(&mut stream).status, 200, "{garbage:?}");
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn who_does_not_take_an_answer_gives_the_place_up() {
    const SAMPLES: usize = 300;
    let mut settings = settings();
    (settings.limits.connections, settings.limits.queries) = (1, 1);
    (settings.limits.lifetime, settings.limits.grace) = (Duration::from_secs(5), Duration::from_secs(5));
    let server = Server::with(settings);
    // More than the kernel keeps for both sides.
    let large: Vec<_> = (0..SAMPLES)
        .map(|number| {
            row(json!({
                "message_id": number.to_string(), "source": "s", "counter_name": "large", "counter_type": "gauge",
                "counter_volume": 1, "resource_id": "r", "timestamp": "2026-01-31T12:00:00",
                "resource_metadata": {"of": number, "text": "x".repeat(30_000)},
            }))
        })
        .collect();
    server.store.writer().unwrap().append(&large).unwrap();
    let mut slow = server.connect();
    let request =
        format!("GET /v2/meters/large?limit={SAMPLES} HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {ADMIN}\r\n\r\n");
    slow.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 12];
    slow.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    assert_eq!(server.get("/v2/meters").status, 200, "the one place, and the one query, are free again");
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(rest.len() < SAMPLES * 30_000, "{} bytes were sent", rest.len());
}

#[test]
fn a_connection_may_ask_more_than_once() {
    let server = Server::start();
    let mut stream = server.connect();
    let ask = |connection| {
        format!(
            "GET /v2/capabilities HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {ADMIN}\r\nConnection: {connection}\r\n\r\n"
        )
    };
    stream.write_all((ask("keep-alive") + &ask("close")).as_bytes()).unwrap();
    let both = read(&mut stream);
    assert_eq!(both.text().matches("HTTP/1.1 200 OK").count(), 1, "beside the first");
}

#[test]
fn the_end_does_not_wait_for_idle_connections() {
    let mut server = Server::start();
    let mut idle = server.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.stop();
    // The answer came first, unless the connection was never looked at.
    assert!([0, 200].contains(&read(&mut idle).status));
}

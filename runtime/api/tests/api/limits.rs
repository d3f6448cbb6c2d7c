//! What is too much.

use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use store::{Reader, Store, StoreError, Writer};

use crate::server::{ADMIN, Answer, Server, read, settings};

fn post(length: &str) -> String {
    format!(
        "POST /v2/query/samples HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {ADMIN}\r\nConnection: close\r\n{length}\r\n\r\n"
    )
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let mut settings = settings();
    settings.limits.max_body = 1_000;
    let server = Server::with(settings);
    let answer = server.send(&post("Content-Length: 1001"));
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.fault().contains("1000 bytes"));
    let chunk = format!("{}3E9\r\n{}\r\n0\r\n\r\n", post("Transfer-Encoding: chunked"), "x".repeat(1_001));
    assert_eq!(server.send(&chunk).status, 413);
    let fits = format!("{}{{}}{}", post("Content-Length: 1000"), " ".repeat(998));
    assert_eq!(server.send(&fits).status, 200);
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let mut settings = settings();
    settings.limits.body_timeout = Duration::from_millis(200);
    let server = Server::with(settings);
    let answer = server.send(&format!("{}{{", post("Content-Length: 100")));
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert!(answer.fault().contains("in time"));
}

#[test]
fn a_token_that_asks_too_often_is_told_to_wait() {
    let mut settings = settings();
    settings.limits.requests_per_second = 1;
    let server = Server::with(settings);
    let mut answers = (0..200).map(|_| server.get("/v2/capabilities"));
    assert_eq!(answers.next().map(|answer| answer.status), Some(200));
    let refused = answers.find(|answer| answer.status != 200).expect("there is a limit");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    refused.fault();
    assert_eq!(server.get_as(crate::server::READER, "/v2/capabilities").status, 200, "others may ask");
}

/// A store whose connections open when the test says so.
#[derive(Debug)]
struct Stuck(Mutex<mpsc::Receiver<()>>);

impl std::fmt::Display for Stuck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a store that is stuck")
    }
}

impl Store for Stuck {
    fn writer(&self) -> Result<Box<dyn Writer>, StoreError> {
        Err(StoreError::Missing("/secret/path".to_owned()))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        let _ = self.0.lock().unwrap().recv();
        Err(StoreError::Missing("/secret/path".to_owned()))
    }
}

#[test]
fn queries_beyond_those_in_line_are_told_to_come_again() {
    let mut settings = settings();
    settings.limits.queries = 1;
    let (release, released) = mpsc::channel();
    let server = Arc::new(Server::over(settings, Arc::new(Stuck(Mutex::new(released))), true));
    let (told, answers) = mpsc::channel::<Answer>();
    // One reads, eight are in line.
    for _ in 0..12 {
        let (server, told) = (Arc::clone(&server), told.clone());
        std::thread::spawn(move || told.send(server.get("/v2/samples")));
    }
    for _ in 0..3 {
        let refused = answers.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        assert!(refused.fault().contains("Too many queries"), "{}", refused.fault());
    }
    assert_eq!(server.get("/v2/capabilities").status, 200, "what reads nothing is answered");
    drop(release);
    for _ in 0..9 {
        let failed = answers.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(failed.status, 503);
        assert!(!failed.text().contains("secret"), "nothing of the inside is told: {}", failed.text());
    }
}

#[test]
fn a_client_that_goes_away_gives_its_place_back() {
    let mut settings = settings();
    settings.limits.queries = 1;
    let (release, released) = mpsc::channel();
    let server = Server::over(settings, Arc::new(Stuck(Mutex::new(released))), true);
    for _ in 0..9 {
        let mut stream = server.connect();
        stream
            .write_all(
                format!("GET /v2/samples HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {ADMIN}\r\n\r\n").as_bytes(),
            )
            .unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
    drop(release);
    // The store is at fault now, and no longer the line.
    let answer = std::iter::repeat_with(|| server.get("/v2/samples"))
        .find(|answer| !answer.text().contains("Too many"));
    assert!(answer.unwrap().fault().contains("cannot be done"));
}

#[test]
fn headers_are_bounded() {
    let server = Server::start();
    let with = |headers: &str| {
        server.send(&format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n"))
    };
    assert_eq!(with("A: b\r\n").status, 200);
    assert_ne!(with(&format!("A: {}\r\n", "x".repeat(200_000))).status, 200);
    assert_ne!(with(&"A: b\r\n".repeat(1_000)).status, 200);
    assert_ne!(server.get(&format!("/{}", "x".repeat(200_000))).status, 200);
    assert_eq!(with("").json(), json!({"status": "ok"}));
}

#[test]
fn headers_that_do_not_come_are_not_waited_for() {
    let mut settings = settings();
    settings.limits.header_timeout = Duration::from_millis(200);
    let server = Server::with(settings);
    for begun in ["", "G", "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let mut stream = server.connect();
        stream.write_all(begun.as_bytes()).unwrap();
        assert_ne!(read(&mut stream).status, 200, "{begun:?}");
    }
    // Nor is the next request of a connection. A test that is held up is too slow itself, and tries again.
    let ask = || {
        let mut stream = server.connect();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        read(&mut stream).status
    };
    assert!((0..100).any(|_| ask() == 200));
}

#[test]
fn connections_beyond_their_number_wait_until_one_ends() {
    let mut settings = settings();
    settings.limits.connections = 1;
    settings.limits.header_timeout = Duration::from_millis(500);
    let server = Server::with(settings);
    let mut idle = server.connect();
    let request =
        format!("GET /v2 HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {ADMIN}\r\nConnection: close\r\n\r\n");
    let ask = || {
        let mut stream = server.connect();
        let _ = stream.write_all(request.as_bytes());
        read(&mut stream).status
    };
    assert!((0..100).any(|_| ask() == 200));
    // It was answered because the idle one had ended.
    idle.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert_eq!(read(&mut idle).body, b"");
}

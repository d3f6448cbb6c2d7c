//! The genuine client: it asks as Ceilometer's API was asked, and tells what it is answered.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::CeilometerClient;

/// As long as the client itself may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A server of HTTP that answers one request.
struct Server {
    endpoint: String,
    request: JoinHandle<Result<Vec<String>>>,
}

impl Server {
    fn start(status: &'static str, body: &'static str) -> Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let request = thread::spawn(move || answer_once(&listener, status, body));
        Ok(Server { endpoint, request })
    }

    /// The lines of the request's head.
    fn request(self) -> Result<Vec<String>> {
        self.request.join().ok().context("the server has panicked")?
    }
}

fn answer_once(listener: &TcpListener, status: &str, body: &str) -> Result<Vec<String>> {
    // A client that never comes must fail the test, not hang it.
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + LIMIT;
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            Err(error) => bail!("no client: {error}"),
        }
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut lines = Vec::new();
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    Ok(lines)
}

#[test]
fn it_is_that_version() -> Result<()> {
    let told = CeilometerClient::install()?.run("http://127.0.0.1:9", "t", &["--version"])?;
    assert_eq!((told.code, told.stdout.trim(), told.stderr.as_str()), (0, "2.9.0", ""));
    Ok(())
}

#[test]
fn it_asks_for_meters_with_the_token() -> Result<()> {
    let client = CeilometerClient::install()?;
    let meters = r#"[{"name": "süd", "type": "gauge", "unit": "MiB", "resource_id": "r", "user_id": "u", "project_id": "p"}]"#;
    let server = Server::start("200 OK", meters)?;
    let told = client.run(&server.endpoint, "secret", &["meter-list"])?;
    assert_eq!((told.code, told.stderr.as_str()), (0, ""));
    assert!(told.stdout.contains("| süd  | gauge | MiB  | r "), "{}", told.stdout);
    let request = server.request()?;
    assert_eq!(request[0], "GET /v2/meters HTTP/1.1");
    assert!(request.contains(&"X-Auth-Token: secret".to_owned()), "{request:?}");
    Ok(())
}

#[test]
fn it_tells_the_text_of_a_fault() -> Result<()> {
    let client = CeilometerClient::install()?;
    let fault =
        r#"{"error_message": {"debuginfo": null, "faultcode": "Client", "faultstring": "no such field"}}"#;
    let server = Server::start("400 Bad Request", fault)?;
    let told = client.run(&server.endpoint, "t", &["sample-list", "-q", "colour=red"])?;
    assert_eq!((told.code, told.stdout.as_str()), (1, ""));
    assert!(told.stderr.contains("no such field (HTTP 400)"), "{}", told.stderr);
    assert_eq!(server.request()?[0], "GET /v2/samples?q.field=colour&q.op=eq&q.type=&q.value=red HTTP/1.1");
    Ok(())
}

#[test]
fn a_script_has_it_as_a_library() -> Result<()> {
    const COUNT: &str = r#"
import sys
from ceilometerclient import client
meters = client.get_client(2, os_endpoint=sys.argv[1], token=sys.argv[2]).meters.list()
print(len(meters))
sys.exit(7)
"#;
    let client = CeilometerClient::install()?;
    let server = Server::start("200 OK", "[]")?;
    let told = client.python(COUNT, &[&server.endpoint, "secret"])?;
    assert_eq!((told.code, told.stdout.as_str(), told.stderr.as_str()), (7, "0\n", ""));
    assert!(server.request()?.contains(&"X-Auth-Token: secret".to_owned()));
    Ok(())
}

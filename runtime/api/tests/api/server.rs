//! A server for a test, with samples in its store, and a client that sends what it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nephoscope_api as api;

use api::sink::Published;
use api::{Settings, Sink, Token};
use sample::Sample;
use sample::signature::Secret;
use sample::wire::SampleReader;
use serde_json::{Value, json};
use store::{Row, Sqlite, Store};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Sees and writes all.
pub const ADMIN: &str = "admin-token";
/// Sees and writes the project `alpha`.
pub const ALPHA: &str = "alpha-token";
/// Sees all.
pub const READER: &str = "reader-token";
/// An id as Swift's meters have them.
pub const DISK: &str = "r2/disk %41";

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; it ends with this.
pub struct Server {
    pub address: SocketAddr,
    pub published: Arc<Keeps>,
    pub store: Arc<dyn Store>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), api::ServeError>>>,
    /// Goes with the server.
    folder: Option<TempDir>,
}

/// A sink that keeps what it is given.
#[derive(Debug, Default)]
pub struct Keeps(pub Mutex<Vec<Sample>>);

impl Sink for Keeps {
    fn publish(&self, samples: Vec<Sample>) -> Published<'_> {
        Box::pin(async move {
            self.0.lock().unwrap().extend(samples);
            Ok(())
        })
    }
}

pub fn token(name: &str, text: &str, projects: Option<&[&str]>, write: bool) -> Token {
    let projects = projects.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Token { name: name.to_owned(), sha256: api::token::hash(text), projects, write }
}

pub fn settings() -> Settings {
    let mut settings = Settings::new(vec![
        token("admin", ADMIN, None, true),
        token("alpha", ALPHA, Some(&["alpha"]), true),
        token("reader", READER, None, false),
    ]);
    settings.listen.set_port(lab::free_port().unwrap());
    // Tests ask faster than people.
    settings.limits.requests_per_second = 10_000;
    settings
}

impl Server {
    /// With samples.
    pub fn start() -> Self {
        Self::with(settings())
    }

    /// With samples and these settings.
    pub fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::new(folder.path().join("samples.sqlite")));
        store.writer().unwrap().append(&rows()).unwrap();
        let mut server = Self::over(settings, store, true);
        server.folder = Some(folder);
        server
    }

    /// Over this store.
    pub fn over(settings: Settings, store: Arc<dyn Store>, writable: bool) -> Self {
        let address = settings.listen;
        let published = Arc::new(Keeps::default());
        let sink = writable.then(|| Arc::clone(&published) as Arc<dyn Sink>);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&store);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let server = api::Server::bind(settings, served, sink).await?;
                server
                    .run(async {
                        let _ = stopped.await;
                    })
                    .await;
                Ok::<_, api::ServeError>(())
            })
        });
        let server = Self { address, published, store, stop: Some(stop), thread: Some(thread), folder: None };
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(since.elapsed() < PATIENCE, "the server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    /// Ends it, and waits for that.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    /// Asks with the administrator's token.
    pub fn get(&self, path: &str) -> Answer {
        self.get_as(ADMIN, path)
    }

    pub fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: api.test:8777\r\nX-Auth-Token: {token}\r\nConnection: close\r\n\r\n"
        ))
    }

    /// What a request finds that must succeed.
    pub fn found(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.post_text(token, path, &body.to_string())
    }

    pub fn post_text(&self, token: &str, path: &str, body: &str) -> Answer {
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: api.test:8777\r\nX-Auth-Token: {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    /// A complex query.
    pub fn query_as(&self, token: &str, filter: &Value) -> Answer {
        self.post_as(token, "/v2/query/samples", &json!({"filter": filter.to_string()}))
    }

    /// Sends this, whatever it is, and reads to the end.
    pub fn send(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        read(&mut stream)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// What a server said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The sentence of a fault, whose envelope must be Ceilometer's.
    pub fn fault(&self) -> String {
        let body = self.json();
        let code = if self.status < 500 { "Client" } else { "Server" };
        let text =
            body["error_message"]["faultstring"].as_str().unwrap_or_else(|| panic!("no faultstring: {body}"));
        let envelope = json!({"error_message": {"debuginfo": null, "faultcode": code, "faultstring": text}});
        assert_eq!(body, envelope);
        text.to_owned()
    }
}

/// Reads an answer to the connection's end. One that breaks gives what came before.
pub fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the server does not end the connection")
        }
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let headers = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, headers, body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
}

pub fn row(fields: Value) -> Row {
    Row::from(SampleReader::new(Secret::new("")).read(fields.into()).unwrap())
}

fn cpu(minute: u32, volume: &str) -> Row {
    row(json!({
        "message_id": format!("00000000-0000-4000-8000-00000000000{minute}"),
        "source": "openstack",
        "counter_name": "cpu",
        "counter_type": "cumulative",
        "counter_unit": "ns",
        "counter_volume": serde_json::from_str::<Value>(volume).unwrap(),
        "user_id": "u1",
        "project_id": "alpha",
        "resource_id": "r1",
        "timestamp": format!("2026-01-31T12:0{minute}:00"),
        "resource_metadata": {"display_name": "web", "instance_type": "m1", "flavor": {"ram": 2048.0, "a": {"b": true}}, "tags": ["x", null]},
    }))
}

fn rows() -> Vec<Row> {
    let disk = row(json!({
        "message_id": "not-a-uuid",
        "source": "openstack",
        "counter_name": "disk",
        "counter_type": "gauge",
        "counter_unit": "B",
        "counter_volume": 7,
        "project_id": "beta",
        "resource_id": DISK,
        "timestamp": "2026-01-31T12:03:00.000001",
    }));
    vec![cpu(0, "1"), cpu(1, "2.5"), cpu(2, "18446744073709551617"), disk]
}

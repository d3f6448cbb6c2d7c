//! A Keystone and a Nova on one loopback port, as far as a listing needs them, written from their public API references: tokens of
//! version 3 with issue, expiry and catalog; `GET /v2.1/servers/detail` with `all_tenants`, `host`, `limit` and `marker`, whose pages lead on by
//! `servers_links`; 401 without a valid token, 400 for a marker that does not exist.
//!
//! It conforms as far as genuine clients see: python-novaclient 18.13.1 on keystoneauth1 5.18.1 logs in here, finds the endpoint in the
//! catalog, and lists seven servers of a host over pages of three, with `search_opts={"host": …, "all_tenants": True}, limit=-1`.
//!
//! It also does on demand what a cloud should not.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

pub const USER: &str = "ceilometer";
pub const PASSWORD: &str = "hunter2";
pub const HOST: &str = "compute-1";

/// A server of the cloud.
#[derive(Clone, Debug)]
pub struct Server {
    pub id: String,
    pub host: String,
    pub metadata: Value,
}

/// What Nova or Keystone does in place of an answer, for as long as it is set.
#[derive(Clone, Debug)]
pub enum Mishap {
    /// Only a status, with headers.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// A whole answer of 200 with this body.
    Body(String),
    /// The head of an answer, of which only the beginning of the body comes.
    Cut,
    /// No HTTP.
    Noise,
    /// Nothing for this long, then the end of the connection.
    Silence(Duration),
    /// A byte of the body now and then.
    Trickle(Duration),
    /// A body that announces nothing and goes on for this many bytes.
    Flood(usize),
    /// Headers without end, for this many bytes.
    Headers(usize),
}

#[derive(Default)]
pub struct State {
    pub servers: Vec<Server>,
    /// Nova's own bound on a page.
    pub max_limit: usize,
    /// The filter by host is read over, as for users without the right to it.
    pub unfiltered: bool,
    /// Where the links of pages lead: a proxy's idea of this server's address.
    pub link_base: Option<String>,
    /// How long tokens live, in seconds.
    pub lifetime: i64,
    pub tokens: HashSet<String>,
    pub nova: Option<Mishap>,
    pub keystone: Option<Mishap>,
    /// `POST /v3/auth/tokens` and so on, in their order.
    pub requests: Vec<String>,
    issued: usize,
}

/// The running cloud. It goes with the test's process.
pub struct Cloud {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Cloud {
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// The same behind TLS, for clients that this configuration takes.
    pub fn start_tls(tls: rustls::ServerConfig) -> Self {
        Self::start_with(Some(Arc::new(tls)))
    }

    fn start_with(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let state = State { max_limit: 1_000, lifetime: 3_600, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let (shared, base) = (Arc::clone(&state), url.clone());
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (shared, base, tls) = (Arc::clone(&shared), base.clone(), tls.clone());
                // A client that gives up is the test's business.
                thread::spawn(move || match tls {
                    None => drop(serve(connection, &base, &shared)),
                    Some(tls) => {
                        let session = rustls::ServerConnection::new(tls).unwrap();
                        drop(serve(rustls::StreamOwned::new(session, connection), &base, &shared));
                    }
                });
            }
        });
        Self { url, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Puts servers on a host: their ids.
    pub fn boot(&self, host: &str, count: usize) -> Vec<String> {
        let mut state = self.state();
        let first = state.servers.len();
        let ids: Vec<_> =
            (first..first + count).map(|number| format!("f5dc173b-6804-445a-a6d8-{number:012x}")).collect();
        for (number, id) in ids.iter().enumerate() {
            let metadata = json!({"metering.server_group": format!("group {number}"), "role": "web"});
            state.servers.push(Server { id: id.clone(), host: host.into(), metadata });
        }
        ids
    }

    /// How many requests began with this.
    pub fn count(&self, begin: &str) -> usize {
        self.state().requests.iter().filter(|request| request.starts_with(begin)).count()
    }
}

struct Request {
    method: String,
    path: String,
    query: Map<String, Value>,
    token: Option<String>,
    body: Vec<u8>,
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (mut token, mut length) = (None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-auth-token" => token = Some(value.trim().to_owned()),
            "content-length" => length = value.trim().parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decode(value).into()))
        .collect();
    Ok(Some(Request { method, path: path.to_owned(), query, token, body }))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn serve(connection: impl Read + Write, base: &str, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    while let Some(request) = read(&mut reader)? {
        let out = reader.get_mut();
        let mut state = state.lock().unwrap();
        state.requests.push(format!("{} {}", request.method, request.path));
        let is_nova = request.path.starts_with("/v2.1/");
        let mishap = if is_nova { &state.nova } else { &state.keystone };
        if let Some(mishap) = mishap.clone() {
            drop(state);
            return misbehave(out, mishap);
        }
        let (status, headers, body) =
            if is_nova { nova(&request, base, &state) } else { keystone(&request, base, &mut state) };
        drop(state);
        let body = body.to_string();
        write!(
            out,
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}

fn keystone(request: &Request, base: &str, state: &mut State) -> (u16, String, Value) {
    let fault = |code: u16, title: &str| {
        (code, String::new(), json!({"error": {"code": code, "message": "no", "title": title}}))
    };
    if (request.method.as_str(), request.path.as_str()) == ("GET", "/v3") {
        let version = json!({"version": {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": format!("{base}/v3/")}]}});
        return (200, String::new(), version);
    }
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/v3/auth/tokens") {
        return fault(404, "Not Found");
    }
    let auth: Value = serde_json::from_slice(&request.body).unwrap();
    let user = &auth["auth"]["identity"]["password"]["user"];
    if user["name"] != USER || user["password"] != PASSWORD || user["domain"]["name"] != "Default" {
        return fault(401, "Unauthorized");
    }
    state.issued += 1;
    let token = format!("gAAAAAB-token-{}", state.issued);
    state.tokens.insert(token.clone());
    let time = |seconds: i64| {
        let time = chrono::Utc::now() + chrono::Duration::seconds(seconds);
        time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
    };
    let endpoint = |interface: &str, region: &str, url: String| json!({"id": "d200b2509e1343e3887dcc465b4fa534", "interface": interface, "region": region, "region_id": region, "url": url});
    let body = json!({"token": {
        "methods": ["password"],
        "user": {"domain": {"id": "default", "name": "Default"}, "id": "423f19a4ac1e4f48bbb4180756e6eb6c", "name": USER},
        "audit_ids": ["3T2dc1CGQxyJsHdDu1xkcw"],
        "issued_at": time(0),
        "expires_at": time(state.lifetime),
        "project": {"domain": {"id": "default", "name": "Default"}, "id": "a6944d763bf64ee6a275f1263fae0352", "name": "service"},
        "roles": [{"id": "51cc68287d524c759f47c811e6463340", "name": "admin"}],
        "catalog": [
            {"id": "050726f278654128aba89757ae25950c", "name": "keystone", "type": "identity", "endpoints": [
                endpoint("public", "RegionOne", format!("{base}/v3"))]},
            {"id": "a226b3eeb5594f50bf8b6df94636ed28", "name": "nova", "type": "compute", "endpoints": [
                endpoint("internal", "RegionOne", format!("{base}/v2.1/internal")),
                endpoint("public", "RegionOne", format!("{base}/v2.1"))]},
        ],
    }});
    (201, format!("X-Subject-Token: {token}\r\nVary: X-Auth-Token\r\n"), body)
}

fn nova(request: &Request, base: &str, state: &State) -> (u16, String, Value) {
    let fault = |code: u16, name: &str| (code, String::new(), json!({name: {"code": code, "message": "no"}}));
    if request.token.as_ref().is_none_or(|token| !state.tokens.contains(token)) {
        return (401, "WWW-Authenticate: Keystone uri=\"…\"\r\n".into(), json!({"error": {"code": 401}}));
    }
    if (request.method.as_str(), request.path.as_str()) != ("GET", "/v2.1/servers/detail") {
        return fault(404, "itemNotFound");
    }
    let text = |name: &str| request.query.get(name).and_then(Value::as_str);
    if text("all_tenants") != Some("True") {
        return (200, String::new(), json!({"servers": []}));
    }
    let wanted = text("host").filter(|_| !state.unfiltered);
    let mut found: Vec<&Server> =
        state.servers.iter().filter(|server| wanted.is_none_or(|host| host == server.host)).collect();
    if let Some(marker) = text("marker") {
        let Some(at) = found.iter().position(|server| server.id == marker) else {
            return fault(400, "badRequest");
        };
        found.drain(..=at);
    }
    let asked = text("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
    let limit = asked.min(state.max_limit);
    found.truncate(limit);
    let servers: Vec<Value> = found.iter().map(|server| detail(server, base)).collect();
    let mut body = json!({"servers": servers});
    if let Some(last) = found.last().filter(|_| found.len() == limit) {
        let base = state.link_base.as_deref().unwrap_or(base);
        let host = text("host").unwrap_or_default();
        let href = format!(
            "{base}/v2.1/servers/detail?all_tenants=True&host={host}&limit={asked}&marker={}",
            last.id
        );
        body["servers_links"] = json!([{"rel": "next", "href": href}]);
    }
    (200, String::new(), body)
}

/// A server as microversion 2.1 shows it to an administrator.
fn detail(server: &Server, base: &str) -> Value {
    json!({
        "id": server.id, "name": "new-server-test", "status": "ACTIVE", "metadata": server.metadata,
        "tenant_id": "6f70656e737461636b20342065766572", "user_id": "fake", "progress": 0, "key_name": null,
        "accessIPv4": "1.2.3.4", "accessIPv6": "80fe::", "config_drive": "",
        "created": "2013-09-03T04:01:32Z", "updated": "2013-09-03T04:01:33Z",
        "addresses": {"private": [{"addr": "192.168.0.3", "version": 4, "OS-EXT-IPS:type": "fixed"}]},
        "flavor": {"id": "1", "links": [{"href": format!("{base}/flavors/1"), "rel": "bookmark"}]},
        "image": {"id": "70a599e0-31e7-49b7-b260-868f441e862b"},
        "hostId": "bcf92836fc9ed4203a75cb0337afc7f917d2be504164b995c2334b25",
        "links": [{"href": format!("{base}/v2.1/servers/{}", server.id), "rel": "self"}],
        "OS-EXT-SRV-ATTR:host": server.host, "OS-EXT-SRV-ATTR:instance_name": "instance-00000001",
        "OS-EXT-STS:vm_state": "active", "OS-EXT-STS:power_state": 1, "OS-EXT-STS:task_state": null,
    })
}

fn misbehave(out: &mut impl Write, mishap: Mishap) -> std::io::Result<()> {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    match mishap {
        Mishap::Status(status, headers) => {
            write!(out, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n")?;
            for (name, value) in headers {
                write!(out, "{name}: {value}\r\n")?;
            }
            out.write_all(b"\r\n")
        }
        Mishap::Body(body) => {
            write!(out, "{OK}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        Mishap::Cut => write!(out, "{OK}Content-Length: 1000\r\n\r\n{{\"servers\": ["),
        Mishap::Noise => out.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n"),
        Mishap::Silence(time) => {
            thread::sleep(time);
            Ok(())
        }
        Mishap::Trickle(pause) => {
            write!(out, "{OK}Content-Length: 1000\r\n\r\n")?;
            loop {
                out.write_all(b" ")?;
                thread::sleep(pause);
            }
        }
        Mishap::Flood(bytes) => {
            write!(out, "{OK}Connection: close\r\n\r\n{{\"servers\": [")?;
            flood(out, bytes)
        }
        Mishap::Headers(bytes) => {
            write!(out, "{OK}X-Padding: ")?;
            flood(out, bytes)
        }
    }
}

fn flood(out: &mut impl Write, bytes: usize) -> std::io::Result<()> {
    let chunk = [b' '; 64 * 1024];
    let mut sent = 0;
    while sent < bytes {
        out.write_all(&chunk)?;
        sent += chunk.len();
    }
    Ok(())
}

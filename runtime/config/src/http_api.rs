//! The section `api`: Ceilometer's HTTP API over the collector's store.

use std::net::SocketAddr;
use std::time::Duration;

use api::settings::MAX_PROJECTS;
use api::{Limits, Settings, Tls, Token};

use crate::Place;
use crate::fault::shown;
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};

/// The most tokens: all of them are compared for each request.
const MAX_TOKENS: usize = 1_000;

pub(crate) static API: Section = Section {
    title: "the section `api`",
    path: "api",
    about: "Ceilometer's HTTP API, version 2, over the store: what python-ceilometerclient asks. Absent, there is none.",
    keys: &[
        key(
            "listen",
            "text",
            "127.0.0.1:8777",
            "The address and the port. Off the loopback, `tls` is needed.",
        ),
        key("tls", "mapping", "", "Our certificate; with it, connections are TLS and nothing else."),
        key(
            "allow_plaintext",
            "switch",
            "false",
            "Listen off the loopback without TLS: tokens and answers go over the network in the clear. For a proxy in front that speaks TLS.",
        ),
        key("tokens", "list of mappings", "", "Required. Who may ask."),
        key(
            "public_url",
            "text",
            "",
            "What links in answers begin with: `https://telemetry.example:8777`; absent, what the request calls us.",
        ),
        key("limits", "mapping", "", "How much is done at once, and for how long."),
    ],
};

pub(crate) static API_TLS: Section = Section {
    title: "the section `api.tls`",
    path: "api.tls",
    about: "PEM files; they are read once, at the start.",
    keys: &[
        key("certificate", "path", "", "Required. Our certificate and its chain."),
        key("key", "path", "", "Required. Its private key, not encrypted."),
    ],
};

pub(crate) static TOKEN: Section = Section {
    title: "a token",
    path: "api.tokens[]",
    about: "Who may ask, told by a token: `nephoscope token` makes one. The token itself is not in this file.",
    keys: &[
        key("name", "text", "", "Required. Whose it is; what the log calls it."),
        key("sha256", "text", "", "Required. The SHA-256 of the token, in hexadecimal."),
        key(
            "projects",
            "list of texts",
            "",
            "Ids of the projects whose samples it sees and creates, at most 16; absent, all of them.",
        ),
        key("write", "switch", "false", "Whether it may create samples."),
    ],
};

pub(crate) static LIMITS: Section = Section {
    title: "the section `api.limits`",
    path: "api.limits",
    about: "How much is done at once, and for how long.",
    keys: &[
        key(
            "connections",
            "number",
            "64",
            "Connections; more wait in the kernel's queue until one of them ends.",
        ),
        key(
            "queries",
            "number",
            "4",
            "Queries that read at once, or whose answers are not yet sent: each may take some 100 MB. Eight more for each of them wait in line; the rest is \
             answered 503.",
        ),
        key(
            "requests_per_second",
            "number",
            "20",
            "Requests of each token, twice as many in a burst; beyond, they are answered 429.",
        ),
        key("max_body", "size", "1MiB", "The largest body of a request."),
        key(
            "header_timeout",
            "duration",
            "10s",
            "How long a TLS handshake and the headers of a request may take, and how long a connection may be idle.",
        ),
        key("body_timeout", "duration", "30s", "How long the body of a request may take."),
    ],
};

/// The API's settings.
pub(crate) fn api(d: &mut Decoder<'_>, node: &Node) -> Option<Settings> {
    let map = Map::open(d, node, &API, Unknown::Refuse)?;
    let tokens = map.required(d, "tokens", tokens);
    // Unusable tokens leave the rest to be checked.
    let mut settings = Settings::new(tokens.clone().unwrap_or_default());
    map.set(d, "listen", &mut settings.listen, address);
    map.set(d, "allow_plaintext", &mut settings.allow_plaintext, value::switch);
    settings.tls = map.optional(d, "tls", tls);
    settings.public_url = map.optional(d, "public_url", url);
    if let Some(map) = map.section(d, "limits", &LIMITS) {
        limits(d, &map, &mut settings.limits);
    }
    if !settings.listen.ip().to_canonical().is_loopback() && !map.has("tls") && !settings.allow_plaintext {
        let place = map.get("listen").map_or(map.place, |node| &node.place);
        d.faults.error(place, "off the loopback the API needs `tls`, or `allow_plaintext: true`");
    }
    if map.has("tls") {
        map.idle(d, &["allow_plaintext"], "tls");
    }
    tokens?;
    Some(settings)
}

fn limits(d: &mut Decoder<'_>, map: &Map<'_>, limits: &mut Limits) {
    let times = || value::duration(Duration::from_millis(100), Duration::from_secs(60));
    map.set(d, "connections", &mut limits.connections, value::number(1, 10_000));
    map.set(d, "queries", &mut limits.queries, value::number(1, 64));
    map.set(d, "requests_per_second", &mut limits.requests_per_second, value::number(1, 10_000));
    map.set(d, "max_body", &mut limits.max_body, value::size(1 << 10, 4 << 20));
    map.set(d, "header_timeout", &mut limits.header_timeout, times());
    map.set(d, "body_timeout", &mut limits.body_timeout, times());
}

fn address(d: &mut Decoder<'_>, node: &Node) -> Option<SocketAddr> {
    let text = value::text(d, node)?;
    text.parse()
        .ok()
        .or_else(|| d.expected("an address and a port, such as 127.0.0.1:8777 or [::1]:8777", node))
}

fn tls(d: &mut Decoder<'_>, node: &Node) -> Option<Tls> {
    let map = Map::open(d, node, &API_TLS, Unknown::Refuse)?;
    let certificate = map.required(d, "certificate", value::readable);
    let key = map.required(d, "key", value::readable);
    Some(Tls { certificate: certificate?, key: key? })
}

/// It stands in links, before a path. Not quoted where it is none: it may hold a password.
fn url(d: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = value::text(d, node)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte);
    if rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain)) {
        return Some(text);
    }
    let what = "expected a URL such as https://telemetry.example:8777, without user, query and fragment";
    d.faults.error(&node.place, what);
    None
}

fn tokens(d: &mut Decoder<'_>, node: &Node) -> Option<Vec<Token>> {
    let tokens: Vec<(Token, Place)> =
        d.list(node, "tokens", |d, node| Some((token(d, node)?, node.place.clone())))?;
    if tokens.len() > MAX_TOKENS {
        d.faults.error(&node.place, format!("{} tokens; at most {MAX_TOKENS}", tokens.len()));
    }
    for (at, (token, place)) in tokens.iter().enumerate() {
        for (other, _) in &tokens[..at] {
            if other.name == token.name {
                d.faults.error(place, format!("a second token of the name {}", shown(&token.name)));
            } else if other.sha256 == token.sha256 {
                let message = format!("{} has the token of {}", shown(&token.name), shown(&other.name));
                d.faults.error(place, message);
            }
        }
    }
    Some(tokens.into_iter().map(|(token, _)| token).collect())
}

fn token(d: &mut Decoder<'_>, node: &Node) -> Option<Token> {
    let map = Map::open(d, node, &TOKEN, Unknown::Refuse)?;
    let name = map.required(d, "name", name);
    let sha256 = map.required(d, "sha256", sha256);
    let projects = map.get("projects").map(|node| projects(d, node));
    let mut write = false;
    map.set(d, "write", &mut write, value::switch);
    // A list that cannot be read is not the same as none, which would open all projects.
    let projects = match projects {
        Some(projects) => Some(projects?),
        None => None,
    };
    Some(Token { name: name?, sha256: sha256?, projects, write })
}

/// It stands in the log.
fn name(d: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = value::text(d, node)?;
    if value::is_name(&text.replace('@', "")) {
        return Some(text);
    }
    d.expected("a name of at most 64 letters, digits and `._-@`", node)
}

fn projects(d: &mut Decoder<'_>, node: &Node) -> Option<Vec<String>> {
    let ids = d.list(node, "ids of projects", value::text)?;
    if ids.len() > MAX_PROJECTS {
        d.faults.error(&node.place, format!("{} projects; at most {MAX_PROJECTS}", ids.len()));
        return None;
    }
    Some(ids)
}

/// Not quoted where it is none: it may be the token itself.
fn sha256(d: &mut Decoder<'_>, node: &Node) -> Option<[u8; 32]> {
    let read = match &node.value {
        Value::Scalar(text) => hex(text),
        _ => None,
    };
    if read.is_none() {
        d.faults.error(
            &node.place,
            "expected the SHA-256 of a token, 64 hexadecimal digits, as `nephoscope token` shows it",
        );
    }
    read
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

//! Where to listen, who may ask, and how much.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The port that Ceilometer's API had.
pub const PORT: u16 = 8777;

/// The most projects of a token: each is a condition of all its queries, and these have a bound.
pub const MAX_PROJECTS: usize = 16;

/// What the API is served with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address; by default on the loopback.
    pub listen: SocketAddr,
    /// With these, connections are TLS and nothing else.
    pub tls: Option<Tls>,
    /// Whether tokens and answers may go over a network in the clear.
    pub allow_plaintext: bool,
    /// Who may ask; without any, nothing is served.
    pub tokens: Vec<Token>,
    /// How much.
    pub limits: Limits,
    /// What links begin with, without a slash at the end; by default what the request calls us.
    pub public_url: Option<String>,
}

impl Settings {
    /// On the loopback, for these tokens.
    pub fn new(tokens: Vec<Token>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            tls: None,
            allow_plaintext: false,
            tokens,
            limits: Limits::default(),
            public_url: None,
        }
    }
}

/// PEM files; they are read once, at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Our certificate and its chain.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// Who may ask, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is: what the log calls it.
    pub name: String,
    /// The SHA-256 of its text; see [`token`](crate::token).
    pub sha256: [u8; 32],
    /// The projects whose samples it sees and creates, at most [`MAX_PROJECTS`]; none: all of them.
    pub projects: Option<Vec<String>>,
    /// Whether it may create samples.
    pub write: bool,
}

/// How much is done at once, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections; more wait in the kernel's queue until one of them ends.
    pub connections: usize,
    /// Queries that read at once, or whose answers are not yet sent: each may take some 100 MB.
    pub queries: usize,
    /// Requests a second of each token, twice as many in a burst.
    pub requests_per_second: u32,
    /// Bytes of a request's body.
    pub max_body: usize,
    /// How long a TLS handshake may take, and how long a request's headers may take or a connection may be idle.
    pub header_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long a connection takes requests.
    pub lifetime: Duration,
    /// How long it then has for its last answer.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            queries: 4,
            requests_per_second: 20,
            max_body: 1 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            lifetime: Duration::from_secs(60),
            grace: Duration::from_secs(60),
        }
    }
}

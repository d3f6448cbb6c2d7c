//! One connection to the first broker that takes it.
//!
//! ```text
//!  resolve ─▶ TCP ─▶ (TLS) ─▶ AMQP handshake ─▶ Connection        all of it under the broker's deadline;
//!     └─ Unreachable   └─ Tls     └─ Credentials, VirtualHost     past it the socket is shut, which ends lapin's thread
//! ```
//!
//! lapin serves each connection with a thread of its own and waits without limit for a peer that accepts and then stays
//! silent. Hence the second handle on the socket that is kept here: shutting it down is what lets that thread end.

use std::io;
use std::net::Shutdown;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_compat::Compat;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind};
use tokio::net::TcpStream;

use crate::broker::{Broker, BrokerUrl};
use crate::tls;

/// Why no connection came about. Brokers are named without credentials.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no broker in the list.
    #[error("no broker is configured")]
    NoBroker,
    /// A PEM file cannot be read, or holds something else.
    #[error("failed to use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Certificate without key, or key without certificate.
    #[error("a client certificate needs both `certificate` and `key`")]
    HalfIdentity,
    /// No trustworthy root certificate.
    #[error(
        "failed to load root certificates: name the broker's authority in `ca`, or install ca-certificates"
    )]
    SystemRoots(#[source] io::Error),
    /// The name does not resolve, or nobody answers at the address.
    #[error("failed to reach {broker}")]
    Unreachable {
        /// Which broker.
        broker: BrokerUrl,
        /// The system's word.
        source: io::Error,
    },
    /// The peer's certificate is not trusted, ours is not, or the peer does not speak TLS.
    #[error("failed to agree on TLS with {broker}")]
    Tls {
        /// Which broker.
        broker: BrokerUrl,
        /// rustls' word.
        source: io::Error,
    },
    /// User or password are wrong.
    #[error("{broker} refuses the user or the password")]
    Credentials {
        /// Which broker.
        broker: BrokerUrl,
        /// The broker's word.
        source: lapin::Error,
    },
    /// The virtual host does not exist, or is closed to this user.
    #[error("{broker} refuses the virtual host")]
    VirtualHost {
        /// Which broker.
        broker: BrokerUrl,
        /// The broker's word.
        source: lapin::Error,
    },
    /// Not within the deadline.
    #[error("{broker} did not answer within {deadline:?}")]
    Timeout {
        /// Which broker.
        broker: BrokerUrl,
        /// How long it had.
        deadline: Duration,
    },
    /// Anything else that AMQP's handshake may end with.
    #[error("failed to open an AMQP connection to {broker}")]
    Handshake {
        /// Which broker.
        broker: BrokerUrl,
        /// lapin's word.
        source: lapin::Error,
    },
    /// Each of several brokers failed, for reasons of its own.
    #[error("none of {} brokers takes a connection: {}", .0.len(), chains(.0))]
    All(Vec<ConnectError>),
}

impl ConnectError {
    /// The label that log lines, metrics and tests share.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoBroker => "no-broker",
            Self::File { .. } | Self::HalfIdentity | Self::SystemRoots(_) => "certificates",
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } => "tls",
            Self::Credentials { .. } => "credentials",
            Self::VirtualHost { .. } => "virtual-host",
            Self::Timeout { .. } => "timeout",
            Self::Handshake { .. } => "handshake",
            Self::All(_) => "all-brokers",
        }
    }
}

/// The errors with their sources, as [`ConnectError::All`] has no single source to offer.
fn chains(errors: &[ConnectError]) -> String {
    errors.iter().map(|error| chain(error)).collect::<Vec<_>>().join("; ")
}

/// An error's message and those of its sources, but for one that repeats what was said (lapin's do).
fn chain(error: &dyn std::error::Error) -> String {
    let said = error.to_string();
    match error.source().map(chain) {
        Some(source) if !said.ends_with(&source) => format!("{said}: {source}"),
        _ => said,
    }
}

/// Connects to the first of the brokers that takes it, in their order. `name` is the connection's name in the broker's
/// listings (client property `connection_name`).
///
/// Takes as long as the brokers' deadlines together; may be cancelled.
///
/// # Errors
/// [`ConnectError`]: the only broker's, or [`ConnectError::All`] of several.
pub async fn connect(brokers: &[Broker], name: &str) -> Result<Link, ConnectError> {
    let mut errors = Vec::new();
    for broker in brokers {
        match connect_to(broker, name).await {
            Ok(connection) => return Ok(connection),
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        0 => Err(ConnectError::NoBroker),
        1 => Err(errors.remove(0)),
        _ => Err(ConnectError::All(errors)),
    }
}

/// A connection, and its socket beside it: what is left to do with a peer that answers no more.
#[derive(Debug)]
pub struct Link {
    connection: Connection,
    socket: Socket,
}

impl Link {
    /// Ends the connection without a word, so that whatever waits for the peer fails at once.
    pub fn abort(&self) {
        self.socket.shut();
    }
}

impl Deref for Link {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// Shuts the socket down when dropped, unless the connection stands.
#[derive(Clone, Debug, Default)]
struct Socket(Arc<Mutex<Option<std::net::TcpStream>>>);

impl Socket {
    fn keep(&self, stream: Option<std::net::TcpStream>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stream;
    }

    fn shut(&self) {
        if let Some(stream) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Fails where the peer was faster, which is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

struct ShutOnDrop(Option<Socket>);

impl Drop for ShutOnDrop {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            socket.shut();
        }
    }
}

async fn connect_to(broker: &Broker, name: &str) -> Result<Link, ConnectError> {
    let deadline = broker.deadline;
    let url = || broker.url.clone();
    let timeout = || ConnectError::Timeout { broker: url(), deadline };
    let until = tokio::time::Instant::now() + deadline;
    let connector = match broker.url.is_tls() {
        true => {
            let tls = broker.tls.clone();
            let built = tokio::task::spawn_blocking(move || tls::connector(&tls)).await;
            Some(built.map_err(|fault| ConnectError::SystemRoots(io::Error::other(fault)))??)
        }
        false => None,
    };
    let mut uri = broker.url.uri().clone();
    if uri.query.heartbeat.is_none() {
        uri.query.heartbeat = Some(u16::try_from(broker.heartbeat.as_secs()).unwrap_or(u16::MAX));
    }
    let runtime = lapin::runtime::default_runtime()
        .map_err(|source| ConnectError::Handshake { broker: url(), source })?;
    let socket = Socket::default();
    let mut guard = ShutOnDrop(Some(socket.clone()));
    let open = async move |uri: AMQPUri, _| open(uri, connector.clone(), socket.clone(), until).await;
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connection = tokio::time::timeout_at(until, Connection::connector(uri, runtime, open, properties))
        .await
        .map_err(|_| timeout())?
        .map_err(|error| classify(broker, error))?;
    Ok(Link { connection, socket: guard.0.take().unwrap_or_default() })
}

/// What went wrong before AMQP had its turn; it travels through lapin as the inside of an I/O error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Step {
    #[error("TCP")]
    Tcp,
    #[error("TLS")]
    Tls,
    #[error("deadline")]
    Deadline,
}

/// An I/O error and the step in which it came.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
struct StepError {
    step: Step,
    source: io::Error,
}

fn at(step: Step) -> impl Fn(io::Error) -> lapin::Error {
    move |source| io::Error::other(StepError { step, source }).into()
}

type Stream = AsyncTcpStream<Compat<TcpStream>>;

async fn open(
    uri: AMQPUri,
    connector: Option<RustlsConnector>,
    socket: Socket,
    until: tokio::time::Instant,
) -> lapin::Result<Stream> {
    let late = || at(Step::Deadline)(io::ErrorKind::TimedOut.into());
    let steps = async {
        let stream = TcpStream::connect((uri.authority.host.as_str(), uri.authority.port))
            .await
            .map_err(at(Step::Tcp))?;
        // Confirms are awaited: Nagle's delay would be added to each.
        stream.set_nodelay(true).map_err(at(Step::Tcp))?;
        let stream = stream.into_std().map_err(at(Step::Tcp))?;
        socket.keep(Some(stream.try_clone().map_err(at(Step::Tcp))?));
        let stream = TcpStream::from_std(stream).map_err(at(Step::Tcp))?;
        let plain = AsyncTcpStream::Plain(Compat::new(stream));
        match connector {
            None => Ok(plain),
            Some(connector) => {
                plain.into_rustls(&connector, &uri.authority.host).await.map_err(at(Step::Tls))
            }
        }
    };
    tokio::time::timeout_at(until, steps).await.unwrap_or_else(|_| Err(late()))
}

fn classify(broker: &Broker, error: lapin::Error) -> ConnectError {
    let url = broker.url.clone();
    match error.kind() {
        ErrorKind::IOError(fault) => {
            match fault.get_ref().and_then(|inner| inner.downcast_ref::<StepError>()) {
                Some(StepError { step: Step::Deadline, .. }) => {
                    ConnectError::Timeout { broker: url, deadline: broker.deadline }
                }
                Some(StepError { step: Step::Tcp, source }) => {
                    ConnectError::Unreachable { broker: url, source: again(source) }
                }
                Some(StepError { step: Step::Tls, source }) => {
                    ConnectError::Tls { broker: url, source: again(source) }
                }
                // A broker that wants a client certificate says so, in TLS 1.3, only after the handshake.
                None if broker.url.is_tls() && fault.kind() == io::ErrorKind::InvalidData => {
                    ConnectError::Tls { broker: url, source: again(fault) }
                }
                None => ConnectError::Handshake { broker: url, source: error },
            }
        }
        ErrorKind::ProtocolError(fault) => match fault.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                ConnectError::Credentials { broker: url, source: error }
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                ConnectError::VirtualHost { broker: url, source: error }
            }
            _ => ConnectError::Handshake { broker: url, source: error },
        },
        _ => ConnectError::Handshake { broker: url, source: error },
    }
}

/// An I/O error's copy: lapin shares it and will not give it up.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

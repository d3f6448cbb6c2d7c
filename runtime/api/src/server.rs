//! Connections: accepted, encrypted, and ended.
//!
//! ```text
//!  accept ──▶ handshake ──▶ headers ──▶ body ──▶ answer ──▶ headers …            every arrow has its time,
//!  at most N   10 s          10 s        30 s     │                              and so has the whole
//!                                                 └─ after 60 s the last one, which has 60 s to be taken
//! ```
//! A connection that has ended gives its place to the next one in the kernel's queue; how long that takes at most is
//! `lifetime` and `grace` of the [`Limits`], whatever the other side does.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use store::Store;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::counters::Counters;
use crate::routes::{App, Peer, router};
use crate::settings::{Limits, MAX_PROJECTS, Settings, Token};
use crate::sink::Sink;
use crate::tls::acceptor;

/// How long connections have at the end.
const FAREWELL: Duration = Duration::from_secs(10);
/// Bytes of a request's headers: three times what a query may have, for it may be escaped.
const HEADER_BYTES: usize = 32 << 10;
/// Headers of a request.
const HEADERS: usize = 64;
/// How long nothing is accepted after that has failed: out of files, as a rule, until a connection ends.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the log has the counters.
const REPORT: Duration = Duration::from_secs(300);

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Without tokens nobody could ask anything.
    #[error("the API has no tokens, and every request needs one: `nephoscope token` makes one")]
    NoTokens,
    /// A token whose queries would be refused.
    #[error("the token {0:?} has more than {MAX_PROJECTS} projects")]
    TooManyProjects(String),
    /// Tokens would go over the network in the clear.
    #[error(
        "the API would listen at {0} without TLS: give it a certificate, or `allow_plaintext: true`, or listen at 127.0.0.1"
    )]
    Plaintext(SocketAddr),
    /// A certificate or key that cannot be used.
    #[error("failed to read {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The address is taken, or not ours.
    #[error("failed to listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
}

/// What listens already, and answers nobody yet.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    app: Arc<App>,
}

impl Server {
    /// Takes the address, so that whatever is wrong is known before anything else starts.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn bind(
        settings: Settings,
        store: Arc<dyn Store>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, ServeError> {
        let address = settings.listen;
        if settings.tokens.is_empty() {
            return Err(ServeError::NoTokens);
        }
        let has_too_many =
            |token: &&Token| token.projects.as_ref().is_some_and(|own| own.len() > MAX_PROJECTS);
        if let Some(token) = settings.tokens.iter().find(has_too_many) {
            return Err(ServeError::TooManyProjects(token.name.clone()));
        }
        if settings.tls.is_none() && !settings.allow_plaintext && !address.ip().to_canonical().is_loopback() {
            return Err(ServeError::Plaintext(address));
        }
        let tls = match &settings.tls {
            Some(tls) => Some(
                acceptor(tls)
                    .map_err(|fault| ServeError::Certificate { path: fault.path, source: fault.source })?,
            ),
            None => None,
        };
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        // The port that the system chose, where it was to choose one.
        let address = listener.local_addr().unwrap_or(address);
        tracing::info!(%address, tls = tls.is_some(), tokens = settings.tokens.len(), %store, "api: listening");
        let limits = settings.limits;
        Ok(Self { listener, tls, limits, app: Arc::new(App::new(settings, store, sink)) })
    }

    /// Serves until `shutdown` is done; requests that are being answered then have ten seconds.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.limits.connections.clamp(1, 10_000)));
        let all = places.available_permits();
        let router = router(Arc::clone(&self.app));
        let (end, ending) = watch::channel(());
        let mut shutdown = pin!(shutdown);
        let mut report = tokio::time::interval_at(tokio::time::Instant::now() + REPORT, REPORT);
        loop {
            let next = async {
                // Places are never closed.
                let place = Arc::clone(&places).acquire_owned().await.ok();
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                next = next => next,
                _ = report.tick() => { self.app.counters.log(); continue }
                () = &mut shutdown => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    Counters::add(&self.app.counters.connections);
                    let connection = Connection {
                        router: router.clone(),
                        app: Arc::clone(&self.app),
                        limits: self.limits,
                        peer: peer.ip(),
                        ending: ending.clone(),
                    };
                    let tls = self.tls.clone();
                    tokio::spawn(async move {
                        connection.serve(stream, tls).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "api: failed to accept a connection");
                    tokio::select! { () = sleep(PAUSE) => {} () = &mut shutdown => break }
                }
            }
        }
        drop((self.listener, ending));
        // Whoever is idle goes at once, the others when they are answered.
        end.send_replace(());
        let _ = timeout(FAREWELL, places.acquire_many(u32::try_from(all).unwrap_or(u32::MAX))).await;
        self.app.counters.log();
    }
}

/// One connection.
struct Connection {
    router: Router,
    app: Arc<App>,
    limits: Limits,
    peer: IpAddr,
    ending: watch::Receiver<()>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // Answers are written in large pieces already.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.speak(stream).await };
        match timeout(self.limits.header_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream).await,
            Ok(Err(error)) => self.broken("TLS", &error),
            Err(late) => self.broken("TLS", &late),
        }
    }

    async fn speak(mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let peer = Peer(self.peer);
        let service =
            self.router.clone().map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(peer);
                request.map(axum::body::Body::new)
            });
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(HEADER_BYTES)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut http = pin!(http);
        let ended = tokio::select! {
            ended = http.as_mut() => Some(ended),
            () = sleep(self.limits.lifetime) => None,
            _ = self.ending.changed() => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                http.as_mut().graceful_shutdown();
                match timeout(self.limits.grace, http).await {
                    Ok(ended) => ended,
                    Err(late) => return self.broken("an answer that was not taken", &late),
                }
            }
        };
        if let Err(error) = ended {
            self.broken("HTTP", &error);
        }
    }

    /// Strangers fail as they like, so this is no line of a usual log.
    fn broken(&self, what: &str, error: &dyn std::error::Error) {
        Counters::add(&self.app.counters.broken);
        tracing::debug!(peer = %self.peer, what, %error, "api: a connection broke");
    }
}

//! The agent's side of the admin socket.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::getuid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Answer, Command, MOST_REQUEST, Request, VERSION};
use crate::cycle::Host;
use crate::guests::gate::Candidate;
use crate::guests::warden::{Notice, Order};
use crate::run::stopping;
use trust::signature;

/// Connections at a time; a module of 64 MiB may be in memory for each.
const CONNECTIONS: usize = 4;

/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);

/// Why there is no admin socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another agent answers there.
    #[error("another agent answers at the socket {}: give each its own `socket`", .0.display())]
    InUse(PathBuf),
    /// It cannot be made.
    #[error("failed to make the socket {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A socket that is listened at; its file goes with it.
pub(crate) struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    /// Makes the socket, in the place of one that an agent left behind.
    pub(crate) async fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Io { path: path.to_owned(), source };
        if UnixStream::connect(path).await.is_ok() {
            return Err(SocketError::InUse(path.to_owned()));
        }
        match path.symlink_metadata() {
            Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path).map_err(failed)?,
            Ok(_) => return Err(failed(io::Error::other("something else has this name"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        Self::listen(path).map_err(failed)
    }

    fn listen(path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        // Whoever connects before this is asked who it is all the same.
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// Answers until `closing` turns true.
    pub(crate) async fn serve(self, host: Arc<Host>, mut closing: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            let has_room = connections.len() < CONNECTIONS;
            tokio::select! {
                () = stopping(&mut closing) => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if has_room => match accepted {
                    Ok((stream, _)) => {
                        let host = Arc::clone(&host);
                        connections.spawn(async move { answer(stream, &host).await });
                    }
                    Err(error) => {
                        tracing::warn!("the admin socket took no connection: {error}");
                        // Out of descriptors, say: it would fail again at once.
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
            }
        }
        connections.shutdown().await;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, host: &Host) {
    let own = getuid().as_raw();
    let answer = match stream.peer_cred() {
        Ok(peer) if peer.uid() == own || peer.uid() == 0 => None,
        Ok(peer) => Some(format!(
            "the agent takes orders of its own user and of root, and not of user {}",
            peer.uid()
        )),
        Err(error) => Some(format!("the agent cannot tell who asks: {error}")),
    };
    let mut stream = BufReader::new(stream);
    let answer = match answer {
        Some(refused) => Answer::Refused(refused),
        None => match timeout(ARRIVAL, read(&mut stream)).await {
            Ok(Ok(Read::List)) => Answer::Guests(host.guests().statuses()),
            Ok(Ok(Read::Order(order))) => obey(host, order).await,
            Ok(Err(error)) => Answer::Refused(format!("the request cannot be read: {error}")),
            Err(_) => Answer::Refused("the request did not arrive in time".to_owned()),
        },
    };
    let Ok(mut line) = serde_json::to_vec(&answer) else { return };
    line.push(b'\n');
    // Whoever has hung up needs no answer.
    let _ = stream.write_all(&line).await;
    let _ = stream.shutdown().await;
}

async fn obey(host: &Host, order: Order) -> Answer {
    let (reply, replied) = oneshot::channel();
    host.guests().tell(Notice::Order(order, reply));
    match replied.await {
        Ok(Ok(done)) => Answer::Done(done),
        Ok(Err(refused)) => Answer::Refused(refused),
        Err(_) => Answer::Refused("the agent is about to end".to_owned()),
    }
}

enum Read {
    List,
    Order(Order),
}

async fn read(stream: &mut BufReader<UnixStream>) -> io::Result<Read> {
    let mut line = Vec::new();
    (&mut *stream).take(MOST_REQUEST).read_until(b'\n', &mut line).await?;
    let request: Request = serde_json::from_slice(&line)?;
    if request.version != VERSION {
        let other = request.version;
        return Err(io::Error::other(format!("it is of version {other}, and this agent speaks {VERSION}")));
    }
    Ok(Read::Order(match request.command {
        Command::List => return Ok(Read::List),
        Command::Remove { name } => Order::Remove { name },
        Command::Rollback { name, to } => Order::Rollback { name, to },
        Command::Install { name, sha256, module, signature, vouched } => {
            let bytes = read_part(stream, module, sandbox::limits::MODULE_BYTES, "module").await?;
            let signature = match signature {
                0 => None,
                bytes => Some(read_part(stream, bytes, signature::MAX_BYTES, "signature").await?),
            };
            let candidate = Candidate::new(PathBuf::from(format!("{name}.wasm")), bytes, signature);
            if candidate.sha256 != sha256 {
                return Err(io::Error::other("the module is not what it was announced as"));
            }
            Order::Install { name, candidate: Candidate { vouched, ..candidate } }
        }
    }))
}

/// Reads as many bytes as were announced, into no more room than has arrived.
async fn read_part(
    stream: &mut BufReader<UnixStream>,
    bytes: u64,
    most: u64,
    what: &str,
) -> io::Result<Vec<u8>> {
    if bytes > most {
        return Err(io::Error::other(format!("a {what} of {bytes} bytes; at most {most}")));
    }
    let mut part = Vec::new();
    stream.take(bytes).read_to_end(&mut part).await?;
    if part.len() as u64 != bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(part)
}

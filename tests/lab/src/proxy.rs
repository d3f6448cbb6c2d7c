//! A TCP proxy that does to connections what networks do.
//!
//! ```text
//!  client ◀──▶ Proxy (a thread for each direction) ◀──▶ 127.0.0.1:target
//!                └─ cut, refuse, delay, halve, stall: at any time, from any thread
//! ```
//!
//! It knows nothing of what passes: a *chunk* is what one read gives, up to [`CHUNK`] bytes. While a direction holds a
//! chunk back it reads no further, so a proxy keeps at most two chunks of each of its at most [`CONNECTIONS`]
//! connections, and a sender that goes on comes to a stop as it would before a peer that does not read.
//!
//! What can fail: no free port, no thread. A target that refuses is no failure of the proxy's: it closes that client's
//! connection, as it does with those beyond its number.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, Scope};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Bytes that one read takes at most.
const CHUNK: usize = 64 * 1024;
/// Connections at a time, beyond which new ones are closed: a client that runs wild shall not take the machine's threads.
const CONNECTIONS: usize = 256;
/// For a connection on the loopback, to the target or to oneself: it is made or refused in no time.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// After a failed accept (no file left): neither give up nor spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running proxy; dropping it closes its connections and ends its threads.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    state: Mutex<State>,
    /// Something has changed that a chunk which is held back may wait for.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    refuse: bool,
    stall: bool,
    halve: bool,
    ended: bool,
    delay: Duration,
    /// Connections accepted so far; also the newest one's number.
    accepted: usize,
    /// How often all connections have been cut: one that was being made meanwhile is cut, too.
    cuts: usize,
    /// The open connections; what is not in here is over, and its threads end.
    links: HashMap<usize, Link>,
}

#[derive(Clone, Debug)]
struct Link {
    client: Arc<TcpStream>,
    server: Arc<TcpStream>,
    /// Directions whose sender has not ended yet.
    directions: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

/// What is to become of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Halve,
    Drop,
}

impl Proxy {
    /// Starts a proxy on a free loopback port in front of this one. Nobody needs to listen there yet.
    pub fn start(target_port: u16) -> Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for a proxy")?;
        let port = listener.local_addr()?.port();
        let shared =
            Arc::new(Shared { target: target_port, state: Mutex::default(), changed: Condvar::new() });
        let of_acceptor = Arc::clone(&shared);
        let acceptor = Builder::new()
            .name("proxy".to_owned())
            .spawn(move || of_acceptor.accept(&listener))
            .context("failed to start the proxy's thread")?;
        Ok(Proxy { port, shared, acceptor: Some(acceptor) })
    }

    /// The port that clients connect to, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all present connections at once, in both directions; what was held back is lost. New ones pass.
    pub fn cut(&self) {
        self.shared.lock().cut();
        self.shared.changed.notify_all();
    }

    /// While on, the present connections are cut and new ones are closed as soon as they are made.
    pub fn refuse(&self, on: bool) {
        let mut state = self.shared.lock();
        state.refuse = on;
        if on {
            state.cut();
        }
        self.shared.changed.notify_all();
    }

    /// Each chunk waits this long before it is passed on, and the end of a direction does, too. Zero turns it off; a
    /// change holds for the chunks that wait already.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
        self.shared.changed.notify_all();
    }

    /// The next chunk from a client to the server is cut in its middle: its first half arrives, then that connection
    /// is closed on both sides.
    pub fn halve(&self) {
        self.shared.lock().halve = true;
    }

    /// While on, nothing is passed on in either direction, not even the end of a connection, and connections stay
    /// open: a peer that is gone without a word. New ones are taken, and are as silent.
    pub fn stall(&self, on: bool) {
        self.shared.lock().stall = on;
        self.shared.changed.notify_all();
    }

    /// Connections that clients have made since the start, those included that were closed at once.
    pub fn connections(&self) -> usize {
        self.shared.lock().accepted
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.cut();
        drop(state);
        self.shared.changed.notify_all();
        // The acceptor sees the end when its accept returns. Where it cannot be reached it is left, rather than waited
        // for without end.
        let woken = connect(self.port);
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            let _ = acceptor.join();
        }
    }
}

impl State {
    fn cut(&mut self) {
        self.cuts += 1;
        for (_, link) in self.links.drain() {
            link.close();
        }
    }
}

impl Link {
    /// Ends both directions; the threads that read or write there go on with an end or an error.
    fn close(&self) {
        // What fails here is closed already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes connections until the proxy ends, and is back when the threads of all of them are.
    fn accept(&self, listener: &TcpListener) {
        std::thread::scope(|scope| {
            loop {
                let accepted = listener.accept();
                let mut state = self.lock();
                if state.ended {
                    return;
                }
                let Ok((client, _)) = accepted else {
                    drop(state);
                    std::thread::sleep(ACCEPT_PAUSE);
                    continue;
                };
                state.accepted += 1;
                let (number, cuts) = (state.accepted, state.cuts);
                if state.refuse || state.links.len() >= CONNECTIONS {
                    continue;
                }
                drop(state);
                // Beyond this block, whatever does not come about closes the client's connection by dropping it.
                if let Ok(server) = connect(self.target) {
                    self.join(scope, number, cuts, client, server);
                }
            }
        });
    }

    /// Starts passing on between the two, unless all was cut since `cuts`.
    fn join<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        number: usize,
        cuts: usize,
        client: TcpStream,
        server: TcpStream,
    ) {
        // Small frames are passed on as they come; what fails here costs time only.
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let link = Link { client: Arc::new(client), server: Arc::new(server), directions: 2 };
        let mut state = self.lock();
        if state.cuts != cuts {
            return link.close();
        }
        state.links.insert(number, link.clone());
        drop(state);
        for direction in [Direction::ToServer, Direction::ToClient] {
            let link = link.clone();
            let pump = Builder::new().name(format!("proxy {number}"));
            if pump.spawn_scoped(scope, move || self.pump(number, &link, direction)).is_err() {
                return self.end(number);
            }
        }
    }

    /// Passes on what comes in one direction of a connection, until that is over.
    fn pump(&self, number: usize, link: &Link, direction: Direction) {
        let (mut from, mut to) = match direction {
            Direction::ToServer => (&*link.client, &*link.server),
            Direction::ToClient => (&*link.server, &*link.client),
        };
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return self.end(number),
            };
            match self.verdict(number, direction, read) {
                Verdict::Drop => return,
                Verdict::Pass if read == 0 => {
                    let _ = to.shutdown(Shutdown::Write);
                    return self.end_direction(number);
                }
                Verdict::Pass => {
                    if to.write_all(&buffer[..read]).is_err() {
                        return self.end(number);
                    }
                }
                Verdict::Halve => {
                    let _ = to.write_all(&buffer[..read / 2]);
                    return self.end(number);
                }
            }
        }
    }

    /// Holds a chunk back for as long as it must be, and tells what is to become of it.
    fn verdict(&self, number: usize, direction: Direction, size: usize) -> Verdict {
        let came = Instant::now();
        let mut state = self.lock();
        loop {
            if !state.links.contains_key(&number) {
                return Verdict::Drop;
            }
            let left = state.delay.saturating_sub(came.elapsed());
            if state.stall {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if !left.is_zero() {
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                break;
            }
        }
        if direction == Direction::ToServer && size > 0 && std::mem::take(&mut state.halve) {
            return Verdict::Halve;
        }
        Verdict::Pass
    }

    /// One direction's sender has ended; with the other's, the connection has.
    fn end_direction(&self, number: usize) {
        let mut state = self.lock();
        if let Some(link) = state.links.get_mut(&number) {
            link.directions -= 1;
            if link.directions == 0 {
                state.links.remove(&number);
            }
        }
    }

    fn end(&self, number: usize) {
        if let Some(link) = self.lock().links.remove(&number) {
            link.close();
        }
        // The other direction may be holding a chunk back.
        self.changed.notify_all();
    }
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), CONNECT_LIMIT)
}

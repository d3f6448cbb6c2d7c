//! Connections: the one that the whole host is read on, those that single instances are read on, and how many there may be.
//!
//! No two threads ever call on one connection at a time. libvirt allows it, but its client before 10.0 can lose the wake-up of
//! the second caller: beside a call that is stuck, a call for a healthy instance was then seen to wait for seconds, until
//! something else came over the same connection. A stuck call keeps its connection to itself instead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::aside::{MOST_PLACES, MOST_STUCK};
use super::calls::within;
use crate::error::InspectError;
use crate::ffi::{self, Changes, Connection, Domain};
use crate::settings::{Settings, XML_REFRESH_WITHOUT_EVENTS};

/// The most connections at a time: for the host, for the places, and those with stuck calls. libvirtd takes thousands.
pub(super) const MOST_CONNECTIONS: usize = 1 + MOST_PLACES + MOST_STUCK;

/// What a driver can say of all its domains in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bulk {
    /// All that a snapshot needs (qemu).
    Full,
    /// Only the domains' state (the test driver).
    State,
    /// Nothing.
    None,
}

/// A connection within the bounds.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) connection: Connection,
    /// There is a daemon at the other end; else the driver is in this process, and another connection may be another world.
    remote: bool,
    /// Freed after the connection, which is closed first.
    _seat: Seat,
}

/// The connection that the whole host is read on, and what was learnt when it was opened.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) line: Arc<Line>,
    pub(super) host: String,
    pub(super) bulk: Bulk,
    /// Whose XML may have changed.
    pub(super) changes: Arc<Changes>,
    /// Whether every kind of change is told of.
    tells_changes: bool,
}

/// What a place reads instances with: a connection and its handles of the domains.
#[derive(Debug)]
pub(super) struct Station {
    line: Arc<Line>,
    /// What was looked up; libvirtd finds a domain by the UUID alone, so that a handle outlives the domain's runs.
    handles: BTreeMap<Arc<str>, Arc<Domain>>,
}

/// How many connections there are, stuck and closing ones and attempts to open one included.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: AtomicUsize,
}

/// The right to have one connection.
#[derive(Debug)]
struct Seat(Arc<Seats>);

impl Seats {
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    fn take(self: &Arc<Self>) -> Result<Seat, InspectError> {
        let free = |taken| (taken < MOST_CONNECTIONS).then_some(taken + 1);
        match self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, free) {
            Ok(_) => Ok(Seat(Arc::clone(self))),
            Err(connections) => Err(InspectError::Exhausted { connections }),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Link {
    /// Opens the connection within its deadline, and before the snapshot's end.
    pub(super) fn open(
        settings: &Settings,
        seats: &Arc<Seats>,
        end: Instant,
    ) -> Result<Arc<Self>, InspectError> {
        open(settings, seats, end, |settings, seat| {
            let mut line = Line::open(settings, seat)?;
            let changes = Arc::new(Changes::default());
            let events = line.connection.watch(&changes);
            let tells_changes = events == ffi::EVENTS;
            let bulk = bulk_of(&line.connection)?;
            let host = line.connection.hostname()?;
            tracing::info!(uri = settings.uri, host, ?bulk, events, "connected to libvirt");
            Ok(Arc::new(Self { line: Arc::new(line), host, bulk, changes, tells_changes }))
        })
    }

    /// How old an instance's XML may get on this connection.
    pub(super) fn xml_refresh(&self, settings: &Settings) -> Duration {
        let most = if self.tells_changes { Duration::MAX } else { XML_REFRESH_WITHOUT_EVENTS };
        settings.xml_refresh.min(most)
    }

    /// What a place reads with: a connection of its own, or this one where the driver is in this process and a call on it is
    /// a call of a function.
    pub(super) fn station(
        &self,
        settings: &Settings,
        seats: &Arc<Seats>,
        end: Instant,
    ) -> Result<Station, InspectError> {
        let line = if self.line.remote {
            open(settings, seats, end, |settings, seat| Line::open(settings, seat).map(Arc::new))?
        } else {
            Arc::clone(&self.line)
        };
        Ok(Station { line, handles: BTreeMap::new() })
    }
}

impl Line {
    fn open(settings: &Settings, seat: Seat) -> Result<Self, ffi::Error> {
        let connection = Connection::open_read_only(&settings.uri)?;
        let keepalive = settings.keepalive;
        let remote = match connection.keep_alive(keepalive.interval, keepalive.count) {
            Ok(remote) => remote,
            Err(error) if error.is_disconnect() => return Err(error),
            Err(_) => false,
        };
        Ok(Self { connection, remote, _seat: seat })
    }
}

impl Station {
    /// This connection's handle of a domain, given another connection's; None where the domain is gone.
    ///
    /// Each is looked up by itself: a list of all waits for every domain's lock, which libvirtd holds while it starts or moves one,
    /// and the wait would be put down to the instance that happens to be read first.
    pub(super) fn domain(
        &mut self,
        uuid: &str,
        given: &Arc<Domain>,
    ) -> Result<Option<Arc<Domain>>, ffi::Error> {
        if !self.line.remote {
            return Ok(Some(Arc::clone(given)));
        }
        if let Some(handle) = self.handles.get(uuid) {
            return Ok(Some(Arc::clone(handle)));
        }
        let Some(domain) = self.line.connection.domain(uuid)? else { return Ok(None) };
        let handle = Arc::new(domain);
        self.handles.insert(uuid.into(), Arc::clone(&handle));
        Ok(Some(handle))
    }

    /// Forgets the handles of domains that are gone.
    pub(super) fn keep_only(&mut self, exists: impl Fn(&str) -> bool) {
        self.handles.retain(|uuid, _| exists(uuid));
    }
}

fn bulk_of(connection: &Connection) -> Result<Bulk, ffi::Error> {
    if connection.has_stats(super::bulk::ALL)? {
        Ok(Bulk::Full)
    } else if connection.has_stats(super::bulk::STATE)? {
        Ok(Bulk::State)
    } else {
        Ok(Bulk::None)
    }
}

fn open<T: Send + 'static>(
    settings: &Settings,
    seats: &Arc<Seats>,
    end: Instant,
    connect: impl FnOnce(&Settings, Seat) -> Result<T, ffi::Error> + Send + 'static,
) -> Result<T, InspectError> {
    const CALL: &str = "open a connection";
    let deadline = settings.deadlines.open.min(end.saturating_duration_since(Instant::now()));
    if deadline.is_zero() {
        // Nobody would wait for it.
        return Err(InspectError::Deadline { call: CALL, deadline });
    }
    let seat = seats.take()?;
    let wanted = settings.clone();
    let opened = within(deadline, CALL, move || connect(&wanted, seat))?;
    opened.map_err(|error| InspectError::Open { uri: settings.uri.clone(), source: error.into() })
}

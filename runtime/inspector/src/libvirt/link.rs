//! The connection that snapshots are taken on, and how many of them there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::aside::ConnectionNumber;
use super::calls::within;
use crate::error::InspectError;
use crate::ffi::{self, Changes, Connection};
use crate::settings::Settings;

/// The most connections at a time: one to work on, and those whose stuck calls have not returned. libvirtd takes 20 to 5,000
/// clients, nova is one of them, and each of ours can hold three of its workers.
pub(super) const MOST_CONNECTIONS: usize = 4;

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

/// A connection and what was learnt when it was opened.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) number: ConnectionNumber,
    pub(super) host: String,
    pub(super) bulk: Bulk,
    /// Whose XML may have changed.
    pub(super) changes: Arc<Changes>,
    /// Freed after the connection, which is closed first.
    _seat: Seat,
}

/// How many connections there are, stuck and closing ones and attempts to open one included.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: AtomicUsize,
    opened: AtomicU64,
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
    /// Opens a connection within the deadline.
    pub(super) fn open(settings: &Settings, seats: &Arc<Seats>) -> Result<Arc<Self>, InspectError> {
        let seat = seats.take()?;
        let number = seats.opened.fetch_add(1, Ordering::SeqCst);
        let wanted = settings.clone();
        let opened = within(settings.deadlines.open, "open a connection", move || {
            connect(&wanted, number, seat).map(Arc::new)
        })?;
        opened.map_err(|error| InspectError::Open { uri: settings.uri.clone(), source: error.into() })
    }
}

fn connect(settings: &Settings, number: ConnectionNumber, seat: Seat) -> Result<Link, ffi::Error> {
    let mut connection = Connection::open_read_only(&settings.uri)?;
    let keepalive = settings.keepalive;
    if keepalive.interval.as_secs() > 0 {
        // Drivers without a daemon have no keepalive and need none.
        if let Err(error) = connection.keep_alive(keepalive.interval, keepalive.count) {
            tracing::debug!(%error, "no keepalive on this connection");
        }
    }
    let changes = Arc::new(Changes::default());
    let events = connection.watch(&changes);
    let bulk = if connection.has_stats(super::bulk::ALL)? {
        Bulk::Full
    } else if connection.has_stats(super::bulk::STATE)? {
        Bulk::State
    } else {
        Bulk::None
    };
    let host = connection.hostname()?;
    tracing::info!(uri = settings.uri, host, ?bulk, events, "connected to libvirt");
    Ok(Link { connection, number, host, bulk, changes, _seat: seat })
}

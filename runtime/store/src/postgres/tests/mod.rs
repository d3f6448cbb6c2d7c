//! The store against a PostgreSQL of the tests' own.

mod deleting;
mod faults;
mod plans;
mod storing;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::*;

/// One server for all tests that leave it as it is; it ends with the last of them.
fn server() -> Arc<lab::Postgres> {
    static SERVER: Mutex<Weak<lab::Postgres>> = Mutex::new(Weak::new());
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    server.upgrade().unwrap_or_else(|| {
        let started = Arc::new(lab::Postgres::with(&["fsync=off"]).unwrap());
        *server = Arc::downgrade(&started);
        started
    })
}

/// A database of its own, empty.
struct Place {
    server: Arc<lab::Postgres>,
    url: String,
    store: Postgres,
}

impl Place {
    fn new() -> Self {
        static PLACES: AtomicUsize = AtomicUsize::new(0);
        let server = server();
        let url = server.database(&format!("place_{}", PLACES.fetch_add(1, Relaxed))).unwrap();
        let store = store(&url);
        Self { server, url, store }
    }

    fn psql(&self, sql: &str) -> String {
        self.server.psql(&self.url, sql).unwrap()
    }

    fn count(&self, what: &str) -> usize {
        self.psql(&format!("SELECT count(*) FROM {what}")).parse().unwrap()
    }
}

fn store(url: &str) -> Postgres {
    Postgres::new(Address::parse(url).unwrap())
}

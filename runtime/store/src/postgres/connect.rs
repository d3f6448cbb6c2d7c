//! Sessions, and what is set in each of them.

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread;

use postgres::Client;

use super::address::{Address, CONNECT_TIMEOUT};
use super::fault::failed;
use super::tls;
use crate::StoreError;

/// In every session. Times are UTC. A JIT compiler costs more than queries of this kind take. Nothing waits without an end, even for
/// a program of ours that hangs in the middle of a transaction.
const SETTINGS: &str = "SET timezone = 'UTC'; SET jit = off; SET client_min_messages = warning; \
     SET lock_timeout = '15s'; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s';";

/// A session with the database.
///
/// # Errors
/// [`StoreError::Failed`]: `unreachable`, `login`, `no-database`, `tls` among others.
pub(super) fn connect(address: &Address) -> Result<Client, StoreError> {
    let connector = tls::connector(&address.tls)?;
    let config = address.config.clone();
    let time = *config.get_connect_timeout().unwrap_or(&CONNECT_TIMEOUT);
    // The client's own limit ends with the connection of TCP, which the kernel of a server that hangs still accepts. So this waits on a
    // thread of its own, which ends when the server goes on or goes away.
    let (made, answer) = sync_channel(1);
    let connecting = move || {
        let connected = config.connect(connector).and_then(|mut client| {
            client.batch_execute(SETTINGS)?;
            Ok(client)
        });
        let _ = made.send(connected);
    };
    let silent = |source: io::Error| StoreError::Failed {
        action: "connect to PostgreSQL".into(),
        reason: "unreachable",
        source: source.into(),
    };
    thread::Builder::new().name("connect".into()).spawn(connecting).map_err(silent)?;
    match answer.recv_timeout(time) {
        Ok(connected) => connected.map_err(failed("connect to PostgreSQL")),
        Err(_) => Err(silent(io::ErrorKind::TimedOut.into())),
    }
}

//! Sessions, and what is set in each of them.

use postgres::Client;

use super::address::Address;
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
    let mut client = address.config.connect(connector).map_err(failed("connect to PostgreSQL"))?;
    client.batch_execute(SETTINGS).map_err(failed("set the session up"))?;
    Ok(client)
}

//! A store by the text that names it.

use std::sync::Arc;

use crate::postgres::{Address, BadAddress, Postgres};
use crate::{Sqlite, Store};

/// The store of an address that begins with `postgresql://`, or else of an SQLite file's path. Nothing is opened yet.
///
/// # Errors
/// [`BadAddress`], which does not repeat the text: it may hold a password.
pub fn at(place: &str) -> Result<Arc<dyn Store>, BadAddress> {
    match ["postgresql:", "postgres:"].iter().any(|scheme| place.starts_with(scheme)) {
        true => Ok(Arc::new(Postgres::new(Address::parse(place)?))),
        false => Ok(Arc::new(Sqlite::new(place))),
    }
}

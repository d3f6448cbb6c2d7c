//! PostgreSQL's errors as the store's.

use std::error::Error as _;
use std::io;

use postgres::Error;
use postgres::error::{DbError, SqlState};

use crate::{Source, StoreError};

/// What an error is to whoever tried this.
pub(super) fn failed(action: &'static str) -> impl Fn(Error) -> StoreError + Copy {
    move |error| {
        let reason = reason(&error);
        StoreError::Failed { action: action.into(), reason, source: said(error) }
    }
}

/// The same, where a statement has only so long: a query that asks for too much.
pub(super) fn query_failed(action: &'static str) -> impl Fn(Error) -> StoreError + Copy {
    move |error| match error.code() {
        Some(&SqlState::QUERY_CANCELED) => StoreError::TooBroad,
        _ => failed(action)(error),
    }
}

/// The client's "db error" before the server's own words says nothing.
fn said(error: Error) -> Source {
    match error.as_db_error() {
        Some(_) => error.into_source().unwrap_or_else(|| "the server says no more".into()),
        None => error.into(),
    }
}

fn reason(error: &Error) -> &'static str {
    if let Some(said) = error.as_db_error() {
        return reason_of(said);
    }
    if error.is_closed() {
        return "unreachable";
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(fault) if fault.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => "tls",
        Some(_) => "unreachable",
        // The one failure of the client's handshake that is not of input or output: the server has no TLS.
        None if error.to_string().contains("TLS") => "tls",
        None if error.to_string().contains("authentication") => "login",
        None => "postgresql",
    }
}

fn reason_of(said: &DbError) -> &'static str {
    let code = said.code();
    match code.code() {
        "28P01" | "28000" => "login",
        "3D000" => "no-database",
        "42501" => "permission",
        "53100" => "disk-full",
        // A lock that another holds, the table of locks full, two who wait for each other, a statement that waited too long.
        "55P03" | "53200" | "40P01" | "40001" | "57014" => "locked",
        // A standby: what was the primary comes back, or the address leads to another one.
        "25006" => "unreachable",
        // No connection left, and a transaction that was idle for too long.
        "53300" | "25P03" => "unreachable",
        // The server goes down or comes up.
        code if code.starts_with("08") || code.starts_with("57P") => "unreachable",
        _ => "postgresql",
    }
}

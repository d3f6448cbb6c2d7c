//! Where samples are asked for: a store, or an API in front of one.

use std::io::{self, Read as _, Write as _};

use anyhow::Context as _;
use api::client::Client;
use store::render::Record;
use store::{Output, QueryError, Reader, Store, render, render_one};

use super::table::terminal_width;
use crate::cli::{List, Place};
use crate::exit::WrongArgument;

/// The largest file that a token is read from, in bytes.
const MAX_TOKEN: u64 = 4096;

/// Whom to ask.
pub enum Source {
    Store(Box<dyn Reader>),
    Api(Client),
}

impl Source {
    pub fn of(place: &Place) -> anyhow::Result<Self> {
        let Some(endpoint) = &place.api else {
            return Ok(Self::Store(store(&place.store.store)?.reader()?));
        };
        let token = token(place)?;
        Client::new(endpoint, &token, place.ca.as_deref())
            .map(Self::Api)
            .map_err(|error| WrongArgument::new(error).into())
    }
}

/// The store of a path or an address.
pub fn store(place: &str) -> anyhow::Result<std::sync::Arc<dyn Store>> {
    Ok(store::at(place).map_err(WrongArgument::new)?)
}

fn token(place: &Place) -> anyhow::Result<String> {
    let Some(file) = &place.token_file else {
        return std::env::var("NEPHOSCOPE_TOKEN").map_err(|_| {
            WrongArgument::of(
                "the API wants a token: --token-file FILE, or NEPHOSCOPE_TOKEN in the environment",
            )
            .into()
        });
    };
    let wrong = || format!("failed to read the token in {}", file.display());
    let mut token = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(MAX_TOKEN).read_to_string(&mut token))
        .with_context(wrong)?;
    Ok(token.trim().to_owned())
}

/// A query's error is the command line's.
pub fn asked<T>(query: Result<T, QueryError>) -> anyhow::Result<T> {
    Ok(query.map_err(WrongArgument::new)?)
}

/// Prints a list in the form that was asked for.
pub fn print<R: Record>(records: &[R], output: List) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    render(&mut out, records, form(output), terminal_width())?;
    Ok(out.flush()?)
}

/// Prints one record.
pub fn print_one<R: Record>(record: &R, output: List) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    render_one(&mut out, record, form(output))?;
    Ok(out.flush()?)
}

const fn form(list: List) -> Output {
    match list {
        List::Table => Output::Table,
        List::Json => Output::Json,
        List::Csv => Output::Csv,
    }
}

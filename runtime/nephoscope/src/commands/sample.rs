//! `nephoscope sample list`: samples in the collector's store.

use std::io::{self, Write as _};

use store::{Output, SampleQuery, Sqlite, Store as _, render, samples};

use super::table::terminal_width;
use crate::cli::{List, SampleListArguments};
use crate::exit::WrongArgument;

pub fn list(arguments: &SampleListArguments) -> anyhow::Result<()> {
    let query =
        SampleQuery::parse(arguments.meter.as_deref(), arguments.query.as_deref(), Some(arguments.limit))
            .map_err(WrongArgument::new)?;
    let mut reader = Sqlite::new(&arguments.store.store).reader()?;
    let found = samples(&mut *reader, &query)?;
    let mut out = io::stdout().lock();
    render(&mut out, &found, output(arguments.output), terminal_width())?;
    out.flush()?;
    Ok(())
}

const fn output(list: List) -> Output {
    match list {
        List::Table => Output::Table,
        List::Json => Output::Json,
        List::Csv => Output::Csv,
    }
}

//! `nephoscope sample list | show | query | export`.

use std::io::IsTerminal as _;

use anyhow::{Context as _, bail};
use store::export::{Days, export};
use store::query::{Condition, check_limit};
use store::{Filter, SampleQuery};

use super::place::{Source, asked, print, print_one, store};
use crate::cli::{
    ExportArguments, SampleCommand, SampleListArguments, SampleQueryArguments, SampleShowArguments,
};
use crate::exit::WrongArgument;

pub fn run(command: &SampleCommand) -> anyhow::Result<()> {
    match command {
        SampleCommand::List(arguments) => list(arguments),
        SampleCommand::Show(arguments) => show(arguments),
        SampleCommand::Query(arguments) => query(arguments),
        SampleCommand::Export(arguments) => write_days(arguments),
    }
}

fn list(arguments: &SampleListArguments) -> anyhow::Result<()> {
    let SampleListArguments { meter, query, answer, place } = arguments;
    let (meter, text) = (meter.as_deref(), query.as_deref());
    let query = asked(SampleQuery::parse(meter, text, Some(answer.limit)))?;
    let found = match Source::of(place)? {
        Source::Store(mut reader) => store::samples(&mut *reader, &query)?,
        Source::Api(client) => client.samples(meter, &conditions(text)?, Some(answer.limit))?,
    };
    print(&found, answer.output)
}

fn show(arguments: &SampleShowArguments) -> anyhow::Result<()> {
    let found = match Source::of(&arguments.place)? {
        Source::Store(mut reader) => store::sample(&mut *reader, &arguments.id, &Filter::default())?,
        Source::Api(client) => client.sample(&arguments.id)?,
    };
    match found {
        Some(sample) => print_one(&sample, arguments.output),
        None => bail!("there is no sample {:?}", arguments.id),
    }
}

fn query(arguments: &SampleQueryArguments) -> anyhow::Result<()> {
    let SampleQueryArguments { filter, orderby, answer, place } = arguments;
    let tree = asked(filter.as_deref().map(Filter::complex).transpose())?.unwrap_or_default();
    let mut query = asked(SampleQuery::new(tree, answer.limit))?;
    if let Some(orderby) = orderby {
        query = asked(query.ordered(orderby))?;
    }
    let found = match Source::of(place)? {
        Source::Store(mut reader) => store::samples(&mut *reader, &query)?,
        Source::Api(client) => client.query(filter.as_deref(), orderby.as_deref(), Some(answer.limit))?,
    };
    print(&found, answer.output)
}

fn write_days(arguments: &ExportArguments) -> anyhow::Result<()> {
    let days = Days::parse(&arguments.from, arguments.until.as_deref()).map_err(WrongArgument::new)?;
    let query = asked(arguments.query.as_deref().map(Filter::parse).transpose())?.unwrap_or_default();
    let filter = arguments.meter.as_deref().map(Filter::meter).unwrap_or_default().and(query);
    let mut reader = store(&arguments.store.store)?.reader()?;
    let on_terminal = std::io::stderr().is_terminal();
    let mut total = 0;
    for day in days {
        let mut said = |samples: u64| {
            if on_terminal {
                eprint!("\r{day}: {samples} samples");
            }
        };
        let written = export(&mut *reader, &filter, day, &arguments.folder, &mut said)
            .with_context(|| format!("failed to export {day}"))?;
        if on_terminal {
            eprint!("\r");
        }
        match &written.file {
            Some(file) => {
                println!("{day}: {} samples, {} bytes, {}", written.samples, written.bytes, file.display())
            }
            None => println!("{day}: no samples"),
        }
        total += written.samples;
    }
    println!("{total} samples");
    Ok(())
}

/// The conditions of a text, for an API.
pub(super) fn conditions(query: Option<&str>) -> anyhow::Result<Vec<Condition<'_>>> {
    asked(query.map_or_else(|| Ok(Vec::new()), Condition::parse))
}

/// A limit that a query may have.
pub(super) fn limit(limit: usize) -> anyhow::Result<usize> {
    asked(check_limit(limit))
}

/// The filter of a text.
pub(super) fn filter(query: Option<&str>) -> anyhow::Result<Filter> {
    asked(query.map_or_else(|| Ok(Filter::default()), Filter::parse))
}

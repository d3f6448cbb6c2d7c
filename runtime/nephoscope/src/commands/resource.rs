//! `nephoscope resource list | show`.

use anyhow::bail;
use store::Filter;

use super::place::{Source, print, print_one};
use super::sample::{conditions, filter, limit};
use crate::cli::{List, ResourceCommand, ResourceListArguments, ResourceShowArguments};

pub fn run(command: &ResourceCommand) -> anyhow::Result<()> {
    match command {
        ResourceCommand::List(arguments) => list(arguments),
        ResourceCommand::Show(arguments) => show(arguments),
    }
}

fn list(arguments: &ResourceListArguments) -> anyhow::Result<()> {
    let ResourceListArguments { query, answer, place } = arguments;
    let (filter, limit) = (filter(query.as_deref())?, limit(answer.limit)?);
    // The table does not show the meters, and they cost a look.
    let with_meters = answer.output != List::Table;
    let found = match Source::of(place)? {
        Source::Store(mut reader) => store::resources(&mut *reader, &filter, limit, with_meters)?,
        Source::Api(client) => client.resources(&conditions(query.as_deref())?, with_meters, Some(limit))?,
    };
    print(&found, answer.output)
}

fn show(arguments: &ResourceShowArguments) -> anyhow::Result<()> {
    let found = match Source::of(&arguments.place)? {
        Source::Store(mut reader) => {
            store::resources(&mut *reader, &Filter::resource(&arguments.id), 1, true)?.pop()
        }
        Source::Api(client) => client.resource(&arguments.id)?,
    };
    match found {
        Some(resource) => print_one(&resource, arguments.output),
        None => bail!("there is no resource {:?}", arguments.id),
    }
}

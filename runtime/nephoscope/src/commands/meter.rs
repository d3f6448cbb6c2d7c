//! `nephoscope meter list`.

use super::place::{Source, print};
use super::sample::{conditions, filter, limit};
use crate::cli::{MeterCommand, MeterListArguments};

pub fn run(command: &MeterCommand) -> anyhow::Result<()> {
    let MeterCommand::List(MeterListArguments { query, unique, answer, place }) = command;
    let (filter, limit) = (filter(query.as_deref())?, limit(answer.limit)?);
    let mut found = match Source::of(place)? {
        Source::Store(mut reader) => store::meters(&mut *reader, &filter, *unique, limit)?,
        Source::Api(client) => client.meters(&conditions(query.as_deref())?, *unique, Some(limit))?,
    };
    found.sort_by(|one, other| (&one.name, &one.resource_id).cmp(&(&other.name, &other.resource_id)));
    print(&found, answer.output)
}

//! `nephoscope statistics`.

use store::StatisticsQuery;
use store::query::{Aggregate, GroupBy};

use super::place::{Source, asked, print};
use super::sample::{conditions, filter};
use crate::cli::StatisticsArguments;

pub fn statistics(arguments: &StatisticsArguments) -> anyhow::Result<()> {
    let StatisticsArguments { meter, query, period, groupby, aggregate, output, place } = arguments;
    let groups: Vec<GroupBy> = asked(groupby.iter().map(|name| GroupBy::parse(name)).collect())?;
    let functions = aggregate.iter().map(|text| match text.split_once("<-") {
        Some((function, field)) => Aggregate::parse(function, Some(field)),
        None => Aggregate::parse(text, None),
    });
    let functions: Vec<Aggregate> = asked(functions.collect())?;
    let mut asked_for = asked(StatisticsQuery::new(meter, filter(query.as_deref())?))?;
    if let Some(seconds) = period {
        asked_for = asked(asked_for.period(*seconds))?;
    }
    let asked_for = asked_for.group_by(groups.iter().copied()).aggregates(functions.iter().copied());
    let found = match Source::of(place)? {
        Source::Store(mut reader) => store::statistics(&mut *reader, &asked_for)?,
        Source::Api(client) => {
            client.statistics(meter, &conditions(query.as_deref())?, *period, &groups, &functions)?
        }
    };
    print(&found, *output)
}

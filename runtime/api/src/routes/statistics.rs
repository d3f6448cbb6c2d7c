//! `/v2/meters/NAME/statistics`.

use axum::Extension;
use axum::extract::{RawQuery, State};
use store::StatisticsQuery;
use store::query::{Aggregate, GroupBy};

use super::{Answered, Named, Shared, Who, name};
use crate::fault::Fault;
use crate::parameters::{Parameters, Times};
use crate::wire::{self, Statistics};

pub(super) async fn statistics(
    State(app): Shared,
    Extension(who): Who,
    meter: Named,
    RawQuery(query): RawQuery,
) -> Answered {
    let parameters = Parameters::parse(query.as_deref(), &["q.", "groupby", "period", "aggregate."])?;
    let period = match parameters.number("period")?.map(u64::try_from) {
        // As in Ceilometer, 0 is the same as none.
        None | Some(Ok(0)) => None,
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return Err(Fault::bad("Period must be positive.")),
    };
    let groups: Vec<GroupBy> =
        parameters.group_by().into_iter().map(GroupBy::parse).collect::<Result<_, _>>()?;
    let aggregates = parameters.aggregates()?.into_iter();
    let aggregates: Vec<Aggregate> =
        aggregates.map(|(function, of)| Aggregate::parse(function, of)).collect::<Result<_, _>>()?;
    let asked = parameters.asked()?;
    let filter = who.scope(parameters.filter(Times::Allowed)?)?;
    let mut query = StatisticsQuery::new(&name(meter)?, filter)?.group_by(groups).aggregates(aggregates);
    if let Some(period) = period {
        query = query.period(period)?;
    }
    app.queries
        .read(&who, move |reader| {
            wire::list(store::statistics(reader, &query)?.iter().map(|found| Statistics(found, asked)))
        })
        .await
}

//! `/v2/meters/NAME/statistics`.

use axum::Extension;
use axum::extract::{RawQuery, State};
use store::{Aggregate, GroupBy, StatisticsQuery};

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
    let mut group_by = Vec::new();
    for field in parameters.group_by() {
        let field = GroupBy::parse(field)?;
        if !group_by.contains(&field) {
            group_by.push(field);
        }
    }
    let mut aggregates = Vec::new();
    for (function, of) in parameters.aggregates()? {
        let aggregate = Aggregate::parse(function, of)?;
        if !aggregates.contains(&aggregate) {
            aggregates.push(aggregate);
        }
    }
    let filter = who.scope(parameters.filter(Times::Allowed)?)?;
    let query = StatisticsQuery { meter: name(meter)?, filter, period, group_by, aggregates };
    app.queries
        .read(move |reader| wire::list(store::statistics(reader, &query)?.iter().map(Statistics)))
        .await
}

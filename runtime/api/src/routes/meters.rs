//! `/v2/meters`: which meters there are, and a meter's samples.

use axum::Extension;
use axum::extract::{RawQuery, State};
use store::query::{Filter, SampleQuery};

use super::{Answered, Named, Shared, Who, name};
use crate::parameters::{Parameters, Times};
use crate::wire::{self, Meter, OldSample};

pub(super) async fn all(State(app): Shared, Extension(who): Who, RawQuery(query): RawQuery) -> Answered {
    let parameters = Parameters::parse(query.as_deref(), &["q.", "limit", "unique"])?;
    let filter = who.scope(parameters.filter(Times::Refused)?)?;
    let (limit, unique) = (parameters.limit()?, parameters.flag("unique"));
    app.queries
        .read(&who, move |reader| {
            let meters = store::meters(reader, &filter, unique, limit)?;
            wire::list(meters.iter().map(Meter::from))
        })
        .await
}

pub(super) async fn samples(
    State(app): Shared,
    Extension(who): Who,
    meter: Named,
    RawQuery(query): RawQuery,
) -> Answered {
    let parameters = Parameters::parse(query.as_deref(), &["q.", "limit"])?;
    let filter = Filter::meter(&name(meter)?).and(who.scope(parameters.filter(Times::Allowed)?)?);
    let query = SampleQuery::new(filter, parameters.limit()?)?;
    app.queries
        .read(&who, move |reader| wire::list(store::samples(reader, &query)?.iter().map(OldSample::from)))
        .await
}

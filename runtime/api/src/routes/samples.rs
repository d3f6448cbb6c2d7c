//! `/v2/samples`.

use axum::Extension;
use axum::extract::{RawQuery, State};
use store::query::{Filter, SampleQuery};

use super::{Answered, Named, Shared, Who, name};
use crate::fault::Fault;
use crate::parameters::{Parameters, Times};
use crate::wire::{self, Sample};

pub(super) async fn all(State(app): Shared, Extension(who): Who, RawQuery(query): RawQuery) -> Answered {
    let parameters = Parameters::parse(query.as_deref(), &["q.", "limit"])?;
    let filter = who.scope(parameters.filter(Times::Allowed)?)?;
    let query = SampleQuery::new(filter, parameters.limit()?)?;
    app.queries
        .read(&who, move |reader| wire::list(store::samples(reader, &query)?.iter().map(Sample::from)))
        .await
}

pub(super) async fn one(
    State(app): Shared,
    Extension(who): Who,
    sample: Named,
    RawQuery(query): RawQuery,
) -> Answered {
    Parameters::parse(query.as_deref(), &[])?;
    let (id, scope) = (name(sample)?, who.scope(Filter::default())?);
    app.queries
        .read(&who, move |reader| match store::sample(reader, &id, &scope)? {
            Some(sample) => wire::one(&Sample::from(&sample)),
            None => Err(Fault::missing("Sample", &id)),
        })
        .await
}

//! `/v2/resources`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use percent_encoding::percent_decode_str;
use store::Reader;
use store::query::Filter;

use super::{Answered, Named, Shared, Who, name};
use crate::access::Caller;
use crate::fault::Fault;
use crate::parameters::{Parameters, Times};
use crate::wire::{self, Resource};

pub(super) async fn all(
    State(app): Shared,
    Extension(who): Who,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answered {
    let parameters = Parameters::parse(query.as_deref(), &["q.", "limit", "meter_links"])?;
    let filter = who.scope(parameters.filter(Times::Allowed)?)?;
    let (limit, links) = (parameters.limit()?, parameters.number("meter_links")? != Some(0));
    let base = app.base(&headers);
    app.queries
        .read(&who, move |reader| {
            let resources = store::resources(reader, &filter, limit, links)?;
            wire::list(resources.iter().map(|resource| Resource::new(resource, &base)))
        })
        .await
}

pub(super) async fn one(
    State(app): Shared,
    Extension(who): Who,
    resource: Named,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answered {
    Parameters::parse(query.as_deref(), &[])?;
    let (id, base) = (name(resource)?, app.base(&headers));
    let caller = Arc::clone(&who);
    app.queries
        .read(&caller, move |reader| {
            let found = match find(reader, &who, &id)? {
                Some(resource) => Some(resource),
                // An id with a slash comes escaped twice from whoever wrote for Ceilometer, whose paths ended there.
                None => match percent_decode_str(&id).decode_utf8() {
                    Ok(once_more) if once_more != id => find(reader, &who, &once_more)?,
                    _ => None,
                },
            };
            let resource = found.ok_or_else(|| Fault::missing("Resource", &id))?;
            wire::one(&Resource::new(&resource, &base))
        })
        .await
}

fn find(reader: &mut dyn Reader, who: &Caller, id: &str) -> Result<Option<store::Resource>, Fault> {
    let filter = who.scope(Filter::resource(id))?;
    Ok(store::resources(reader, &filter, 1, true)?.pop())
}

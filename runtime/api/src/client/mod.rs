//! A client for the command line: asks, and gives what the store's own functions give.
//!
//! It waits for each answer. Whoever answers may be anybody, so bytes and times are bounded, no redirect is followed, no proxy of the
//! environment is asked, and of a fault's text only what can be shown is kept. Metadata are as the API tells them: flattened, and
//! all texts.

mod answer;
mod error;
mod tls;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::json;
use store::query::{Aggregate, Condition, GroupBy};
use store::{Meter, Resource, Statistics, StoredSample};
use ureq::Agent;
use ureq::http::{HeaderValue, Request, Uri, header};

pub use error::ClientError;

use crate::links::encode;

/// The most bytes of an answer: twice what this API gives.
const MAX_ANSWER: u64 = 256 << 20;
/// Bytes of an answer's headers.
const HEADER_BYTES: usize = 32 << 10;
/// How long an answer may take: a place in line, the query, and 128 MiB over a slow network.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take to connect, resolving and TLS not included.
const CONNECT: Duration = Duration::from_secs(10);

/// Asks an API.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    /// Without a slash at the end.
    endpoint: String,
    token: HeaderValue,
}

impl Client {
    /// A client of the API at `endpoint` (`https://host:8777`, with or without `/v2`). `ca` names the authorities that may have signed
    /// its certificate; by default those that the system trusts. Connects to nothing.
    ///
    /// # Errors
    /// [`ClientError`]: what was given cannot be used.
    pub fn new(endpoint: &str, token: &str, ca: Option<&Path>) -> Result<Self, ClientError> {
        let (endpoint, is_tls) = address(endpoint).ok_or(ClientError::Endpoint)?;
        let mut token = HeaderValue::from_str(token.trim()).map_err(|_| ClientError::Token)?;
        if token.is_empty() {
            return Err(ClientError::Token);
        }
        token.set_sensitive(true);
        let config = Agent::config_builder()
            .tls_config(tls::config(ca, is_tls)?)
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEADER_BYTES)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("nephoscope/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), endpoint, token })
    }

    /// Samples for which all conditions hold, the newest first; of a meter, where one is named.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn samples(
        &self,
        meter: Option<&str>,
        conditions: &[Condition<'_>],
        limit: Option<usize>,
    ) -> Result<Vec<StoredSample>, ClientError> {
        let mut conditions = conditions.to_vec();
        conditions.extend(meter.map(|value| Condition { field: "meter", operator: "", value, kind: "" }));
        self.list::<answer::Sample, _>("samples", query(&conditions, limit))
    }

    /// Samples of a complex query: its filter and its order as JSON, as `ceilometer query-samples` has them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn query(
        &self,
        filter: Option<&str>,
        order: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<StoredSample>, ClientError> {
        let document = json!({"filter": filter, "orderby": order, "limit": limit}).to_string();
        let request = Request::post(format!("{}/v2/query/samples", self.endpoint))
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-auth-token", self.token.clone());
        let request = request.body(document).map_err(|_| ClientError::Endpoint)?;
        answer::all(self.read::<Vec<answer::Sample>>(self.agent.run(request))?)
    }

    /// The sample of a message_id, if there is one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn sample(&self, id: &str) -> Result<Option<StoredSample>, ClientError> {
        self.one::<answer::Sample, _>(&format!("samples/{}", encode(id)))
    }

    /// Meters, of each resource or, with `unique`, each once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn meters(
        &self,
        conditions: &[Condition<'_>],
        unique: bool,
        limit: Option<usize>,
    ) -> Result<Vec<Meter>, ClientError> {
        let mut query = query(conditions, limit);
        push(&mut query, "unique", &u8::from(unique));
        self.list::<answer::Meter, _>("meters", query)
    }

    /// Resources, with the names of their meters or without.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn resources(
        &self,
        conditions: &[Condition<'_>],
        with_meters: bool,
        limit: Option<usize>,
    ) -> Result<Vec<Resource>, ClientError> {
        let mut query = query(conditions, limit);
        push(&mut query, "meter_links", &u8::from(with_meters));
        self.list::<answer::Resource, _>("resources", query)
    }

    /// The resource of an id, if there is one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn resource(&self, id: &str) -> Result<Option<Resource>, ClientError> {
        self.one::<answer::Resource, _>(&format!("resources/{}", encode(id)))
    }

    /// Statistics of a meter. Where aggregates are given, these alone are told: the others are NaN, and the count 0.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn statistics(
        &self,
        meter: &str,
        conditions: &[Condition<'_>],
        period: Option<u64>,
        group_by: &[GroupBy],
        aggregates: &[Aggregate],
    ) -> Result<Vec<Statistics>, ClientError> {
        let mut query = query(conditions, None);
        if let Some(period) = period {
            push(&mut query, "period", &period);
        }
        for field in group_by {
            push(&mut query, "groupby", &field.as_str());
        }
        for aggregate in aggregates {
            let name = aggregate.to_string();
            let (function, of) = name.split_once('/').unwrap_or((&name, ""));
            push(&mut query, "aggregate.func", &encode(function));
            // An empty one keeps the others in their places.
            push(&mut query, "aggregate.param", &encode(of));
        }
        let answers: Vec<answer::Statistics> =
            self.get(&format!("meters/{}/statistics", encode(meter)), &query)?;
        answers.into_iter().map(|answer| answer.read(group_by, aggregates)).collect()
    }

    fn list<A, T>(&self, path: &str, query: String) -> Result<Vec<T>, ClientError>
    where
        A: DeserializeOwned,
        T: TryFrom<A, Error = ClientError>,
    {
        answer::all(self.get::<Vec<A>>(path, &query)?)
    }

    fn one<A, T>(&self, path: &str) -> Result<Option<T>, ClientError>
    where
        A: DeserializeOwned,
        T: TryFrom<A, Error = ClientError>,
    {
        match self.get::<A>(path, "") {
            Ok(answer) => T::try_from(answer).map(Some),
            Err(ClientError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn get<A: DeserializeOwned>(&self, path: &str, query: &str) -> Result<A, ClientError> {
        let request = Request::get(format!("{}/v2/{path}{query}", self.endpoint))
            .header(header::ACCEPT, "application/json")
            .header("x-auth-token", self.token.clone());
        let request = request.body(()).map_err(|_| ClientError::Endpoint)?;
        self.read(self.agent.run(request))
    }

    fn read<A: DeserializeOwned>(
        &self,
        outcome: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<A, ClientError> {
        let fault = |error| ClientError::of(&self.endpoint, error);
        let mut response = outcome.map_err(fault)?;
        let status = response.status().as_u16();
        // What is announced need not be waited for.
        if response.body().content_length().is_some_and(|announced| announced > MAX_ANSWER) {
            return Err(ClientError::TooLarge);
        }
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(fault)?;
        if status != 200 {
            return Err(ClientError::told(&self.endpoint, status, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|_| ClientError::Malformed("an answer of the kind that was asked for"))
    }
}

/// The API's address, and whether it speaks TLS.
fn address(endpoint: &str) -> Option<(String, bool)> {
    let uri: Uri = endpoint.parse().ok()?;
    let is_tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    // A password there would be sent to nobody, and a query would end up inside of paths.
    if endpoint.contains(['@', '?', '#']) || uri.host().is_none_or(str::is_empty) {
        return None;
    }
    let trimmed = endpoint.trim_end_matches('/');
    Some((trimmed.strip_suffix("/v2").unwrap_or(trimmed).trim_end_matches('/').to_owned(), is_tls))
}

fn query(conditions: &[Condition<'_>], limit: Option<usize>) -> String {
    let mut query = String::new();
    for condition in conditions {
        for (name, value) in [
            ("q.field", condition.field),
            ("q.op", condition.operator),
            ("q.value", condition.value),
            ("q.type", condition.kind),
        ] {
            push(&mut query, name, &encode(value));
        }
    }
    if let Some(limit) = limit {
        push(&mut query, "limit", &limit);
    }
    query
}

fn push(query: &mut String, name: &str, value: &dyn std::fmt::Display) {
    let separator = if query.is_empty() { '?' } else { '&' };
    // Writing to a `String` cannot fail.
    let _ = write!(query, "{separator}{name}={value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_without_a_version() {
        for (text, endpoint) in [
            ("http://127.0.0.1:8777", Some(("http://127.0.0.1:8777", false))),
            ("https://telemetry.example/metering/v2/", Some(("https://telemetry.example/metering", true))),
            ("ftp://a", None),
            ("a:8777", None),
            ("http://user:hunter2@a", None),
            ("http://a/?b", None),
            ("http://", None),
            ("", None),
        ] {
            assert_eq!(address(text), endpoint.map(|(text, is_tls)| (text.to_owned(), is_tls)), "{text}");
        }
        assert!(matches!(Client::new("http://a", "b\n\u{1}c", None), Err(ClientError::Token)));
        assert!(matches!(Client::new("http://a", " ", None), Err(ClientError::Token)));
    }

    #[test]
    fn conditions_are_escaped() {
        let condition = Condition { field: "metadata.a b", operator: "ne", value: "1&limit=2", kind: "" };
        assert_eq!(
            query(&[condition], Some(3)),
            "?q.field=metadata.a%20b&q.op=ne&q.value=1%26limit%3D2&q.type=&limit=3"
        );
    }
}

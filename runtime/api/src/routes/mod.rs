//! What can be asked.

mod capabilities;
mod create;
mod meters;
mod query;
mod resources;
mod samples;
mod statistics;
mod versions;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};

use crate::access::{Access, Caller};
use crate::counters::Counters;
use crate::fault::{Fault, answer};
use crate::links::Base;
use crate::queries::Queries;
use crate::settings::{Limits, Settings};
use crate::sink::Sink;

/// What there is to know of the API itself.
const OPENAPI: &str = include_str!("../openapi.json");
/// The path that needs no token.
const HEALTH: &str = "/healthz";
/// Bytes of a path that the log repeats.
const LOGGED_PATH: usize = 200;

/// What every request is answered with.
#[derive(Debug)]
pub(crate) struct App {
    access: Access,
    queries: Queries,
    sink: Option<Arc<dyn Sink>>,
    limits: Limits,
    public_url: Option<String>,
    tls: bool,
    pub counters: Counters,
}

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub IpAddr);

/// What handlers take and give.
type Shared = State<Arc<App>>;
type Who = Extension<Arc<Caller>>;
type Named = Result<Path<String>, PathRejection>;
type Answered = Result<Response, Fault>;

impl App {
    pub(crate) fn new(settings: Settings, store: Arc<dyn store::Store>, sink: Option<Arc<dyn Sink>>) -> Self {
        Self {
            access: Access::new(&settings.tokens, settings.limits.requests_per_second),
            queries: Queries::new(store, settings.limits.queries),
            sink,
            limits: settings.limits,
            public_url: settings.public_url,
            tls: settings.tls.is_some(),
            counters: Counters::default(),
        }
    }

    fn base(&self, headers: &HeaderMap) -> Base {
        Base::new(self.public_url.as_deref(), self.tls, headers)
    }
}

/// All routes, by path.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/", get(versions::all)),
        ("/v2", get(versions::two)),
        ("/v2/meters", get(meters::all)),
        ("/v2/meters/{meter_name}", get(meters::samples).post(create::create)),
        ("/v2/meters/{meter_name}/statistics", get(statistics::statistics)),
        ("/v2/samples", get(samples::all)),
        ("/v2/samples/{sample_id}", get(samples::one)),
        ("/v2/resources", get(resources::all)),
        ("/v2/resources/{*resource_id}", get(resources::one)),
        ("/v2/query/samples", post(query::samples)),
        ("/v2/capabilities", get(capabilities::capabilities)),
        ("/openapi.json", get(|| async { answer(StatusCode::OK, Body::from(OPENAPI)) })),
        (HEALTH, get(|| async { answer(StatusCode::OK, Body::from(r#"{"status":"ok"}"#)) })),
    ]
}

/// Everything that answers.
pub(crate) fn router(app: Arc<App>) -> Router {
    let router =
        routes().into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), authorize))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

/// Lets nobody through who has no token.
async fn authorize(
    State(app): Shared,
    Extension(Peer(peer)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.uri().path() == HEALTH {
        return next.run(request).await;
    }
    match app.access.caller(request.headers(), peer, Instant::now()) {
        Ok(caller) => {
            request.extensions_mut().insert(Arc::clone(&caller));
            let mut response = next.run(request).await;
            response.extensions_mut().insert(caller);
            response
        }
        Err(fault) => fault.into_response(),
    }
}

/// One line of the log for each request. Values of its query are left out: they say whom somebody looks for.
async fn observe(State(app): Shared, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(LOGGED_PATH).collect();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    app.counters.answer(status);
    let token = response.extensions().get::<Arc<Caller>>().map(|caller| caller.name.as_str());
    tracing::debug!(%method, path, status, ms = started.elapsed().as_millis() as u64, token, "api: request");
    response
}

async fn no_route(uri: Uri) -> Fault {
    let text = match uri.path().trim_start_matches("/v2/").split('/').next() {
        Some("alarms") => {
            "Alarms were Aodh's: this API has meters, samples, resources and statistics".to_owned()
        }
        Some("events" | "event_types") => {
            "Events were Panko's: this API has meters, samples, resources and statistics".to_owned()
        }
        Some("query") if uri.path().starts_with("/v2/query/alarms") => {
            "Alarms were Aodh's: of complex queries there is /v2/query/samples".to_owned()
        }
        _ => {
            format!("There is no {}; GET /openapi.json tells what there is", crate::fault::shown(uri.path()))
        }
    };
    Fault::new(StatusCode::NOT_FOUND, text)
}

async fn no_method(method: axum::http::Method, uri: Uri) -> Fault {
    let path = crate::fault::shown(uri.path());
    Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{path} does not take {}", crate::fault::shown(method.as_str())),
    )
}

/// The name or id in a path.
fn name(path: Named) -> Result<String, Fault> {
    match path {
        Ok(Path(name)) => Ok(name),
        Err(_) => Err(Fault::bad("The path is not UTF-8")),
    }
}

/// A request's body.
async fn body(app: &App, headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, Fault> {
    let most = app.limits.max_body;
    let too_large = || {
        Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The body is larger than {most} bytes: send it in parts"),
        )
    };
    let announced =
        headers.get(axum::http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > most as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(app.limits.body_timeout, axum::body::to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Of a connection that breaks nobody hears.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "The body did not come in time")),
    }
}

#[cfg(test)]
mod tests;

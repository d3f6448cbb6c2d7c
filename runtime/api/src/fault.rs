//! Faults in the form in which Ceilometer tells them.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use store::StoreError;
use store::query::QueryError;

/// Characters of somebody's input that a fault repeats.
const SHOWN: usize = 80;

/// Why there is no answer: a status, and a sentence in terms of what the user typed.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    text: String,
    /// Seconds after which it may be tried again.
    after: Option<u32>,
}

/// A piece of somebody's input, safe to print.
pub(crate) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

/// What is wrong with a JSON text; a parser repeats what stands there, however long.
pub(crate) fn brief(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.chars().count() <= 2 * SHOWN {
        return text;
    }
    let cut: String = text.chars().take(SHOWN).collect();
    format!("{cut}… at line {} column {}", error.line(), error.column())
}

impl Fault {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), after: None }
    }

    /// What was asked cannot be.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// A value that its parameter or attribute does not take, in WSME's words.
    pub(crate) fn input(name: &str, value: &str, why: &str) -> Self {
        Self::bad(format!("Invalid input for field/attribute {name}. Value: {}. {why}", shown(value)))
    }

    /// A parameter that is none, in WSME's words.
    pub(crate) fn unknown(name: &str) -> Self {
        Self::bad(format!("Unknown argument: {}", shown(name)))
    }

    /// What does not exist, or not for this token.
    pub(crate) fn missing(entity: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{entity} {} Not Found", shown(id)))
    }

    /// Whether it is not the client's.
    pub(crate) fn is_inside(&self) -> bool {
        self.status.is_server_error()
    }

    /// Another project's samples. Ceilometer said 401, and its client then tells its user of a missing password.
    pub(crate) fn project(id: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, format!("Not Authorized to access project {}", shown(id)))
    }

    /// No token, or none that is known.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "The request needs a valid token, as X-Auth-Token or as a bearer's",
        )
    }

    /// Too many requests, or too many guesses.
    pub(crate) fn throttled(after: u32) -> Self {
        Self {
            after: Some(after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests: try again later")
        }
    }

    /// Too much is being asked already.
    pub(crate) fn busy() -> Self {
        let text = "Too many queries are being answered: try again later";
        Self { after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// Samples that were handed on and not confirmed. No word of trying again: they would be stored twice.
    pub(crate) fn unconfirmed() -> Self {
        let text =
            "It is not known whether the samples will be stored: look for them before they are sent again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// Something inside; what it is, is for the log alone.
    pub(crate) fn inside() -> Self {
        let text = "This cannot be done at the moment: try again later";
        Self { after: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooBroad | StoreError::TooMuch | StoreError::TooMany(_) => {
                Self::bad(error.to_string())
            }
            error => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(reason = error.label(), %error, source, "api: a query failed");
                Self::inside()
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let code = if self.status.is_server_error() { "Server" } else { "Client" };
        let message = json!({"debuginfo": null, "faultcode": code, "faultstring": self.text});
        let body = json!({"error_message": message}).to_string();
        let mut response = answer(self.status, Body::from(body));
        let headers = response.headers_mut();
        if let Some(after) = self.after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"nephoscope\""));
        }
        response
    }
}

/// JSON, with this status.
pub(crate) fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Samples and faults are for whoever asked, and no browser is to take them for anything else.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

//! Why there is no answer.

use std::io;
use std::path::PathBuf;

use amqp::pem::PemFault;
use serde_json::Value;
use ureq::Error;

/// Characters of a server's text that are shown.
const SHOWN: usize = 500;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not repeated, for it may hold a password.
    #[error("the endpoint is no address of the form https://host:8777")]
    Endpoint,
    /// Not repeated either.
    #[error("the token is empty, or has characters that no token has")]
    Token,
    /// A file of authorities that cannot be used.
    #[error("failed to read {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Nothing to check a certificate against.
    #[error("the system has no certificates of authorities: name a file of them")]
    SystemRoots,
    /// Nobody there, or the connection broke.
    #[error("failed to reach the API at {endpoint}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// Why.
        source: Box<Error>,
    },
    /// The certificate, or no TLS at all.
    #[error("failed to speak TLS with the API at {endpoint}")]
    Tls {
        /// Where.
        endpoint: String,
        /// Why.
        source: Box<Error>,
    },
    /// No answer in time.
    #[error("the API at {endpoint} did not answer in time")]
    Timeout {
        /// Where.
        endpoint: String,
    },
    /// Somebody else's server, or a hostile one.
    #[error("the API's answer is too large: lower the limit, or narrow the query")]
    TooLarge,
    /// The token, or what it may see.
    #[error("the API at {endpoint} refused the token: {text}")]
    Unauthorized {
        /// Where.
        endpoint: String,
        /// The API's words.
        text: String,
    },
    /// The API's own fault or refusal.
    #[error("the API answered {status}: {text}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The API's words.
        text: String,
    },
    /// Something else than an answer.
    #[error("the endpoint did not answer with {0}: is it Ceilometer's API, version 2?")]
    Malformed(&'static str),
}

impl ClientError {
    /// Of a request that had no answer.
    pub(super) fn of(endpoint: &str, error: Error) -> Self {
        let endpoint = endpoint.to_owned();
        match error {
            Error::Timeout(_) => Self::Timeout { endpoint },
            Error::BodyExceedsLimit(_) | Error::LargeResponseHeader(..) => Self::TooLarge,
            Error::Http(_) | Error::Protocol(_) | Error::BodyStalled => Self::Malformed("HTTP"),
            Error::Rustls(_) | Error::Tls(_) | Error::TlsRequired => {
                Self::Tls { endpoint, source: Box::new(error) }
            }
            Error::Io(fault) if fault.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                Self::Tls { endpoint, source: Box::new(Error::Io(fault)) }
            }
            Error::Io(fault) if fault.kind() == io::ErrorKind::TimedOut => Self::Timeout { endpoint },
            error => Self::Unreachable { endpoint, source: Box::new(error) },
        }
    }

    /// Of an answer that is none: `{"error_message": {"faultstring": …}}` as a rule.
    pub(super) fn told(endpoint: &str, status: u16, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = match &body["error_message"] {
            Value::Object(message) => message.get("faultstring").and_then(Value::as_str),
            message => message.as_str(),
        };
        let text = shown(text.unwrap_or("no reason is given"));
        match status {
            401 => Self::Unauthorized { endpoint: endpoint.to_owned(), text },
            300..=399 => Self::Refused {
                status,
                text: "the API is elsewhere, and redirects are not followed".to_owned(),
            },
            status => Self::Refused { status, text },
        }
    }
}

/// A server's text on somebody's terminal.
fn shown(text: &str) -> String {
    text.chars()
        .take(SHOWN)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}

impl From<PemFault> for ClientError {
    fn from(PemFault { path, source }: PemFault) -> Self {
        Self::Certificate { path, source }
    }
}

//! One request and its bounded answer.
//!
//! ureq is told to follow no redirect, to ask no proxy of the environment (Keystone and Nova are neighbours) and to leave the
//! judgement of statuses to us. Its timeout covers all of a request: resolving, connecting, TLS, and the last byte of the answer.

use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ureq::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use ureq::{Agent, Error};

use crate::error::NovaError;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::tls;

/// Where tokens are in requests.
pub(crate) const TOKEN: &str = "x-auth-token";

/// Longest wait that a `Retry-After` may ask for: a slip of a proxy must not silence a host for a day.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

/// Bytes of an answer's headers; a Fernet token is about 250, with proxies' cookies and policies some thousands.
const HEADER_BYTES: usize = 32 * 1024;

/// Sends requests.
pub(crate) struct Client {
    agent: Agent,
    timeout: Duration,
    most: usize,
}

/// An answer of the 2xx kind.
pub(crate) struct Answer {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client for these settings; reads the certificates.
    pub(crate) fn new(settings: &Settings) -> Result<Self, NovaError> {
        let config = Agent::config_builder()
            .tls_config(tls::config(settings)?)
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEADER_BYTES)
            .timeout_global(Some(settings.timeout))
            .user_agent(concat!("nephoscope/", env!("CARGO_PKG_VERSION")))
            .build();
        let most = settings.bounds.response_bytes;
        Ok(Self { agent: config.new_agent(), timeout: settings.timeout, most })
    }

    /// Sends a JSON document.
    pub(crate) fn post(&self, url: &str, document: &[u8]) -> Result<Answer, NovaError> {
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(document)
            .map_err(|_| not_http(url))?;
        self.answer(url, self.agent.run(request))
    }

    /// Asks for a JSON document of Nova's version 2.1, whose every release answers alike.
    pub(crate) fn get(&self, url: &str, token: &Secret) -> Result<Answer, NovaError> {
        let mut token = HeaderValue::from_str(token.reveal()).map_err(|_| not_http(url))?;
        token.set_sensitive(true);
        let request = Request::get(url)
            .header(header::ACCEPT, "application/json")
            .header("openstack-api-version", "compute 2.1")
            .header(TOKEN, token)
            .body(())
            .map_err(|_| not_http(url))?;
        self.answer(url, self.agent.run(request))
    }

    fn answer(
        &self,
        url: &str,
        outcome: Result<ureq::http::Response<ureq::Body>, Error>,
    ) -> Result<Answer, NovaError> {
        let mut response = outcome.map_err(|error| self.fault(url, error))?;
        let headers = std::mem::take(response.headers_mut());
        judge(url, response.status(), &headers)?;
        let most = u64::try_from(self.most).unwrap_or(u64::MAX);
        let body = response.body_mut().with_config().limit(most).read_to_vec();
        Ok(Answer { headers, body: body.map_err(|error| self.fault(url, error))? })
    }

    fn fault(&self, url: &str, error: Error) -> NovaError {
        let url = bare(url);
        match error {
            Error::Timeout(_) => NovaError::Timeout { url, timeout: self.timeout },
            Error::BodyExceedsLimit(_) => NovaError::TooLarge { url, most: self.most },
            Error::LargeResponseHeader(..) => NovaError::TooLarge { url, most: HEADER_BYTES },
            Error::Http(_) | Error::Protocol(_) | Error::BodyStalled => {
                NovaError::Malformed { url, expected: "HTTP" }
            }
            Error::Rustls(_) | Error::Tls(_) | Error::TlsRequired => {
                NovaError::Tls { url, source: Box::new(error) }
            }
            Error::Io(fault) if fault.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                NovaError::Tls { url, source: Box::new(Error::Io(fault)) }
            }
            Error::Io(fault) if fault.kind() == io::ErrorKind::TimedOut => {
                NovaError::Timeout { url, timeout: self.timeout }
            }
            error => NovaError::Unreachable { url, source: Box::new(error) },
        }
    }
}

/// Whether the answer is the one that was asked for.
fn judge(url: &str, status: StatusCode, headers: &HeaderMap) -> Result<(), NovaError> {
    let url = bare(url);
    Err(match status.as_u16() {
        200..=299 => return Ok(()),
        status @ 300..=399 => NovaError::Redirect { url, status },
        401 => NovaError::Unauthorized { url },
        403 => NovaError::Forbidden { url },
        // 413 is what old releases say for 429.
        status @ (413 | 429 | 503) => {
            NovaError::Later { url, status, after: retry_after(headers, Utc::now()) }
        }
        status => NovaError::Status { url, status },
    })
}

/// What `Retry-After` asks for, in seconds or as a date; never more than [`MAX_RETRY_AFTER`].
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(asked.min(MAX_RETRY_AFTER))
}

fn not_http(url: &str) -> NovaError {
    NovaError::Malformed { url: bare(url), expected: "what fits into HTTP's headers" }
}

/// An address for words: without its query.
pub(crate) fn bare(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = DateTime::parse_from_rfc3339("2026-01-31T12:00:00Z").unwrap().to_utc();
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("0"), Some(Duration::ZERO));
        assert_eq!(asked("86400"), Some(MAX_RETRY_AFTER));
        assert_eq!(asked("99999999999999999999"), None);
        assert_eq!(asked("Sat, 31 Jan 2026 12:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(asked("Fri, 30 Jan 2026 12:01:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("-5"), None);
        assert_eq!(asked("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}

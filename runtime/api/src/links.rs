//! What links of an answer begin with.

use axum::http::{HeaderMap, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what RFC 3986 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest name of a host and its port.
const MAX_HOST: usize = 261;

/// Where this API is, for whoever asked: `https://host:8777`, or nothing, which makes links relative.
#[derive(Clone, Debug)]
pub(crate) struct Base(String);

impl Base {
    /// The configured one; or what the request calls us, if that is a name and nothing else.
    pub(crate) fn new(public_url: Option<&str>, tls: bool, headers: &HeaderMap) -> Self {
        let scheme = if tls { "https" } else { "http" };
        Self(match (public_url, host(headers)) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(host)) => format!("{scheme}://{host}"),
            (None, None) => String::new(),
        })
    }

    /// A link to what the root tells of.
    pub(crate) fn version(&self) -> String {
        format!("{}/v2", self.0)
    }

    /// A link to a resource.
    pub(crate) fn resource(&self, id: &str) -> String {
        format!("{}/v2/resources/{}", self.0, encode(id))
    }

    /// A link to a meter's samples of a resource.
    pub(crate) fn meter(&self, name: &str, resource: &str) -> String {
        format!("{}/v2/meters/{}?q.field=resource_id&q.value={}", self.0, encode(name), encode(resource))
    }
}

/// A text as one part of a path, or as a value of a query.
pub(crate) fn encode(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, RESERVED)
}

/// The header may hold whatever the other side likes, and links are shown and followed.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::HOST).iter();
    let (host, None) = (given.next()?.to_str().ok()?, given.next()) else { return None };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (!host.is_empty() && host.len() <= MAX_HOST && host.bytes().all(plain)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn base(public_url: Option<&str>, hosts: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        Base::new(public_url, true, &headers).version()
    }

    #[test]
    fn links_begin_with_the_configured_url_or_a_host_that_is_one() {
        assert_eq!(base(Some("https://telemetry.example/"), &["other"]), "https://telemetry.example/v2");
        assert_eq!(base(None, &["[::1]:8777"]), "https://[::1]:8777/v2");
        for hosts in [&["a/b"][..], &["a\"><script>"], &["a@b"], &["a", "b"], &[""], &[]] {
            assert_eq!(base(None, hosts), "/v2", "{hosts:?}");
        }
    }

    #[test]
    fn ids_are_escaped() {
        let base = Base(String::new());
        assert_eq!(base.resource("a/../b%?"), "/v2/resources/a%2F..%2Fb%25%3F");
        assert_eq!(base.meter("m n", "r&q"), "/v2/meters/m%20n?q.field=resource_id&q.value=r%26q");
    }
}

//! Where Keystone and Nova are.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

/// Longest URL, in bytes; the same as of any text of a configuration.
const MAX_URL: usize = 4_096;

/// An address to which paths are added: `https://controller:5000/v3`. It holds no credentials, query or fragment, so it may
/// stand in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

/// The text is no such address. It is not repeated, for it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Another scheme than the two.
    #[error("a URL of an API begins with http:// or https://")]
    Scheme,
    /// A user or a password in it.
    #[error("a URL of an API holds no user and no password: they have keys of their own")]
    Credentials,
    /// A query or a fragment.
    #[error("a URL of an API ends before any `?` and `#`")]
    Query,
    /// Anything else.
    #[error("not a URL of the form https://host:port/path")]
    Form,
}

impl FromStr for BaseUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(BadUrl::Scheme);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if rest.contains('@') {
            return Err(BadUrl::Credentials);
        }
        if rest.contains(['?', '#']) {
            return Err(BadUrl::Query);
        }
        let uri: Uri = text.parse().map_err(|_| BadUrl::Form)?;
        // `http://host:` and ports past 65535 parse as well, but name no port.
        let port_is_read = uri.port_u16().is_some() || !has_port(authority);
        if text.len() > MAX_URL || uri.host().is_none_or(str::is_empty) || !port_is_read {
            return Err(BadUrl::Form);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(']').map_or(authority, |(_, after)| after).contains(':')
}

impl BaseUrl {
    /// The address with a path behind it, which begins with `/`.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Keystone's address of version 3: with or without `/v3` at the end, or with the `/v2.0` of old configurations.
    pub(crate) fn keystone(&self) -> Self {
        let bare = self.0.strip_suffix("/v3").or_else(|| self.0.strip_suffix("/v2.0")).unwrap_or(&self.0);
        Self(format!("{bare}/v3"))
    }

    /// Nova's address of version 2.1: as it is where a part of its path is a version (`/v2.1/PROJECT`), and with `/v2.1` behind it
    /// where none is.
    pub(crate) fn nova(&self) -> Self {
        let path = self.0.splitn(4, '/').nth(3).unwrap_or_default();
        let versioned = path.split('/').any(|part| matches!(part, "v2" | "v2.1"));
        if versioned { self.clone() } else { Self(format!("{}/v2.1", self.0)) }
    }

    /// Whether what is sent there is encrypted.
    pub fn is_tls(&self) -> bool {
        self.0.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

/// A text as the value of a query.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            // Writing to a `String` cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_a_version() {
        let url = |text: &str| text.parse::<BaseUrl>().unwrap();
        for (text, keystone) in [
            ("http://k:5000", "http://k:5000/v3"),
            ("http://k:5000/", "http://k:5000/v3"),
            ("https://k/identity/v3/", "https://k/identity/v3"),
            ("https://k/identity/v2.0", "https://k/identity/v3"),
            ("http://[::1]:5000/v3", "http://[::1]:5000/v3"),
        ] {
            assert_eq!(url(text).keystone().to_string(), keystone);
        }
        for (text, nova) in [
            ("http://n:8774/v2.1", "http://n:8774/v2.1"),
            ("http://n:8774/v2.1/0123abc", "http://n:8774/v2.1/0123abc"),
            ("http://n:8774/v2/0123abc", "http://n:8774/v2/0123abc"),
            ("http://n:8774/", "http://n:8774/v2.1"),
            ("http://v2.1/compute", "http://v2.1/compute/v2.1"),
        ] {
            assert_eq!(url(text).nova().to_string(), nova);
        }
        assert!(url("HTTPS://k").is_tls() && !url("http://https:5000").is_tls());
    }

    #[test]
    fn what_is_no_address_is_told_without_repeating_it() {
        for (text, fault) in [
            ("k:5000", BadUrl::Scheme),
            ("ftp://hunter2@k/", BadUrl::Scheme),
            ("http://u:hunter2@k/", BadUrl::Credentials),
            ("http://k/?hunter2", BadUrl::Query),
            ("http://k/#hunter2", BadUrl::Query),
            ("http://", BadUrl::Form),
            ("http://:5000/hunter2", BadUrl::Form),
            ("http://k:/hunter2", BadUrl::Form),
            ("http://k:99999/hunter2", BadUrl::Form),
            ("http://k/hunter2 x", BadUrl::Form),
        ] {
            let got = text.parse::<BaseUrl>().unwrap_err();
            assert_eq!(got, fault, "{text}");
            assert!(!got.to_string().contains("hunter2"));
        }
        assert_eq!("http://k".parse::<BaseUrl>().map(|url| format!("{url:?}")).unwrap(), "BaseUrl(http://k)");
    }

    #[test]
    fn values_of_a_query_are_encoded() {
        assert_eq!(encode("compute-1.example_~"), "compute-1.example_~");
        assert_eq!(encode("a&all_tenants=0 #é"), "a%26all_tenants%3D0%20%23%C3%A9");
    }
}

//! Where a broker is and how to reach it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};

/// Heartbeat that oslo.messaging asks for as well: a dead peer is noticed within two minutes at most.
pub const HEARTBEAT: Duration = Duration::from_secs(60);
/// How long name resolution, TCP, TLS and AMQP's handshake may take together: long for a loaded broker, short for a
/// cycle of polls that waits.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// One broker, and what to say to it.
#[derive(Clone, Debug)]
pub struct Broker {
    /// `amqp://user:password@host:5672/vhost`, or `amqps://…`.
    pub url: BrokerUrl,
    /// Certificates for `amqps`; unused for `amqp`.
    pub tls: Tls,
    /// Heartbeat interval asked of the broker, whole seconds; zero means none. A `heartbeat=` in the URL is stronger.
    pub heartbeat: Duration,
    /// How long one attempt to connect may take, all in all.
    pub deadline: Duration,
}

impl Broker {
    /// A broker with the defaults of everything but its URL.
    pub fn new(url: BrokerUrl) -> Self {
        Self { url, tls: Tls::default(), heartbeat: HEARTBEAT, deadline: CONNECT_DEADLINE }
    }
}

/// Certificates for TLS, as PEM files. They are read at each attempt to connect, so renewed ones are taken up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that alone may have signed the broker's certificate. None: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its chain; needs `key`.
    pub certificate: Option<PathBuf>,
    /// Our certificate's private key, not encrypted (PKCS#8, PKCS#1 or SEC1).
    pub key: Option<PathBuf>,
}

/// A broker's URL, understood; user and password show neither in `Debug` nor in `Display`.
///
/// A missing port is 5672 (`amqps`: 5671), missing credentials are `guest:guest`, a missing virtual host is `/`, and an empty
/// one (`amqp://host:5672/`) as well, which is how OpenStack's transport_url is read.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl(Arc<AMQPUri>);

impl BrokerUrl {
    /// The parts, credentials among them.
    pub(crate) fn uri(&self) -> &AMQPUri {
        &self.0
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }
}

/// The text is no broker's URL. The text itself is not repeated, for it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Another scheme than the two.
    #[error("a broker's URL begins with amqp:// or amqps://")]
    Scheme,
    /// No host.
    #[error("a broker's URL names a host: amqp://user:password@host:5672/vhost")]
    Host,
    /// Anything else.
    #[error(
        "not a URL of the form amqp://user:password@host:5672/vhost (special characters in it are written %XX)"
    )]
    Form,
}

impl FromStr for BrokerUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        if !matches!(scheme, "amqp" | "amqps") {
            return Err(BadUrl::Scheme);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host_and_port = authority.rsplit('@').next().unwrap_or_default();
        if host_and_port.is_empty() || host_and_port.starts_with(':') {
            return Err(BadUrl::Host);
        }
        let mut uri: AMQPUri = text.parse().map_err(|_| BadUrl::Form)?;
        // The parser knows names and IPv4 addresses; of an IPv6 address it would silently make `localhost`.
        if let Some((address, _)) = host_and_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            uri.authority.host = address.to_owned();
        }
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        Ok(Self(Arc::new(uri)))
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, .. } = &*self.0;
        let (open, close) = if authority.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(
            f,
            "{scheme}://{open}{}{close}:{}/{}",
            authority.host,
            authority.port,
            vhost.trim_start_matches('/')
        )
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUrl({self})")
    }
}

/// A URL for a log line: without user, password and query, whether it is well-formed or not.
///
/// ```
/// # use nephoscope_amqp as amqp;
/// assert_eq!(amqp::strip_credentials("amqp://ceilometer:s3cr3t@mq:5672/cloud?heartbeat=5"), "amqp://mq:5672/cloud");
/// ```
pub fn strip_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // What follows the last `@` cannot be part of the credentials, even where they hold a bare `/`, `?` or `@`.
    let rest = rest.rsplit('@').next().unwrap_or_default();
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_show_nowhere() {
        let broker = Broker::new("amqps://nova:p%40ss@mq.example:5673/cloud".parse().unwrap());
        for text in [format!("{broker:?}"), broker.url.to_string()] {
            assert!(!text.contains("nova") && !text.contains("ss@") && !text.contains("p%40"), "{text}");
            assert!(text.contains("amqps://mq.example:5673/cloud"), "{text}");
        }
        assert_eq!(broker.url.uri().authority.userinfo.password, "p@ss");
        for url in ["amqp://u:p/w?d@h:1/v", "u:p/w?d@h:1/v?q=secret", "amqp://u:p@w@h:1/v#f"] {
            let stripped = strip_credentials(url);
            assert!(
                stripped.ends_with("h:1/v") && !stripped.contains('p') | stripped.starts_with("amqp://h"),
                "{stripped}"
            );
        }
    }

    #[test]
    fn an_empty_virtual_host_is_the_default_one() {
        for text in ["amqp://h", "amqp://h:5672", "amqp://h:5672/", "amqp://h:5672//", "amqp://h/%2f"] {
            assert_eq!(text.parse::<BrokerUrl>().unwrap().uri().vhost, "/", "{text}");
        }
        assert_eq!("amqp://h/a%2fb".parse::<BrokerUrl>().unwrap().uri().vhost, "a/b");
    }

    #[test]
    fn ipv6_addresses_are_kept() {
        let url: BrokerUrl = "amqp://u:p@[::1]:5673/v".parse().unwrap();
        assert_eq!((url.uri().authority.host.as_str(), url.uri().authority.port), ("::1", 5673));
        assert_eq!(url.to_string(), "amqp://[::1]:5673/v");
    }

    #[test]
    fn faults_never_repeat_the_url() {
        for (text, fault) in [
            ("rabbit://u:secret@h/", BadUrl::Scheme),
            ("h:5672", BadUrl::Scheme),
            ("amqp://", BadUrl::Host),
            ("amqp://u:secret@:5672/", BadUrl::Host),
            ("amqp://u:secret@h:99999/", BadUrl::Form),
            ("amqp://u:secret@h/?heartbeat=soon", BadUrl::Form),
        ] {
            let got = text.parse::<BrokerUrl>().unwrap_err();
            assert_eq!(got, fault, "{text}");
            assert!(!got.to_string().contains("secret"));
        }
    }
}

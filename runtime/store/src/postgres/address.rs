//! Where the database is: `postgresql://user:password@host:port/database?sslmode=verify-full&sslrootcert=/etc/ca.pem`.
//!
//! The form is libpq's, and so are the options, as far as they are known here. Two things are stricter. Without an `sslmode` a host
//! that is not this one is reached with TLS or not at all, where libpq would do without it. And an `sslrootcert` is there to be
//! checked against: with it the mode is `verify-full`, and no other goes.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use postgres::Config;
use postgres::config::{Host, SslMode};

/// Longest address, in bytes; the same as of any text of a configuration.
const MAX_ADDRESS: usize = 4_096;
/// How long a connection may take to be made, unless the address says otherwise.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After so long without an answer a peer is asked whether it is still there, and what was sent and not confirmed is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// Between such questions.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// Questions that may stay without an answer.
const ASK_AGAIN: u32 = 3;
const DEFAULT_PORT: u16 = 5432;

/// How to reach a database. Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) tls: Tls,
}

/// How far the connection is encrypted and its peer checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not at all.
    Disable,
    /// Encrypted if the server can, unchecked.
    Prefer,
    /// Encrypted, but whoever answers is taken for the server: as with libpq.
    Require,
    /// Encrypted, and the server has a certificate of its name from one of these authorities; of the system's where no file is given.
    VerifyFull(Option<PathBuf>),
}

/// The text is no address of a database. It is not repeated, for it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Another scheme.
    #[error("the address of a database begins with postgresql://")]
    Scheme,
    /// No host, and no folder of a socket.
    #[error("the address of a database names a host: postgresql://user:password@host:port/database")]
    Host,
    /// No database.
    #[error("the address names no database: postgresql://user:password@host:port/database")]
    Database,
    /// Another sslmode.
    #[error("sslmode is one of disable, prefer, require and verify-full")]
    Mode,
    /// Authorities that would not be asked.
    #[error("sslrootcert goes with sslmode=verify-full alone: no other checks the server's certificate")]
    Unchecked,
    /// Anything else.
    #[error(
        "not an address of the form postgresql://user:password@host:port/database?option=value; \
         @ / ? : # and % in a user or password are written as %40 %2F %3F %3A %23 and %25"
    )]
    Form,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let known = ["postgresql://", "postgres://"].iter().any(|scheme| text.starts_with(scheme));
        if !known {
            return Err(BadAddress::Scheme);
        }
        // Of a `#` some would make the end, others a part of the password.
        if text.len() > MAX_ADDRESS || text.contains(['#', '\0']) {
            return Err(BadAddress::Form);
        }
        let (place, options) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut authorities, mut others) = (None, None, Vec::new());
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=').ok_or(BadAddress::Form)? {
                ("sslmode", value) => mode = Some(value),
                ("sslrootcert", value) => authorities = Some(decoded(value).ok_or(BadAddress::Form)?.into()),
                // An address has one place for each of these.
                ("user" | "password" | "dbname", _) => return Err(BadAddress::Form),
                _ => others.push(option),
            }
        }
        // The client's own word may repeat a part of the text.
        let mut config =
            Config::from_str(&format!("{place}?{}", others.join("&"))).map_err(|_| BadAddress::Form)?;
        if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.is_empty()))
            || config.get_hosts().is_empty()
        {
            return Err(BadAddress::Host);
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(BadAddress::Database);
        }
        let tls = tls(mode, authorities, config.get_hosts())?;
        config
            .application_name("nephoscope")
            .ssl_mode(match tls {
                Tls::Disable => SslMode::Disable,
                Tls::Prefer => SslMode::Prefer,
                Tls::Require | Tls::VerifyFull(_) => SslMode::Require,
            })
            .keepalives_idle(SILENCE)
            .keepalives_interval(ASK_EVERY)
            .keepalives_retries(ASK_AGAIN)
            .tcp_user_timeout(SILENCE + ASK_EVERY * ASK_AGAIN);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        Ok(Self { config, tls })
    }
}

fn tls(mode: Option<&str>, authorities: Option<PathBuf>, hosts: &[Host]) -> Result<Tls, BadAddress> {
    match (mode, authorities) {
        (Some("verify-full"), authorities) => Ok(Tls::VerifyFull(authorities)),
        (None, Some(authorities)) => Ok(Tls::VerifyFull(Some(authorities))),
        (Some("disable" | "prefer" | "require"), Some(_)) => Err(BadAddress::Unchecked),
        (Some("disable"), None) => Ok(Tls::Disable),
        (Some("prefer"), None) => Ok(Tls::Prefer),
        (Some("require"), None) => Ok(Tls::Require),
        (Some(_), _) => Err(BadAddress::Mode),
        (None, None) if hosts.iter().all(|host| matches!(host, Host::Unix(_))) => Ok(Tls::Disable),
        (None, None) if hosts.iter().all(is_here) => Ok(Tls::Prefer),
        (None, None) => Ok(Tls::Require),
    }
}

/// Whether nothing that is sent there leaves this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
    }
}

/// A percent-encoded text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        Self::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgresql://")?;
        let ports = self.config.get_ports();
        for (place, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(place).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
            let comma = if place > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) if name.contains(':') => write!(f, "{comma}[{name}]:{port}")?,
                Host::Tcp(name) => write!(f, "{comma}{name}:{port}")?,
                Host::Unix(folder) => write!(f, "{comma}{}:{port}", folder.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}, {:?})", self.tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_it_is_reached_and_shows_no_password() {
        for (text, shown, tls) in [
            (
                "postgresql://u:hunter2@db.example/samples",
                "postgresql://db.example:5432/samples",
                Tls::Require,
            ),
            ("postgres://u:hunter2@127.0.0.1:7777/n", "postgresql://127.0.0.1:7777/n", Tls::Prefer),
            ("postgresql://u@[::1]:7/n", "postgresql://[::1]:7/n", Tls::Prefer),
            (
                "postgresql://u:hunter2@localhost/n?sslmode=disable",
                "postgresql://localhost:5432/n",
                Tls::Disable,
            ),
            ("postgresql://u@a:1,b:2/n", "postgresql://a:1,b:2/n", Tls::Require),
            ("postgresql://u@%2Frun%2Fpg:7/n", "postgresql:///run/pg:7/n", Tls::Disable),
            ("postgresql:///n?host=/run/pg&port=7", "postgresql:///run/pg:7/n", Tls::Disable),
            ("postgresql://u@h/n?sslmode=verify-full", "postgresql://h:5432/n", Tls::VerifyFull(None)),
            (
                "postgresql://u:hunter2@h/n?sslrootcert=%2Fca%20pem&connect_timeout=3",
                "postgresql://h:5432/n",
                Tls::VerifyFull(Some("/ca pem".into())),
            ),
        ] {
            let address = Address::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!((address.to_string().as_str(), &address.tls), (shown, &tls), "{text}");
            assert!(!format!("{address:?} {:?}", address.config).contains("hunter2"));
        }
        let timeout = |text| *Address::parse(text).unwrap().config.get_connect_timeout().unwrap();
        assert_eq!(timeout("postgresql://u@h/n?connect_timeout=3"), Duration::from_secs(3));
        assert_eq!(timeout("postgresql://u@h/n"), CONNECT_TIMEOUT);
    }

    #[test]
    fn what_is_no_address_is_told_without_repeating_it() {
        for (text, fault) in [
            ("hunter2", BadAddress::Scheme),
            ("mysql://u:hunter2@h/n", BadAddress::Scheme),
            ("postgresql://u:hunter2@h", BadAddress::Database),
            ("postgresql://u:hunter2@h/", BadAddress::Database),
            ("postgresql:///n", BadAddress::Host),
            ("postgresql://u:hunter2@h:port/n", BadAddress::Form),
            ("postgresql://u:hunt#er2@h/n", BadAddress::Form),
            ("postgresql://u:hunter2@h/n?sslmode=hunter2", BadAddress::Mode),
            ("postgresql://u:hunter2@h/n?sslmode=require&sslrootcert=/ca", BadAddress::Unchecked),
            ("postgresql://u:hunter2@h/n?hunter2=1", BadAddress::Form),
            ("postgresql://u:hun?ter2@h/n", BadAddress::Form),
            ("postgresql://h/n?password=hunter2", BadAddress::Form),
            ("postgresql://u@h/n?sslrootcert=%zz", BadAddress::Form),
        ] {
            let got = Address::parse(text).expect_err(text);
            assert_eq!(got, fault, "{text}");
            assert!(!got.to_string().contains("hunter2"));
        }
        assert_eq!(
            Address::parse(&format!("postgresql://u@h/{}", "n".repeat(5_000))).unwrap_err(),
            BadAddress::Form
        );
    }
}

//! Why nothing came.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a login or a listing failed. No secret and no text of the peer's is in it; addresses are.
#[derive(Debug, thiserror::Error)]
pub enum NovaError {
    /// A PEM file cannot be read, or holds something else.
    #[error("failed to use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Certificate without key, or key without certificate.
    #[error("a client certificate needs both `certfile` and `keyfile`")]
    HalfIdentity,
    /// No trustworthy root certificate.
    #[error("failed to load root certificates: name the authority in `cafile`, or install ca-certificates")]
    SystemRoots,
    /// The name does not resolve, nobody answers, or the connection broke.
    #[error("failed to reach {url}")]
    Unreachable {
        /// Whom.
        url: String,
        /// The system's word.
        source: Box<ureq::Error>,
    },
    /// Certificates do not fit, or the peer does not speak TLS.
    #[error("failed to agree on TLS with {url}")]
    Tls {
        /// With whom.
        url: String,
        /// rustls' word.
        source: Box<ureq::Error>,
    },
    /// Not within the timeout.
    #[error("{url} did not answer within {timeout:?}")]
    Timeout {
        /// Who.
        url: String,
        /// How long it had.
        timeout: Duration,
    },
    /// An answer of more bytes than the bound, or with more headers than are read.
    #[error("{url} answered with more than {most} bytes")]
    TooLarge {
        /// Who.
        url: String,
        /// The bound.
        most: usize,
    },
    /// A redirect, which is not followed: what is sent there are credentials.
    #[error("{url} redirects elsewhere (HTTP {status}), which is not followed: configure the address itself")]
    Redirect {
        /// Who.
        url: String,
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// Keystone does not take the credentials, or Nova does not take a fresh token.
    #[error("{url} refuses the login (HTTP 401)")]
    Unauthorized {
        /// Who.
        url: String,
    },
    /// The user may not do that.
    #[error(
        "{url} refuses this to the user (HTTP 403): listing the servers of all projects by host needs an administrator's role, or the \
         policies `servers:detail:get_all_tenants` and `servers:allow_all_filters`"
    )]
    Forbidden {
        /// Who.
        url: String,
    },
    /// Nova reads over the filter by host, for the user may not use it, and lists other hosts' servers.
    #[error(
        "{url} lists servers of other hosts: the filter by host needs an administrator's role, or the policy `servers:allow_all_filters`"
    )]
    Unfiltered {
        /// Who.
        url: String,
    },
    /// Too many requests, or the service is down for a while; it may say when to come again.
    #[error("{url} asks to come again later (HTTP {status})")]
    Later {
        /// Who.
        url: String,
        /// 429 or 503.
        status: u16,
        /// How much later, if it says so.
        after: Option<Duration>,
    },
    /// Another answer than the one that was asked for.
    #[error("{url} answered with HTTP {status}")]
    Status {
        /// Who.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer is no HTTP, no JSON, or JSON of another form.
    #[error("{url} answered with something else than {expected}")]
    Malformed {
        /// Who.
        url: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Nova is not in the catalog, under this region and interface.
    #[error("the catalog has no {interface} endpoint of a service `compute` in {region}")]
    NoEndpoint {
        /// Of which interface.
        interface: &'static str,
        /// `region RegionOne`, or `any region`.
        region: String,
    },
    /// More servers than the bound: a host of very many, or all of the cloud's, where Nova reads over the filter and shows no hosts.
    #[error(
        "more than {most} servers on one host: raise `max_servers`; or, where the host has less, Nova reads over the filter by host, which \
         needs an administrator's role, or the policy `servers:allow_all_filters`"
    )]
    TooManyServers {
        /// The bound.
        most: usize,
    },
    /// More pages than the bound.
    #[error("more than {most} pages of servers of one host")]
    TooManyPages {
        /// The bound.
        most: usize,
    },
    /// The thread is to end.
    #[error("stopped")]
    Stopped,
}

impl NovaError {
    /// The label that log lines, counters and tests share.
    pub fn label(&self) -> &'static str {
        match self {
            Self::File { .. } | Self::HalfIdentity | Self::SystemRoots => "certificates",
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Redirect { .. } => "redirect",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::Unfiltered { .. } => "unfiltered",
            Self::Later { .. } => "later",
            Self::Status { .. } => "status",
            Self::Malformed { .. } => "malformed",
            Self::NoEndpoint { .. } => "no_endpoint",
            Self::TooManyServers { .. } => "too_many_servers",
            Self::TooManyPages { .. } => "too_many_pages",
            Self::Stopped => "stopped",
        }
    }

    /// Whether only an operator can mend it; to try again soon is then of no use, and may lock the user out.
    pub(crate) fn is_for_the_operator(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized { .. }
                | Self::Forbidden { .. }
                | Self::Unfiltered { .. }
                | Self::TooManyServers { .. }
        )
    }

    /// The error and what caused it, in one line.
    pub(crate) fn in_words(&self) -> String {
        let mut words = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            words.push_str(": ");
            words.push_str(&cause.to_string());
            source = cause.source();
        }
        words
    }
}

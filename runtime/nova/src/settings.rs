//! Whom to ask, as whom, how often and how much.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::reserved::Reserved;
use crate::secret::Secret;
use crate::url::BaseUrl;

/// How often each host's servers are listed: as often as Ceilometer polls by default, so a change shows within a poll or two, and a
/// cloud of a thousand hosts asks Nova three or four times in a second.
pub const REFRESH: Duration = Duration::from_secs(300);
/// Shortest period that may be configured: a listing is work for Nova's database.
pub const LEAST_REFRESH: Duration = Duration::from_secs(10);
/// How long one request may take, connecting and reading included. A page is some hundred kilobytes; a loaded Nova takes seconds.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// Servers of one host: what Ceilometer's caches hold, and far more than a host runs.
pub const SERVERS: usize = 4_096;
/// Bytes of one answer: a page of 200 servers at 4 kB each, each with all the metadata that Nova allows by default, fits.
pub const RESPONSE_BYTES: usize = 16 * 1024 * 1024;
/// Pages of one listing: thrice what the servers above need, for a Nova whose own pages are smaller.
pub const PAGES: usize = 64;
/// Kept metadata of one server: as many items as Nova's default quota (`metadata_items`) allows.
pub const METADATA: usize = 128;

/// Whom to ask, as whom, how often and how much.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keystone: `https://controller:5000/v3`, with or without the version.
    pub auth_url: BaseUrl,
    /// As whom.
    pub login: Login,
    /// The region whose Nova is asked; none: the first that the catalog has.
    pub region_name: Option<String>,
    /// Which of Nova's endpoints in the catalog.
    pub interface: Interface,
    /// Nova's address, in place of the catalog's.
    pub endpoint_override: Option<BaseUrl>,
    /// Certificates for `https`.
    pub tls: Tls,
    /// How long one request may take.
    pub timeout: Duration,
    /// From one listing of a host's servers to the next.
    pub refresh: Duration,
    /// How much is read and kept.
    pub bounds: Bounds,
    /// Which metadata is kept, and how it shows in samples.
    pub reserved: Reserved,
}

impl Settings {
    /// The defaults of everything but the login.
    pub fn new(auth_url: BaseUrl, login: Login) -> Self {
        Self {
            auth_url,
            login,
            region_name: None,
            interface: Interface::default(),
            endpoint_override: None,
            tls: Tls::default(),
            timeout: TIMEOUT,
            refresh: REFRESH,
            bounds: Bounds::default(),
            reserved: Reserved::default(),
        }
    }
}

/// Who logs in.
#[derive(Clone, Debug)]
pub enum Login {
    /// A user with a password (keystoneauth's `password`).
    Password {
        /// Who.
        user: User,
        /// Their password.
        password: Secret,
        /// What the token is for.
        scope: Scope,
    },
    /// An application credential, which has its project with it (`v3applicationcredential`).
    ApplicationCredential {
        /// Its id, or its name and whose it is.
        credential: Credential,
        /// Its secret.
        secret: Secret,
    },
}

/// Who logs in and for what, without the secret.
impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, scope: Scope::Project(project), .. } => write!(f, "{user} in {project}"),
            Self::Password { user, scope: Scope::System, .. } => write!(f, "{user} for the whole cloud"),
            Self::ApplicationCredential { credential: Credential::Id(id), .. } => {
                write!(f, "application credential {id}")
            }
            Self::ApplicationCredential { credential: Credential::Name(name, user), .. } => {
                write!(f, "application credential {name} of {user}")
            }
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Id(user) | Self::Name(user, _)) = self;
        write!(f, "user {user}")
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Id(project) | Self::Name(project, _)) = self;
        write!(f, "project {project}")
    }
}

/// Which application credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// By its id.
    Id(String),
    /// By its name, which is unique for its user only.
    Name(String, User),
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// By the id.
    Id(String),
    /// By the name, which is unique in a domain only.
    Name(String, Domain),
}

/// A domain of Keystone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// By its id.
    Id(String),
    /// By its name.
    Name(String),
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Project {
    /// By its id.
    Id(String),
    /// By its name, which is unique in a domain only.
    Name(String, Domain),
}

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A project: where Nova's policy asks for an administrator's role.
    Project(Project),
    /// The whole cloud (`system_scope: all`).
    System,
}

/// Which of a service's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// The default, as Ceilometer's.
    #[default]
    Public,
    /// For the cloud's own services.
    Internal,
    /// For administrators.
    Admin,
}

impl Interface {
    /// As the catalog calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

/// PEM files for `https`, under keystoneauth's names. They are read at each login, so renewed ones are taken up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that alone may have signed the peers' certificates. None: those that the system trusts.
    pub cafile: Option<PathBuf>,
    /// Our own certificate and its chain; needs `keyfile`.
    pub certfile: Option<PathBuf>,
    /// Our certificate's private key, not encrypted.
    pub keyfile: Option<PathBuf>,
}

/// How much is read and kept. Past the first three a listing has failed; the last leaves out what is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Servers of one host.
    pub servers: usize,
    /// Bytes of one answer.
    pub response_bytes: usize,
    /// Pages of one listing.
    pub pages: usize,
    /// Kept metadata items of one server.
    pub metadata: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { servers: SERVERS, response_bytes: RESPONSE_BYTES, pages: PAGES, metadata: METADATA }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_shows_who_and_for_what_but_no_secret() {
        let domain = || Domain::Name("Default".into());
        let password = |scope| Login::Password {
            user: User::Name("ceilometer".into(), domain()),
            password: Secret::new("hunter2"),
            scope,
        };
        let credential =
            |credential| Login::ApplicationCredential { credential, secret: Secret::new("hunter2") };
        let named = Credential::Name("monitoring".into(), User::Id("0123".into()));
        for (login, shown) in [
            (
                password(Scope::Project(Project::Name("service".into(), domain()))),
                "user ceilometer in project service",
            ),
            (password(Scope::System), "user ceilometer for the whole cloud"),
            (credential(Credential::Id("4567".into())), "application credential 4567"),
            (credential(named), "application credential monitoring of user 0123"),
        ] {
            assert_eq!(login.to_string(), shown);
        }
    }
}

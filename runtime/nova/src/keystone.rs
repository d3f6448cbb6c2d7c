//! The login: a token, and where Nova is.

use std::time::{Duration, Instant};

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::NovaError;
use crate::http::{Client, bare};
use crate::secret::Secret;
use crate::settings::{Credential, Domain, Interface, Login, Project, Scope, Settings, User};
use crate::url::BaseUrl;

/// A token is renewed this long before it expires: a page more can be asked for with it, and Nova's clock may be off a little.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a token lives whose answer does not say. One that died earlier is answered with 401, and then renewed.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// A login that holds.
pub(crate) struct Session {
    /// Sends requests.
    pub client: Client,
    /// Who we are.
    pub token: Secret,
    /// Nova's address, with its version.
    pub nova: BaseUrl,
    renew: Instant,
}

impl Session {
    /// Logs in, and looks Nova up.
    pub(crate) fn open(settings: &Settings) -> Result<Self, NovaError> {
        let client = Client::new(settings)?;
        let url = settings.auth_url.keystone().join("/auth/tokens");
        let now = Instant::now();
        let answer = client.post(&url, request(&settings.login).to_string().as_bytes())?;
        let malformed = || NovaError::Malformed { url: bare(&url), expected: "a token" };
        let subject = answer.headers.get("x-subject-token").ok_or_else(malformed)?;
        let token = Secret::new(subject.to_str().map_err(|_| malformed())?);
        let Issued { token: issued } = serde_json::from_slice(&answer.body).map_err(|_| malformed())?;
        let nova = match &settings.endpoint_override {
            Some(url) => url.clone(),
            None => endpoint(&issued.catalog, settings.region_name.as_deref(), settings.interface)?,
        };
        // A clock that jumps over decades is no reason to panic.
        let renew = now.checked_add(issued.lifetime().saturating_sub(MARGIN)).unwrap_or(now);
        Ok(Self { client, token, nova: nova.nova(), renew })
    }

    /// Whether the token is about to expire.
    pub(crate) fn is_stale(&self) -> bool {
        Instant::now() >= self.renew
    }
}

/// The body of `POST /v3/auth/tokens`.
fn request(login: &Login) -> Value {
    match login {
        Login::Password { user, password, scope } => {
            let mut who = self::user(user);
            who["password"] = password.reveal().into();
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user": who}},
                "scope": self::scope(scope),
            }})
        }
        Login::ApplicationCredential { credential, secret } => {
            let mut which = match credential {
                Credential::Id(id) => json!({"id": id}),
                Credential::Name(name, owner) => json!({"name": name, "user": user(owner)}),
            };
            which["secret"] = secret.reveal().into();
            json!({"auth": {
                "identity": {"methods": ["application_credential"], "application_credential": which},
            }})
        }
    }
}

fn user(user: &User) -> Value {
    match user {
        User::Id(id) => json!({"id": id}),
        User::Name(name, domain) => json!({"name": name, "domain": self::domain(domain)}),
    }
}

fn scope(scope: &Scope) -> Value {
    match scope {
        Scope::Project(Project::Id(id)) => json!({"project": {"id": id}}),
        Scope::Project(Project::Name(name, domain)) => {
            json!({"project": {"name": name, "domain": self::domain(domain)}})
        }
        Scope::System => json!({"system": {"all": true}}),
    }
}

fn domain(domain: &Domain) -> Value {
    match domain {
        Domain::Id(id) => json!({"id": id}),
        Domain::Name(name) => json!({"name": name}),
    }
}

#[derive(Deserialize)]
struct Issued {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    issued_at: Option<String>,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    catalog: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default)]
    interface: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    region_id: Option<String>,
    #[serde(default)]
    url: String,
}

impl Token {
    /// How long it lives: both ends by Keystone's clock, so ours may be wrong.
    fn lifetime(&self) -> Duration {
        let time = |text: &Option<String>| DateTime::parse_from_rfc3339(text.as_deref()?).ok();
        match (time(&self.issued_at), time(&self.expires_at)) {
            (Some(issued), Some(expires)) => (expires - issued).to_std().unwrap_or_default(),
            _ => LIFETIME,
        }
    }
}

/// Nova's endpoint in the catalog: the first that fits.
fn endpoint(catalog: &[Service], region: Option<&str>, interface: Interface) -> Result<BaseUrl, NovaError> {
    let in_region = |endpoint: &&Endpoint| {
        region.is_none_or(|region| {
            [&endpoint.region_id, &endpoint.region].iter().any(|name| name.as_deref() == Some(region))
        })
    };
    catalog
        .iter()
        .filter(|service| service.kind == "compute")
        .flat_map(|service| &service.endpoints)
        .filter(|endpoint| endpoint.interface == interface.as_str())
        .filter(in_region)
        .find_map(|endpoint| endpoint.url.parse().ok())
        .ok_or_else(|| NovaError::NoEndpoint {
            interface: interface.as_str(),
            region: region.map_or("any region".to_owned(), |region| format!("region {region}")),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requests are those of Keystone's API reference.
    #[test]
    fn each_login_is_a_request_of_its_own_form() {
        let default = || Domain::Id("default".into());
        let user = User::Name("ceilometer".into(), Domain::Name("Default".into()));
        let password = |scope| Login::Password { user: user.clone(), password: Secret::new("p"), scope };
        let identity = json!({"methods": ["password"], "password": {"user":
            {"name": "ceilometer", "domain": {"name": "Default"}, "password": "p"}}});
        let project = Scope::Project(Project::Name("service".into(), default()));
        assert_eq!(
            request(&password(project)),
            json!({"auth": {"identity": identity, "scope":
                {"project": {"name": "service", "domain": {"id": "default"}}}}})
        );
        assert_eq!(
            request(&password(Scope::System)),
            json!({"auth": {"identity": identity, "scope": {"system": {"all": true}}}})
        );
        assert_eq!(
            request(&password(Scope::Project(Project::Id("f".into()))))["auth"]["scope"]["project"]["id"],
            "f"
        );

        let login =
            |credential| request(&Login::ApplicationCredential { credential, secret: Secret::new("s") });
        assert_eq!(
            login(Credential::Name("monitoring".into(), User::Id("423f".into()))),
            json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential":
                {"name": "monitoring", "user": {"id": "423f"}, "secret": "s"}}}})
        );
        assert_eq!(
            login(Credential::Id("26bb".into())),
            json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential":
                {"id": "26bb", "secret": "s"}}}})
        );
    }

    #[test]
    fn the_endpoint_is_the_one_of_region_and_interface() {
        let service = |kind: &str, endpoints: &[(&str, &str, &str)]| {
            let endpoints: Vec<_> = endpoints
                .iter()
                .map(|(interface, region, url)| json!({"interface": interface, "region_id": region, "region": region, "url": url}))
                .collect();
            json!({"type": kind, "endpoints": endpoints})
        };
        let catalog: Vec<Service> = serde_json::from_value(json!([
            service("compute_legacy", &[("public", "One", "http://legacy/v2")]),
            service(
                "compute",
                &[
                    ("admin", "One", "http://admin.one/v2.1"),
                    ("public", "One", "no url"),
                    ("public", "One", "http://public.one/v2.1"),
                    ("public", "Two", "http://public.two/v2.1"),
                ]
            ),
        ]))
        .unwrap();
        let find = |region, interface| endpoint(&catalog, region, interface).map(|url| url.to_string());
        assert_eq!(find(None, Interface::Public).unwrap(), "http://public.one/v2.1");
        assert_eq!(find(Some("Two"), Interface::Public).unwrap(), "http://public.two/v2.1");
        assert_eq!(find(None, Interface::Admin).unwrap(), "http://admin.one/v2.1");
        for (region, interface) in [(Some("Three"), Interface::Public), (None, Interface::Internal)] {
            assert_eq!(find(region, interface).unwrap_err().label(), "no_endpoint");
        }
    }

    #[test]
    fn a_tokens_life_is_measured_by_keystones_own_clock() {
        let life = |token: Value| serde_json::from_value::<Token>(token).unwrap().lifetime();
        let hour =
            json!({"issued_at": "1999-11-07T01:58:43.578887Z", "expires_at": "1999-11-07T02:58:43.578887Z"});
        assert_eq!(life(hour), Duration::from_secs(3_600));
        assert_eq!(
            life(json!({"issued_at": "2015-11-07T02:00:00Z", "expires_at": "2015-11-07T01:00:00Z"})),
            Duration::ZERO
        );
        assert_eq!(life(json!({"issued_at": "soon", "expires_at": null})), LIFETIME);
    }
}

//! Tenants' metadata from Nova: the keys of Ceilometer's `[service_credentials]` and its `reserved_metadata_*`.

use std::time::Duration;

use ::nova::settings::{self, Credential};
use ::nova::{
    BaseUrl, Bounds, Domain, Interface, Login, Project, Reserved, Scope, Secret, Settings, Tls, User,
};

use crate::secret::secret;
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};

/// The most prefixes, and the most keys, that are reserved; each is compared with every item of every server.
const MAX_RESERVED: usize = 64;

/// The most servers of a host: sixteen times the default, and still a listing that Nova can answer.
const MAX_SERVERS: u64 = 65_536;

/// The most bytes of an answer: more is no page of servers.
const MAX_RESPONSE: u64 = 256 * 1024 * 1024;

/// The most pages of a listing: one server on each, and the most servers.
const MAX_PAGES: u64 = MAX_SERVERS;

/// The most metadata of a server: eight times Nova's default quota.
const MAX_METADATA: u64 = 1_024;

/// The most characters of a reserved value: Nova's values have 255.
const MAX_LENGTH: u64 = 65_536;

pub(crate) static NOVA: Section = Section {
    title: "the section `nova`",
    path: "nova",
    about: "Tenants' server metadata for the samples' `user_metadata`, as with Ceilometer's `[compute]fetch_extra_metadata`. Absent: Nova \
            is not asked. The login has the names of Ceilometer's `[service_credentials]`: a user with a password and a project, or \
            an application credential.",
    keys: &[
        key("auth_url", "text", "", "Required. Keystone: `https://controller:5000/v3`."),
        key("username", "text", "", "The user's name, which needs a domain; or `user_id`."),
        key("user_id", "text", "", "The user's id."),
        key("user_domain_name", "text", "", "The domain of `username`, by name; or `user_domain_id`."),
        key("user_domain_id", "text", "", "The domain of `username`, by id."),
        key("password", "text or SECRET", "", "The user's password."),
        key(
            "project_name",
            "text",
            "",
            "The project's name, which needs a domain; or `project_id`, or `system_scope`.",
        ),
        key("project_id", "text", "", "The project's id."),
        key(
            "project_domain_name",
            "text",
            "",
            "The domain of `project_name`, by name; or `project_domain_id`.",
        ),
        key("project_domain_id", "text", "", "The domain of `project_name`, by id."),
        key("system_scope", "word", "", "`all`: the login is for the whole cloud and not for a project."),
        key(
            "application_credential_id",
            "text",
            "",
            "In place of user, password and project: an application credential.",
        ),
        key(
            "application_credential_name",
            "text",
            "",
            "The application credential by its name, which needs its user: `user_id`, or `username` with a domain.",
        ),
        key("application_credential_secret", "text or SECRET", "", "The application credential's secret."),
        key("region_name", "text", "", "The region whose Nova is asked; absent, the first in the catalog."),
        key(
            "interface",
            "word",
            "public",
            "Nova's endpoint in the catalog: `public`, `internal` or `admin`.",
        ),
        key(
            "endpoint_override",
            "text",
            "",
            "Nova's address, in place of the catalog's: `http://controller:8774/v2.1`.",
        ),
        key(
            "cafile",
            "path",
            "",
            "PEM file of the authorities that may have signed the certificates; absent, those that the system trusts.",
        ),
        key("certfile", "path", "", "PEM file of our own certificate and its chain; needs `keyfile`."),
        key("keyfile", "path", "", "PEM file of our certificate's private key, not encrypted."),
        key("timeout", "duration", "30s", "How long one request may take, connecting and reading included."),
        key(
            "refresh",
            "duration",
            "300s",
            "From one listing of a host's servers to the next; an unknown instance brings it forward.",
        ),
        key("max_servers", "number", "4096", "Servers of one host; more of them is a failure."),
        key("max_response", "size", "16MiB", "Bytes of one answer; more is a failure."),
        key("max_pages", "number", "64", "Pages of one listing; more of them is a failure."),
        key(
            "max_metadata",
            "number",
            "128",
            "Metadata items that are kept of one server; more are left out.",
        ),
        key(
            "reserved_metadata_namespace",
            "list of texts",
            "[metering.]",
            "Metadata keys that begin with one of these are the samples', without it; Ceilometer's `[DEFAULT]reserved_metadata_namespace`.",
        ),
        key(
            "reserved_metadata_keys",
            "list of texts",
            "[]",
            "Metadata keys besides, whole; Ceilometer's `[DEFAULT]reserved_metadata_keys`.",
        ),
        key(
            "reserved_metadata_length",
            "number",
            "256",
            "Characters of a value that are kept; Ceilometer's `[DEFAULT]reserved_metadata_length`.",
        ),
    ],
};

/// Ceilometer's words, old ones included.
const INTERFACES: &[(&str, Interface)] = &[
    ("public", Interface::Public),
    ("internal", Interface::Internal),
    ("admin", Interface::Admin),
    ("publicURL", Interface::Public),
    ("internalURL", Interface::Internal),
    ("adminURL", Interface::Admin),
];

/// The domain of a user's name.
const USER_DOMAIN: [&str; 2] = ["user_domain_name", "user_domain_id"];

/// The domain of a project's name.
const PROJECT_DOMAIN: [&str; 2] = ["project_domain_name", "project_domain_id"];

/// The one system scope that there is.
const SYSTEM: &[(&str, ())] = &[("all", ())];

/// The section, where there is one.
pub(super) fn nova(d: &mut Decoder<'_>, file: &Map<'_>) -> Option<Settings> {
    let map = Map::open(d, file.get("nova")?, &NOVA, Unknown::Refuse)?;
    let auth_url = map.required(d, "auth_url", url);
    let login = login(d, &map);
    let mut interface = Interface::default();
    map.set(d, "interface", &mut interface, value::word(INTERFACES));
    let day = Duration::from_secs(86_400);
    let (mut timeout, mut refresh) = (settings::TIMEOUT, settings::REFRESH);
    map.set(
        d,
        "timeout",
        &mut timeout,
        value::duration(Duration::from_millis(100), Duration::from_secs(600)),
    );
    map.set(d, "refresh", &mut refresh, value::duration(settings::LEAST_REFRESH, day));
    if map.has("endpoint_override") {
        map.idle(d, &["region_name", "interface"], "endpoint_override");
    }
    let rest = (
        map.optional(d, "region_name", value::text),
        map.optional(d, "endpoint_override", url),
        tls(d, &map),
        bounds(d, &map),
        reserved(d, &map),
    );
    let (region_name, endpoint_override, tls, bounds, reserved) = rest;
    Some(Settings {
        auth_url: auth_url?,
        login: login?,
        region_name,
        interface,
        endpoint_override,
        tls,
        timeout,
        refresh,
        bounds,
        reserved,
    })
}

fn url(d: &mut Decoder<'_>, node: &Node) -> Option<BaseUrl> {
    let text = value::text(d, node)?;
    text.parse().map_err(|error| d.faults.error(&node.place, format!("{error}"))).ok()
}

fn login(d: &mut Decoder<'_>, map: &Map<'_>) -> Option<Login> {
    let credential =
        ["application_credential_id", "application_credential_name", "application_credential_secret"];
    if credential.iter().any(|key| map.has(key)) {
        return application_credential(d, map);
    }
    let user = user(d, map);
    let password = map.required(d, "password", filled);
    let scope = scope(d, map);
    Some(Login::Password { user: user?, password: password?, scope: scope? })
}

fn application_credential(d: &mut Decoder<'_>, map: &Map<'_>) -> Option<Login> {
    for key in ["password", "project_name", "project_id", "system_scope"] {
        if let Some(node) = map.get(key) {
            d.faults.error(&node.place, format!("an application credential takes the place of `{key}`"));
        }
    }
    let secret = map.required(d, "application_credential_secret", filled);
    let which = one_of(
        d,
        map,
        "application_credential_name",
        "application_credential_id",
        "the application credential",
    );
    let credential = match which? {
        Name(name) => {
            map.idle(d, &PROJECT_DOMAIN, "application_credential_name");
            Credential::Name(value::text(d, name)?, user(d, map)?)
        }
        Id(id) => {
            const WHICH: &str = "application_credential_id";
            map.idle(d, &["username", "user_id"], WHICH);
            map.idle(d, &USER_DOMAIN, WHICH);
            map.idle(d, &PROJECT_DOMAIN, WHICH);
            Credential::Id(value::text(d, id)?)
        }
    };
    Some(Login::ApplicationCredential { credential, secret: secret? })
}

fn user(d: &mut Decoder<'_>, map: &Map<'_>) -> Option<User> {
    Some(match one_of(d, map, "username", "user_id", "the user")? {
        Name(name) => User::Name(
            value::text(d, name)?,
            domain(d, map, "user_domain_name", "user_domain_id", "the domain of `username`")?,
        ),
        Id(id) => {
            map.idle(d, &USER_DOMAIN, "user_id");
            User::Id(value::text(d, id)?)
        }
    })
}

fn scope(d: &mut Decoder<'_>, map: &Map<'_>) -> Option<Scope> {
    if let Some(system) = map.get("system_scope") {
        for key in ["project_name", "project_id"] {
            if let Some(node) = map.get(key) {
                d.faults.error(&node.place, format!("`system_scope` and `{key}` exclude each other"));
            }
        }
        map.idle(d, &PROJECT_DOMAIN, "system_scope");
        return value::word(SYSTEM)(d, system).map(|()| Scope::System);
    }
    Some(Scope::Project(match one_of(d, map, "project_name", "project_id", "the project")? {
        Name(name) => Project::Name(
            value::text(d, name)?,
            domain(d, map, "project_domain_name", "project_domain_id", "the domain of `project_name`")?,
        ),
        Id(id) => {
            map.idle(d, &PROJECT_DOMAIN, "project_id");
            Project::Id(value::text(d, id)?)
        }
    }))
}

fn domain(d: &mut Decoder<'_>, map: &Map<'_>, name: &str, id: &str, what: &str) -> Option<Domain> {
    Some(match one_of(d, map, name, id, what)? {
        Name(name) => Domain::Name(value::text(d, name)?),
        Id(id) => Domain::Id(value::text(d, id)?),
    })
}

/// Which of two keys something is named by.
enum By<'n> {
    Name(&'n Node),
    Id(&'n Node),
}

use By::{Id, Name};

/// What is named by one of two keys, and by one only.
fn one_of<'n>(d: &mut Decoder<'_>, map: &Map<'n>, name: &str, id: &str, what: &str) -> Option<By<'n>> {
    match (map.get(name), map.get(id)) {
        (Some(node), None) => Some(Name(node)),
        (None, Some(node)) => Some(Id(node)),
        (Some(_), Some(both)) => {
            d.faults.error(&both.place, format!("`{name}` and `{id}` exclude each other"));
            None
        }
        (None, None) => {
            d.faults.error(map.place, format!("{what} is missing: `{name}` or `{id}`"));
            None
        }
    }
}

/// A secret that is not empty.
fn filled(d: &mut Decoder<'_>, node: &Node) -> Option<Secret> {
    let text = secret(d, node)?;
    if text.is_empty() {
        d.faults.error(&node.place, "an empty text");
        return None;
    }
    Some(Secret::new(text))
}

fn tls(d: &mut Decoder<'_>, map: &Map<'_>) -> Tls {
    if map.has("certfile") != map.has("keyfile") {
        d.faults.error(map.place, "a client certificate needs both `certfile` and `keyfile`");
    }
    Tls {
        cafile: map.optional(d, "cafile", value::readable),
        certfile: map.optional(d, "certfile", value::readable),
        keyfile: map.optional(d, "keyfile", value::readable),
    }
}

fn bounds(d: &mut Decoder<'_>, map: &Map<'_>) -> Bounds {
    let mut bounds = Bounds::default();
    map.set(d, "max_servers", &mut bounds.servers, value::number(1, MAX_SERVERS));
    map.set(d, "max_response", &mut bounds.response_bytes, value::size(64 * 1024, MAX_RESPONSE));
    map.set(d, "max_pages", &mut bounds.pages, value::number(1, MAX_PAGES));
    map.set(d, "max_metadata", &mut bounds.metadata, value::number(0, MAX_METADATA));
    bounds
}

fn reserved(d: &mut Decoder<'_>, map: &Map<'_>) -> Reserved {
    let mut reserved = Reserved::default();
    map.set(d, "reserved_metadata_namespace", &mut reserved.namespace, texts);
    map.set(d, "reserved_metadata_keys", &mut reserved.keys, texts);
    map.set(d, "reserved_metadata_length", &mut reserved.length, value::number(0, MAX_LENGTH));
    reserved
}

/// A list of texts, which may be empty.
fn texts(d: &mut Decoder<'_>, node: &Node) -> Option<Vec<String>> {
    let Value::Sequence(items) = &node.value else { return d.expected("a list of texts", node) };
    if items.len() > MAX_RESERVED {
        d.faults.error(&node.place, format!("{} texts; at most {MAX_RESERVED}", items.len()));
        return None;
    }
    items.iter().map(|item| value::text(d, item)).collect()
}

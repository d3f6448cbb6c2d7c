//! The thread against a Keystone and a Nova of the test's own; see `cloud`.

mod cloud;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloud::{Cloud, HOST, Mishap, PASSWORD, USER};
use nephoscope_nova as nova;
use nova::{Bounds, Domain, Health, Login, Project, Scope, Secret, Settings, TenantMetadata, User};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

/// Long: machines are slow, and nothing is asserted by time.
const PATIENCE: Duration = Duration::from_secs(60);

/// The settings for a cloud, with a short period.
fn settings(url: &str) -> Settings {
    let login = Login::Password {
        user: User::Name(USER.into(), Domain::Name("Default".into())),
        password: Secret::new(PASSWORD),
        scope: Scope::Project(Project::Name("service".into(), Domain::Name("Default".into()))),
    };
    let mut settings = Settings::new(url.parse().unwrap(), login);
    settings.refresh = Duration::from_millis(200);
    settings
}

fn start(settings: Settings) -> TenantMetadata {
    TenantMetadata::start(settings, [HOST.to_owned()]).unwrap()
}

/// Waits until it stands so with the first host.
fn until(tenants: &TenantMetadata, what: &str, fits: impl Fn(&Health) -> bool) -> Health {
    let begin = Instant::now();
    loop {
        let health = tenants.health().remove(0);
        if fits(&health) {
            return health;
        }
        assert!(begin.elapsed() < PATIENCE, "{what} never came: {health:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn listed(tenants: &TenantMetadata) -> Health {
    until(tenants, "a listing", |health| health.last_success.is_some() && health.trouble.is_none())
}

fn troubled(tenants: &TenantMetadata, label: &str) -> Health {
    until(tenants, label, |health| health.trouble.as_ref().is_some_and(|trouble| trouble.label == label))
}

fn group(tenants: &TenantMetadata, id: &str) -> Option<String> {
    tenants.get(HOST, id)?.get("metering.server_group").cloned()
}

#[test]
fn a_host_is_one_call_and_only_what_is_reserved_is_kept() {
    let cloud = Cloud::start();
    let ids = cloud.boot(HOST, 3);
    let others = cloud.boot("compute-2", 3);
    let mut settings = settings(&cloud.url);
    settings.refresh = Duration::from_secs(3_600);
    let tenants = start(settings);
    assert_eq!(listed(&tenants).servers, 3);
    assert_eq!(
        *tenants.get(HOST, &ids[1]).unwrap(),
        BTreeMap::from([("metering.server_group".into(), "group 1".into())])
    );
    assert!(tenants.get(HOST, &others[0]).is_none());
    assert_eq!(cloud.state().requests, ["POST /v3/auth/tokens", "GET /v2.1/servers/detail"]);
    tenants.stop();
}

#[test]
fn several_hosts_share_one_login() {
    let cloud = Cloud::start();
    let first = cloud.boot(HOST, 2);
    let second = cloud.boot("höst/2 &all_tenants=False", 2);
    let mut settings = settings(&cloud.url);
    settings.refresh = Duration::from_secs(3_600);
    let hosts = [HOST, "höst/2 &all_tenants=False", HOST].map(str::to_owned);
    let tenants = TenantMetadata::start(settings, hosts).unwrap();
    let begin = Instant::now();
    while tenants.health().iter().any(|health| health.last_success.is_none()) {
        assert!(begin.elapsed() < PATIENCE, "{:?}", tenants.health());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(group(&tenants, &first[0]).as_deref(), Some("group 0"));
    assert_eq!(group(&tenants, &second[1]).as_deref(), Some("group 1"));
    assert_eq!(tenants.health().len(), 2, "a host that was named twice");
    assert_eq!((cloud.count("POST"), cloud.count("GET")), (1, 2));
    tenants.stop();
}

#[test]
fn pages_are_followed_at_novas_own_address_whatever_the_links_say() {
    let cloud = Cloud::start();
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    cloud.state().max_limit = 7;
    cloud.state().link_base = Some(format!("http://{}", trap.local_addr().unwrap()));
    let ids = cloud.boot(HOST, 21);
    let mut settings = settings(&cloud.url);
    settings.refresh = Duration::from_secs(3_600);
    let tenants = start(settings);
    assert_eq!(listed(&tenants).servers, 21);
    assert!(ids.iter().all(|id| tenants.get(HOST, id).is_some()));
    // The last full page leads on to an empty one.
    assert_eq!(cloud.count("GET"), 4);
    assert!(trap.accept().is_err(), "the link was followed");
    tenants.stop();
}

#[test]
fn metadata_that_did_not_change_stays_the_same_object() {
    let cloud = Cloud::start();
    let ids = cloud.boot(HOST, 2);
    let tenants = start(settings(&cloud.url));
    listed(&tenants);
    let before = [tenants.get(HOST, &ids[0]).unwrap(), tenants.get(HOST, &ids[1]).unwrap()];
    cloud.state().servers[1].metadata = json!({"metering.server_group": "another", "role": "db"});
    let begin = Instant::now();
    while group(&tenants, &ids[1]).as_deref() != Some("another") {
        assert!(begin.elapsed() < PATIENCE, "the change never showed");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(Arc::ptr_eq(&before[0], &tenants.get(HOST, &ids[0]).unwrap()));
    assert_eq!(before[1]["metering.server_group"], "group 1", "whoever holds the old one keeps it");
    tenants.stop();
}

#[test]
fn a_token_that_was_revoked_is_renewed_at_once() {
    let cloud = Cloud::start();
    let ids = cloud.boot(HOST, 1);
    let tenants = start(settings(&cloud.url));
    let first = listed(&tenants);
    cloud.state().tokens.clear();
    until(&tenants, "a listing with another token", |health| {
        assert_eq!(health.trouble, None);
        cloud.count("POST") == 2 && health.last_success > first.last_success
    });
    assert!(tenants.get(HOST, &ids[0]).is_some());
    tenants.stop();
}

#[test]
fn a_token_is_renewed_before_it_expires() {
    let cloud = Cloud::start();
    cloud.boot(HOST, 1);
    // Within the margin of a renewal from the beginning.
    cloud.state().lifetime = 30;
    let tenants = start(settings(&cloud.url));
    until(&tenants, "a second login", |health| {
        assert_eq!(health.trouble, None);
        cloud.count("POST") >= 3
    });
    tenants.stop();
}

/// Everything that may come in place of an answer: the label that it gets, and that the last good table stays and the next good
/// listing ends the trouble.
#[test]
fn whatever_nova_answers_the_last_known_metadata_stays() {
    let cloud = Cloud::start();
    let ids = cloud.boot(HOST, 2);
    let mut settings = settings(&cloud.url);
    settings.timeout = Duration::from_secs(2);
    settings.bounds = Bounds { response_bytes: 256 * 1024, ..Bounds::default() };
    let tenants = start(settings);
    listed(&tenants);
    let before = tenants.get(HOST, &ids[0]).unwrap();
    let many = format!("{{\"servers\": [{}]}}", vec![r#"{"id": ""}"#; 2_000].join(","));
    let elsewhere = [("Location", "http://127.0.0.1:9/v2.1/servers/detail")];
    let elsewhere: &'static [_] = Box::leak(Box::new(elsewhere));
    for (mishap, label) in [
        (Mishap::Status(500, &[]), "status"),
        (Mishap::Status(404, &[]), "status"),
        (Mishap::Status(403, &[]), "forbidden"),
        (Mishap::Status(429, &[("Retry-After", "0")]), "later"),
        (Mishap::Status(503, &[("Retry-After", "soon")]), "later"),
        (Mishap::Status(300, &[]), "redirect"),
        (Mishap::Status(302, elsewhere), "redirect"),
        (Mishap::Status(307, elsewhere), "redirect"),
        (Mishap::Body("<html>login</html>".into()), "malformed"),
        (Mishap::Body(String::new()), "malformed"),
        (Mishap::Body("{\"servers\": null}".into()), "malformed"),
        (Mishap::Body("{\"servers\": [{\"id\": \"x\"}]}".into()), "malformed"),
        (Mishap::Body("[".repeat(100_000)), "malformed"),
        (Mishap::Body(many), "malformed"),
        (Mishap::Body("{\"servers\": [], \"servers_links\": [{\"rel\": \"next\"}]}".into()), "malformed"),
        (Mishap::Cut, "unreachable"),
        (Mishap::Noise, "malformed"),
        (Mishap::Silence(Duration::from_secs(4)), "timeout"),
        (Mishap::Trickle(Duration::from_millis(100)), "timeout"),
        (Mishap::Flood(64 << 20), "too_large"),
        (Mishap::Headers(1 << 20), "too_large"),
    ] {
        let name = format!("{mishap:.60?}");
        cloud.state().nova = Some(mishap);
        let health = troubled(&tenants, label);
        assert_eq!(health.servers, 2, "{name}");
        let trouble = health.trouble.unwrap();
        assert!(
            health.last_success.unwrap() <= trouble.since && trouble.since <= SystemTime::now(),
            "{name}"
        );
        assert!(!trouble.words.contains("token") && !trouble.words.contains(PASSWORD), "{}", trouble.words);
        assert!(Arc::ptr_eq(&before, &tenants.get(HOST, &ids[0]).unwrap()), "{name}");
        cloud.state().nova = None;
        listed(&tenants);
    }
    tenants.stop();
}

#[test]
fn whatever_keystone_answers_there_is_no_login_and_no_panic() {
    let cloud = Cloud::start();
    cloud.boot(HOST, 1);
    for (mishap, label) in [
        (Mishap::Status(401, &[]), "unauthorized"),
        (Mishap::Status(500, &[]), "status"),
        (Mishap::Status(302, &[("Location", "http://127.0.0.1:9/")]), "redirect"),
        (Mishap::Body("{}".into()), "malformed"),
        (Mishap::Noise, "malformed"),
        (Mishap::Flood(64 << 20), "too_large"),
    ] {
        cloud.state().keystone = Some(mishap);
        let mut settings = settings(&cloud.url);
        settings.refresh = Duration::from_secs(2);
        let tenants = start(settings);
        let health = troubled(&tenants, label);
        assert_eq!((health.last_success, health.servers), (None, 0));
        cloud.state().keystone = None;
        listed(&tenants);
        tenants.stop();
    }
}

#[test]
fn a_wrong_password_is_tried_once_a_period_and_shows_nowhere() {
    let cloud = Cloud::start();
    let mut settings = settings(&cloud.url);
    settings.refresh = Duration::from_secs(3_600);
    if let Login::Password { password, .. } = &mut settings.login {
        *password = Secret::new("s3cr3t");
    }
    assert!(!format!("{settings:?}").contains("s3cr3t"));
    let tenants = start(settings);
    let health = troubled(&tenants, "unauthorized");
    assert!(!format!("{health:?} {tenants:?}").contains("s3cr3t"));
    // An unknown server is a reason to hurry, but not for a host that waits out a fault.
    assert!(tenants.get(HOST, "f5dc173b-6804-445a-a6d8-000000000000").is_none());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(cloud.count("POST"), 1);
    tenants.stop();
}

#[test]
fn a_cloud_that_is_away_at_the_start_is_found_when_it_comes() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let tenants = start(settings(&url));
    let health = troubled(&tenants, "unreachable");
    assert_eq!(health.last_success, None);
    assert!(health.trouble.unwrap().words.contains(&url));
    tenants.stop();
}

#[test]
fn a_filter_that_nova_reads_over_is_noticed() {
    let cloud = Cloud::start();
    cloud.boot("compute-2", 1);
    cloud.state().unfiltered = true;
    let tenants = start(settings(&cloud.url));
    troubled(&tenants, "unfiltered");
    tenants.stop();
}

#[test]
fn servers_and_pages_past_their_bounds_are_a_failure() {
    let cloud = Cloud::start();
    cloud.boot(HOST, 11);
    let mut settings = settings(&cloud.url);
    settings.bounds.servers = 10;
    let tenants = start(settings.clone());
    troubled(&tenants, "too_many_servers");
    tenants.stop();

    settings.bounds = Bounds { pages: 5, ..Bounds::default() };
    cloud.state().max_limit = 2;
    let tenants = start(settings);
    troubled(&tenants, "too_many_pages");
    tenants.stop();
}

#[test]
fn novas_address_may_be_given_in_place_of_the_catalogs() {
    let cloud = Cloud::start();
    let ids = cloud.boot(HOST, 1);
    let mut settings = settings(&format!("{}/v3/", cloud.url));
    settings.region_name = Some("nowhere".into());
    let tenants = start(settings.clone());
    troubled(&tenants, "no_endpoint");
    tenants.stop();
    settings.endpoint_override = Some(cloud.url.parse().unwrap());
    let tenants = start(settings);
    listed(&tenants);
    assert!(tenants.get(HOST, &ids[0]).is_some());
    tenants.stop();
}

#[test]
fn stopping_waits_for_no_peer() {
    let cloud = Cloud::start();
    cloud.state().keystone = Some(Mishap::Silence(Duration::from_secs(600)));
    let mut settings = settings(&cloud.url);
    settings.timeout = Duration::from_secs(500);
    let tenants = start(settings);
    let begin = Instant::now();
    while cloud.count("POST") == 0 {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
    let begin = Instant::now();
    tenants.stop();
    assert!(begin.elapsed() < Duration::from_secs(100));
}

/// What a server has to know to take only clients that the authority has signed.
fn server_tls(authority: &lab::tls::Authority) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let identity = authority.server().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&authority.certificate).unwrap()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&identity.certificate).unwrap()],
            PrivateKeyDer::from_pem_file(&identity.key).unwrap(),
        )
        .unwrap()
}

#[test]
fn tls_is_as_the_certificates_say() {
    let folder = tempfile::tempdir().unwrap();
    let authority = lab::tls::Authority::make(&folder.path().join("ours")).unwrap();
    let stranger = lab::tls::Authority::make(&folder.path().join("strange")).unwrap();
    let (client, other) = (authority.client("agent").unwrap(), authority.client("other").unwrap());
    let cloud = Cloud::start_tls(server_tls(&authority));
    let ids = cloud.boot(HOST, 1);
    let with = |ca: &Path, certificate: Option<&Path>, key: Option<&Path>| {
        let mut settings = settings(&cloud.url);
        settings.tls = nova::Tls {
            cafile: Some(ca.to_owned()),
            certfile: certificate.map(Path::to_owned),
            keyfile: key.map(Path::to_owned),
        };
        start(settings)
    };
    let (ca, certificate, key) = (&authority.certificate, &client.certificate, &client.key);
    let missing = folder.path().join("missing.pem");
    for (tenants, label) in [
        (with(&stranger.certificate, Some(certificate), Some(key)), "tls"),
        (with(ca, None, None), "tls"),
        (with(ca, Some(certificate), None), "certificates"),
        (with(ca, Some(certificate), Some(&other.key)), "certificates"),
        (with(ca, Some(key), Some(key)), "certificates"),
        (with(&missing, None, None), "certificates"),
    ] {
        troubled(&tenants, label);
        tenants.stop();
    }
    let tenants = with(ca, Some(certificate), Some(key));
    listed(&tenants);
    assert!(tenants.get(HOST, &ids[0]).is_some());
    tenants.stop();
}

//! TLS with an authority of one's own and client certificates, and what is said where it fails.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use lab::tls::{Authority, Identity};
use lab::{Broker, BrokerSettings, ClientCertificate, instances};
use nephoscope_tests::program::lines;
use nephoscope_tests::{Ended, Pipeline, Running, Site};

const USER: &str = "nova-user";
const PASSWORD: &str = "s3cr3t-word";
/// Agent and collector say the same trouble once, however often they try again; TLS may fail in two ways.
const LINES: usize = 3;

/// A broker that takes TLS clients with a certificate alone. One for all tests: they do not share a queue.
fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| start().unwrap_or_else(|error| panic!("{error:#}")))
}

fn start() -> Result<Broker> {
    let folder = nephoscope_tests::broker_folder();
    let settings =
        BrokerSettings { folder: Some(folder), tls: Some(ClientCertificate::Required), ..Default::default() };
    let broker = Broker::start_with(&settings)?;
    broker.rabbitmqctl(&["add_user", USER, PASSWORD])?;
    broker.rabbitmqctl(&["set_permissions", USER, ".*", ".*", ".*"])?;
    Ok(broker)
}

fn url(password: &str) -> Result<String> {
    let url = broker().tls_url().context("no TLS listener")?;
    Ok(url.replace("guest:guest@", &format!("{USER}:{password}@")))
}

/// The `amqp` section with these certificates.
fn amqp(url: &str, ca: &Path, client: Option<&Identity>, exchange: &str) -> String {
    let client = client.map_or_else(String::new, |client| {
        format!(", certificate: \"{}\", key: \"{}\"", client.certificate.display(), client.key.display())
    });
    format!(
        "{{url: \"{url}\", control_exchange: {exchange}, topics: [{exchange}], tls: {{ca: \"{}\"{client}}}}}",
        ca.display()
    )
}

fn pipeline(site: &Site, amqp: &str) -> Result<()> {
    let uri = site.test_driver(&instances(3))?;
    site.pipeline(&Pipeline::mem_max(&uri, &[&format!("{{amqp: {amqp}}}")]))
}

/// Agent and collector both say why they have no connection, a few times, and never with which password.
fn fails(amqp: &str, words: &[&str]) -> Result<()> {
    let site = Site::new()?;
    let mut collector = site.start_collector(&format!("amqp: {amqp}"))?;
    collector.until_logged(words)?;
    pipeline(&site, amqp)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until_logged(words)?;
    // Asked to end it would still try for a while to deliver what it has.
    let (ended, collected) = (agent.kill()?, collector.stop()?.expect(0)?);
    for log in [&ended.stderr, &collected.stderr] {
        assert!((1..=LINES).contains(&lines(log, words).len()), "{log}");
    }
    silent(&[&ended, &collected]);
    Ok(())
}

fn silent(runs: &[&Ended]) {
    for run in runs {
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(!all.contains(PASSWORD) && !all.contains(USER), "credentials in:\n{all}");
    }
}

#[test]
fn agent_and_collector_use_an_own_authority_and_client_certificates() -> Result<()> {
    let authority = broker().authority().context("no authority")?;
    let amqp = amqp(&url(PASSWORD)?, &authority.certificate, broker().client(), "good");
    let site = Site::new()?;
    let mut collector: Running = site.start_collector(&format!("amqp: {amqp}"))?;
    collector.until_logged(&["collecting", "good.sample"])?;
    pipeline(&site, &amqp)?;
    let ended = site.run_once()?.expect(0)?;
    assert_eq!(site.stored(&mut collector, 3)?.len(), 3);
    silent(&[&ended, &collector.stop()?.expect(0)?]);
    Ok(())
}

#[test]
fn a_broker_of_another_authority_is_refused_by_name() -> Result<()> {
    let strangers = tempfile::tempdir()?;
    let other = Authority::make(&strangers.path().join("ca"))?;
    let amqp = amqp(&url(PASSWORD)?, &other.certificate, broker().client(), "stranger");
    fails(&amqp, &["TLS", "localhost", "certificate"])
}

#[test]
fn a_missing_client_certificate_is_said() -> Result<()> {
    let authority = broker().authority().context("no authority")?;
    fails(
        &amqp(&url(PASSWORD)?, &authority.certificate, None, "anonymous"),
        &["TLS", "localhost", "ertificate"],
    )
}

#[test]
fn a_wrong_password_is_said_and_not_shown() -> Result<()> {
    let authority = broker().authority().context("no authority")?;
    let url = url(&format!("{PASSWORD}-wrong"))?;
    fails(
        &amqp(&url, &authority.certificate, broker().client(), "wrong"),
        &["localhost", "refuses the user or the password"],
    )
}

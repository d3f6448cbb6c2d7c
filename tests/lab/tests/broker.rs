//! The private RabbitMQ: it starts, keeps to itself, comes back with its data, and speaks TLS.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::process::Mark;
use lab::{Broker, BrokerSettings, ClientCertificate, tls};

/// The broker's first frame over TLS, as the client with these further arguments sees it; empty when it is refused.
fn greeting(broker: &Broker, more: &[&str]) -> Result<String> {
    let url = broker.tls_url().context("no TLS listener")?;
    let address = url.trim_start_matches("amqps://guest:guest@").trim_end_matches("/%2f");
    let authority = &broker.authority().context("no authority")?.certificate;
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
            "-connect",
            address,
        ])
        .arg("-CAfile")
        .arg(authority)
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = client.stdin.take().context("no input")?;
    let _ = input.write_all(b"AMQP\x00\x00\x09\x01");
    // RabbitMQ closes the connection when the client's end of input comes as its whole answer.
    std::thread::sleep(Duration::from_secs(1));
    drop(input);
    Ok(String::from_utf8_lossy(&client.wait_with_output()?.stdout).into_owned())
}

#[test]
fn a_broker_stops_refuses_and_comes_back_on_its_port_with_its_data() -> Result<()> {
    let mut broker = Broker::start()?;
    let vhost = broker.vhost()?;
    assert_eq!(
        broker.rabbitmqctl(&["list_permissions", "-p", &vhost.name, "--no-table-headers"])?.trim(),
        "guest\t.*\t.*\t.*"
    );
    assert!(vhost.url().ends_with(&format!(":{}/{}", broker.port(), vhost.name)));
    let pid = broker.pid().context("no process")?;

    broker.stop()?;
    assert_eq!(Mark::of(pid), None);
    assert!(std::net::TcpStream::connect(("127.0.0.1", broker.port())).is_err());

    broker.start_again()?;
    assert!(broker.rabbitmqctl(&["list_vhosts", "name"])?.lines().any(|name| name == vhost.name));

    broker.kill();
    assert!(std::net::TcpStream::connect(("127.0.0.1", broker.port())).is_err());
    Ok(())
}

#[test]
fn a_tls_listener_takes_its_authoritys_clients_and_no_others() -> Result<()> {
    let tls = Some(ClientCertificate::Required);
    let broker = Broker::start_with(&BrokerSettings { tls, ..Default::default() })?;
    let client = broker.client().context("no client")?;
    let (certificate, key) = (client.certificate.to_string_lossy(), client.key.to_string_lossy());
    let own = greeting(&broker, &["-cert", &certificate, "-key", &key])?;
    ensure!(own.contains("RabbitMQ"), "the broker did not answer its own client: {own:?}");

    assert!(!greeting(&broker, &[])?.contains("RabbitMQ"), "a client without a certificate was let in");

    let strangers = tempfile::tempdir()?;
    let stranger = tls::Authority::make(strangers.path())?.client("guest")?;
    let (certificate, key) = (stranger.certificate.to_string_lossy(), stranger.key.to_string_lossy());
    let refused = greeting(&broker, &["-cert", &certificate, "-key", &key])?;
    assert!(!refused.contains("RabbitMQ"), "a stranger's client was let in");
    Ok(())
}

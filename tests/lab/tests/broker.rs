//! The private RabbitMQ: it starts, keeps to itself, comes back with its data, speaks TLS, and falters when told to.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
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

/// Connection.Blocked and Connection.Unblocked, as class and method.
const BLOCKED: [u8; 4] = [0, 10, 0, 60];
const UNBLOCKED: [u8; 4] = [0, 10, 0, 61];

/// As much of an AMQP client as a publisher needs that wants to know when it is blocked.
struct Publisher(TcpStream);

impl Publisher {
    fn connect(port: u16) -> Result<Publisher> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut publisher = Publisher(stream);
        publisher.0.write_all(b"AMQP\x00\x00\x09\x01")?;
        publisher.expect([0, 10, 0, 10])?;
        let blocked = b"\x12connection.blockedt\x01";
        let mut properties = b"\x0ccapabilitiesF".to_vec();
        properties.extend_from_slice(&(blocked.len() as u32).to_be_bytes());
        properties.extend_from_slice(blocked);
        let mut start_ok = vec![0, 10, 0, 11];
        start_ok.extend_from_slice(&(properties.len() as u32).to_be_bytes());
        start_ok.extend_from_slice(&properties);
        start_ok.extend_from_slice(b"\x05PLAIN\x00\x00\x00\x0c\x00guest\x00guest\x05en_US");
        publisher.frame(1, 0, &start_ok)?;
        publisher.expect([0, 10, 0, 30])?;
        // One channel, frames of 128 KiB, no heartbeats; then the default virtual host.
        publisher.frame(1, 0, &[0, 10, 0, 31, 0, 1, 0, 2, 0, 0, 0, 0])?;
        publisher.frame(1, 0, b"\x00\x0a\x00\x28\x01/\x00\x00")?;
        publisher.expect([0, 10, 0, 41])?;
        publisher.frame(1, 1, &[0, 20, 0, 10, 0])?;
        publisher.expect([0, 20, 0, 11])?;
        Ok(publisher)
    }

    /// Publishes one byte to a queue that does not exist.
    fn publish(&mut self) -> Result<()> {
        self.frame(1, 1, b"\x00\x3c\x00\x28\x00\x00\x00\x07nowhere\x00")?;
        self.frame(2, 1, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0])?;
        self.frame(3, 1, b"x")
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) -> Result<()> {
        let mut frame = vec![kind];
        frame.extend_from_slice(&channel.to_be_bytes());
        frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        frame.extend_from_slice(payload);
        frame.push(0xce);
        Ok(self.0.write_all(&frame)?)
    }

    /// Reads one frame, which shall be this class and method.
    fn expect(&mut self, method: [u8; 4]) -> Result<()> {
        let mut head = [0; 7];
        self.0.read_exact(&mut head)?;
        let mut rest = vec![0; u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize + 1];
        self.0.read_exact(&mut rest)?;
        ensure!(rest.starts_with(&method), "expected {method:?}, got {rest:?}");
        Ok(())
    }
}

#[test]
fn further_options_are_the_brokers() -> Result<()> {
    let options = vec![
        "max_message_size = 65536".to_owned(),
        "total_memory_available_override_value = 1000000000".to_owned(),
    ];
    let broker = Broker::start_with(&BrokerSettings { options, ..Default::default() })?;
    let size = broker.rabbitmqctl(&["eval", "application:get_env(rabbit, max_message_size)."])?;
    assert_eq!(size.trim(), "{ok,65536}");
    let memory = broker.rabbitmqctl(&["eval", "vm_memory_monitor:get_total_memory()."])?;
    assert_eq!(memory.trim(), "1000000000");
    Ok(())
}

#[test]
fn a_paused_broker_is_silent_until_it_goes_on_and_an_alarm_blocks_publishers() -> Result<()> {
    let mut broker = Broker::start()?;

    broker.pause()?;
    let mut client = TcpStream::connect(("127.0.0.1", broker.port()))?;
    client.write_all(b"AMQP\x00\x00\x09\x01")?;
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut first = [0];
    let silence = client.read_exact(&mut first).expect_err("a paused broker answered");
    assert_eq!(silence.kind(), ErrorKind::WouldBlock);
    broker.resume();
    client.set_read_timeout(Some(Duration::from_secs(20)))?;
    client.read_exact(&mut first)?;
    assert_eq!(first, [1]);

    let mut publisher = Publisher::connect(broker.port())?;
    publisher.publish()?;
    broker.alarm(true)?;
    publisher.publish()?;
    publisher.expect(BLOCKED)?;
    broker.alarm(false)?;
    publisher.expect(UNBLOCKED)?;

    // A paused broker can be asked to stop, and can be ended.
    broker.pause()?;
    broker.stop()?;
    assert!(broker.pause().is_err());
    broker.start_again()?;
    broker.pause()?;
    let mark = Mark::of(broker.pid().context("no process")?).context("not running")?;
    drop(broker);
    assert!(!mark.is_running());
    Ok(())
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
    assert!(TcpStream::connect(("127.0.0.1", broker.port())).is_err());

    broker.start_again()?;
    assert!(broker.rabbitmqctl(&["list_vhosts", "name"])?.lines().any(|name| name == vhost.name));

    broker.kill();
    assert!(TcpStream::connect(("127.0.0.1", broker.port())).is_err());
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

//! A private RabbitMQ.
//!
//! Its own node name, ports, data, log, Erlang cookie and Erlang port mapper, on the loopback alone: it neither sees nor
//! disturbs a RabbitMQ that the machine runs. The package's management and other plugins stay off.
//!
//! What can fail: the package is not installed; a port was taken between the choice and the start (a few attempts are
//! made); the node does not answer within [`START_LIMIT`]. Each is an error that carries the end of the node's log.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use crate::process::{Kept, Mark};
use crate::tls::{Authority, Identity};
use crate::{command_exists, free_port, output};

/// Seven seconds on two idle cores; ten times that for a machine that compiles beside it.
const START_LIMIT: Duration = Duration::from_secs(90);
/// An orderly stop takes a second; with many connections and queues it takes a few.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Attempts with other ports, where one was taken by somebody else in the meantime.
const ATTEMPTS: usize = 3;
/// Debian and its derivatives put the scripts here; /usr/sbin has wrappers that insist on the system's broker.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";

/// How a private broker shall be.
#[derive(Clone, Debug, Default)]
pub struct BrokerSettings {
    /// Where its data and log go; none: a temporary folder, removed with it.
    pub folder: Option<PathBuf>,
    /// Whether it has a TLS listener beside the plain one, and what that asks of clients.
    pub tls: Option<ClientCertificate>,
}

/// What the TLS listener asks of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// None is needed; one that is shown is verified.
    Optional,
    /// A client without a certificate of the broker's authority is refused.
    Required,
}

/// A running private RabbitMQ; dropping it ends it at once.
#[derive(Debug)]
pub struct Broker {
    // The node goes before its port mapper, both before their folder.
    node: Option<Kept>,
    mapper: Kept,
    folder: PathBuf,
    ports: Ports,
    tls: Option<Tls>,
    vhosts: AtomicU32,
    _temporary: Option<TempDir>,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    amqp: u16,
    amqps: u16,
    distribution: u16,
    mapper: u16,
    tool: u16,
}

#[derive(Debug)]
struct Tls {
    authority: Authority,
    server: Identity,
    client: Identity,
    clients: ClientCertificate,
}

/// A virtual host of a private broker: the place of one test.
#[derive(Clone, Debug)]
pub struct Vhost {
    /// Its name.
    pub name: String,
    port: u16,
}

impl Vhost {
    /// Its address as AMQP clients write it: `amqp://guest:guest@127.0.0.1:PORT/NAME`.
    pub fn url(&self) -> String {
        let name = if self.name == "/" { "%2f" } else { &self.name };
        format!("amqp://guest:guest@127.0.0.1:{}/{name}", self.port)
    }

    /// Its address as oslo.messaging's `transport_url` writes it: `rabbit://guest:guest@127.0.0.1:PORT/NAME`.
    pub fn oslo_url(&self) -> String {
        format!("rabbit://guest:guest@127.0.0.1:{}/{}", self.port, self.name)
    }
}

impl Broker {
    /// Starts a broker in a temporary folder, without TLS.
    pub fn start() -> Result<Broker> {
        Broker::start_with(&BrokerSettings::default())
    }

    /// Starts a broker and waits until it answers.
    pub fn start_with(settings: &BrokerSettings) -> Result<Broker> {
        if !Path::new(SCRIPTS).join("rabbitmq-server").exists() || !command_exists("epmd") {
            bail!("RabbitMQ is not installed: `apt-get install rabbitmq-server`, or `cargo xtask setup`");
        }
        let (folder, temporary) = match &settings.folder {
            Some(folder) => (folder.clone(), None),
            None => {
                let made = tempfile::Builder::new().prefix("nephoscope-broker-").tempdir()?;
                (made.path().to_owned(), Some(made))
            }
        };
        prepare(&folder)?;
        let tls = match settings.tls {
            None => None,
            Some(clients) => {
                let authority = Authority::make(&folder.join("tls"))?;
                let (server, client) = (authority.server()?, authority.client("guest")?);
                Some(Tls { authority, server, client, clients })
            }
        };
        let mut failure = anyhow!("not tried");
        for _ in 0..ATTEMPTS {
            let ports = Ports::choose()?;
            configure(&folder, ports, tls.as_ref())?;
            match start_mapper(&folder, ports).and_then(|mapper| Ok((start_node(&folder, ports)?, mapper))) {
                Ok((node, mapper)) => {
                    let vhosts = AtomicU32::new(0);
                    let node = Some(node);
                    return Ok(Broker { node, mapper, folder, ports, tls, vhosts, _temporary: temporary });
                }
                Err(error) if format!("{error:#}").contains("eaddrinuse") => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// The default virtual host.
    pub fn default_vhost(&self) -> Vhost {
        Vhost { name: "/".to_owned(), port: self.ports.amqp }
    }

    /// The address of the default virtual host, `amqp://guest:guest@127.0.0.1:PORT/%2f`.
    pub fn url(&self) -> String {
        self.default_vhost().url()
    }

    /// The port of the plain listener, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The address of the TLS listener, `amqps://guest:guest@localhost:PORT/%2f`, where there is one.
    pub fn tls_url(&self) -> Option<String> {
        self.tls.as_ref().map(|_| format!("amqps://guest:guest@localhost:{}/%2f", self.ports.amqps))
    }

    /// The authority that signed the TLS listener's certificate, and whose clients the listener takes.
    pub fn authority(&self) -> Option<&Authority> {
        self.tls.as_ref().map(|tls| &tls.authority)
    }

    /// A client certificate that the TLS listener takes.
    pub fn client(&self) -> Option<&Identity> {
        self.tls.as_ref().map(|tls| &tls.client)
    }

    /// Makes a virtual host that nobody else uses: the place of one test.
    pub fn vhost(&self) -> Result<Vhost> {
        let name = format!("test-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        // One call of the tool does what add_vhost and set_permissions take two for: each is half a second.
        self.rabbitmqctl(&[
            "eval",
            &format!(
                "rabbit_vhost:add(<<\"{name}\">>, <<\"lab\">>), rabbit_auth_backend_internal:set_permissions(\
                 <<\"guest\">>, <<\"{name}\">>, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"lab\">>)."
            ),
        ])?;
        Ok(Vhost { name, port: self.ports.amqp })
    }

    /// Runs `rabbitmqctl -q ARGUMENTS` against this broker and gives what it prints.
    pub fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String> {
        output(script("rabbitmqctl", &self.folder, self.ports).arg("-q").args(arguments))
    }

    /// The process id of the Erlang VM, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.node.as_ref().map(Kept::pid)
    }

    /// Where its data and log are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops the broker in an orderly way: clients are told, durable data is kept, the port refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.node.take().map_or(Ok(()), |node| node.terminate(STOP_LIMIT))
    }

    /// Ends the broker as a crash would: connections break off.
    pub fn kill(&mut self) {
        self.node = None;
    }

    /// Starts a stopped or killed broker again, on the same ports with the same data.
    pub fn start_again(&mut self) -> Result<()> {
        if self.node.is_none() {
            self.node = Some(start_node(&self.folder, self.ports)?);
        }
        Ok(())
    }

    /// Lets the broker outlive this process. Ending the marks in their order ends it; its folder stays.
    pub fn leave(self) -> Result<Vec<Mark>> {
        let mut marks = Vec::new();
        if let Some(node) = self.node {
            marks.push(node.leave()?);
        }
        marks.push(self.mapper.leave()?);
        if let Some(temporary) = self._temporary {
            let _ = temporary.keep();
        }
        Ok(marks)
    }
}

impl Ports {
    fn choose() -> Result<Ports> {
        Ok(Ports {
            amqp: free_port()?,
            amqps: free_port()?,
            distribution: free_port()?,
            mapper: free_port()?,
            tool: free_port()?,
        })
    }
}

fn prepare(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let home = folder.join("home");
    fs::create_dir_all(&home).with_context(|| format!("failed to create {}", home.display()))?;
    let cookie = home.join(".erlang.cookie");
    if !cookie.exists() {
        // No secret: the node listens on the loopback alone, and the folder's name is as random as this.
        fs::write(&cookie, format!("LAB{}", std::process::id()))?;
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
    }
    fs::write(folder.join("enabled_plugins"), "[].\n")?;
    Ok(())
}

fn configure(folder: &Path, ports: Ports, tls: Option<&Tls>) -> Result<()> {
    let mut text =
        format!("listeners.tcp.1 = 127.0.0.1:{}\nlog.console = true\nlog.file = false\n", ports.amqp);
    if let Some(tls) = tls {
        text += &format!(
            "listeners.ssl.1 = 127.0.0.1:{}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\nssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = {}\n",
            ports.amqps,
            tls.authority.certificate.display(),
            tls.server.certificate.display(),
            tls.server.key.display(),
            tls.clients == ClientCertificate::Required,
        );
    }
    fs::write(folder.join("rabbitmq.conf"), text).context("failed to write rabbitmq.conf")
}

fn start_mapper(folder: &Path, ports: Ports) -> Result<Kept> {
    let mut command = Command::new("epmd");
    command.args(["-address", "127.0.0.1", "-port", &ports.mapper.to_string()]).env_remove("NOTIFY_SOCKET");
    let mut mapper = Kept::start(&command, &folder.join("epmd.log"))?;
    mapper.until("an answer of the Erlang port mapper", START_LIMIT, || {
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, ports.mapper)).ok())
    })?;
    Ok(mapper)
}

fn start_node(folder: &Path, ports: Ports) -> Result<Kept> {
    let mut command = script("rabbitmq-server", folder, ports);
    // "detached" makes the script become the Erlang VM instead of waiting beside it.
    command.env("detached", "1").arg("-noinput");
    let mut node = Kept::start(&command, &folder.join("broker.log"))?;
    node.until("an answer of RabbitMQ", START_LIMIT, || Ok(speaks_amqp(ports.amqp).then_some(())))?;
    Ok(node)
}

/// Whether the port answers a protocol header with Connection.Start: a frame of type 1 (method).
fn speaks_amqp(port: u16) -> bool {
    let ask = || -> std::io::Result<u8> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first[0])
    };
    matches!(ask(), Ok(1))
}

/// One of RabbitMQ's scripts, turned to this broker by its environment.
fn script(name: &str, folder: &Path, ports: Ports) -> Command {
    let mut command = Command::new(Path::new(SCRIPTS).join(name));
    command
        .current_dir(folder)
        .env_remove("NOTIFY_SOCKET")
        .env_remove("RABBITMQ_ALLOW_INPUT")
        .env("HOME", folder.join("home"))
        .env("ERL_EPMD_PORT", ports.mapper.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        // Every broker has a port mapper of its own, so the names do not meet.
        .env("RABBITMQ_NODENAME", "lab@localhost")
        .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", folder.join("none.config"))
        .env("RABBITMQ_CONF_ENV_FILE", folder.join("none.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", folder.join("generated"))
        .env("RABBITMQ_PID_FILE", folder.join("broker.pid"))
        .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
        .env("RABBITMQ_CTL_DIST_PORT_MIN", ports.tool.to_string())
        .env("RABBITMQ_CTL_DIST_PORT_MAX", (ports.tool + 9).to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
    command
}

//! What every private RabbitMQ is made of: a folder, an Erlang port mapper, and nodes that know each other by a cookie.
//!
//! [`Broker`](crate::Broker) has one node, [`Cluster`](crate::Cluster) several that share mapper and cookie.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::Kept;
use crate::{command_exists, free_port, output, until};

/// Seven seconds on two idle cores; ten times that for a machine that compiles beside it.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(90);
/// A killed node lets go of its port within milliseconds.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// Attempts with other ports, where one was taken by somebody else in the meantime.
pub(crate) const ATTEMPTS: usize = 3;
/// Debian and its derivatives put the scripts here; /usr/sbin has wrappers that insist on the system's broker.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";

/// One node: how it is called, and where it keeps its things and listens.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its full name, `NAME@localhost`.
    pub(crate) name: String,
    /// Where its configuration, data and log are.
    pub(crate) folder: PathBuf,
    /// The home folder with the Erlang cookie: nodes that share it may join, and the tools may ask them.
    pub(crate) home: PathBuf,
    /// The ports that it listens on.
    pub(crate) ports: Ports,
}

/// The loopback ports of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) amqp: u16,
    pub(crate) amqps: u16,
    pub(crate) distribution: u16,
    pub(crate) mapper: u16,
    pub(crate) tool: u16,
}

impl Ports {
    /// Ports for a node whose port mapper listens on `mapper`.
    pub(crate) fn choose(mapper: u16) -> Result<Ports> {
        Ok(Ports {
            amqp: free_port()?,
            amqps: free_port()?,
            distribution: free_port()?,
            mapper,
            tool: free_port()?,
        })
    }
}

/// Fails where RabbitMQ is not installed.
pub(crate) fn require() -> Result<()> {
    if !Path::new(SCRIPTS).join("rabbitmq-server").exists() || !command_exists("epmd") {
        bail!("RabbitMQ is not installed: `apt-get install rabbitmq-server`, or `cargo xtask setup`");
    }
    Ok(())
}

/// Whether the start failed only because somebody else took a port first.
pub(crate) fn port_was_taken(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("eaddrinuse")
}

/// Makes the home folder with the cookie that tells this RabbitMQ's nodes from others.
pub(crate) fn prepare_home(home: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(home).with_context(|| format!("failed to create {}", home.display()))?;
    let cookie = home.join(".erlang.cookie");
    if !cookie.exists() {
        // No secret: the nodes listen on the loopback alone, and the folder's name is as random as this.
        fs::write(&cookie, format!("LAB{}", std::process::id()))?;
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
    }
    Ok(())
}

/// Starts the Erlang port mapper that the nodes find each other by.
pub(crate) fn start_mapper(folder: &Path, port: u16) -> Result<Kept> {
    let mut command = Command::new("epmd");
    command.args(["-address", "127.0.0.1", "-port", &port.to_string()]).env_remove("NOTIFY_SOCKET");
    let mut mapper = Kept::start(&command, &folder.join("epmd.log"))?;
    mapper.until("an answer of the Erlang port mapper", START_LIMIT, || {
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
    })?;
    Ok(mapper)
}

/// The Erlang expression that makes a virtual host with all permissions for `guest`.
pub(crate) fn making_vhost(name: &str) -> String {
    // One call of the tool does what add_vhost and set_permissions take two for: each is half a second.
    format!(
        "rabbit_vhost:add(<<\"{name}\">>, <<\"lab\">>), rabbit_auth_backend_internal:set_permissions(\
         <<\"guest\">>, <<\"{name}\">>, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"lab\">>)."
    )
}

/// The address of a virtual host as AMQP clients write it.
pub(crate) fn url(port: u16, vhost: &str) -> String {
    let name = if vhost == "/" { "%2f" } else { vhost };
    format!("amqp://guest:guest@127.0.0.1:{port}/{name}")
}

impl Place {
    /// Writes the node's configuration: the plain listener, and these lines of rabbitmq.conf.
    pub(crate) fn configure(&self, lines: &[String]) -> Result<()> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("failed to create {}", self.folder.display()))?;
        fs::write(self.folder.join("enabled_plugins"), "[].\n")?;
        let mut text = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nlog.console = true\nlog.file = false\n",
            self.ports.amqp
        );
        for line in lines {
            text += line;
            text.push('\n');
        }
        fs::write(self.folder.join("rabbitmq.conf"), text).context("failed to write rabbitmq.conf")
    }

    /// Starts the node; [`Place::answer`] waits for it.
    pub(crate) fn launch(&self) -> Result<Kept> {
        let mut command = self.script("rabbitmq-server");
        // "detached" makes the script become the Erlang VM instead of waiting beside it.
        command.env("detached", "1").arg("-noinput");
        Kept::start(&command, &self.folder.join("broker.log"))
    }

    /// Waits until the launched node answers.
    pub(crate) fn answer(&self, node: &mut Kept) -> Result<()> {
        node.until("an answer of RabbitMQ", START_LIMIT, || Ok(speaks_amqp(self.ports.amqp).then_some(())))
    }

    /// Starts the node and waits until it answers.
    pub(crate) fn start(&self) -> Result<Kept> {
        let mut node = self.launch()?;
        self.answer(&mut node)?;
        Ok(node)
    }

    /// Ends a node as a crash would. Its port is closed then: on a busy machine the threads of a killed process take a moment to let go of it.
    pub(crate) fn kill(&self, node: Option<Kept>) {
        if node.is_none() {
            return;
        }
        drop(node);
        let address = (Ipv4Addr::LOCALHOST, self.ports.amqp);
        let closed = || Ok(TcpStream::connect(address).is_err().then_some(()));
        // One that holds on to it fails whoever finds it open.
        let _ = until("the port of a killed node to close", KILL_LIMIT, closed);
    }

    /// Runs `rabbitmqctl -q ARGUMENTS` against the node and gives what it prints.
    pub(crate) fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String> {
        output(self.script("rabbitmqctl").arg("-q").args(arguments))
    }

    /// One of RabbitMQ's scripts, turned to this node by its environment.
    fn script(&self, name: &str) -> Command {
        let (folder, ports) = (&self.folder, self.ports);
        let mut command = Command::new(Path::new(SCRIPTS).join(name));
        command
            .current_dir(folder)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("RABBITMQ_ALLOW_INPUT")
            .env("HOME", &self.home)
            .env("ERL_EPMD_PORT", ports.mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // Every broker and cluster has a port mapper of its own, so the names do not meet.
            .env("RABBITMQ_NODENAME", &self.name)
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

//! A private RabbitMQ.
//!
//! Its own node name, ports, data, log, Erlang cookie and Erlang port mapper, on the loopback alone: it neither sees nor
//! disturbs a RabbitMQ that the machine runs. The package's management and other plugins stay off.
//!
//! What can fail: the package is not installed; a port was taken between the choice and the start (a few attempts are
//! made); the node does not answer within [`rabbit::START_LIMIT`]. Each is an error that carries the end of the node's log.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tempfile::TempDir;

use crate::free_port;
use crate::process::{Kept, Mark};
use crate::rabbit::{self, ATTEMPTS, Place, Ports};
use crate::tls::{Authority, Identity};

/// An orderly stop takes a second; with many connections and queues it takes a few.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How a private broker shall be.
#[derive(Clone, Debug, Default)]
pub struct BrokerSettings {
    /// Where its data and log go; none: a temporary folder, removed with it.
    pub folder: Option<PathBuf>,
    /// Whether it has a TLS listener beside the plain one, and what that asks of clients.
    pub tls: Option<ClientCertificate>,
    /// Further lines of rabbitmq.conf, such as `max_message_size = 65536`.
    pub options: Vec<String>,
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
    place: Place,
    tls: Option<Tls>,
    vhosts: AtomicU32,
    _temporary: Option<TempDir>,
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
        rabbit::url(self.port, &self.name)
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
        rabbit::require()?;
        let (folder, temporary) = match &settings.folder {
            Some(folder) => (folder.clone(), None),
            None => {
                let made = tempfile::Builder::new().prefix("nephoscope-broker-").tempdir()?;
                (made.path().to_owned(), Some(made))
            }
        };
        let home = folder.join("home");
        rabbit::prepare_home(&home)?;
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
            let place = Place {
                name: "lab@localhost".to_owned(),
                folder: folder.clone(),
                home: home.clone(),
                ports: Ports::choose(free_port()?)?,
            };
            place.configure(&lines(settings, tls.as_ref(), place.ports))?;
            let mapper = rabbit::start_mapper(&folder, place.ports.mapper);
            match mapper.and_then(|mapper| Ok((place.start()?, mapper))) {
                Ok((node, mapper)) => {
                    let vhosts = AtomicU32::new(0);
                    let node = Some(node);
                    return Ok(Broker { node, mapper, place, tls, vhosts, _temporary: temporary });
                }
                Err(error) if rabbit::port_was_taken(&error) => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// The default virtual host.
    pub fn default_vhost(&self) -> Vhost {
        Vhost { name: "/".to_owned(), port: self.place.ports.amqp }
    }

    /// The address of the default virtual host, `amqp://guest:guest@127.0.0.1:PORT/%2f`.
    pub fn url(&self) -> String {
        self.default_vhost().url()
    }

    /// The port of the plain listener, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.place.ports.amqp
    }

    /// The address of the TLS listener, `amqps://guest:guest@localhost:PORT/%2f`, where there is one.
    pub fn tls_url(&self) -> Option<String> {
        self.tls.as_ref().map(|_| format!("amqps://guest:guest@localhost:{}/%2f", self.place.ports.amqps))
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
        self.rabbitmqctl(&["eval", &rabbit::making_vhost(&name)])?;
        Ok(Vhost { name, port: self.place.ports.amqp })
    }

    /// Runs `rabbitmqctl -q ARGUMENTS` against this broker and gives what it prints.
    pub fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String> {
        self.place.rabbitmqctl(arguments)
    }

    /// The process id of the Erlang VM, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.node.as_ref().map(Kept::pid)
    }

    /// Where its data and log are.
    pub fn folder(&self) -> &Path {
        &self.place.folder
    }

    /// Stops the broker in an orderly way: clients are told, durable data is kept, the port refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.resume();
        self.node.take().map_or(Ok(()), |node| node.terminate(STOP_LIMIT))
    }

    /// Ends the broker as a crash would: connections break off.
    pub fn kill(&mut self) {
        self.place.kill(self.node.take());
    }

    /// Starts a stopped or killed broker again, on the same ports with the same data.
    pub fn start_again(&mut self) -> Result<()> {
        if self.node.is_none() {
            self.node = Some(self.place.start()?);
        }
        Ok(())
    }

    /// Freezes the broker: its connections stay open and its port takes more, and nothing is answered. Returns once
    /// all of it stands still.
    pub fn pause(&self) -> Result<()> {
        self.node.as_ref().context("the broker does not run")?.pause()
    }

    /// Lets a paused broker go on.
    pub fn resume(&self) {
        if let Some(node) = &self.node {
            node.resume();
        }
    }

    /// Raises or clears a memory alarm: while it lasts, the broker reads nothing from connections that publish, and
    /// tells those that asked to be told `connection.blocked`. The alarm ends with the node, too.
    pub fn alarm(&self, raised: bool) -> Result<()> {
        // What the broker's own watch over its memory calls. Moving the watermark would do the same, but clearing would
        // have to know where the settings had put it.
        let call = if raised {
            "rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []})."
        } else {
            "rabbit_alarm:clear_alarm({resource_limit, memory, node()})."
        };
        self.rabbitmqctl(&["eval", call])?;
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

/// The lines of rabbitmq.conf that these settings ask for.
fn lines(settings: &BrokerSettings, tls: Option<&Tls>, ports: Ports) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(tls) = tls {
        lines.push(format!(
            "listeners.ssl.1 = 127.0.0.1:{}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\nssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = {}",
            ports.amqps,
            tls.authority.certificate.display(),
            tls.server.certificate.display(),
            tls.server.key.display(),
            tls.clients == ClientCertificate::Required,
        ));
    }
    lines.extend(settings.options.iter().cloned());
    lines
}

//! A private cluster of RabbitMQ nodes, for what one node cannot show: a queue that outlives the node that led it.
//!
//! As with [`Broker`](crate::Broker), all is its own and on the loopback alone. The nodes `lab0@localhost`,
//! `lab1@localhost`, … share one Erlang port mapper and one cookie, and find each other by the list in their
//! configuration.
//!
//! What can fail, beside what can with one broker: the nodes start and do not find each other within
//! [`FORM_LIMIT`].

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tempfile::TempDir;

use crate::process::Kept;
use crate::rabbit::{self, ATTEMPTS, Place, Ports};
use crate::{free_port, until};

/// From the nodes' first answers until all of them count all; a moment, and longer beside a compiler.
const FORM_LIMIT: Duration = Duration::from_secs(60);
/// An election takes a second or two; longer where the nodes get little of the machine.
const ELECTION_LIMIT: Duration = Duration::from_secs(60);

/// A running private cluster; dropping it ends all its nodes at once.
#[derive(Debug)]
pub struct Cluster {
    // The nodes go before their port mapper, all before their folder.
    nodes: Vec<Node>,
    _mapper: Kept,
    vhosts: AtomicU32,
    _folder: TempDir,
}

#[derive(Debug)]
struct Node {
    process: Option<Kept>,
    place: Place,
}

impl Cluster {
    /// Starts this many nodes and waits until they are one cluster.
    pub fn start(nodes: usize) -> Result<Cluster> {
        ensure!(nodes > 0, "a cluster needs a node");
        rabbit::require()?;
        let mut failure = anyhow!("not tried");
        for _ in 0..ATTEMPTS {
            match Cluster::try_start(nodes) {
                Err(error) if rabbit::port_was_taken(&error) => failure = error,
                done => return done,
            }
        }
        Err(failure)
    }

    fn try_start(count: usize) -> Result<Cluster> {
        // A folder for each attempt: a node that has started once remembers whom it was with.
        let folder = tempfile::Builder::new().prefix("nephoscope-cluster-").tempdir()?;
        let home = folder.path().join("home");
        rabbit::prepare_home(&home)?;
        let mapper_port = free_port()?;
        let mapper = rabbit::start_mapper(folder.path(), mapper_port)?;
        let mut nodes = Vec::new();
        for index in 0..count {
            nodes.push(Node::prepare(index, count, folder.path(), &home, mapper_port)?);
        }
        let mut cluster = Cluster { nodes, _mapper: mapper, vhosts: AtomicU32::new(0), _folder: folder };
        cluster.start_all_again()?;
        Ok(cluster)
    }

    /// The addresses of the default virtual host, one of each node: `amqp://guest:guest@127.0.0.1:PORT/%2f`.
    pub fn urls(&self) -> Vec<String> {
        self.urls_of("/")
    }

    /// The addresses of a virtual host, one of each node.
    pub fn urls_of(&self, vhost: &str) -> Vec<String> {
        self.nodes.iter().map(|node| rabbit::url(node.place.ports.amqp, vhost)).collect()
    }

    /// The address of a virtual host at one node.
    pub fn url(&self, node: usize, vhost: &str) -> Result<String> {
        Ok(rabbit::url(self.port(node)?, vhost))
    }

    /// The port of the node's listener, on 127.0.0.1.
    pub fn port(&self, node: usize) -> Result<u16> {
        Ok(self.node(node)?.place.ports.amqp)
    }

    /// Makes a virtual host that nobody else uses, and gives its name.
    pub fn vhost(&self) -> Result<String> {
        let name = format!("test-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        self.some_node()?.rabbitmqctl(&["eval", &rabbit::making_vhost(&name)])?;
        Ok(name)
    }

    /// Runs `rabbitmqctl -q ARGUMENTS` against one node and gives what it prints.
    pub fn rabbitmqctl(&self, node: usize, arguments: &[&str]) -> Result<String> {
        self.node(node)?.place.rabbitmqctl(arguments)
    }

    /// The process id of the node's Erlang VM, while it runs.
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.nodes.get(node)?.process.as_ref().map(Kept::pid)
    }

    /// Ends a node as a crash would: its connections break off, and the others find it gone.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.node(node)?;
        let process = self.nodes[node].process.take();
        self.nodes[node].place.kill(process);
        Ok(())
    }

    /// Starts a killed node again, on the same ports with the same data, and waits until it and the others that run
    /// are one cluster. Where no node runs, one alone waits for those that it was last with:
    /// [`Cluster::start_all_again`] is for that.
    pub fn start_again(&mut self, node: usize) -> Result<()> {
        self.node(node)?;
        self.start_these_again(&[node])
    }

    /// Starts all killed nodes again, beside each other.
    pub fn start_all_again(&mut self) -> Result<()> {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.start_these_again(&all)
    }

    /// The node that leads a quorum queue; waits for an election that is under way.
    pub fn leader(&self, vhost: &str, queue: &str) -> Result<usize> {
        // The record of the queue may still name a leader that is gone, so every member that can be reached is asked
        // whether it leads. None does during an election.
        let ask = format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"{queue}\">>)), \
             {{Name, _}} = amqqueue:get_pid(Q), \
             Nodes = [N || N <- maps:get(nodes, amqqueue:get_type_state(Q)), \
             lists:member(N, [node() | nodes()])], \
             [N || N <- Nodes, rpc:call(N, ets, lookup, [ra_state, Name], 5000) =:= [{{Name, leader}}]]."
        );
        until("one leader of the queue", ELECTION_LIMIT, || {
            let told = self.some_node()?.rabbitmqctl(&["eval", &ask])?;
            let leaders = names(&told);
            Ok(match leaders[..] {
                [leader] => self.nodes.iter().position(|node| node.place.name == leader),
                _ => None,
            })
        })
    }

    fn start_these_again(&mut self, which: &[usize]) -> Result<()> {
        for &index in which {
            let node = &mut self.nodes[index];
            if node.process.is_none() {
                node.process = Some(node.place.launch()?);
            }
        }
        for &index in which {
            let node = &mut self.nodes[index];
            let process = node.process.as_mut().context("the node has not been started")?;
            node.place.answer(process)?;
        }
        self.form()
    }

    /// Waits until every node that runs counts all that do, and no others.
    fn form(&self) -> Result<()> {
        let mut expected: Vec<&str> = self.running().map(|place| place.name.as_str()).collect();
        expected.sort_unstable();
        for place in self.running() {
            let mut last = String::new();
            until("the cluster", FORM_LIMIT, || {
                last = place.rabbitmqctl(&["eval", "rabbit_nodes:all_running()."])?;
                let mut counted = names(&last);
                counted.sort_unstable();
                Ok((counted == expected).then_some(()))
            })
            .with_context(|| format!("{} counts {}", place.name, last.trim()))?;
        }
        Ok(())
    }

    fn running(&self) -> impl Iterator<Item = &Place> {
        self.nodes.iter().filter(|node| node.process.is_some()).map(|node| &node.place)
    }

    fn some_node(&self) -> Result<&Place> {
        self.running().next().context("no node of the cluster runs")
    }

    fn node(&self, index: usize) -> Result<&Node> {
        self.nodes.get(index).with_context(|| format!("the cluster has no node {index}"))
    }
}

impl Node {
    fn prepare(index: usize, count: usize, folder: &Path, home: &Path, mapper: u16) -> Result<Node> {
        let place = Place {
            name: name(index),
            folder: folder.join(format!("lab{index}")),
            home: home.to_owned(),
            ports: Ports::choose(mapper)?,
        };
        let mut lines = vec!["cluster_formation.peer_discovery_backend = classic_config".to_owned()];
        for other in 0..count {
            lines.push(format!("cluster_formation.classic_config.nodes.{} = {}", other + 1, name(other)));
        }
        place.configure(&lines)?;
        Ok(Node { process: None, place })
    }
}

fn name(index: usize) -> String {
    format!("lab{index}@localhost")
}

/// The names in a list of Erlang's: `[lab0@localhost,lab1@localhost]`.
fn names(list: &str) -> Vec<&str> {
    list.split(|c: char| "[],' \n".contains(c)).filter(|name| !name.is_empty()).collect()
}

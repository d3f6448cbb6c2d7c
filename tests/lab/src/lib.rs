//! Private real neighbours for the tests, the demo and developers: RabbitMQ, one node or a cluster, libvirtd with small
//! guests, the genuine Ceilometer of today and of Pike, its client, PostgreSQL, an OCI registry, and node files for libvirt's test
//! driver.
//!
//! ```text
//!  test or xtask ──owns──▶ Broker, Libvirtd, Postgres, NotificationAgent, PollingAgent, PikeCollector
//!        │                        │ each in folders of its own, on free loopback ports
//!        └──pipe──▶ keeper ──▶ the neighbour's process
//! ```
//!
//! Every neighbour is a type: starting it waits until it answers, or fails at a deadline with the end of its log;
//! dropping it ends its processes by their ids. Where the owner cannot drop (killed, aborted), the pipe between owner and
//! [`process`] keeper closes and the keeper does the same. Nothing here touches a neighbour that the machine already
//! runs: own ports, own data, own Erlang port mapper and cookie, own mount and network namespaces.
//!
//! What goes wrong between neighbours is made here, too: [`Proxy`] does to connections what networks do, [`SmallDisk`] can
//! be filled, a [`Broker`] can be paused and raise an alarm, the nodes of a [`Cluster`] can crash, a [`Postgres`] can
//! be paused and crash.
//!
//! What is expensive to make (the virtual environment with Ceilometer, a guest's kernel) is kept in [`cache`] and made by
//! one process at a time. What a neighbour needs installed is named in the error when it is missing; `cargo xtask`
//! installs it.

#![forbid(unsafe_code)]

mod broker;
pub mod cache;
mod ceilometer;
mod ceilometerclient;
mod cluster;
mod guest;
mod image;
mod libvirtd;
mod linux;
mod node;
mod notification;
mod nova;
mod pike;
mod polling;
mod port;
mod postgres;
pub mod process;
mod proxy;
pub mod python;
mod rabbit;
mod registry;
mod run;
mod small_disk;
pub mod tls;
mod toolchains;
mod wait;
mod wiring;

pub use broker::{Broker, BrokerSettings, ClientCertificate, Vhost};
pub use ceilometer::Ceilometer;
pub use ceilometerclient::{CeilometerClient, Ran};
pub use cluster::Cluster;
pub use guest::{BRIDGE, Disk, Drive, Filter, Guest, Image, Nic, Os, Plug, Power};
pub use libvirtd::Libvirtd;
pub use linux::Linux;
pub use node::{instance, instances, node_file};
pub use notification::{DEFAULT_SECRET, NotificationAgent};
pub use nova::{Flavor, ImageMeta, Nova, NovaVersion, Owner};
pub use pike::{Pike, PikeCollector};
pub use polling::PollingAgent;
pub use port::free_port;
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use registry::{Access, Registry};
pub use run::{command_exists, output};
pub use small_disk::SmallDisk;
pub use toolchains::Toolchains;
pub use wait::until;

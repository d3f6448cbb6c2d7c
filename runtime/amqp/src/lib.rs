//! What publisher and collector share of AMQP 0-9-1: brokers, connections, back-off, declarations.
//!
//! | module | what it holds |
//! |---|---|
//! | [`broker`] | where a broker is and how to reach it; credentials never show |
//! | [`connect()`] | one connection to the first broker that takes it, under a deadline |
//! | [`backoff`] | how long to wait before the next try |
//! | [`pem`] | certificates and keys of files |
//! | [`declare()`] | exchange, queues and bindings, whoever created them |
//!
//! Recovery is not lapin's business here: it replays topology but not the messages that were not confirmed, so whoever
//! owns messages also owns the loop *connect, declare, work, back off*. A [`lapin::Connection`] of this crate never
//! reconnects by itself.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod broker;
mod connect;
mod declare;
pub mod pem;
mod tls;

pub use backoff::Backoff;
pub use broker::{Broker, BrokerUrl, Tls, strip_credentials};
pub use connect::{ConnectError, Link, connect};
pub use declare::{Binding, DeclareError, Declarer, Flags, QuorumLimits, declare};
pub use lapin;

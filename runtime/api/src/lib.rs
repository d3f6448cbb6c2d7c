//! Ceilometer's v2 HTTP API over a store of samples, for the clients that people have: python-ceilometerclient's `ceilometer` among
//! them.
//!
//! ```text
//!  connection ──▶ TLS ──▶ request ──▶ token ──▶ scope ──▶ query ──▶ a place ──▶ reader ──▶ Ceilometer's JSON
//!   at most N     10 s    headers     rate      projects            at most M   10 s       keeps its place until it is sent
//! ```
//! What stands between a request and the store is bounded at each step, and what is beyond a bound waits, or is told when to come
//! again. Whoever speaks to it is a stranger until its token is known: before that nothing is read but the headers.
//!
//! Shapes, names and faults are those of Ceilometer's last release that had the API (Pike). Two things are not: a token is one of
//! the configuration's and not Keystone's, and a sample alone is shown to the projects only that may see it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`settings`] | where to listen, who may ask, and how much |
//! | [`token`] | tokens: made, and hashed to be kept |
//! | [`sink`] | where samples go that are created here |
//! | [`client`] | a client for the command line |
#![forbid(unsafe_code)]

mod access;
pub mod client;
mod counters;
mod fault;
mod flatten;
mod links;
mod parameters;
mod queries;
mod rate;
mod routes;
mod server;
pub mod settings;
pub mod sink;
mod tls;
pub mod token;
mod wire;

pub use client::{Client, ClientError};
pub use server::{ServeError, Server};
pub use settings::{Limits, Settings, Tls, Token};
pub use sink::{Sink, Unpublished};

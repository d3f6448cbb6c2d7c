//! The API over a real socket and a real store.

mod client;
mod connections;
mod create;
mod faults;
mod limits;
mod schema;
mod server;
mod shapes;
mod tokens;

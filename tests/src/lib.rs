//! What the end-to-end tests share: a folder of files, the program itself, a broker, and the bus as others see it.
//!
//! ```text
//!  test ──▶ Site (folder: node file, pipeline, collector file, store, modules)
//!            ├──▶ Program: the real `nephoscope`, to its end or until it is stopped
//!            └──▶ Bus: taps, forges and counts messages beside the program
//! ```
//!
//! The tests run the program as its users do, by its command line, and see what they see: standard output, standard error, exit code,
//! files, messages. Every test has a folder and a virtual host of its own, so all of them run side by side.
//!
//! The program stands next to the tests' own executables; `cargo xtask test` builds it, the guests and the neighbours first.

#![forbid(unsafe_code)]

pub mod bus;
pub mod chaos;
pub mod genuine;
mod host;
pub mod notification;
pub mod pipeline;
pub mod program;
mod site;
pub mod toolchains;

pub use bus::Bus;
pub use genuine::Genuine;
pub use host::{broker, broker_folder, guest, root};
pub use pipeline::{Guest, Pipeline};
pub use program::{Ended, Running};
pub use site::{ALL, Site};

use std::time::Duration;

/// How long anything that is waited for may take: a hundred times what it takes on an idle machine, for one that compiles
/// beside the tests. Nothing is measured by it.
pub const LIMIT: Duration = Duration::from_secs(120);

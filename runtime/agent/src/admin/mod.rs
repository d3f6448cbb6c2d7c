//! The admin socket: what an operator asks of a running agent.
//!
//! A connection is one request and one answer: a line of JSON each, and after the request's line the bytes of the module and of its signature,
//! where it has them. Who may connect is the agent's own user and root; the kernel says who it is.

pub mod client;
pub(crate) mod server;

use serde::{Deserialize, Serialize};

use crate::guests::status::Status;
use trust::Sha256;

/// The form of requests and answers.
pub const VERSION: u32 = 1;

/// The longest line of a request, in bytes.
const MOST_REQUEST: u64 = 16 << 10;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// All guests, as they are.
    List,
    /// A new module for a guest, or a new guest of the guest folder. Its bytes follow.
    Install {
        /// The guest.
        name: String,
        /// The digest of the module: what arrives must have it.
        sha256: Sha256,
        /// The bytes of the module.
        module: u64,
        /// The bytes of its signature; 0: it has none.
        signature: u64,
        /// Whether the operator vouches for the digest, as if it were pinned.
        vouched: bool,
    },
    /// A guest polls no more.
    Remove {
        /// The guest.
        name: String,
    },
    /// An older generation polls again.
    Rollback {
        /// The guest.
        name: String,
        /// Its number; none: the last good one before the one that polls.
        to: Option<u32>,
    },
}

/// A request's line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Request {
    version: u32,
    command: Command,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To a list.
    Guests(Vec<Status>),
    /// It is done; in words.
    Done(String),
    /// It is not done, and why not.
    Refused(String),
}

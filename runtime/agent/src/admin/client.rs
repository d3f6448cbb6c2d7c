//! An operator's side of the admin socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Answer, Command, Request, VERSION};
use trust::Sha256;

/// The longest answer, in bytes: 256 guests with a hundred generations each stay below.
const MOST_ANSWER: u64 = 64 << 20;

/// How long an order may take: the compilation of a module, and its trial.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No agent listens there.
    #[error("no agent answers at {}: is it running, with `socket` set, and may you write there?", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the agent at {} gave no answer", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A module to install.
#[derive(Clone, Debug)]
pub struct Install<'a> {
    /// The guest.
    pub name: &'a str,
    /// The module.
    pub module: &'a [u8],
    /// Its signature.
    pub signature: Option<&'a [u8]>,
    /// Whether the operator vouches for the module's digest.
    pub vouched: bool,
}

/// Asks the agent that listens at this socket.
///
/// # Errors
/// No agent answers. What it refuses is an [`Answer`].
pub fn ask(socket: &Path, command: Command) -> Result<Answer, AskError> {
    exchange(socket, command, &[])
}

/// Has the agent install a module.
///
/// # Errors
/// As of [`ask`].
pub fn install(socket: &Path, install: &Install<'_>) -> Result<Answer, AskError> {
    let Install { name, module, signature, vouched } = *install;
    let signature = signature.unwrap_or_default();
    let command = Command::Install {
        name: name.to_owned(),
        sha256: Sha256::of(module),
        module: module.len() as u64,
        signature: signature.len() as u64,
        vouched,
    };
    exchange(socket, command, &[module, signature])
}

fn exchange(path: &Path, command: Command, parts: &[&[u8]]) -> Result<Answer, AskError> {
    let stream =
        UnixStream::connect(path).map_err(|source| AskError::Connect { path: path.to_owned(), source })?;
    let exchange = || -> io::Result<Answer> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_vec(&Request { version: VERSION, command })?;
        line.push(b'\n');
        let sent = [line.as_slice()].iter().chain(parts).try_for_each(|part| (&stream).write_all(part));
        // An agent that refuses may not read to the end: its answer says more than a broken pipe.
        let mut answer = String::new();
        BufReader::new((&stream).take(MOST_ANSWER)).read_line(&mut answer)?;
        if answer.is_empty() {
            sent?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&answer)?)
    };
    exchange().map_err(|source| AskError::Broken { path: path.to_owned(), source })
}

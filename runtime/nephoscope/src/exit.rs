//! Exit codes that mean something.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done, and nothing was lost |
//! | 1 | failed while running |
//! | 2 | the command line or a file that it names is wrong; nothing was started |
//! | 3 | done, but something is missing: polls failed, or samples could not be delivered |

use std::process::ExitCode;

/// A file that the command line names is wrong; what is wrong was printed.
#[derive(Debug, thiserror::Error)]
#[error("nothing was started")]
pub struct BadFile;

/// A component was checked, and cannot be used; why was printed.
#[derive(Debug, thiserror::Error)]
#[error("{0} cannot be used")]
pub struct Unusable(pub String);

/// An argument is wrong in a way that only its reader can tell.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WrongArgument(anyhow::Error);

impl WrongArgument {
    /// Takes the reader's words, and what they came from.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(error.into())
    }

    /// What is wrong, in words.
    pub fn of(words: impl Into<String>) -> Self {
        Self(anyhow::Error::msg(words.into()))
    }
}

/// The work is done, but not whole.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Incomplete(pub String);

/// Prints an error with what it came from, and turns it into the code.
pub fn code(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if broken_pipe(&error) {
        // Whoever read the output has seen enough: `nephoscope sample list | head`.
        return ExitCode::SUCCESS;
    }
    eprintln!("nephoscope: {error:#}");
    if error.is::<BadFile>() || error.is::<WrongArgument>() || error.is::<Unusable>() {
        ExitCode::from(2)
    } else if error.is::<Incomplete>() {
        ExitCode::from(3)
    } else {
        ExitCode::FAILURE
    }
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

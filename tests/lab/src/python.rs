//! The Python that virtual environments are made with.

use std::process::Command;

use anyhow::{Context, Result};

use crate::output;

/// One that can make virtual environments; needs `python3-venv`. The system's own comes first: one of a version manager may lack
/// headers or be of any version.
pub fn with_venv() -> Result<&'static str> {
    ["/usr/bin/python3", "python3"]
        .into_iter()
        .find(|python| output(Command::new(python).args(["-c", "import venv, ensurepip"])).is_ok())
        .context("Python with its venv module is missing: `apt-get install python3-venv`")
}

//! Running a short command to its end.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs the command to its end and gives its standard output; an exit status other than 0 is an error that carries its
/// standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().with_context(|| {
        format!("failed to start {name}: is it installed? (`cargo xtask setup` installs it)")
    })?;
    if !done.status.success() {
        bail!(
            "{} ended with {}: {}",
            describe(command),
            done.status,
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Whether a program of this name is in PATH.
pub fn command_exists(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

fn describe(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

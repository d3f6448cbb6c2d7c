//! Programs that need root, run through sudo where this one has it not; the compiler never is.

use std::process::Command;

use lab::command_exists;

/// The program, with root's rights as far as they can be had.
pub fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() || !command_exists("sudo") {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-E", program]);
    command
}

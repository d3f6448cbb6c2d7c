//! Calling cargo from a program that cargo runs.
//!
//! Its environment is made like that of a shell: what cargo told this program about its own package (`CARGO_PKG_NAME`,
//! `CARGO_MANIFEST_DIR`, …) is taken out. Build scripts look at it, ring's for one, and would run again, with all that
//! depends on them, whenever a build by this program follows one by hand.

use std::process::Command;

use crate::paths;

/// A cargo command in the workspace.
pub fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(paths::root()).arg(subcommand);
    forget_own_package(&mut command);
    command
}

/// Takes what cargo told this program about its own package out of a command's environment.
pub fn forget_own_package(command: &mut Command) {
    const OWN: [&str; 5] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_NAME", "CARGO_BIN_NAME", "CARGO_PRIMARY_PACKAGE"];
    for (name, _) in std::env::vars_os() {
        if OWN.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            command.env_remove(name);
        }
    }
}

//! `nephoscope guest list | install | remove | rollback`: a running agent's guests.

use std::path::PathBuf;

use clap::Args;
use trust::Sha256;

use super::{RegistryArguments, Report};

/// Where the agent listens.
#[derive(Debug, Args)]
pub struct SocketArgument {
    /// The agent's admin socket: `socket` of its pipeline file.
    #[arg(
        long,
        env = "NEPHOSCOPE_SOCKET",
        default_value = "/run/nephoscope/agent.sock",
        value_name = "FILE"
    )]
    pub socket: PathBuf,
}

#[derive(Debug, Args)]
pub struct ListArguments {
    /// Show this guest alone, with the generations that are kept of it.
    pub name: Option<String>,
    #[command(flatten)]
    pub at: SocketArgument,
    #[arg(long, short, value_enum, default_value_t = Report::Text)]
    pub output: Report,
}

#[derive(Debug, Args)]
pub struct InstallArguments {
    /// The guest: one of the pipeline file, or a new one of its guest folder.
    pub name: String,
    /// The component's file, with the signature beside it, FILE.sig; or what to pull: oci://HOST/REPOSITORY@sha256:DIGEST.
    #[arg(value_name = "MODULE")]
    pub module: PathBuf,
    #[command(flatten)]
    pub registry: RegistryArguments,
    /// Vouch for the module with this digest: it then needs no pin, and is refused if it is another one.
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<Sha256>,
    #[command(flatten)]
    pub at: SocketArgument,
}

#[derive(Debug, Args)]
pub struct RemoveArguments {
    /// The guest.
    pub name: String,
    #[command(flatten)]
    pub at: SocketArgument,
}

#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The guest.
    pub name: String,
    /// The generation, as `guest list NAME` numbers them [default: the last good one before the one that polls].
    #[arg(long, value_name = "GENERATION")]
    pub to: Option<u32>,
    #[command(flatten)]
    pub at: SocketArgument,
}

//! Arguments and help.

mod admin;
mod guest;
mod samples;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::logging::Format;

pub use admin::{InstallArguments, ListArguments, RemoveArguments, RollbackArguments};
pub use guest::{
    BindingsArguments, BindingsLanguage, ComponentizeArguments, GuestBenchArguments, GuestCheckArguments,
    GuestCommand, GuestRunArguments, NewArguments, PullArguments, RegistryArguments, Rows, TermsArguments,
    TestArguments,
};
pub use samples::{
    ExportArguments, MeterCommand, MeterListArguments, Place, ResourceCommand, ResourceListArguments,
    ResourceShowArguments, SampleCommand, SampleListArguments, SampleQueryArguments, SampleShowArguments,
    StatisticsArguments,
};

/// The command that an agent starts itself with to compile a module.
pub const COMPILE: &str = "compile-module";

/// Polls the instances of a hypervisor with WebAssembly pollsters and publishes their samples in Ceilometer's format.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 done; 1 failed; 2 wrong arguments or files, nothing was started; 3 done, \
    but polls failed or samples could not be delivered."
)]
pub struct Cli {
    /// What is logged on standard error: off, error, warn, info, debug, trace; or by part: `warn,guest=debug`.
    #[arg(long, global = true, default_value = "info", env = "NEPHOSCOPE_LOG", value_name = "LEVEL")]
    pub log: String,
    /// The form of log lines.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub log_format: Format,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent.
    #[command(
        after_help = "Examples:\n  nephoscope run /etc/nephoscope/pipeline.yaml\n  nephoscope run pipeline.yaml --once    one cycle of every source, then exit"
    )]
    Run(RunArguments),
    /// Show what a pipeline file would run, or everything that is wrong with it.
    #[command(after_help = "Examples:
  nephoscope check pipeline.yaml
  nephoscope check pipeline.yaml --probe     does all of it answer? Exit code 3 where something does not
  nephoscope check pipeline.yaml --output json")]
    Check(CheckArguments),
    /// Run the collector: from the message queue to the store, and its HTTP API.
    #[command(after_help = "Example:\n  nephoscope collect /etc/nephoscope/collector.yaml")]
    Collect(CollectArguments),
    /// Samples in the collector's store, or behind its API.
    Sample {
        #[command(subcommand)]
        command: SampleCommand,
    },
    /// What is measured.
    Meter {
        #[command(subcommand)]
        command: MeterCommand,
    },
    /// What samples are of.
    Resource {
        #[command(subcommand)]
        command: ResourceCommand,
    },
    /// Least, largest, mean, sum and count of a meter's volumes, by period and group.
    #[command(after_help = "Examples:
  nephoscope statistics -m mem.max
  nephoscope statistics -m cpu -q 'timestamp>=2026-01-31;project_id=7a0f39b4c9e04c0cb7d4fc35ed1b3d4a' -p 3600 -g resource_id
  nephoscope statistics -m vcpus -a sum -a 'cardinality<-project_id'")]
    Statistics(StatisticsArguments),
    /// Make a token for the collector's API: its text, and what the collector's file has of it.
    #[command(after_help = "Example:
  nephoscope token dashboard        prints the token, and the entry for `api.tokens` in the collector's file")]
    Token(TokenArguments),
    /// Write meters of your own, without libvirt, broker or root; and see, add, swap and remove those of a running agent.
    Guest {
        #[command(subcommand)]
        command: GuestCommand,
    },
    /// Compile a module from standard input: what a running agent starts itself for.
    #[command(name = COMPILE, hide = true)]
    CompileModule,
    /// A host's readings, for replay and for tests of guests.
    Snapshot {
        #[command(subcommand)]
        command: SnapshotCommand,
    },
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// Poll every source once, without start jitter, deliver, and exit. Where the file has a section `nova`, after Nova has listed the
    /// servers, or failed to.
    #[arg(long)]
    pub once: bool,
}

#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// Read every hypervisor once, connect to every broker, ask Keystone and Nova where the file names them, and say which instances
    /// do not answer and since when. Runs no guest and publishes nothing; can be used beside a running agent. Not for every minute:
    /// a wrong password that is tried that often can lock its user out.
    #[arg(long)]
    pub probe: bool,
    #[arg(long, short, value_enum, default_value_t = Report::Text)]
    pub output: Report,
}

#[derive(Debug, Args)]
pub struct TokenArguments {
    /// Whose it is; what the log calls it.
    pub name: String,
    /// A project that it may see; may be given several times. Without any it sees all.
    #[arg(long, value_name = "ID")]
    pub project: Vec<String>,
    /// Whether samples may be created with it.
    #[arg(long)]
    pub write: bool,
}

#[derive(Debug, Args)]
pub struct CollectArguments {
    /// The collector's file.
    pub config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Read a host once, with every group of readings, and write the readings to a file.
    #[command(after_help = "Examples:
  nephoscope snapshot record host.json
  nephoscope snapshot record host.json --connect qemu+ssh://compute-1/system

The file holds names, projects and XML of the instances. A pipeline file with `inspector: replay` polls it.")]
    Record(RecordArguments),
    /// Show what a recording holds.
    #[command(after_help = "Example:\n  nephoscope snapshot show host.json")]
    Show(ShowArguments),
}

#[derive(Debug, Args)]
pub struct RecordArguments {
    /// The file to write; an existing one is replaced.
    pub file: PathBuf,
    /// libvirt's connection URI, opened read-only.
    #[arg(long, value_name = "URI", default_value = inspector::settings::DEFAULT_URI)]
    pub connect: String,
}

#[derive(Debug, Args)]
pub struct ShowArguments {
    /// The recording.
    pub file: PathBuf,
    #[arg(long, short, value_enum, default_value_t = Report::Text)]
    pub output: Report,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Report {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum List {
    /// A table that fits the terminal.
    Table,
    /// A JSON array.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}

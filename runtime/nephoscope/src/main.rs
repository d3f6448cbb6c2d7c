//! The command line: `nephoscope run`, `check`, `collect`, `sample | meter | resource list`, `statistics`, `token`, `guest …`,
//! `snapshot record | show`.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod compiled;
mod exit;
mod logging;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, SnapshotCommand};

#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.log, cli.log_format);
    let outcome = match cli.command {
        Command::CompileModule => return sandbox::compile::child(),
        Command::Run(arguments) => commands::run::run(&arguments),
        Command::Check(arguments) => commands::check::check(&arguments),
        Command::Collect(arguments) => commands::collect::collect(&arguments),
        Command::Sample { command } => commands::sample::run(&command),
        Command::Meter { command } => commands::meter::run(&command),
        Command::Resource { command } => commands::resource::run(&command),
        Command::Statistics(arguments) => commands::statistics::statistics(&arguments),
        Command::Token(arguments) => commands::token::token(&arguments),
        Command::Guest { command } => commands::guest::run(&command),
        Command::Snapshot { command: SnapshotCommand::Record(arguments) } => {
            commands::snapshot::record(&arguments)
        }
        Command::Snapshot { command: SnapshotCommand::Show(arguments) } => {
            commands::snapshot::show(&arguments)
        }
    };
    exit::code(outcome)
}

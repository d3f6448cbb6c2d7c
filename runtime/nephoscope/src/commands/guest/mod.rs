//! `nephoscope guest`: an author's commands, which need no libvirt, no broker and no root, and an operator's, which need a running agent.

mod admin;
mod bench;
mod bindings;
mod check;
mod componentize;
mod moments;
mod new;
mod run;
mod run_json;
mod terms;
mod test;
mod test_report;

use sample::Meter;
use serde_json::{Value, json};

use crate::cli::GuestCommand;

/// Declared meters for programs.
fn described(meters: &[Meter]) -> Value {
    let meter = |meter: &Meter| json!({ "name": meter.name, "kind": meter.kind.as_str(), "unit": meter.unit, "description": meter.description });
    meters.iter().map(meter).collect()
}

pub fn run(command: &GuestCommand) -> anyhow::Result<()> {
    match command {
        GuestCommand::Bindings(arguments) => bindings::bindings(arguments),
        GuestCommand::Componentize(arguments) => componentize::componentize(arguments),
        GuestCommand::Check(arguments) => check::check(arguments),
        GuestCommand::Run(arguments) => run::run(arguments),
        GuestCommand::Bench(arguments) => bench::bench(arguments),
        GuestCommand::New(arguments) => new::new(arguments),
        GuestCommand::List(arguments) => admin::list(arguments),
        GuestCommand::Install(arguments) => admin::install(arguments),
        GuestCommand::Remove(arguments) => admin::remove(arguments),
        GuestCommand::Rollback(arguments) => admin::roll_back(arguments),
        GuestCommand::Test(arguments) => test::test(arguments),
    }
}

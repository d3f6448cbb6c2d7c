//! The project's own tool, `cargo xtask`: from a fresh machine to a demo or a test run in one command.
//!
//! It installs what is missing, builds, starts private neighbours (the `lab` crate) and ends what it started. The command
//! line is read by hand: a parser's crate would double the time until the first line appears on a fresh machine.

#![forbid(unsafe_code)]

mod bench;
mod cargo;
mod chaos;
mod demo;
mod fuzz;
mod guests;
mod lab_command;
mod paths;
mod progress;
mod root;
mod setup;
mod state;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
The project's own tool. Everything that it needs and finds missing it installs first, and says so.

Usage: cargo xtask COMMAND

Commands:
  demo [--keep | --stop]    RabbitMQ, the collector and the agent on a dozen instances of libvirt's test driver;
                            shows the samples that arrive. --keep leaves all running, --stop ends that
  test [PART...]            what CI runs: lint, unit, guests, e2e, fuzz, docs; all of them by default
  lab up|down|status        a private RabbitMQ, and a private libvirtd with small guests, to work with
  fuzz TARGET [ARGUMENTS...]  one fuzz target of tests/fuzz until it finds something; arguments are libFuzzer's
  bench [ARGUMENTS...]      what a sample costs, from libvirt to the store
  chaos [--minutes N] [--seed N] [PART...]
                            kills, stops and cuts off agents, brokers and collectors, and compares the samples that were
                            taken with those that are stored: single, disks, cluster; all of them by default
  guests [LANGUAGE...]      build the guests into target/guests, of all languages by default: rust, c, go, …, as the
                            folders of guests/ are called
  setup [guests|demo|test]  only install what is missing

Packages are installed on Debian and its derivatives, as root or through sudo; elsewhere the command names what to
install. Tests with a real libvirtd, and `lab up`, need root or sudo.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] | ["help" | "--help" | "-h", ..] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [_, .., "--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["demo"] => demo::run(demo::AtTheEnd::Stop),
        ["demo", "--keep"] => demo::run(demo::AtTheEnd::Keep),
        ["demo", "--stop"] => demo::stop(),
        ["test", parts @ ..] => test::run(parts),
        ["fuzz", arguments @ ..] => fuzz::command(arguments),
        ["lab", "up"] => lab_command::up(),
        ["lab", "down"] => lab_command::down(),
        ["lab", "status"] => lab_command::status(),
        ["bench", arguments @ ..] => bench::run(arguments),
        ["chaos", arguments @ ..] => chaos::run(arguments),
        ["guests", languages @ ..] => guests::command(languages),
        ["setup"] | ["setup", "test"] => setup::command(setup::Need::Test),
        ["setup", "guests"] => setup::command(setup::Need::Guests),
        ["setup", "demo"] => setup::command(setup::Need::Demo),
        _ => {
            eprintln!("unknown arguments: {}\n\n{HELP}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

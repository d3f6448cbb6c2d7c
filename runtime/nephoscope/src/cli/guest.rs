//! `nephoscope guest …`: an author's commands.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use workbench::project::Language;

use super::Report;

#[derive(Debug, Subcommand)]
pub enum GuestCommand {
    /// Make a project: a guest that builds at once, with its tests.
    #[command(after_help = "Examples:
  nephoscope guest new --lang python my-meter
  nephoscope guest new --lang rust dropped-packets --meter vnic.dropped --into guests/dropped-packets

The project measures what `mem.max` does, under your names, until you write something else. What is to be installed, and how it is built, tested \
and run, is printed and in its README.md.")]
    New(NewArguments),
    /// Generate what a guest's source includes or imports, for C, C++, Zig and Go.
    #[command(after_help = "Examples:
  nephoscope guest bindings c --out build/bindings      from the folder wit/
  nephoscope guest bindings go --wit ../wit --world my-meter --out bindings

Rust, Python, JavaScript and TypeScript have tools of their own for this.")]
    Bindings(BindingsArguments),
    /// Make a component of a module that a compiler made, or of WebAssembly text.
    #[command(after_help = "Examples:
  nephoscope guest componentize build/core.wasm --out build/my-meter.wasm
  nephoscope guest componentize my-meter.wat --wit wit --out build/my-meter.wasm

A module that was compiled for WASI preview 1 gets the adapter that it needs.")]
    Componentize(ComponentizeArguments),
    /// Run a guest's cases: recorded readings, and what must come of them.
    #[command(after_help = "Examples:
  nephoscope guest test                          all of cases/*.yaml
  nephoscope guest test cases/restart.yaml --guest build/my-meter.wasm
  nephoscope guest test cases --output json      for programs

A case file:
  guest: ../build/my-meter.wasm
  cases:
    - name: the maximum in MiB
      polls:
        - instance: web-1                        of the example host; see `guest run`
          change: {memory: {maximum: 536870912}}
          expect: [{meter: mem.max, volume: 512.0}]

A poll without `expect` fails and shows what came, to be pasted. Exit code 1: cases failed; 2: a file is wrong, nothing was run.")]
    Test(TestArguments),
}

#[derive(Debug, Args)]
pub struct NewArguments {
    /// The language.
    #[arg(long = "lang", value_name = "LANGUAGE", value_parser = PossibleValuesParser::new(Language::all().iter().map(|language| language.name)))]
    pub language: String,
    /// The guest's name: lower-case words with hyphens between.
    pub name: String,
    /// The meter that it declares [default: the name, with dots for its hyphens].
    #[arg(long, value_name = "METER")]
    pub meter: Option<String>,
    /// The folder to write into; it may be there if it is empty [default: the name].
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct TestArguments {
    /// Case files, or folders of them (`*.yaml`).
    #[arg(default_value = "cases")]
    pub cases: Vec<PathBuf>,
    /// The component, in place of the one that the files name.
    #[arg(long, value_name = "FILE")]
    pub guest: Option<PathBuf>,
    #[arg(long, short, value_enum, default_value_t = Report::Text)]
    pub output: Report,
}

#[derive(Debug, Args)]
pub struct BindingsArguments {
    /// The language.
    #[arg(value_enum)]
    pub language: BindingsLanguage,
    /// The folder with the guest's world; the packages that it names lie in `deps/`.
    #[arg(long, default_value = "wit", value_name = "DIR")]
    pub wit: PathBuf,
    /// The world, where the folder has several.
    #[arg(long, value_name = "NAME")]
    pub world: Option<String>,
    /// The folder to write into.
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BindingsLanguage {
    /// A header, a source, and an object that carries the world's type; for C++ and Zig too.
    C,
    /// Packages, and the small module that they import.
    Go,
}

#[derive(Debug, Args)]
pub struct ComponentizeArguments {
    /// A core module, or WebAssembly text.
    pub module: PathBuf,
    /// The folder with the guest's world, for a module that does not carry its type: text, and what Go made.
    #[arg(long, value_name = "DIR")]
    pub wit: Option<PathBuf>,
    /// The world, where the folder has several.
    #[arg(long, value_name = "NAME", requires = "wit")]
    pub world: Option<String>,
    /// The component to write; an existing one is replaced.
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
}

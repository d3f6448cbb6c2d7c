//! `nephoscope guest …`: an author's commands; an operator's are in `admin`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use sandbox::Capability;
use workbench::project::Language;

use super::Report;
use super::admin::{InstallArguments, ListArguments, RemoveArguments, RollbackArguments};

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
  nephoscope guest componentize build/module.core.wasm --out build/my-meter.wasm
  nephoscope guest componentize my-meter.wat --wit wit --out build/my-meter.wasm

A module that was compiled for WASI preview 1 gets the adapter that it needs.")]
    Componentize(ComponentizeArguments),
    /// Say what a component is, what it would read, which meters it has, and everything that is wrong with it.
    #[command(after_help = "Examples:
  nephoscope guest check build/my-meter.wasm
  nephoscope guest check my-meter.wasm --grant instance,memory   would these grants do?
  nephoscope guest check my-meter.wasm --output json

Exit code 2 where an agent would refuse it; warnings alone are 0.")]
    Check(GuestCheckArguments),
    /// Poll instances with a component, and show its samples, its log, and what went wrong.
    #[command(after_help = "Examples:
  nephoscope guest run build/my-meter.wasm                        on the example host, twice: 5 minutes lie between
  nephoscope guest run my-meter.wasm --instance web-1 --set direction=incoming
  nephoscope guest run my-meter.wasm --snapshot a.json --snapshot b.json    recordings, one after the other
  nephoscope guest run my-meter.wasm --connect qemu:///system --polls 3 --every 10s

What the guest remembers in `state` lasts from one poll of an instance to the next. `snapshot record` makes recordings.

Exit code 3 where a poll failed or a sample was refused. A reading that had failed in the recording, and that the guest
handed on as it was, is neither.")]
    Run(GuestRunArguments),
    /// Measure what a component costs: size, compiling, loading, polls.
    #[command(after_help = "Examples:
  nephoscope guest bench build/my-meter.wasm
  nephoscope guest bench my-meter.wasm --snapshot host.json --seconds 10 --output json

It polls those instances in turn of which the guest gives samples. A debug build of nephoscope measures nothing meaningful.")]
    Bench(GuestBenchArguments),
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
    /// Pull a module, and its signature where it has one, from an OCI registry.
    #[command(after_help = "Examples:
  nephoscope guest pull oci://registry.example/guests/my-meter@sha256:5f0c… --out my-meter.wasm
  nephoscope guest pull oci://registry.example/guests/my-meter:1.0 --out my-meter.wasm     refused, with the digest that it has now

The signature is written beside the module, as FILE.sig. Nothing is trusted by being pulled: see the section `trust` of pipeline files.")]
    Pull(PullArguments),
    /// Show the guests of a running agent: what polls, since when, how well, at what cost, and why not.
    #[command(after_help = "Examples:
  nephoscope guest list
  nephoscope guest list disk-fill          with the generations that are kept of it
  nephoscope guest list --output json

States: good; probation (new: the old generation polls wherever it fails); fallen (the old one is about to come back); set aside
(it kept failing, and is tried again later); on trial (it was set aside); refused; removed.")]
    List(ListArguments),
    /// Give a guest of a running agent a new module, or add a guest to its guest folder.
    #[command(after_help = "Examples:
  nephoscope guest install disk-fill build/disk-fill.wasm
  nephoscope guest install disk-fill disk-fill.wasm --sha256 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
  nephoscope guest install disk-fill oci://registry.example/guests/disk-fill@sha256:5f0c…     who names a digest vouches for it

The module goes through all that one goes through whose file was replaced: see docs/swapping.md. Exit code 1 where it is refused; what
polls goes on then.")]
    Install(InstallArguments),
    /// Stop polling with a guest of a running agent, at once.
    #[command(after_help = "Example:
  nephoscope guest remove disk-fill

A guest of the guest folder loses its file. One of the pipeline file stays out, after a restart too, until it is installed again, rolled
back, or its module changes.")]
    Remove(RemoveArguments),
    /// Go back to an older generation of a guest of a running agent.
    #[command(after_help = "Examples:
  nephoscope guest rollback disk-fill
  nephoscope guest rollback disk-fill --to 4

It holds after a restart too, until the module's file changes.")]
    Rollback(RollbackArguments),
}

/// On what terms a component runs; as a pipeline file has them.
#[derive(Debug, Args)]
pub struct TermsArguments {
    /// What it may read, by the interfaces' names, with commas between; whatever it imports, if left out.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub grant: Option<Vec<Capability>>,
    /// One of the guest's own settings; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What it may use, in place of the default, such as memory=32MiB or cpu=10ms; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    pub limit: Vec<String>,
}

#[derive(Debug, Args)]
pub struct GuestCheckArguments {
    /// The component.
    pub module: PathBuf,
    #[command(flatten)]
    pub terms: TermsArguments,
    #[arg(long, short, value_enum, default_value_t = Report::Text)]
    pub output: Report,
}

#[derive(Debug, Args)]
pub struct GuestRunArguments {
    /// The component.
    pub module: PathBuf,
    /// A recording to poll; several are polled in turn. Without any, both moments of the example host.
    #[arg(long, value_name = "FILE", conflicts_with = "connect")]
    pub snapshot: Vec<PathBuf>,
    /// A libvirt connection to poll instead, opened read-only.
    #[arg(long, value_name = "URI")]
    pub connect: Option<String>,
    /// How often the connection is polled.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "connect", value_parser = clap::value_parser!(u32).range(1..))]
    pub polls: u32,
    /// The time between two polls of the connection.
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "connect")]
    pub every: String,
    /// Poll this instance alone: UUID, libvirt's name or display name; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub instance: Vec<String>,
    #[command(flatten)]
    pub terms: TermsArguments,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t = Rows::Table)]
    pub output: Rows,
}

/// The form of what a run shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rows {
    /// Tables that fit the terminal.
    Table,
    /// One JSON document.
    Json,
}

#[derive(Debug, Args)]
pub struct GuestBenchArguments {
    /// The component.
    pub module: PathBuf,
    /// A recording to poll; without it, the example host.
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// How long its polls are measured.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    #[command(flatten)]
    pub terms: TermsArguments,
    #[arg(long, short, value_enum, default_value_t = Report::Text)]
    pub output: Report,
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
pub struct PullArguments {
    /// What to pull: oci://HOST/REPOSITORY@sha256:DIGEST.
    pub reference: String,
    /// The file to write; an existing one is replaced.
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// How an OCI registry is talked to.
#[derive(Debug, Args)]
pub struct RegistryArguments {
    /// Talk to the registry without TLS: one on this host, or in a lab.
    #[arg(long)]
    pub plain_http: bool,
    /// A file with the login, one line of user:password; without it, what `docker login` has left, if anything.
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
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

//! Arguments of the commands that ask for what the collector has stored.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::List;

/// Explains `--query`.
const QUERY: &str = "A query is one or more of FIELD OPERATOR VALUE, joined by semicolons. Fields: resource_id, project_id, user_id, meter,
type, unit, source, message_id, timestamp, recorded_at, volume, metadata.KEY. Operators: = != < <= > >=.
A value can carry its type: metadata.vcpus=integer::2.";

#[derive(Debug, Subcommand)]
pub enum SampleCommand {
    /// List samples, newest first.
    #[command(after_help = format!("Examples:
  nephoscope sample list -m mem.max
  nephoscope sample list -m mem.max -q resource_id=4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01 -l 5
  nephoscope sample list -q 'timestamp>2026-01-31T12:00:00;metadata.display_name=web-1' --output json
  nephoscope sample list -m cpu --api https://collector-1:8777 --token-file ~/.config/nephoscope/token

{QUERY}"))]
    List(SampleListArguments),
    /// Show a sample.
    #[command(after_help = "Example:\n  nephoscope sample show 8cb06b5e-c7f6-11f0-8a3c-0242ac110002")]
    Show(SampleShowArguments),
    /// Samples of a filter with and, or, not, in and =~, in any order.
    #[command(after_help = r#"Examples:
  nephoscope sample query --filter '{"and": [{"=": {"meter": "cpu"}}, {"in": {"project_id": ["p1", "p2"]}}]}'
  nephoscope sample query --filter '{"=~": {"metadata.display_name": "^web-"}}' --orderby '[{"volume": "desc"}]' -l 10

Both are written as for `ceilometer query-samples`."#)]
    Query(SampleQueryArguments),
    /// Write the samples of days to Parquet files, one for each day (UTC).
    #[command(after_help = "Examples:
  nephoscope sample export --from 2026-01-01 --until 2026-02-01 /srv/samples
  nephoscope sample export --from 2026-01-31 /srv/samples -m cpu

The files are named samples-2026-01-31.parquet; one that exists is replaced when the new one is whole. `until` is the
first day that is not written, by default today, which is not over.")]
    Export(ExportArguments),
}

#[derive(Debug, Args)]
pub struct SampleListArguments {
    /// The meter.
    #[arg(long, short)]
    pub meter: Option<String>,
    /// Which samples: `resource_id=UUID;timestamp>2026-01-31T12:00:00`.
    #[arg(long, short)]
    pub query: Option<String>,
    #[command(flatten)]
    pub answer: Answer,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct SampleShowArguments {
    /// The sample's message_id.
    pub id: String,
    #[arg(long, short, value_enum, default_value_t = List::Table)]
    pub output: List,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct SampleQueryArguments {
    /// Which samples, in JSON.
    #[arg(long)]
    pub filter: Option<String>,
    /// In which order, in JSON; by default the newest first.
    #[arg(long)]
    pub orderby: Option<String>,
    #[command(flatten)]
    pub answer: Answer,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The folder to write to; it has to exist.
    pub folder: PathBuf,
    /// The first day.
    #[arg(long, value_name = "DAY")]
    pub from: String,
    /// The first day that is not written; by default today.
    #[arg(long, value_name = "DAY")]
    pub until: Option<String>,
    /// Of this meter alone.
    #[arg(long, short)]
    pub meter: Option<String>,
    /// Of these samples alone: `project_id=UUID`.
    #[arg(long, short)]
    pub query: Option<String>,
    #[command(flatten)]
    pub store: Store,
}

#[derive(Debug, Subcommand)]
pub enum MeterCommand {
    /// List meters: of each resource, or once each.
    #[command(after_help = format!("Examples:
  nephoscope meter list --unique
  nephoscope meter list -q resource_id=4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01

{QUERY}"))]
    List(MeterListArguments),
}

#[derive(Debug, Args)]
pub struct MeterListArguments {
    /// Which meters: `resource_id=UUID`, `project_id=UUID`; `metadata.KEY=VALUE` as the newest sample has it.
    #[arg(long, short)]
    pub query: Option<String>,
    /// Each meter once, whatever resources have it.
    #[arg(long)]
    pub unique: bool,
    #[command(flatten)]
    pub answer: Answer,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Subcommand)]
pub enum ResourceCommand {
    /// List resources: instances, and disks and vnics of theirs.
    #[command(after_help = format!("Examples:
  nephoscope resource list -q project_id=7a0f39b4c9e04c0cb7d4fc35ed1b3d4a
  nephoscope resource list -q 'meter=mem.max;metadata.display_name=web-1' --output json

{QUERY}"))]
    List(ResourceListArguments),
    /// Show a resource as its newest sample has it.
    #[command(after_help = "Example:\n  nephoscope resource show 4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01")]
    Show(ResourceShowArguments),
}

#[derive(Debug, Args)]
pub struct ResourceListArguments {
    /// Which resources: those whose newest sample fulfils this.
    #[arg(long, short)]
    pub query: Option<String>,
    #[command(flatten)]
    pub answer: Answer,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct ResourceShowArguments {
    /// The resource's id.
    pub id: String,
    #[arg(long, short, value_enum, default_value_t = List::Table)]
    pub output: List,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct StatisticsArguments {
    /// The meter.
    #[arg(long, short)]
    pub meter: String,
    /// Of which samples: `project_id=UUID;timestamp>=2026-01-31`.
    #[arg(long, short)]
    pub query: Option<String>,
    /// Statistics for each so many seconds.
    #[arg(long, short, value_name = "SECONDS")]
    pub period: Option<u64>,
    /// Statistics for each value of this field: user_id, resource_id, project_id, source or resource_metadata.instance_type. May be
    /// given several times.
    #[arg(long, short, value_name = "FIELD")]
    pub groupby: Vec<String>,
    /// A function in place of the usual ones: max, min, sum, avg, count, stddev, or `cardinality<-FIELD`. May be given several times.
    #[arg(long, short, value_name = "FUNCTION[<-FIELD]")]
    pub aggregate: Vec<String>,
    #[arg(long, short, value_enum, default_value_t = List::Table)]
    pub output: List,
    #[command(flatten)]
    pub place: Place,
}

/// How much is answered, and in which form.
#[derive(Debug, Args)]
pub struct Answer {
    /// How many at most.
    #[arg(long, short, default_value_t = 100)]
    pub limit: usize,
    #[arg(long, short, value_enum, default_value_t = List::Table)]
    pub output: List,
}

/// The collector's store.
#[derive(Debug, Args)]
pub struct Store {
    /// The collector's store: an SQLite file, or `postgresql://user@host/database` (a password there can be seen by
    /// others on this host: better in NEPHOSCOPE_STORE).
    #[arg(
        long,
        env = "NEPHOSCOPE_STORE",
        default_value = "/var/lib/nephoscope/samples.db",
        hide_env_values = true,
        value_name = "FILE|URL"
    )]
    pub store: String,
}

/// A store, or an API in front of one.
#[derive(Debug, Args)]
pub struct Place {
    #[command(flatten)]
    pub store: Store,
    /// Ask this API instead of a store.
    #[arg(long, env = "NEPHOSCOPE_API", value_name = "URL")]
    pub api: Option<String>,
    /// A file that holds the API's token; without it, the token is NEPHOSCOPE_TOKEN.
    #[arg(long, value_name = "FILE", requires = "api")]
    pub token_file: Option<PathBuf>,
    /// The authorities (PEM) that may have signed the API's certificate; by default those that the system trusts.
    #[arg(long, value_name = "FILE", requires = "api")]
    pub ca: Option<PathBuf>,
}

//! `nephoscope guest run`: a component's samples of the instances of some moments, and what went wrong.

use std::io::Write;
use std::time::Duration;

use inspector::{Group, Snapshot};
use sandbox::{Engine, GuestSample, Module, Outcome};
use serde_json::Value;
use workbench::play::{self, Player, Polled};
use workbench::text::printable;

use super::moments::Moments;
use super::run_json;
use super::terms::{name, refused, terms};
use crate::cli::{GuestRunArguments, Rows};
use crate::commands::table::{Table, terminal_width};
use crate::compiled;
use crate::exit::Incomplete;

/// One moment and its polls.
pub struct Round {
    /// The recording or the connection.
    pub moment: String,
    /// The host.
    pub host: String,
    /// Groups that the guest reads and the recording lacks.
    pub lacking: Vec<Group>,
    /// In the order of the instances.
    pub polls: Vec<Polled>,
}

pub fn run(arguments: &GuestRunArguments) -> anyhow::Result<()> {
    let module = &arguments.module;
    let terms = terms(&arguments.terms)?;
    let moments = Moments::of(arguments)?;
    let engine = Engine::with(compiled::of_author(), None)?;
    let player = Module::read(&engine, module)
        .and_then(|compiled| Player::new(&engine, &compiled, &name(module), &terms))
        .map_err(|error| refused(&error, module))?;

    let mut out = std::io::stdout().lock();
    let mut rounds = Vec::new();
    let mut sum = Sum::default();
    moments.each(&player.guest().groups(), &arguments.instance, |moment, snapshot| {
        let round = play_round(&player, moment, snapshot, &arguments.instance);
        sum.add(&player, &round);
        match arguments.output {
            Rows::Table => show(&player, &round, &mut out)?,
            Rows::Json => rounds.push(run_json::round(&player, &round)),
        }
        Ok(())
    })?;
    sum.state = player.state_bytes();
    match arguments.output {
        Rows::Table => write!(out, "{}", sum.text())?,
        Rows::Json => writeln!(out, "{:#}", run_json::document(module, &player, rounds, &mut sum))?,
    }
    sum.verdict()
}

fn play_round(player: &Player, moment: &str, snapshot: &Snapshot, wanted: &[String]) -> Round {
    let is_wanted = |instance: &inspector::Instance| {
        wanted.is_empty() || wanted.iter().any(|name| play::goes_by(instance, name))
    };
    Round {
        moment: moment.to_owned(),
        host: snapshot.host.clone(),
        lacking: player.not_recorded(snapshot),
        polls: player.play(snapshot, is_wanted),
    }
}

/// The columns that may be cut to fit: metadata, resource, instance.
const CUTTABLE: &[usize] = &[5, 4, 0];

fn show(player: &Player, round: &Round, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{}: {} of {} polled\n",
        round.moment,
        count(round.polls.len(), "instance"),
        printable(&round.host)
    )?;
    let width = terminal_width();
    let mut samples =
        Table::new(["instance", "meter", "volume", "unit", "resource", "metadata"]).fitting(width, CUTTABLE);
    let mut without = Table::new(["without samples", "instance", "why"]);
    let mut refused = Table::new(["refused", "instance", "why"]);
    let mut log = Table::new(["log", "instance", "line"]);
    for polled in &round.polls {
        let instance = play::name(&polled.instance);
        let row = |label: &str, text: String| [label.to_owned(), instance.to_owned(), text];
        match &polled.outcome {
            Outcome::Samples { samples: some, refused: others } => {
                some.iter().for_each(|sample| samples.row(cells(player, polled, sample)));
                others.iter().for_each(|why| refused.row(row("refused", why.to_string())));
                if some.is_empty() && others.is_empty() {
                    without.row(row("nothing", "it returned an empty list".to_owned()));
                }
            }
            Outcome::Skipped(skip) => without.row(row("skipped", skip.to_string())),
            Outcome::Permanent(text) => without.row(row("never again", text.clone())),
            Outcome::Failed(failure) => match player.handed_on(polled) {
                Some((group, why)) => {
                    without.row(row("handed on", format!("its reading of {group} had failed: {why}")));
                }
                None => without.row(row("failed", failure.to_string())),
            },
        }
        polled.log.iter().for_each(|line| log.row(row(line.level.as_str(), line.text.clone())));
    }
    if !samples.is_empty() {
        writeln!(out, "{samples}")?;
    }
    for table in [without, refused, log].iter().filter(|table| !table.is_empty()) {
        writeln!(out, "{table}")?;
    }
    for group in &round.lacking {
        writeln!(
            out,
            "The recording does not have {group}, which the guest reads: it finds `no-data` there.\n"
        )?;
    }
    Ok(())
}

fn cells(player: &Player, polled: &Polled, sample: &GuestSample) -> [String; 6] {
    let meter = &player.meters()[sample.meter];
    let uuid = &polled.instance.identity.uuid;
    let resource = if sample.resource_id == *uuid {
        String::new()
    } else {
        sample.resource_id.replace(uuid.as_str(), "<uuid>")
    };
    [
        play::name(&polled.instance).to_owned(),
        meter.name.clone(),
        play::exact(sample.volume),
        meter.unit.clone(),
        resource,
        sample.metadata.as_ref().map(|metadata| short(metadata.fields())).unwrap_or_default(),
    ]
}

/// Metadata on one line, without what is null.
fn short(fields: &serde_json::Map<String, Value>) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Object(inner) => format!("{{{}}}", short(inner)),
        other => other.to_string(),
    };
    let told = fields.iter().filter(|(_, value)| !value.is_null());
    told.map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(" ")
}

/// `1 poll`, `2 polls`.
fn count(number: usize, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

/// What all rounds come to.
#[derive(Default)]
pub struct Sum {
    pub rounds: usize,
    pub polls: usize,
    pub samples: usize,
    pub skipped: usize,
    pub handed_on: usize,
    pub failed: usize,
    pub refused: usize,
    pub times: Vec<Duration>,
    pub memory: usize,
    pub state: usize,
}

impl Sum {
    fn add(&mut self, player: &Player, round: &Round) {
        self.rounds += 1;
        self.polls += round.polls.len();
        for polled in &round.polls {
            self.times.push(polled.took);
            self.memory = self.memory.max(polled.memory);
            match &polled.outcome {
                Outcome::Samples { samples, refused } => {
                    self.samples += samples.len();
                    self.refused += refused.len();
                }
                Outcome::Skipped(_) => self.skipped += 1,
                Outcome::Failed(_) if player.handed_on(polled).is_some() => self.handed_on += 1,
                Outcome::Permanent(_) | Outcome::Failed(_) => self.failed += 1,
            }
        }
    }

    /// Median and maximum of a poll's time, in microseconds.
    pub fn micros(&mut self) -> (f64, f64) {
        self.times.sort_unstable();
        let at = |position: usize| self.times.get(position).map_or(0.0, |time| time.as_secs_f64() * 1e6);
        (at(self.times.len() / 2), at(self.times.len().saturating_sub(1)))
    }

    fn text(&mut self) -> String {
        let (median, most) = self.micros();
        let unoptimised = if cfg!(debug_assertions) { " in a debug build" } else { "" };
        let Self { skipped, handed_on, failed, memory, state, .. } = self;
        format!(
            "{} in {}: {}; {skipped} skipped, {handed_on} handed on, {failed} failed; {} refused\n\
             {median:.1} µs per poll (the median{unoptimised}), {most:.1} µs at most; {} KiB of memory at most; {state} bytes of state\n",
            count(self.polls, "poll"),
            count(self.rounds, "round"),
            count(self.samples, "sample"),
            count(self.refused, "sample"),
            *memory / 1024
        )
    }

    fn verdict(&self) -> anyhow::Result<()> {
        let mut missing = Vec::new();
        if self.failed > 0 {
            missing.push(format!("{} failed", count(self.failed, "poll")));
        }
        if self.refused > 0 {
            missing.push(format!("{} refused", count(self.refused, "sample")));
        }
        if missing.is_empty() { Ok(()) } else { Err(Incomplete(missing.join("; ")).into()) }
    }
}

//! `nephoscope guest bench`.

use std::io::Write;
use std::time::Duration;

use sandbox::Engine;
use serde_json::{Value, json};
use workbench::bench::{self, BenchError, Figures, Times};
use workbench::example;

use super::moments::recording;
use super::terms::{refused, terms};
use crate::cli::{GuestBenchArguments, Report};
use crate::commands::table::Table;
use crate::exit::{Incomplete, WrongArgument};

pub fn bench(arguments: &GuestBenchArguments) -> anyhow::Result<()> {
    let module = &arguments.module;
    let terms = terms(&arguments.terms)?;
    let snapshot = match &arguments.snapshot {
        Some(file) => recording(file)?,
        None => example::host()?,
    };
    if cfg!(debug_assertions) {
        eprintln!("nephoscope: this is a debug build: its figures say nothing");
    }
    let time = Duration::from_secs(arguments.seconds);
    let figures =
        bench::measure(&Engine::new()?, module, &snapshot, &terms, time).map_err(|error| match error {
            BenchError::Load(error) => refused(&error, module),
            failed @ BenchError::Failed { .. } => Incomplete(failed.to_string()).into(),
            empty @ BenchError::Empty => WrongArgument::new(empty).into(),
            other => other.into(),
        })?;
    let mut out = std::io::stdout().lock();
    match arguments.output {
        Report::Text => write!(out, "{}", table(&figures))?,
        Report::Json => writeln!(out, "{:#}", describe(&figures))?,
    }
    Ok(())
}

fn table(figures: &Figures) -> Table<2> {
    let mut table = Table::new(["what", "measured"]);
    let mut row = |what: &str, figure: String| table.row([what.to_owned(), figure]);
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let times = |times: &Times| {
        let (median, p99) = (micros(times.median), micros(times.p99));
        format!("{median:.2} µs; 1 in 100 over {p99:.2} µs; {} polls", times.polls)
    };
    row("size", format!("{} bytes", figures.bytes));
    row("compiling", millis(figures.compile));
    row(
        "loading its compiled form",
        format!("{}; {} bytes", millis(figures.cached.time), figures.cached.bytes),
    );
    row("starting, and its meters", millis(figures.start));
    row("a poll, isolation: poll", times(&figures.fresh));
    row("a poll, isolation: cycle", times(&figures.warm));
    row(
        "samples of a poll",
        format!("{:.1} on average, of {} instances", figures.samples, figures.instances),
    );
    row("memory", format!("{} KiB after a poll at most", figures.memory / 1024));
    table
}

fn describe(figures: &Figures) -> Value {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let times = |times: &Times| {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        json!({ "median_us": micros(times.median), "p99_us": micros(times.p99), "polls": times.polls })
    };
    json!({
        "debug_build": cfg!(debug_assertions),
        "bytes": figures.bytes,
        "compile_ms": millis(figures.compile),
        "cached_load_ms": millis(figures.cached.time),
        "compiled_bytes": figures.cached.bytes,
        "start_ms": millis(figures.start),
        "fresh_poll": times(&figures.fresh),
        "warm_poll": times(&figures.warm),
        "samples_per_poll": figures.samples,
        "instances": figures.instances,
        "memory_bytes": figures.memory,
    })
}

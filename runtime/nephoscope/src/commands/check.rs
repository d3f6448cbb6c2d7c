//! `nephoscope check`: what a pipeline file would run, or every fault of it.

use std::io::Write as _;

use agent::Plan;
use agent::guests::generation::Generation;
use agent::guests::roster::Seat;
use agent::plan::PlannedSource;
use sandbox::Isolation;
use serde_json::{Value, json};

use super::plan;
use super::probe::Findings;
use super::table::Table;
use crate::cli::{CheckArguments, Report};
use crate::exit::BadFile;

pub fn check(arguments: &CheckArguments) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let loaded = match (plan(&arguments.pipeline), arguments.output) {
        (Ok(loaded), _) => loaded,
        (Err(faults), Report::Json) => {
            writeln!(out, "{:#}", json!({ "ok": false, "faults": faults.to_json() }))?;
            return Err(BadFile.into());
        }
        (Err(faults), Report::Text) => {
            writeln!(out, "{faults}")?;
            return Err(BadFile.into());
        }
    };
    let plan = &loaded.value;
    if arguments.output == Report::Text {
        for warning in &loaded.warnings {
            writeln!(out, "{warning}")?;
        }
        show(plan, &mut out)?;
    }
    let found = if arguments.probe { Some(Findings::of(plan)?) } else { None };
    match (arguments.output, &found) {
        (Report::Json, found) => {
            let mut report =
                json!({ "ok": true, "faults": loaded.warnings.to_json(), "plan": describe(plan) });
            if let Some(found) = found {
                report["probe"] = found.to_json();
            }
            writeln!(out, "{report:#}")?;
        }
        (Report::Text, Some(found)) => write!(out, "\n{found}")?,
        (Report::Text, None) => {}
    }
    found.map_or(Ok(()), |found| found.verdict())
}

fn show(plan: &Plan, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    let pipeline = &plan.pipeline;
    writeln!(out, "samples of source {}\n", pipeline.sample_source)?;
    let mut hypervisors = Table::new(["hypervisor", "host", "reads"]);
    for hypervisor in &pipeline.hypervisors {
        hypervisors.row([hypervisor.name.clone(), hypervisor.host.clone(), reads(hypervisor)]);
    }
    writeln!(out, "{hypervisors}")?;
    if let Some(settings) = &pipeline.nova {
        let mut nova = Table::new(["tenants' metadata from", "as", "every"]);
        nova.row([asked(settings), settings.login.to_string(), format!("{:?}", settings.refresh)]);
        writeln!(out, "{nova}")?;
    }
    let mut guests = Table::new(["guest", "reads", "isolation", "sha256", "signed by"]);
    let mut meters = Table::new(["meter", "kind", "unit", "guest", "polled by"]);
    let roster = plan.roster();
    for holder in roster.seats.iter().map(|seat| &seat.holder) {
        guests.row([
            holder.name().to_owned(),
            names(holder.guest.capabilities()),
            isolation(holder).to_owned(),
            holder.sha256.short(),
            holder.signer.clone().unwrap_or_else(|| "nobody".to_owned()),
        ]);
        for (at, meter) in holder.guest.meters().iter().enumerate() {
            let polls = |source: &&PlannedSource| {
                let mut selections = roster.sources[source.position].selections.iter();
                selections.any(|chosen| chosen.guest.name() == holder.name() && chosen.meters[at])
            };
            let sources = each_source(plan).filter(polls);
            let sources: Vec<_> =
                sources.map(|source| pipeline.sources[source.index].name.as_str()).collect();
            meters.row([
                meter.name.clone(),
                meter.kind.to_string(),
                meter.unit.clone(),
                holder.name().to_owned(),
                if sources.is_empty() { "nobody".to_owned() } else { sources.join(" ") },
            ]);
        }
    }
    writeln!(out, "{guests}\n{meters}")?;
    let mut sources = Table::new(["source", "every", "meters", "sinks"]);
    for planned in each_source(plan) {
        let source = &pipeline.sources[planned.index];
        sources.row([
            source.name.value.clone(),
            format!("{:?}", source.interval),
            polled(plan, planned).len().to_string(),
            source
                .sinks
                .iter()
                .map(|sink| pipeline.sinks[*sink].name.value.clone())
                .collect::<Vec<_>>()
                .join(" "),
        ]);
    }
    writeln!(out, "{sources}")?;
    let mut sinks = Table::new(["sink", "publisher"]);
    for sink in &pipeline.sinks {
        for publisher in &sink.publishers {
            sinks.row([sink.name.value.clone(), publisher.target.to_string()]);
        }
    }
    write!(out, "{sinks}")?;
    match pipeline.spool_folder() {
        Ok(Some(spool)) => writeln!(
            out,
            "\nsamples for brokers are kept in {} until these have them",
            spool.folder.display()
        )?,
        Ok(None) => {}
        Err(error) => writeln!(out, "\n{error} (systemd's StateDirectory= is one)")?,
    }
    Ok(())
}

fn describe(plan: &Plan) -> Value {
    let pipeline = &plan.pipeline;
    let roster = plan.roster();
    let guests = roster.seats.iter().map(|Seat { holder, .. }| {
        let meters = holder.guest.meters().iter().map(|meter| {
            json!({ "name": meter.name, "kind": meter.kind.as_str(), "unit": meter.unit, "description": meter.description })
        });
        json!({
            "name": holder.name(),
            "module": holder.guest.module().display().to_string(),
            "sha256": holder.sha256,
            "signer": holder.signer,
            "grants": holder.guest.grants().iter().map(|capability| capability.as_str()).collect::<Vec<_>>(),
            "imports": holder.guest.capabilities().iter().map(|capability| capability.as_str()).collect::<Vec<_>>(),
            "isolation": isolation(holder),
            "meters": meters.collect::<Vec<_>>(),
        })
    });
    let sources = each_source(plan).map(|planned| {
        let source = &pipeline.sources[planned.index];
        json!({
            "name": source.name.value,
            "interval_seconds": source.interval.as_secs_f64(),
            "meters": polled(plan, planned),
            "sinks": source.sinks.iter().map(|sink| &pipeline.sinks[*sink].name.value).collect::<Vec<_>>(),
        })
    });
    let sinks = pipeline.sinks.iter().map(|sink| {
        let publishers = sink.publishers.iter().map(|publisher| publisher.target.to_string());
        json!({ "name": sink.name.value, "publishers": publishers.collect::<Vec<_>>() })
    });
    json!({
        "sample_source": pipeline.sample_source,
        "hypervisors": pipeline.hypervisors.iter().map(|hypervisor| {
            json!({ "name": hypervisor.name, "host": hypervisor.host, "reads": reads(hypervisor) })
        }).collect::<Vec<_>>(),
        "nova": pipeline.nova.as_ref().map(|settings| json!({
            "auth_url": settings.auth_url.to_string(),
            "endpoint_override": settings.endpoint_override.as_ref().map(ToString::to_string),
            "login": settings.login.to_string(),
            "refresh_seconds": settings.refresh.as_secs_f64(),
        })),
        "guests": guests.collect::<Vec<_>>(),
        "sources": sources.collect::<Vec<_>>(),
        "sinks": sinks.collect::<Vec<_>>(),
        "spool": pipeline.spool_folder().ok().flatten().map(|spool| spool.folder.display().to_string()),
    })
}

fn reads(hypervisor: &config::Hypervisor) -> String {
    match &hypervisor.inspector {
        config::Inspector::Libvirt(settings) => format!("libvirt at {}", settings.uri),
        config::Inspector::Replay { snapshot } => format!("the recording {}", snapshot.display()),
    }
}

/// Who is asked for tenants' metadata.
fn asked(settings: &nova::Settings) -> String {
    match &settings.endpoint_override {
        Some(nova) => format!("Nova at {nova}, Keystone at {}", settings.auth_url),
        None => format!("Nova by Keystone at {}", settings.auth_url),
    }
}

/// The sources of the file. The plan has each once for every hypervisor, with the same meters.
fn each_source(plan: &Plan) -> impl Iterator<Item = &PlannedSource> {
    plan.sources.iter().filter(|planned| planned.hypervisor == 0)
}

/// The meters that a source polls.
fn polled(plan: &Plan, source: &PlannedSource) -> Vec<String> {
    let mut meters = Vec::new();
    for selection in &plan.roster().sources[source.position].selections {
        for (meter, chosen) in selection.guest.meters.iter().zip(&selection.meters) {
            if *chosen {
                meters.push(meter.name.to_string());
            }
        }
    }
    meters
}

fn isolation(generation: &Generation) -> &'static str {
    match generation.guest.isolation() {
        Isolation::Poll => "poll",
        Isolation::Cycle => "cycle",
    }
}

fn names(capabilities: &std::collections::BTreeSet<sandbox::Capability>) -> String {
    let names: Vec<_> = capabilities.iter().map(|capability| capability.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(" ") }
}

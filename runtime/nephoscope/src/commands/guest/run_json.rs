//! What `nephoscope guest run` has found, as one JSON document.

use std::path::Path;

use sample::Volume;
use sandbox::{GuestSample, Outcome};
use serde_json::{Value, json};
use workbench::play::{self, Player, Polled};

use super::described;
use super::run::{Round, Sum};

/// The document.
pub fn document(module: &Path, player: &Player, rounds: Vec<Value>, sum: &mut Sum) -> Value {
    let grants = player.guest().capabilities().iter().map(|grant| grant.as_str());
    let (median, most) = sum.micros();
    json!({
        "guest": {
            "file": module.display().to_string(),
            "grants": grants.collect::<Vec<_>>(),
            "meters": described(player.meters()),
        },
        "rounds": rounds,
        "summary": {
            "rounds": sum.rounds,
            "polls": sum.polls,
            "samples": sum.samples,
            "skipped": sum.skipped,
            "handed_on": sum.handed_on,
            "failed": sum.failed,
            "refused": sum.refused,
            "poll_us": { "median": median, "max": most },
            "memory_bytes": sum.memory,
            "state_bytes": sum.state,
        },
    })
}

/// One moment.
pub fn round(player: &Player, round: &Round) -> Value {
    json!({
        "moment": round.moment,
        "host": round.host,
        "not_recorded": round.lacking.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "polls": round.polls.iter().map(|polled| poll(player, polled)).collect::<Vec<_>>(),
    })
}

fn poll(player: &Player, polled: &Polled) -> Value {
    let (outcome, why) = match &polled.outcome {
        Outcome::Samples { .. } => ("samples", None),
        Outcome::Skipped(skip) => ("skipped", Some((skip.label(), skip.to_string()))),
        Outcome::Permanent(text) => ("permanent", Some(("permanent", text.clone()))),
        Outcome::Failed(failure) => ("failed", Some((failure.label(), failure.to_string()))),
    };
    let (samples, refused) = match &polled.outcome {
        Outcome::Samples { samples, refused } => (samples.as_slice(), refused.as_slice()),
        _ => (&[][..], &[][..]),
    };
    let identity = &polled.instance.identity;
    let log = polled.log.iter().map(|line| json!({ "level": line.level.as_str(), "text": line.text }));
    let refused = refused.iter().map(|why| json!({ "label": why.label(), "why": why.to_string() }));
    json!({
        "instance": { "id": identity.uuid, "name": identity.name, "display_name": play::name(&polled.instance) },
        "outcome": outcome,
        "label": why.as_ref().map(|(label, _)| label),
        "why": why.as_ref().map(|(_, text)| text),
        "handed_on": player.handed_on(polled).map(|(group, _)| group.to_string()),
        "samples": samples.iter().map(|one| sample(player, one)).collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "log": log.collect::<Vec<_>>(),
        "poll_us": polled.took.as_secs_f64() * 1e6,
        "memory_bytes": polled.memory,
    })
}

fn sample(player: &Player, sample: &GuestSample) -> Value {
    let meter = &player.meters()[sample.meter];
    let (case, volume) = match sample.volume {
        Volume::Count(count) => ("count", json!(count)),
        Volume::Signed(number) => ("signed", json!(number)),
        Volume::Real(number) => ("real", json!(number)),
    };
    json!({
        "meter": meter.name,
        "kind": meter.kind.as_str(),
        "unit": meter.unit,
        "volume": volume,
        "case": case,
        "resource_id": sample.resource_id,
        "metadata": sample.metadata.as_ref().map(|metadata| metadata.fields()),
    })
}

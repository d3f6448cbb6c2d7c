//! What `nephoscope guest test` says: a line per case, and all of what differs.

use std::fmt::Write;
use std::path::Path;

use config::cases::{Expect, Recorded, Sample};
use sample::Volume;
use serde_json::{Value, json};
use workbench::cases::{Difference, Ran, RanPoll, diff, to_yaml};
use workbench::text::printable;

/// How many of a poll's log lines are shown.
const LINES: usize = 20;

/// A file's cases, for people.
pub fn text(file: &Path, cases: &[Ran<'_>]) -> String {
    // Writing to a String cannot fail.
    let mut text = format!("{}\n", file.display());
    for ran in cases {
        let verdict = if ran.passed() { "ok" } else { "FAILED" };
        let _ = writeln!(text, "  {verdict:<6}  {}", printable(&ran.case.name.value));
        match &ran.polls {
            Ok(polls) => {
                polls
                    .iter()
                    .filter(|poll| !poll.differences.is_empty())
                    .for_each(|poll| describe(poll, &mut text));
            }
            Err(error) => {
                let _ = writeln!(text, "    the guest does not load with these settings: {error}");
            }
        }
    }
    text
}

fn describe(ran: &RanPoll<'_>, text: &mut String) {
    let RanPoll { poll, came, .. } = ran;
    let mut line = |indent: usize, line: &str| {
        let _ = writeln!(text, "{:indent$}{line}", "");
    };
    line(4, &format!("line {}: {} of {}", poll.place.line, poll.instance.value, recorded(&poll.snapshot)));
    for difference in &ran.differences {
        match difference {
            Difference::Unwritten => line(6, "nothing is expected yet; this came:"),
            Difference::Outcome => {
                line(6, "- is expected, + came:");
                let expected = poll.expect.as_ref().map(to_yaml).unwrap_or_default();
                diff(&expected, &to_yaml(&came.outcome)).iter().for_each(|text| line(8, text));
                line(6, "to be pasted, where what came is right:");
            }
            Difference::NotLogged(wanted) => {
                line(6, &format!("no line of level {} has {:?}", wanted.level.as_str(), wanted.text));
            }
            Difference::Logged(logged) => {
                line(6, &format!("nothing was to be logged: {}: {}", logged.level, logged.text));
            }
            Difference::Refused(why) => line(6, &format!("a sample was refused: {why}")),
            Difference::NotRefused(words) => line(6, &format!("no sample was refused with {words:?}")),
        }
        if matches!(difference, Difference::Unwritten | Difference::Outcome) {
            expectation(&came.outcome).iter().for_each(|text| line(8, text));
        }
    }
    for logged in came.log.iter().take(LINES) {
        line(6, &format!("logged: {}: {}", logged.level, logged.text));
    }
    if let Some(more) = came.log.len().checked_sub(LINES + 1) {
        line(6, &format!("logged: … and {} more", more + 1));
    }
}

/// The key `expect`, as it can stand in a case file.
fn expectation(came: &Expect) -> Vec<String> {
    let yaml = to_yaml(came);
    match came {
        Expect::Samples(samples) if !samples.is_empty() => std::iter::once("expect:".to_owned())
            .chain(yaml.lines().map(|line| format!("  {line}")))
            .collect(),
        _ => vec![format!("expect: {}", yaml.trim_end())],
    }
}

fn recorded(recorded: &Recorded) -> String {
    match recorded {
        Recorded::Example => "example".into(),
        Recorded::ExampleLater => "example-later".into(),
        Recorded::File(path) => path.display().to_string(),
    }
}

/// A file's cases, for programs.
pub fn json(file: &Path, guest: &str, cases: &[Ran<'_>]) -> Value {
    let cases: Vec<Value> = cases
        .iter()
        .map(|ran| {
            let mut case = json!({
                "name": ran.case.name.value,
                "line": ran.case.name.place.line,
                "passed": ran.passed(),
            });
            match &ran.polls {
                Ok(polls) => case["polls"] = polls.iter().map(poll_json).collect(),
                Err(error) => case["error"] = error.to_string().into(),
            }
            case
        })
        .collect();
    json!({"file": file.to_string_lossy(), "guest": guest, "cases": cases})
}

fn poll_json(ran: &RanPoll<'_>) -> Value {
    let differences: Vec<&str> = ran.differences.iter().map(label).collect();
    let log: Vec<Value> =
        ran.came.log.iter().map(|line| json!({"level": line.level.as_str(), "text": line.text})).collect();
    json!({
        "line": ran.poll.place.line,
        "snapshot": recorded(&ran.poll.snapshot),
        "instance": ran.instance.identity.uuid,
        "passed": ran.differences.is_empty(),
        "differences": differences,
        "expected": ran.poll.expect.as_ref().map(outcome_json),
        "came": outcome_json(&ran.came.outcome),
        "refused": ran.came.refused,
        "log": log,
    })
}

/// Fixed words for programs.
const fn label(difference: &Difference) -> &'static str {
    match difference {
        Difference::Unwritten => "unwritten",
        Difference::Outcome => "outcome",
        Difference::NotLogged(_) => "not-logged",
        Difference::Logged(_) => "logged",
        Difference::Refused(_) => "refused",
        Difference::NotRefused(_) => "not-refused",
    }
}

fn outcome_json(outcome: &Expect) -> Value {
    match outcome {
        Expect::Samples(samples) => json!({"samples": samples.iter().map(sample_json).collect::<Vec<_>>()}),
        Expect::Skipped(skip) => json!({"skipped": skip.as_str()}),
        Expect::Permanent(why) => json!({"permanent": why}),
        Expect::Failed(why) => json!({"failed": why}),
    }
}

/// The volume's type is its key; absent what is not said.
fn sample_json(sample: &Sample) -> Value {
    let volume = match sample.volume {
        Volume::Count(count) => json!({"count": count}),
        Volume::Signed(number) => json!({"signed": number}),
        Volume::Real(real) => json!({"real": real}),
    };
    let mut object = json!({"meter": sample.meter, "volume": volume});
    if let Some(id) = &sample.resource_id {
        object["resource_id"] = id.as_str().into();
    }
    if !sample.metadata.is_empty() {
        object["metadata"] = Value::Object(sample.metadata.clone());
    }
    object
}

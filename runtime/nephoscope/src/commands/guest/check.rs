//! `nephoscope guest check`.

use std::io::Write;
use std::time::Duration;

use sandbox::{Capability, Engine};
use serde_json::{Value, json};
use workbench::check::{self, Form, Report as Checked};

use super::described;
use super::terms::{name, terms};
use crate::cli::{GuestCheckArguments, Report};
use crate::commands::table::{Table, terminal_width};
use crate::exit::Unusable;

pub fn check(arguments: &GuestCheckArguments) -> anyhow::Result<()> {
    let terms = terms(&arguments.terms)?;
    let checked = check::check(&Engine::new()?, &arguments.module, &terms);
    let mut out = std::io::stdout().lock();
    match arguments.output {
        Report::Json => writeln!(out, "{:#}", describe(&checked))?,
        Report::Text => show(&checked, &mut out)?,
    }
    if checked.is_usable() { Ok(()) } else { Err(Unusable(checked.path.display().to_string()).into()) }
}

fn show(checked: &Checked, out: &mut impl Write) -> anyhow::Result<()> {
    let mut facts = Table::new(["file", ""]);
    let mut fact = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.row([what.to_owned(), value]);
        }
    };
    fact("is", checked.form.map(|form| form.to_string()));
    fact("size", checked.bytes.map(|bytes| format!("{bytes} bytes")));
    fact("sha256", checked.sha256.map(|sha256| sha256.to_string()));
    fact("exports", checked.pollster.clone());
    if checked.form == Some(Form::Component) && !checked.wasi.is_empty() {
        fact(
            "wasi",
            Some(format!("{} interfaces, closed: no files, no network, no environment", checked.wasi.len())),
        );
    }
    fact("compiling", checked.compile.map(millis));
    fact("starting", checked.start.map(millis));
    fact("memory", checked.memory.map(|bytes| format!("{} KiB when it has started", bytes / 1024)));
    let text = facts.to_string();
    // The header is the file's row: its name stands where the values do.
    let (_, rows) = text.split_once('\n').unwrap_or_default();
    writeln!(out, "{}\n{rows}", checked.path.display())?;

    if !checked.grants.is_empty() {
        let mut grants = Table::new(["grant", "what it may read with it"]);
        for grant in &checked.grants {
            grants.row([grant.to_string(), grant.about().to_owned()]);
        }
        writeln!(out, "{grants}")?;
    }
    if !checked.meters.is_empty() {
        let mut meters = Table::new(["meter", "kind", "unit", "description"]).fitting(terminal_width(), &[3]);
        for meter in &checked.meters {
            meters.row([
                meter.name.clone(),
                meter.kind.to_string(),
                meter.unit.clone(),
                meter.description.clone(),
            ]);
        }
        writeln!(out, "{meters}")?;
    }
    if checked.is_usable() {
        writeln!(out, "{}", snippet(checked))?;
    }
    for finding in &checked.findings {
        writeln!(out, "{}: {}\n    {}", finding.severity.as_str(), finding.what, finding.remedy)?;
    }
    Ok(())
}

/// What a pipeline file says to use it.
fn snippet(checked: &Checked) -> String {
    let grants: Vec<_> = checked.grants.iter().map(|grant| grant.as_str()).collect();
    let mut text = format!(
        "in a pipeline file:\n\nguests:\n  - name: {}\n    module: {}\n    sha256: {}\n    grants: [{}]\n",
        quoted(&name(&checked.path)),
        quoted(&checked.path.display().to_string()),
        checked.sha256.map(|sha256| sha256.to_string()).unwrap_or_default(),
        grants.join(", ")
    );
    if checked.grants.contains(&Capability::Settings) {
        text += "    settings: {}          # those that the guest documents\n";
    }
    text
}

/// A text as YAML takes it: plain where that is safe.
fn quoted(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '/' | '.' | '_' | '-');
    let begins = text.starts_with(|char: char| char.is_ascii_alphabetic() || matches!(char, '/' | '.' | '_'));
    if begins && text.chars().all(plain) { text.to_owned() } else { Value::from(text).to_string() }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn describe(checked: &Checked) -> Value {
    let millis = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
    let findings = checked.findings.iter().map(|finding| {
        json!({ "severity": finding.severity.as_str(), "message": finding.what, "remedy": finding.remedy })
    });
    let grants = checked.grants.iter().map(|grant| json!({ "name": grant.as_str(), "about": grant.about() }));
    json!({
        "ok": checked.is_usable(),
        "file": checked.path.display().to_string(),
        "is": checked.form.map(|form| form.to_string()),
        "bytes": checked.bytes,
        "sha256": checked.sha256,
        "exports": checked.pollster,
        "grants": grants.collect::<Vec<_>>(),
        "wasi": checked.wasi,
        "meters": described(&checked.meters),
        "compile_ms": millis(checked.compile),
        "start_ms": millis(checked.start),
        "start_memory_bytes": checked.memory,
        "findings": findings.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_yaml_would_read_otherwise_is_quoted() {
        assert_eq!(quoted("build/my-meter.wasm"), "build/my-meter.wasm");
        assert_eq!(quoted("../a.wasm"), "../a.wasm");
        for odd in ["a: b", "- a", "007", "wé", "a#b", ""] {
            assert_eq!(quoted(odd), format!("{odd:?}"));
        }
    }
}

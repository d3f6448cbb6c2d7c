//! `nephoscope guest list | install | remove | rollback`: a running agent's guests, by its admin socket.

use std::io::Write as _;

use agent::admin::client::{self, Install};
use agent::admin::{Answer, Command};
use agent::guests::status::Status;
use anyhow::bail;
use trust::{Sha256, signature};

use super::pull;
use crate::cli::{InstallArguments, ListArguments, RemoveArguments, Report, RollbackArguments};
use crate::commands::table::{Table, terminal_width};
use crate::exit::WrongArgument;

pub fn list(arguments: &ListArguments) -> anyhow::Result<()> {
    let mut guests = match client::ask(&arguments.at.socket, Command::List)? {
        Answer::Guests(guests) => guests,
        other => return done(other),
    };
    if let Some(name) = &arguments.name {
        guests.retain(|guest| guest.name == *name);
        if guests.is_empty() {
            return Err(WrongArgument::of(format!("the agent knows no guest {name:?}")).into());
        }
    }
    let mut out = std::io::stdout().lock();
    match (arguments.output, &arguments.name) {
        (Report::Json, _) => writeln!(out, "{:#}", serde_json::to_value(&guests)?)?,
        (Report::Text, None) => write!(out, "{}", shown(&guests))?,
        (Report::Text, Some(_)) => write!(out, "{}\n{}", shown(&guests), generations(&guests))?,
    }
    Ok(())
}

pub fn install(arguments: &InstallArguments) -> anyhow::Result<()> {
    let InstallArguments { name, module, registry, sha256, at } = arguments;
    let reference = module.to_str().filter(|text| text.starts_with("oci://"));
    let (bytes, signature) = match reference {
        Some(reference) => {
            let pulled = pull::fetch(reference, registry)?;
            (pulled.module, pulled.signature)
        }
        None => (sandbox::module::bytes(module)?, signature::beside(module)?),
    };
    let found = Sha256::of(&bytes);
    if let Some(expected) = sha256
        && *expected != found
    {
        let words = format!("the sha256 of {} is {found}, and not {expected}", module.display());
        return Err(WrongArgument::of(words).into());
    }
    // Who names a digest vouches for what has it: the module's own, or that of the artefact which names it.
    let vouched = sha256.is_some() || reference.is_some();
    done(client::install(
        &at.socket,
        &Install { name, module: &bytes, signature: signature.as_deref(), vouched },
    )?)
}

pub fn remove(arguments: &RemoveArguments) -> anyhow::Result<()> {
    done(client::ask(&arguments.at.socket, Command::Remove { name: arguments.name.clone() })?)
}

pub fn roll_back(arguments: &RollbackArguments) -> anyhow::Result<()> {
    let RollbackArguments { name, to, at } = arguments;
    done(client::ask(&at.socket, Command::Rollback { name: name.clone(), to: *to })?)
}

fn done(answer: Answer) -> anyhow::Result<()> {
    match answer {
        Answer::Done(words) => Ok(writeln!(std::io::stdout().lock(), "{words}")?),
        Answer::Refused(words) => bail!("refused: {words}"),
        Answer::Guests(_) => bail!("the agent answered something else"),
    }
}

fn shown(guests: &[Status]) -> String {
    let header = [
        "guest", "gen", "module", "signer", "state", "since", "polls", "failed", "p50 µs", "p99 µs", "memory",
    ];
    let mut table = Table::new(header).fitting(terminal_width(), &[0, 3]);
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    for guest in guests {
        let figures = &guest.figures;
        table.row([
            guest.name.clone(),
            number(guest.generation.map(u64::from)),
            guest.sha256.map_or_else(|| "-".to_owned(), |sha256| sha256.short()),
            guest.signer.clone().unwrap_or_else(|| "-".to_owned()),
            guest.state.clone(),
            guest.since.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            figures.polls.to_string(),
            figures.failures.values().sum::<u64>().to_string(),
            number(figures.p50_micros),
            number(figures.p99_micros),
            format!("{} KiB", figures.peak_memory / 1024),
        ]);
    }
    let mut text = table.to_string();
    for guest in guests {
        let printable = workbench::text::printable;
        for (what, counts) in [("failed", &guest.figures.failures), ("refused", &guest.figures.refused)] {
            if !counts.is_empty() {
                let counts: Vec<_> = counts.iter().map(|(label, count)| format!("{label} {count}")).collect();
                text.push_str(&format!(
                    "{}: {what} {}\n",
                    printable(&guest.name),
                    printable(&counts.join(", "))
                ));
            }
        }
        if let Some(reason) = &guest.reason {
            text.push_str(&format!("{}: {}\n", printable(&guest.name), printable(reason)));
        }
    }
    text
}

fn generations(guests: &[Status]) -> Table<6> {
    let mut table =
        Table::new(["gen", "module", "signer", "since", "fate", "why"]).fitting(terminal_width(), &[5]);
    for kept in guests.iter().flat_map(|guest| &guest.generations) {
        table.row([
            kept.number.to_string(),
            kept.sha256.short(),
            kept.signer.clone().unwrap_or_else(|| "-".to_owned()),
            kept.since.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            kept.fate.to_string(),
            kept.reason.clone().unwrap_or_default(),
        ]);
    }
    table
}

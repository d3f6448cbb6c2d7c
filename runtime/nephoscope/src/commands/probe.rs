//! `nephoscope check --probe`: what answers, and what does not since when.

use std::fmt;

use agent::probe::{self, Reached};
use agent::{Plan, chain};
use inspector::{InspectError, Power, Probe, Probed};
use serde_json::{Value, json};

use super::runtime;
use super::table::Table;
use crate::exit::Incomplete;

/// Instances that are shown for each hypervisor: a host that does not answer at all has the same fault for all of them.
const SHOWN: usize = 20;

/// What a probe found.
pub struct Findings<'a> {
    hypervisors: Vec<(&'a str, Result<Probe, InspectError>)>,
    targets: Vec<Reached>,
    nova: Vec<nova::Health>,
}

impl<'a> Findings<'a> {
    /// Probes everything that the plan names.
    pub fn of(plan: &'a Plan) -> anyhow::Result<Self> {
        let (targets, nova) =
            runtime()?.block_on(async { (probe::targets(plan).await, probe::nova(plan).await) });
        let names = plan.pipeline.hypervisors.iter().map(|hypervisor| hypervisor.name.as_str());
        Ok(Self { hypervisors: names.zip(probe::hypervisors(plan)).collect(), targets, nova: nova? })
    }

    /// An error that sums up what is wrong.
    pub fn verdict(&self) -> anyhow::Result<()> {
        let silent = self.hypervisors.iter().filter(|(_, probe)| probe.is_err()).count();
        let unwell = self.probes().flat_map(|(_, probe)| unwell(probe)).count();
        let unreached = self.targets.iter().filter(|reached| reached.outcome.is_err()).count();
        let unlisted = self.nova.iter().filter(|host| host.trouble.is_some()).count();
        let all = [
            (silent, "hypervisors cannot be read"),
            (unwell, "instances do not answer as they should"),
            (unreached, "brokers or files cannot be reached"),
            (unlisted, "hosts' servers cannot be had from Nova"),
        ];
        let wrong: Vec<_> = all
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(Incomplete(wrong.join("; ")).into()) }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let hypervisors = self.hypervisors.iter().map(|(name, probe)| match probe {
            Ok(probe) => json!({
                "name": name,
                "ok": true,
                "hostname": probe.snapshot.host,
                "instances": probe.instances.iter().map(instance).collect::<Vec<_>>(),
            }),
            Err(error) => json!({ "name": name, "ok": false, "error": chain(error) }),
        });
        let targets = self.targets.iter().map(|reached| {
            json!({
                "sink": reached.sink,
                "target": reached.target,
                "ok": reached.outcome.is_ok(),
                "error": reached.outcome.as_ref().err().map(|error| chain(error)),
            })
        });
        let nova = self.nova.iter().map(|host| {
            json!({
                "host": host.host,
                "ok": host.trouble.is_none(),
                "servers": host.servers,
                "error": host.trouble.as_ref().map(|trouble| &trouble.words),
            })
        });
        json!({
            "hypervisors": hypervisors.collect::<Vec<_>>(),
            "targets": targets.collect::<Vec<_>>(),
            "nova": nova.collect::<Vec<_>>(),
        })
    }

    fn probes(&self) -> impl Iterator<Item = (&str, &Probe)> {
        self.hypervisors.iter().filter_map(|(name, probe)| Some((*name, probe.as_ref().ok()?)))
    }
}

fn unwell(probe: &Probe) -> impl Iterator<Item = &Probed> {
    probe.instances.iter().filter(|instance| instance.is_unwell())
}

fn instance(probed: &Probed) -> Value {
    let without = probed.without.iter().map(|(group, why)| json!({ "group": group, "why": why.to_string() }));
    json!({
        "uuid": probed.uuid,
        "name": probed.name,
        "power": probed.power,
        "ok": !probed.is_unwell(),
        "left_out": probed.left_out,
        "without": without.collect::<Vec<_>>(),
        "control": probed.control.as_ref().ok().map(|control| {
            json!({
                "state": control.state.label(),
                "seconds": control.lasting.as_secs_f64(),
                "since": control.since_utc(),
            })
        }),
    })
}

/// For people: a line per hypervisor and target, and one per instance with which something is wrong.
impl fmt::Display for Findings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hypervisors =
            Table::new(["hypervisor", "answers", "hostname", "instances", "running", "unwell"]);
        for (name, probe) in &self.hypervisors {
            let name = (*name).to_owned();
            hypervisors.row(match probe {
                Ok(probe) => {
                    let running = probe.instances.iter().filter(|instance| instance.power == Power::Running);
                    let counts = [probe.instances.len(), running.count(), unwell(probe).count()];
                    let [instances, running, unwell] = counts.map(|count| count.to_string());
                    [name, "yes".to_owned(), probe.snapshot.host.clone(), instances, running, unwell]
                }
                Err(_) => {
                    let unknown = || "-".to_owned();
                    [name, "no".to_owned(), unknown(), unknown(), unknown(), unknown()]
                }
            });
        }
        write!(f, "{hypervisors}")?;
        for (name, probe) in &self.hypervisors {
            if let Err(error) = probe {
                writeln!(f, "{name}: {}", chain(error))?;
            }
        }
        for (name, probe) in self.probes() {
            let mut left = unwell(probe);
            for probed in left.by_ref().take(SHOWN) {
                writeln!(f, "{name}: {}", one_line(probed))?;
            }
            match left.count() {
                0 => {}
                more => writeln!(f, "{name}: and {more} more; --output json has them all")?,
            }
        }
        if !self.nova.is_empty() {
            let mut nova = Table::new(["nova's host", "servers", "answers"]);
            for host in &self.nova {
                let answers = host
                    .trouble
                    .as_ref()
                    .map_or_else(|| "yes".into(), |trouble| format!("no: {}", trouble.words));
                nova.row([host.host.clone(), host.servers.to_string(), answers]);
            }
            write!(f, "\n{nova}")?;
        }
        if self.targets.is_empty() {
            return Ok(());
        }
        let mut targets = Table::new(["sink", "target", "answers"]);
        for Reached { sink, target, outcome } in &self.targets {
            let answers =
                outcome.as_ref().map_or_else(|error| format!("no: {}", chain(error)), |()| "yes".into());
            targets.row([sink.clone(), target.clone(), answers]);
        }
        write!(f, "\n{targets}")
    }
}

/// An instance and what is wrong with it. Names and reasons may hold what tenants or a recording's author wrote: control characters
/// are escaped, so that they can neither forge lines nor drive a terminal.
fn one_line(probed: &Probed) -> String {
    let text = format!("{} ({}): {}", probed.name, probed.uuid, fault(probed));
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            line.extend(char.escape_debug());
        } else {
            line.push(char);
        }
    }
    line
}

/// What is wrong with an instance.
fn fault(probed: &Probed) -> String {
    let mut parts: Vec<String> = probed.left_out.iter().map(|why| format!("left out: {why}")).collect();
    let mut last: Option<String> = None;
    for (group, why) in &probed.without {
        let why = why.to_string();
        // The same reason is said once.
        match (&last, parts.last_mut()) {
            (Some(known), Some(part)) if *known == why => *part = format!("{group}, {part}"),
            _ => parts.push(format!("{group}: {why}")),
        }
        last = Some(why);
    }
    if let Ok(control) = &probed.control {
        parts.push(format!("monitor {control}"));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use inspector::{Group, Missing};

    #[test]
    fn nothing_of_an_instance_can_forge_lines_or_drive_a_terminal() {
        let probed = Probed {
            uuid: "u\n".into(),
            name: "vé\x1b[2J".into(),
            power: Power::Running,
            left_out: Some("its XML\r\nqemu:///system: all is well".into()),
            without: vec![(Group::Cpu, Missing::Failed("\u{9b}2J".into()))],
            control: Err(Missing::Unsupported),
        };
        let line = one_line(&probed);
        assert!(!line.contains(char::is_control) && line.starts_with("vé"), "{line}");
    }
}

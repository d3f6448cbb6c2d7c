//! `nephoscope check --probe`: what answers, and what does not since when.

use std::{fmt, thread};

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
    nova: Vec<Asked>,
}

/// What Nova said of a host.
struct Asked {
    health: nova::Health,
    /// Instances of Nova's that its hypervisors have.
    instances: usize,
}

impl<'a> Findings<'a> {
    /// Probes everything that the plan names.
    pub fn of(plan: &'a Plan) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        // All at once: what is slow or away costs its own deadlines, and not the sum of all.
        let (probes, (targets, listed)) = thread::scope(|scope| {
            let probes = scope.spawn(|| probe::hypervisors(plan));
            let rest = async { tokio::join!(probe::targets(plan), probe::nova(plan)) };
            let rest = runtime.block_on(rest);
            (probes.join(), rest)
        });
        let probes = probes.map_err(|_| {
            anyhow::anyhow!(
                "the thread that reads hypervisors ended in a panic, which is a fault of this program"
            )
        })?;
        let described = &plan.pipeline.hypervisors;
        let asked = |health: nova::Health| {
            let here = described.iter().zip(&probes).filter(|(hypervisor, _)| hypervisor.host == health.host);
            let instances = here.map(|(_, probe)| probe.as_ref().map_or(0, of_nova)).sum();
            Asked { health, instances }
        };
        let nova = listed?.into_iter().map(asked).collect();
        let names = described.iter().map(|hypervisor| hypervisor.name.as_str());
        Ok(Self { hypervisors: names.zip(probes).collect(), targets, nova })
    }

    /// An error that sums up what is wrong.
    pub fn verdict(&self) -> anyhow::Result<()> {
        let silent = self.hypervisors.iter().filter(|(_, probe)| probe.is_err()).count();
        let unwell = self.probes().flat_map(|(_, probe)| unwell(probe)).count();
        let unreached = self.targets.iter().filter(|reached| reached.outcome.is_err()).count();
        let unlisted = self.nova.iter().filter(|host| host.fault().is_some()).count();
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
            let fault = host.fault();
            json!({
                "host": host.health.host,
                "ok": fault.is_none(),
                "servers": host.health.servers,
                "instances": host.instances,
                "error": fault,
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

impl Asked {
    /// What is wrong with Nova's answer.
    fn fault(&self) -> Option<&str> {
        match &self.health {
            nova::Health { trouble: Some(trouble), .. } => Some(&trouble.words),
            nova::Health { servers: 0, .. } if self.instances > 0 => Some(
                "lists no server of this host, which has instances of Nova's: is `host` what Nova calls it?",
            ),
            _ => None,
        }
    }
}

/// How many of a hypervisor's instances are Nova's.
fn of_nova(probe: &Probe) -> usize {
    probe.snapshot.instances.iter().filter(|instance| instance.identity.nova.is_some()).count()
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
            let mut nova = Table::new(["nova's host", "instances", "servers", "answers"]);
            for host in &self.nova {
                let answers = host.fault().map_or_else(|| "yes".to_owned(), |fault| format!("no: {fault}"));
                let nova::Health { host: name, servers, .. } = &host.health;
                nova.row([name.clone(), host.instances.to_string(), servers.to_string(), answers]);
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

//! What a look at every instance says of how it can be read: for an operator, beside the agent or without one.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::clock;
use crate::snapshot::{Group, LeftOut, Missing, Power, Reading, Snapshot};

/// A look at a host.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The snapshot that was taken for it.
    pub snapshot: Snapshot,
    /// Every instance, those that the snapshot left out included, in the order of their UUIDs.
    pub instances: Vec<Probed>,
}

/// How one instance can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// The UUID, lower-case and hyphenated.
    pub uuid: String,
    /// libvirt's name of the domain.
    pub name: String,
    /// virDomainState when the snapshot was taken.
    pub power: Power,
    /// Why the snapshot left it out as a whole, where it did.
    pub left_out: Option<String>,
    /// The groups that were asked for and gave no reading, each with the reason.
    pub without: Vec<(Group, Missing)>,
    /// libvirtd's own view of its way into the instance's qemu; [`Missing::ShutOff`] where there is none.
    pub control: Reading<Control>,
}

/// virDomainControlInfo: libvirtd's view of its way into a qemu. It never enters the monitor, and so always answers; and it tells
/// of every client's calls, not of this process's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// What the way is used for.
    pub state: ControlState,
    /// For how long; zero where it is free, or where it is out of order.
    pub lasting: Duration,
    /// The moment from which on it has been so, by the clock of this process.
    pub since: SystemTime,
}

/// virDomainControlState.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlState {
    /// 0: free.
    Ok,
    /// 1: a long job (a migration, a snapshot) has it; short calls still get in.
    Job,
    /// 2: a call is in qemu's monitor. For milliseconds where qemu is well; one that hangs stays so.
    Occupied,
    /// 3: out of order: the monitor is broken, or the state is unknown.
    Error,
}

/// `occupied since 2026-01-31T12:00:00Z (93 s)`.
impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.state.label())?;
        if self.lasting.is_zero() {
            return Ok(());
        }
        write!(f, " since {} ({} s)", self.since_utc(), self.lasting.as_secs())
    }
}

impl Control {
    /// The moment from which on it has been so, in UTC: `2026-01-31T12:00:00Z`.
    pub fn since_utc(&self) -> String {
        clock::utc(self.since)
    }
}

impl Probed {
    /// How long a call may be in a monitor before it looks stuck: a thousand times what it takes.
    const STUCK: Duration = Duration::from_secs(1);

    /// Whether something is wrong with the instance, other than that it is shut off or has nothing to say.
    pub fn is_unwell(&self) -> bool {
        let failed = self.without.iter().any(|(_, why)| matches!(why, Missing::Failed(_)));
        let stuck = |control: &Control| match control.state {
            ControlState::Ok | ControlState::Job => false,
            ControlState::Occupied => control.lasting >= Self::STUCK,
            ControlState::Error => true,
        };
        self.left_out.is_some() || failed || self.control.as_ref().is_ok_and(stuck)
    }
}

impl ControlState {
    /// From libvirt's number; an unknown one is an error.
    pub fn from_libvirt(state: u32) -> Self {
        match state {
            0 => Self::Ok,
            1 => Self::Job,
            2 => Self::Occupied,
            _ => Self::Error,
        }
    }

    /// As `virsh domcontrol` says it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Job => "job",
            Self::Occupied => "occupied",
            Self::Error => "error",
        }
    }
}

impl Probe {
    /// Joins a snapshot with what was found out of the ways into its instances.
    pub(crate) fn new(snapshot: Snapshot, control: impl Fn(&str) -> Reading<Control>) -> Self {
        let read = snapshot.instances.iter().map(|instance| Probed {
            uuid: instance.identity.uuid.clone(),
            name: instance.identity.name.clone(),
            power: instance.power,
            left_out: None,
            without: instance
                .missing()
                .filter(|(group, _)| snapshot.groups.contains(group))
                .map(|(group, why)| (group, why.clone()))
                .collect(),
            control: control(&instance.identity.uuid),
        });
        let left_out = snapshot.left_out.iter().map(|LeftOut { uuid, name, power, why }| Probed {
            uuid: uuid.clone(),
            name: name.clone(),
            power: *power,
            left_out: Some(why.clone()),
            without: Vec::new(),
            control: control(uuid),
        });
        let mut instances: Vec<Probed> = read.chain(left_out).collect();
        instances.sort_by(|one, other| one.uuid.cmp(&other.uuid));
        Self { snapshot, instances }
    }
}

//! A recorded snapshot in libvirt's place: every cycle reads the same values, at the cycle's own time.

use std::path::Path;
use std::sync::Arc;

use crate::clock;
use crate::recording::{self, RecordingError};
use crate::snapshot::{Group, Groups, Instance, Missing, Reading, Snapshot};

/// The recording.
#[derive(Debug)]
pub(crate) struct Replay {
    recorded: Snapshot,
}

impl Replay {
    pub(crate) fn load(path: &Path) -> Result<Self, RecordingError> {
        Ok(Self { recorded: recording::load(path)? })
    }

    /// The recording as if it were taken now, with the groups that are asked for; one that was not recorded is a failed
    /// reading, which says so.
    pub(crate) fn snapshot(&self, groups: &Groups) -> Snapshot {
        let taken_at = clock::now();
        let instances = self.recorded.instances.iter();
        Snapshot {
            host: self.recorded.host.clone(),
            connection: self.recorded.connection.clone(),
            taken_at,
            groups: groups.clone(),
            instances: instances.map(|instance| Arc::new(self.moved(instance, taken_at, groups))).collect(),
            left_out: self.recorded.left_out.clone(),
        }
    }

    fn moved(&self, instance: &Instance, taken_at: u64, groups: &Groups) -> Instance {
        let asked = |group| match (groups.contains(&group), self.recorded.groups.contains(&group)) {
            (false, _) => Err(Missing::NotAsked),
            (true, false) => Err(Missing::Failed("the recording does not have this group".to_owned())),
            (true, true) => Ok(()),
        };
        Instance {
            identity: Arc::clone(&instance.identity),
            power: instance.power,
            taken_at,
            memory: asked(Group::Memory).and_then(|()| instance.memory.clone()),
            cpu: asked(Group::Cpu).and_then(|()| instance.cpu.clone()),
            disks: asked(Group::Disks).and_then(|()| instance.disks.clone()),
            vnics: asked(Group::Vnics).and_then(|()| instance.vnics.clone()),
            perf: asked(Group::Perf).and_then(|()| instance.perf.clone()),
            raw: asked(Group::RawStats).and_then(|()| -> Reading<_> { instance.raw.clone() }),
        }
    }
}

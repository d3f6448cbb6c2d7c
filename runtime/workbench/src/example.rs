//! The example host: two moments of one made-up compute node, five minutes apart, to try guests on where there is no libvirt.
//!
//! | instance | what it is there for |
//! |---|---|
//! | `web-1` | running: two disks, two vnics, one of them filtered; counters beyond 2^53, one of them near 2^64 |
//! | `db-1` | running: four of eight processors online, with wait and delay; no balloon driver |
//! | `batch-1` | paused |
//! | `café-1` | started anew between the two moments, so that its counters go back; a disk and a vnic without counters |
//! | `stuck-1` | its qemu does not answer: every reading but memory `failed` |
//! | `off-1` | shut off |
//! | `builder` | a plain libvirt domain, without nova's metadata |
//! | `cron-1` | gone at the second moment |
//! | `web-2` | there at the second moment only |

use std::path::Path;

use inspector::{RecordingError, Snapshot, recording};

/// The first moment.
///
/// # Errors
/// None: a test reads it.
pub fn host() -> Result<Snapshot, RecordingError> {
    recording::parse(include_bytes!("../example/host.json"), Path::new("example/host.json"))
}

/// The second moment, 300 s later.
///
/// # Errors
/// None: a test reads it.
pub fn later() -> Result<Snapshot, RecordingError> {
    recording::parse(include_bytes!("../example/host-later.json"), Path::new("example/host-later.json"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use inspector::{Instance, Missing, Power};

    use super::*;
    use crate::play::name;

    fn by_name(snapshot: &Snapshot) -> BTreeMap<&str, &Instance> {
        snapshot.instances.iter().map(|instance| (name(instance), &**instance)).collect()
    }

    #[test]
    fn the_example_has_what_guests_must_cope_with() {
        let (host, later) = (host().unwrap(), later().unwrap());
        assert_eq!(later.taken_at - host.taken_at, 300_000_000_000);
        let (first, second) = (by_name(&host), by_name(&later));
        let names: Vec<_> = first.keys().copied().collect();
        assert_eq!(names, ["batch-1", "builder", "café-1", "cron-1", "db-1", "off-1", "stuck-1", "web-1"]);
        assert!(!second.contains_key("cron-1") && second.contains_key("web-2"));

        let web = first["web-1"];
        let vnics = web.vnics.as_ref().unwrap();
        assert_eq!(vnics[0].rx_bytes, Some(18_446_744_073_709_550_592));
        assert!(vnics[1].filterref.is_some() && !vnics[1].parameters.is_empty());
        assert_eq!(web.disks.as_ref().unwrap()[0].read_bytes, Some((1 << 53) + 1));
        let db = first["db-1"];
        assert_eq!(db.memory.as_ref().unwrap().usable, None);
        assert!(
            db.cpu.as_ref().unwrap().vcpus.iter().all(|vcpu| vcpu.wait.is_some() && vcpu.delay.is_some())
        );
        assert_eq!(first["batch-1"].power, Power::Paused);
        assert_eq!(first["off-1"].disks, Err(Missing::ShutOff));
        assert!(matches!(first["stuck-1"].cpu, Err(Missing::Failed(_))));
        assert!(first["builder"].identity.nova.is_none());
        let read = |of: &BTreeMap<&str, &Instance>| of["café-1"].disks.clone().unwrap();
        assert!(read(&second)[0].read_bytes < read(&first)[0].read_bytes, "it was started anew");
        assert_eq!(read(&first)[1].read_bytes, None);
    }
}

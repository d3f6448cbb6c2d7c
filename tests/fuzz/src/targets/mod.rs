//! A file for each target.

pub(crate) mod domain_xml;
pub(crate) mod message;
pub(crate) mod module;
pub(crate) mod pipeline;
pub(crate) mod query;
pub(crate) mod recording;
pub(crate) mod samples;
pub(crate) mod trusted;

use std::sync::{Arc, LazyLock};

use inspector::identity::VnicDevice;
use inspector::snapshot::Memory;
use inspector::{Identity, Instance, Missing, Power};
use sandbox::{Engine, Limits};

/// The instance that is polled.
const UUID: &str = "4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01";

/// One engine for all inputs, as in an agent.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().expect("this machine runs guests"));

static INSTANCE: LazyLock<Arc<Instance>> = LazyLock::new(|| {
    let vnic =
        VnicDevice { name: "tap0".into(), filterref: Some("nova-filter-1".into()), ..VnicDevice::default() };
    Arc::new(Instance {
        identity: Arc::new(Identity {
            uuid: UUID.into(),
            name: "instance-00000001".into(),
            vnics: vec![vnic],
            ..Identity::default()
        }),
        power: Power::Running,
        taken_at: 7,
        memory: Ok(Memory { maximum: 512 << 20, ..Memory::default() }),
        cpu: Err(Missing::Unsupported),
        disks: Err(Missing::ShutOff),
        vnics: Err(Missing::NotFound),
        perf: Err(Missing::Unsupported),
        raw: Err(Missing::NotAsked),
    })
});

/// Limits that keep a single input quick.
fn limits() -> Limits {
    Limits { cpu: std::time::Duration::from_millis(20), ..Limits::default() }
}

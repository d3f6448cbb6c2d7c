//! Samples as a nova host has them: mem.max of many instances, each with its own metadata.

use std::sync::Arc;

use agent::resource_metadata::resource_metadata;
use inspector::{Groups, Inspector, Settings};
use sample::{Kind, Metadata, Sample, Timestamp, Volume};
use uuid::Uuid;

/// Instances whose samples are made.
const INSTANCES: usize = 200;

/// Makes samples by the batch.
pub struct Samples {
    instances: Vec<(Arc<str>, Arc<Metadata>)>,
    text: [Arc<str>; 5],
}

impl Samples {
    /// The metadata of [`INSTANCES`] nova-like instances.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let node = folder.path().join("node.xml");
        std::fs::write(&node, lab::node_file(&lab::instances(INSTANCES)))?;
        let uri = format!("test://{}", node.display());
        let host = Inspector::libvirt(Settings { uri, ..Settings::default() });
        let instances = host.snapshot(&Groups::new())?.instances.into_iter().map(|instance| {
            let fields = resource_metadata(&instance.identity, instance.power, "compute-1");
            (instance.identity.uuid.as_str().into(), Arc::new(Metadata::new(fields)))
        });
        Ok(Self {
            instances: instances.collect(),
            text: ["openstack", "mem.max", "MiB", "755e00", "707000"].map(Into::into),
        })
    }

    /// A batch of different instances, with message ids of its own.
    pub fn batch(&self, size: usize, from: usize) -> Vec<Sample> {
        let [source, meter, unit, user, project] = &self.text;
        let timestamp = Timestamp::now();
        (from..from + size)
            .map(|n| {
                let (uuid, metadata) = &self.instances[n % self.instances.len()];
                Sample {
                    source: source.clone(),
                    meter: meter.clone(),
                    kind: Kind::Gauge,
                    unit: unit.clone(),
                    volume: Volume::Real(2048.0),
                    user_id: Some(user.clone()),
                    project_id: Some(project.clone()),
                    user_name: None,
                    project_name: None,
                    resource_id: uuid.clone(),
                    timestamp,
                    metadata: metadata.clone(),
                    extra: None,
                    message_id: Uuid::new_v4(),
                    monotonic_time: Some(12345.678),
                }
            })
            .collect()
    }
}

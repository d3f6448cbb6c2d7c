//! What tenants set on their servers reaches the samples, by way of a Nova of the test's own, and costs none where Nova is away.

use anyhow::{Context, Result};
use lab::instances;
use nephoscope_tests::{Pipeline, Site};
use serde_json::{Value, json};

#[allow(dead_code, reason = "the tests of the crate `nova` need more of it")]
#[path = "../../runtime/nova/tests/cloud/mod.rs"]
mod cloud;

/// The pipeline with a login at this Keystone.
fn pipeline(site: &Site, uri: &str, keystone: &str) -> Result<()> {
    let more = format!(
        "nova: {{auth_url: \"{keystone}/v3\", username: {}, user_domain_name: Default, password: {}, \
         project_name: service, project_domain_name: Default, reserved_metadata_keys: [role]}}",
        cloud::USER,
        cloud::PASSWORD
    );
    site.pipeline(&Pipeline { more, ..Pipeline::mem_max(uri, &[&site.file_sink()]) })
}

/// The `user_metadata` of each instance's last sample.
fn user_metadata(site: &Site, uuid: &str) -> Result<Value> {
    let samples = site.taken()?;
    let sample = samples.iter().rfind(|sample| sample["resource_id"] == uuid).context("no sample")?;
    Ok(sample["resource_metadata"]["user_metadata"].clone())
}

#[test]
fn reserved_metadata_of_novas_servers_is_in_their_samples() -> Result<()> {
    let site = Site::new()?;
    let guests = instances(2);
    let uri = site.test_driver(&guests)?;
    let cloud = cloud::Cloud::start();
    for guest in &guests[..1] {
        let metadata = json!({"metering.stack.id": "s-1", "role": "web", "password": "hunter3"});
        let server = cloud::Server { id: guest.uuid.clone(), host: cloud::HOST.into(), metadata };
        cloud.state().servers.push(server);
    }
    pipeline(&site, &uri, &cloud.url)?;
    site.run_once()?.expect(0)?;
    assert_eq!(user_metadata(&site, &guests[0].uuid)?, json!({"stack_id": "s-1", "role": "web"}));
    assert_eq!(user_metadata(&site, &guests[1].uuid)?, Value::Null, "Nova does not know it");

    let probed = site.run(&["check", "pipeline.yaml", "--probe"])?.expect(0)?;
    let line = probed.stdout.lines().find(|line| line.starts_with("compute-1") && line.ends_with("yes"));
    assert_eq!(line.context("no line of Nova's host")?.split_whitespace().nth(1), Some("1"));
    assert!(!format!("{probed:?}").contains(cloud::PASSWORD), "a password was shown");
    Ok(())
}

#[test]
fn a_nova_that_is_away_costs_no_sample() -> Result<()> {
    let site = Site::new()?;
    let guests = instances(2);
    let uri = site.test_driver(&guests)?;
    pipeline(&site, &uri, "http://127.0.0.1:1")?;
    let ended = site.run_once()?.expect(0)?;
    assert_eq!(site.taken()?.len(), guests.len());
    assert!(ended.stderr.contains("WARN") && ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
    let probed = site.run(&["check", "pipeline.yaml", "--probe"])?.expect(3)?;
    assert!(probed.stderr.contains("cannot be had from Nova"), "{}", probed.stderr);
    Ok(())
}

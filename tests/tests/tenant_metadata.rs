//! What tenants set on their servers, from the command line: what `check` shows and a probe asks, what reaches the samples, and what the
//! agent says of an odd listing or of a Nova that is away.

use anyhow::{Context, Result};
use lab::instances;
use nephoscope_tests::program::lines;
use nephoscope_tests::{Pipeline, Site};
use serde_json::{Value, json};

use cloud::{Cloud, Mishap, PASSWORD, USER};

#[allow(dead_code, reason = "the tests of the crate `nova` need more of it")]
#[path = "../../runtime/nova/tests/cloud/mod.rs"]
mod cloud;

/// Lets Nova list these servers, whatever is asked for.
fn lists(cloud: &Cloud, servers: &Value) {
    cloud.state().nova = Some(Mishap::Body(json!({ "servers": servers }).to_string()));
}

/// The section for a login at this Keystone.
fn section(keystone: &str, password: &str) -> String {
    format!(
        "nova: {{auth_url: \"{keystone}/v3\", username: {USER}, user_domain_name: Default, password: {password}, \
         project_name: service, project_domain_name: Default, refresh: 10s, reserved_metadata_keys: [role]}}\n"
    )
}

/// Adds the section to the pipeline of two instances of Nova's. Gives their ids.
fn site(keystone: &str, password: &str) -> Result<(Site, Vec<String>)> {
    let site = Site::new()?;
    let guests = instances(2);
    let uri = site.test_driver(&guests)?;
    let pipeline = Pipeline::mem_max(&uri, &[&site.file_sink()]);
    site.write("pipeline.yaml", pipeline.yaml() + &section(keystone, password))?;
    Ok((site, guests.into_iter().map(|guest| guest.uuid).collect()))
}

#[test]
fn a_check_shows_who_is_asked_and_a_probe_what_nova_lists() -> Result<()> {
    let cloud = Cloud::start();
    let (site, ids) = site(&cloud.url, PASSWORD)?;
    let checked = site.run(&["check", "pipeline.yaml"])?.expect(0)?;
    let shown = lines(&checked.stdout, &[&cloud.url, "user ceilometer in project service", "10s"]);
    assert_eq!(shown.len(), 1, "{}", checked.stdout);
    let json = site.run(&["check", "pipeline.yaml", "--output", "json"])?.expect(0)?;
    let report: Value = serde_json::from_str(&json.stdout)?;
    assert_eq!(report["plan"]["nova"]["login"], "user ceilometer in project service");
    assert!(!format!("{checked:?}{json:?}").contains(PASSWORD), "a password was shown");

    // Both instances are Nova's, and Nova lists none.
    let probed = site.run(&["check", "pipeline.yaml", "--probe"])?.expect(3)?;
    assert!(probed.stdout.contains("is `host` what Nova calls it?"), "{}", probed.stdout);
    assert!(probed.stderr.contains("1 hosts' servers cannot be had from Nova"), "{}", probed.stderr);
    let probed = site.run(&["check", "pipeline.yaml", "--probe", "--output", "json"])?.expect(3)?;
    let nova = &serde_json::from_str::<Value>(&probed.stdout)?["probe"]["nova"][0];
    assert_eq!((&nova["ok"], &nova["servers"], &nova["instances"]), (&false.into(), &0.into(), &2.into()));

    lists(&cloud, &json!([{ "id": ids[0] }, { "id": ids[1] }]));
    let probed = site.run(&["check", "pipeline.yaml", "--probe", "--output", "json"])?.expect(0)?;
    let nova = &serde_json::from_str::<Value>(&probed.stdout)?["probe"]["nova"][0];
    assert_eq!((&nova["ok"], &nova["servers"]), (&true.into(), &2.into()));
    Ok(())
}

#[test]
fn the_agent_doubts_a_host_without_servers_and_servers_without_a_host() -> Result<()> {
    let cloud = Cloud::start();
    let (site, ids) = site(&cloud.url, PASSWORD)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until_logged(&["WARN", "is `host` what Nova calls it?"])?;
    assert!(!agent.log().contains("shows no server's host"), "nothing was listed yet");
    lists(&cloud, &json!([{ "id": ids[0], "metadata": { "metering.stack": "web" } }]));
    agent.until_logged(&["WARN", "shows no server's host"])?;
    agent.until("metadata in a sample", || {
        let samples = site.taken()?;
        Ok(samples
            .iter()
            .any(|sample| sample["resource_metadata"]["user_metadata"]["stack"] == "web")
            .then_some(()))
    })?;
    agent.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn one_cycle_waits_for_nova_and_a_login_that_is_refused_stops_nothing() -> Result<()> {
    let cloud = Cloud::start();
    let (well, ids) = site(&cloud.url, PASSWORD)?;
    lists(&cloud, &json!([{ "id": ids[0], "metadata": { "metering.stack": "web" } }]));
    let ended = well.run_once()?.expect(0)?;
    ended.line(&["INFO", "waiting for Nova"])?;
    let samples = well.taken()?;
    let first = samples.iter().find(|sample| sample["resource_id"] == ids[0]).context("no sample")?;
    assert_eq!(first["resource_metadata"]["user_metadata"], json!({ "stack": "web" }));

    let (refused, _) = site(&cloud.url, "wrong")?;
    let ended = refused.run_once()?.expect(0)?;
    ended.line(&["WARN", "refuses the login", "unauthorized"])?;
    assert_eq!(refused.taken()?.len(), 2);
    Ok(())
}

/// The `user_metadata` of each instance's last sample.
fn user_metadata(site: &Site, uuid: &str) -> Result<Value> {
    let samples = site.taken()?;
    let sample = samples.iter().rfind(|sample| sample["resource_id"] == uuid).context("no sample")?;
    Ok(sample["resource_metadata"]["user_metadata"].clone())
}

#[test]
fn reserved_metadata_of_novas_servers_is_in_their_samples() -> Result<()> {
    let cloud = Cloud::start();
    let (site, ids) = site(&cloud.url, PASSWORD)?;
    let metadata = json!({"metering.stack.id": "s-1", "role": "web", "password": "hunter3"});
    let server = cloud::Server { id: ids[0].clone(), host: cloud::HOST.into(), metadata };
    cloud.state().servers.push(server);
    site.run_once()?.expect(0)?;
    assert_eq!(user_metadata(&site, &ids[0])?, json!({"stack_id": "s-1", "role": "web"}));
    assert_eq!(user_metadata(&site, &ids[1])?, Value::Null, "Nova does not know it");

    let probed = site.run(&["check", "pipeline.yaml", "--probe"])?.expect(0)?;
    let line = probed.stdout.lines().find(|line| line.starts_with("compute-1") && line.ends_with("yes"));
    assert_eq!(
        line.context("no line of Nova's host")?.split_whitespace().nth(2),
        Some("1"),
        "instances, servers"
    );
    assert!(!format!("{probed:?}").contains(PASSWORD), "a password was shown");
    Ok(())
}

#[test]
fn a_nova_that_is_away_costs_no_sample() -> Result<()> {
    let (site, ids) = site("http://127.0.0.1:1", PASSWORD)?;
    let ended = site.run_once()?.expect(0)?;
    assert_eq!(site.taken()?.len(), ids.len());
    assert!(ended.stderr.contains("WARN") && ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
    let probed = site.run(&["check", "pipeline.yaml", "--probe"])?.expect(3)?;
    assert!(probed.stderr.contains("cannot be had from Nova"), "{}", probed.stderr);
    Ok(())
}

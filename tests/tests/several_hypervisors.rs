//! One agent, several libvirt connections: each is polled by itself.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use lab::process::{Signal, signal};
use lab::{Guest, Libvirtd, instance, node_file};
use nephoscope_tests::{Pipeline, Site};
use serde_json::Value;

/// The hosts that samples name, and the instances.
fn places(samples: &[Value]) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    samples
        .iter()
        .map(|sample| (text(&sample["resource_metadata"]["instance_host"]), text(&sample["resource_id"])))
        .collect()
}

#[test]
fn each_connection_has_its_own_host_and_a_dead_one_costs_the_others_nothing() -> Result<()> {
    let site = Site::new()?;
    let (one, two) = (instance(1), instance(2));
    let node = |name: &str, guest: &Guest| -> Result<String> {
        Ok(format!("test://{}", site.write(name, node_file(std::slice::from_ref(guest)))?.display()))
    };
    let (first, second) = (node("one.xml", &one)?, node("two.xml", &two)?);
    let dead = format!("qemu+unix:///system?socket={}", site.path("nobody-listens").display());
    let pipeline = Pipeline {
        host: format!(
            "libvirt:\n- {{uri: \"{first}\", name: near}}\n- {{uri: \"{second}\", name: far, host: compute-2}}\n\
             - {{uri: \"{dead}\", name: gone}}"
        ),
        ..Pipeline::mem_max("", &[&site.file_sink()])
    };
    site.pipeline(&pipeline)?;
    let ended = site.run_once()?.expect(3)?;
    assert!(ended.stderr.contains("hypervisor=\"gone\""), "which one failed is not said:\n{}", ended.stderr);
    let expected = BTreeSet::from([("compute-1".into(), one.uuid), ("compute-2".into(), two.uuid)]);
    assert_eq!(places(&site.taken()?), expected);

    let checked = site.run(&["check", "pipeline.yaml"])?.expect(0)?;
    for word in ["near", "far", "gone", "compute-2", &first, &second, &dead] {
        assert!(checked.stdout.contains(word), "no {word} in:\n{}", checked.stdout);
    }
    Ok(())
}

#[test]
fn a_libvirtd_that_hangs_holds_up_no_other_connection() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let site = Site::new()?;
    let guest = instance(1);
    let uri = site.test_driver(std::slice::from_ref(&guest))?;
    let pipeline = Pipeline {
        host: format!(
            "libvirt:\n- {{uri: \"{}\", name: hanging, host: compute-2}}\n- {{uri: \"{uri}\", name: well}}",
            libvirtd.uri_ro()
        ),
        ..Pipeline::mem_max("", &[&site.file_sink()])
    };
    site.pipeline(&pipeline)?;
    let daemon = std::fs::read_to_string(libvirtd.folder().join("libvirtd.pid"))?.trim().parse()?;
    signal(daemon, Signal::STOP);
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    // The other one's open takes its deadline of ten seconds; three cycles of this one need three.
    agent.until("three samples of the other connection", || Ok((site.taken()?.len() >= 3).then_some(())))?;
    assert!(!agent.log().contains("hypervisor=\"hanging\" instances"), "a hanging libvirtd was polled");
    signal(daemon, Signal::CONT);
    agent.until_logged(&["polled", "hypervisor=\"hanging\""])?;
    agent.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn log_lines_of_an_instance_name_its_hypervisor() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let hung = Guest::paused("guest-1", "00000000-6e65-4068-8f73-0000000000f1", 65_536);
    libvirtd.define_and_start(&hung)?;
    let site = Site::new()?;
    let uri = site.test_driver(&[instance(1)])?;
    let pipeline = Pipeline {
        host: format!(
            "libvirt:\n- {{uri: \"{}\", name: far, host: compute-2, deadlines: {{call: 1s}}}}\n- {{uri: \"{uri}\", name: near}}",
            libvirtd.uri_ro()
        ),
        ..Pipeline::compute("", &[&site.file_sink()])
    };
    site.pipeline(&pipeline)?;
    let process = libvirtd.guest_pid("guest-1")?;
    signal(process, Signal::STOP);
    // Warnings alone: what names the hypervisor stands beside each of them all the same.
    let mut agent = site.start(&["--log", "warn,nephoscope_inspector=info", "run", "pipeline.yaml"])?;
    let far = "hypervisor=\"far\"";
    agent.until_logged(&["connected to libvirt", far])?;
    agent.until_logged(&["connected to libvirt", "hypervisor=\"near\""])?;
    agent.until_logged(&["does not answer in time", &hung.uuid, far])?;
    agent.until_logged(&["no samples of this instance", &hung.uuid, far])?;
    agent.until_logged(&["guest=\"instance\"", &hung.uuid, "poll{hypervisor=\"far\"}"])?;
    agent.until_logged(&["instances do not answer", far])?;
    signal(process, Signal::CONT);
    agent.until_logged(&["answers again", &hung.uuid, far])?;
    let ended = agent.stop()?.expect(0)?;
    let nameless = ended.stderr.lines().filter(|line| !line.contains("hypervisor=\""));
    // What is said of the file concerns no hypervisor.
    let nameless: Vec<_> = nameless.filter(|line| !line.contains("pipeline.yaml:")).collect();
    assert!(nameless.is_empty(), "{nameless:#?}");
    Ok(())
}

#[test]
fn samples_carry_novas_names_where_the_operator_wants_them() -> Result<()> {
    let site = Site::new()?;
    let guest = instance(1);
    let uri = site.test_driver(std::slice::from_ref(&guest))?;
    let owner = guest.nova.context("nova's metadata")?.owner;
    let mut names = Vec::new();
    for switch in ["false", "true"] {
        let pipeline = Pipeline::mem_max(&uri, &[&site.file_sink()]);
        let text = pipeline.yaml().replace(
            "polling: {start_jitter: 0s}",
            &format!("polling: {{start_jitter: 0s, identity_name_discovery: {switch}}}"),
        );
        site.write("pipeline.yaml", text)?;
        site.run_once()?.expect(0)?;
        let samples = site.taken()?;
        let sample = samples.last().context("no sample")?;
        names.push((sample["project_name"].clone(), sample["user_name"].clone()));
    }
    let named = (owner.project_name.into(), owner.user_name.into());
    assert_eq!(names, [(Value::Null, Value::Null), named]);
    Ok(())
}

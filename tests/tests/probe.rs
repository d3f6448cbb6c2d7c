//! `nephoscope check --probe`: an operator asks what answers, beside a running agent or without one.

use anyhow::{Context, Result};
use lab::process::{Signal, signal};
use lab::{Guest, Libvirtd, instances};
use nephoscope_tests::{Pipeline, Site, broker};
use serde_json::Value;

#[test]
fn a_probe_says_what_answers_and_publishes_nothing() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let uri = site.test_driver(&instances(3))?;
    site.pipeline(&Pipeline::mem_max(&uri, &[&vhost.url(), &site.file_sink()]))?;
    let probed = site.run(&["check", "pipeline.yaml", "--probe"])?.expect(0)?;
    let line = probed.stdout.lines().find(|line| line.starts_with(&uri) && line.contains("yes"));
    let line: Vec<&str> = line.context("no line of the hypervisor")?.split_whitespace().collect();
    assert_eq!(line[line.len() - 3..], ["3", "3", "0"], "instances, running, unwell");
    assert!(!site.path("samples.json").exists(), "a probe writes samples");

    let dead = format!("qemu+unix:///system?socket={}", site.path("nobody").display());
    let nobody = "amqp://nova:s3cr3t-word@127.0.0.1:1/";
    site.pipeline(&Pipeline::mem_max(&dead, &[nobody, &vhost.url()]))?;
    let probed = site.run(&["check", "pipeline.yaml", "--probe"])?.expect(3)?;
    assert!(probed.stdout.contains("failed to open the libvirt connection"), "{}", probed.stdout);
    assert!(probed.stdout.contains("failed to reach amqp://127.0.0.1:1"), "{}", probed.stdout);
    assert!(probed.stderr.contains("1 hypervisors cannot be read; 1 brokers"), "{}", probed.stderr);
    assert!(!format!("{probed:?}").contains("s3cr3t-word"), "a password was shown");

    let probed = site.run(&["check", "pipeline.yaml", "--probe", "--output", "json"])?.expect(3)?;
    let report: Value = serde_json::from_str(&probed.stdout)?;
    assert_eq!(report["ok"], true, "the file is well");
    assert_eq!(report["probe"]["hypervisors"][0]["ok"], false);
    let targets: Vec<_> = report["probe"]["targets"]
        .as_array()
        .context("targets")?
        .iter()
        .map(|target| &target["ok"])
        .collect();
    assert_eq!(targets, [false, true]);
    Ok(())
}

#[test]
fn a_probe_names_the_instance_that_does_not_answer_and_since_when() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let guests: Vec<Guest> = (1..=2)
        .map(|n| Guest::paused(&format!("guest-{n}"), &format!("00000000-6e65-4068-8f73-{n:012x}"), 65_536))
        .collect();
    for guest in &guests {
        libvirtd.define_and_start(guest)?;
    }
    let site = Site::new()?;
    site.pipeline(&Pipeline::mem_max(&libvirtd.uri_ro(), &[&site.file_sink()]))?;
    site.run(&["check", "pipeline.yaml", "--probe"])?.expect(0)?;

    let stuck = libvirtd.guest_pid("guest-2")?;
    signal(stuck, Signal::STOP);
    // The agent's own call is what libvirtd's monitor hangs in; the probe is another process and tells of it all the same.
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until_logged(&["guest-2", &guests[1].uuid, "since"])?;
    let probed = site.run(&["check", "pipeline.yaml", "--probe", "--output", "json"])?.expect(3)?;
    let report: Value = serde_json::from_str(&probed.stdout)?;
    let found = &report["probe"]["hypervisors"][0]["instances"];
    assert_eq!((&found[0]["name"], &found[0]["ok"]), (&"guest-1".into(), &true.into()));
    assert_eq!((&found[1]["name"], &found[1]["ok"]), (&"guest-2".into(), &false.into()));
    assert_eq!(found[1]["control"]["state"], "occupied");
    assert!(found[1]["control"]["seconds"].as_f64() > Some(0.0), "{found}");

    let probed = site.run(&["check", "pipeline.yaml", "--probe"])?.expect(3)?;
    let line = probed.stdout.lines().find(|line| line.contains(&guests[1].uuid)).context("not named")?;
    for word in ["guest-2", "occupied since ", "Z ("] {
        assert!(line.contains(word), "no {word:?} in {line}");
    }
    signal(stuck, Signal::CONT);
    agent.until_logged(&["guest-2", "answers again"])?;
    agent.stop()?.expect(0)?;
    site.run(&["check", "pipeline.yaml", "--probe"])?.expect(0)?;
    Ok(())
}

//! What a user sees: faults with their places, exit codes, help, an orderly end.

use anyhow::{Context, Result};
use lab::instances;
use nephoscope_tests::notification::ids;
use nephoscope_tests::program::lines;
use nephoscope_tests::{Bus, Pipeline, Site, broker};
use serde_json::Value;

/// Four faults; the numbers of the lines are in the test.
const BAD: &str = r#"libvirt:
  uri: test:///default
guests:
  - name: mem-max
    module: missing.wasm
    grants: [memory, everything]
sources:
  - name: all
    intervall: 10s
    interval: 10s
    meters: ["*"]
sinks:
  - name: out
    publishers:
      - amqp://nova:s3cr3t-word@:5672/
"#;

#[test]
fn check_shows_every_fault_at_once_with_its_place() -> Result<()> {
    let site = Site::new()?;
    site.write("bad.yaml", BAD)?;
    let checked = site.run(&["check", "bad.yaml"])?.expect(2)?;
    let faults = lines(&checked.stdout, &["bad.yaml:", " error: "]);
    assert_eq!(faults.len(), 4, "{}", checked.stdout);
    for (place, words) in [
        ("bad.yaml:5:13:", "missing.wasm"),
        ("bad.yaml:6:22:", "everything"),
        ("bad.yaml:9:5:", "did you mean"),
        ("bad.yaml:15:9:", "host"),
    ] {
        assert_eq!(lines(&checked.stdout, &[place, words]).len(), 1, "{place} in:\n{}", checked.stdout);
    }
    assert!(!format!("{checked:?}").contains("s3cr3t-word"), "a password was shown");

    // The run finds the same.
    let run = site.run(&["run", "bad.yaml", "--once"])?.expect(2)?;
    assert_eq!(lines(&run.stderr, &["bad.yaml:", " error: "]), faults);

    let json = site.run(&["check", "bad.yaml", "--output", "json"])?.expect(2)?;
    let report: Value = serde_json::from_str(&json.stdout)?;
    assert_eq!(report["ok"], false);
    let found: Vec<(u64, u64)> = report["faults"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|fault| Some((fault["line"].as_u64()?, fault["column"].as_u64()?)))
        .collect();
    assert_eq!(found, [(5, 13), (6, 22), (9, 5), (15, 9)]);
    Ok(())
}

#[test]
fn check_shows_what_would_run() -> Result<()> {
    let site = Site::new()?;
    let uri = site.test_driver(&instances(1))?;
    site.pipeline(&Pipeline::mem_max(
        &uri,
        &[&site.file_sink(), "amqp://nova:s3cr3t-word@mq.example:5672/cloud"],
    ))?;
    let checked = site.run(&["check", "pipeline.yaml"])?.expect(0)?;
    for word in ["mem-max", "mem.max", "gauge", "MiB", "memory", "all", &uri, "mq.example"] {
        assert!(checked.stdout.contains(word), "no {word} in:\n{}", checked.stdout);
    }
    let json = site.run(&["check", "pipeline.yaml", "--output", "json"])?.expect(0)?;
    let report: Value = serde_json::from_str(&json.stdout)?;
    assert_eq!(report["ok"], true);
    assert_eq!(report["plan"]["guests"][0]["meters"][0]["name"], "mem.max");
    assert_eq!(report["plan"]["sources"][0]["interval_seconds"].as_f64(), Some(1.0));
    assert!(!format!("{checked:?}{json:?}").contains("s3cr3t-word"), "a password was shown");
    assert!(!site.path("samples.json").exists(), "check started something");
    Ok(())
}

#[test]
fn sigterm_ends_the_agent_in_order_with_the_batch_in_flight_delivered() -> Result<()> {
    let vhost = broker().vhost()?;
    let bus = Bus::connect(&vhost.url())?;
    bus.tap("tap")?;
    let site = Site::new()?;
    let uri = site.test_driver(&instances(200))?;
    let pipeline = Pipeline {
        sources: "\n  - name: all\n    interval: 100ms\n    meters: [\"*\"]".into(),
        ..Pipeline::mem_max(&uri, &[&site.file_sink(), &vhost.url()])
    };
    site.pipeline(&pipeline)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until("some messages", || Ok((bus.count("tap")? >= 10).then_some(())))?;
    let ended = agent.stop()?.expect(0)?;
    ended.line(&["stopping"])?;
    let mut published = Vec::new();
    for message in bus.take_all("tap")? {
        published.extend(message.samples()?);
    }
    let taken = site.taken()?;
    assert!(!taken.is_empty());
    assert_eq!(ids(&published), ids(&taken), "what one publisher has the other has not");
    Ok(())
}

#[test]
fn help_of_every_command_has_an_example_of_it() -> Result<()> {
    let site = Site::new()?;
    for command in [
        &["run"][..],
        &["check"],
        &["collect"],
        &["sample", "list"],
        &["snapshot", "record"],
        &["snapshot", "show"],
    ] {
        let help = site.run(&[command, &["--help"]].concat())?.expect(0)?.stdout;
        let example = format!("  nephoscope {}", command.join(" "));
        assert!(help.contains("Example") && help.contains(&example), "{help}");
    }
    let help = site.run(&["--help"])?.expect(0)?.stdout;
    assert!(help.contains("Exit codes") && help.contains("collect"), "{help}");
    site.run(&["frobnicate"])?.expect(2)?;
    Ok(())
}

#[test]
fn what_is_not_there_is_named() -> Result<()> {
    let site = Site::new()?;
    let store = site.sample_list(&["-m", "mem.max"])?;
    assert!(store.code != Some(0) && store.stdout.is_empty(), "{store:?}");
    assert!(store.stderr.contains("samples.db"), "{}", store.stderr);
    assert!(!site.path("samples.db").exists(), "asking made a store");

    for arguments in [&["run", "nothing.yaml"][..], &["check", "nothing.yaml"], &["collect", "nothing.yaml"]]
    {
        let ended = site.run(arguments)?.expect(2)?;
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains("nothing.yaml"), "{ended:?}");
    }
    let shown = site.run(&["snapshot", "show", "nothing.json"])?;
    assert!(shown.code != Some(0) && shown.stderr.contains("nothing.json"), "{shown:?}");
    let recorded = site.run(&["snapshot", "record", "host.json", "--connect", "test:///nothing.xml"])?;
    assert!(recorded.code == Some(1) && recorded.stderr.contains("libvirt"), "{recorded:?}");
    assert!(!site.path("host.json").exists());
    Ok(())
}

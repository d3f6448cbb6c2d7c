//! A wall clock that jumps: it shows in timestamps, and nowhere else.

use std::fs;

use anyhow::{Context, Result, ensure};
use lab::instances;
use nephoscope_tests::{Guest, Pipeline, Site, broker, chaos};
use serde_json::Value;

const INSTANCES: usize = 3;
/// Cycles before each jump.
const CYCLES: usize = 10;
/// Longer than any pause between two polls on a machine that compiles beside; every jump is longer.
const LONGEST: f64 = 20.0;

/// libfaketime, wherever the package has put it.
fn library() -> Result<String> {
    let found = lab::output(std::process::Command::new("dpkg").args(["-L", "libfaketime"]))?;
    let library = found.lines().find(|path| path.ends_with("/libfaketimeMT.so.1"));
    library.map(str::to_owned).context("libfaketime is not installed: `cargo xtask setup`")
}

#[test]
fn a_clock_that_jumps_breaks_no_interval_reorders_no_delta_and_drops_nothing() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let uri = site.test_driver(&instances(INSTANCES))?;
    let module = site.write("sequence.wasm", chaos::sequence())?;
    let amqp = format!("{{amqp: {{url: \"{}\"}}}}", vhost.url());
    site.pipeline(&Pipeline {
        guests: vec![Guest::new("sequence", module, "state")],
        sources: "\n  - name: all\n    interval: 200ms\n    meters: [\"*\"]".into(),
        // A day is far more than what may wait; it is no age, though the clock says so.
        more: format!("state: \"{}\"\nspool: {{max_age: 1h}}", site.path("state").display()),
        ..Pipeline::mem_max(&uri, &[&amqp, &site.file_sink()])
    })?;
    let mut collector = site.collector(&vhost.url())?;
    let jump = |offset: &str| -> Result<()> {
        // In one step, for it may be read at any moment.
        let next = site.write("clock.next", offset)?;
        Ok(fs::rename(next, site.path("clock"))?)
    };
    jump("+0")?;
    let clock = site.path("clock");
    let environment = [
        ("LD_PRELOAD", library()?),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut agent = site.start_with(&["run", "pipeline.yaml"], &environment)?;
    for offset in ["+1d", "-2d", "+0"] {
        let wanted = site.taken()?.len() + CYCLES * INSTANCES;
        agent.until("polls", || Ok((site.taken()?.len() >= wanted).then_some(())))?;
        jump(offset)?;
    }
    agent.until_logged(&["polled"])?;
    agent.stop()?.expect(0)?;
    let taken = site.taken()?;
    let stored = site.stored(&mut collector, taken.len())?;
    assert_eq!(stored.len(), taken.len());

    let mut days = std::collections::BTreeSet::new();
    for instance in 1..=INSTANCES {
        let uuid = lab::instance(instance).uuid;
        let mut samples: Vec<&Value> =
            taken.iter().filter(|sample| sample["resource_id"] == uuid.as_str()).collect();
        let monotonic = |sample: &Value| sample["monotonic_time"].as_f64().unwrap_or(f64::NAN);
        samples.sort_by(|left, right| monotonic(left).total_cmp(&monotonic(right)));
        ensure!(samples.len() >= 3 * CYCLES, "{} samples of {uuid}", samples.len());
        for (number, sample) in (1_u64..).zip(&samples) {
            assert_eq!(sample["counter_volume"], number, "the guest's polls are in order");
            days.insert(sample["timestamp"].as_str().context("no timestamp")?[..10].to_owned());
        }
        for pair in samples.windows(2) {
            let pause = monotonic(pair[1]) - monotonic(pair[0]);
            ensure!(pause > 0.0 && pause < LONGEST, "{pause} s between two polls of {uuid}");
        }
    }
    ensure!(days.len() >= 3, "the clock did not jump: {days:?}");
    collector.stop()?.expect(0)?;
    Ok(())
}

//! The main job, whole: libvirt, a WebAssembly guest, AMQP, the collector, `sample list`.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use lab::{Guest, Power, instance, instances};
use nephoscope_tests::{ALL, Ended, Pipeline, Site, broker};
use serde_json::{Value, json};

/// Polls these guests on the test driver once, and collects their samples.
fn collected(guests: &[Guest]) -> Result<Site> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let uri = site.test_driver(guests)?;
    site.pipeline(&Pipeline::mem_max(&uri, &[&vhost.url()]))?;
    let mut collector = site.collector(&vhost.url())?;
    site.run_once()?.expect(0)?;
    site.stored(&mut collector, guests.len())?;
    // Whatever came twice is in the store by the time that the collector has ended in order.
    collector.stop()?.expect(0)?;
    Ok(site)
}

/// Polls once into a file.
fn polled(site: &Site, pipeline: &Pipeline) -> Result<(Ended, Vec<Value>)> {
    site.pipeline(pipeline)?;
    let ended = site.run_once()?.expect(0)?;
    Ok((ended, site.taken()?))
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[test]
fn every_instance_has_exactly_one_sample_of_its_maximum_in_mib() -> Result<()> {
    let mut guests = instances(12);
    guests[6].power = Power::Paused;
    // No whole number of MiB, and more than it has at present.
    (guests[1].maximum_kib, guests[1].current_kib) = (1_500_001, 700_000);
    let site = collected(&guests)?;
    let samples = site.samples(&["-m", "mem.max", "-l", "100"])?;
    assert_eq!(samples.len(), guests.len());
    for guest in &guests {
        let of: Vec<&Value> = samples.iter().filter(|sample| sample["resource_id"] == guest.uuid).collect();
        let [sample] = of[..] else { panic!("{} samples of {}", of.len(), guest.name) };
        assert_eq!(sample["volume"].as_f64(), Some(mib(guest.maximum_kib)), "{sample}");
        assert_eq!(
            (&sample["meter"], &sample["type"], &sample["unit"]),
            (&json!("mem.max"), &json!("gauge"), &json!("MiB"))
        );
        let nova = guest.nova.as_ref().context("nova's metadata")?;
        assert_eq!(sample["project_id"], nova.owner.project_id);
        assert_eq!(sample["user_id"], nova.owner.user_id);
        assert_eq!(sample["metadata"]["display_name"], nova.name, "{sample}");
    }
    Ok(())
}

#[test]
fn sample_list_finds_limits_and_formats() -> Result<()> {
    let guests = instances(12);
    let site = collected(&guests)?;
    let uuid = &guests[3].uuid;

    let one = site.samples(&["-m", "mem.max", "-q", &format!("resource_id={uuid}")])?;
    assert_eq!(one.len(), 1);
    assert_eq!(one[0]["resource_id"], *uuid);
    let project = &guests[3].nova.as_ref().context("nova's metadata")?.owner.project_id;
    let of_project = site.samples(&["-q", &format!("project_id={project};timestamp>2026-01-01")])?;
    assert_eq!(of_project.len(), 4, "a third of the instances");
    assert!(of_project.iter().all(|sample| sample["project_id"] == *project));
    let named = site.samples(&["-q", "metadata.display_name=datenbank-süd"])?;
    assert_eq!(named.len(), 1);
    assert_eq!(named[0]["resource_id"], guests[2].uuid);
    assert_eq!(site.samples(&["-l", "5"])?.len(), 5);
    assert_eq!(site.samples(&["-m", "cpu"])?, Vec::<Value>::new());
    assert_eq!(site.samples(&["-q", "resource_id=nobody"])?, Vec::<Value>::new());

    let csv = site.sample_list(&["-m", "mem.max", "--output", "csv"])?.expect(0)?.stdout;
    assert_eq!(csv.lines().count(), 1 + guests.len(), "{csv}");
    assert!(guests.iter().all(|guest| csv.matches(&guest.uuid).count() >= 1), "{csv}");
    let table = site.sample_list(&["-m", "mem.max"])?.expect(0)?.stdout;
    for guest in &guests {
        let row = table.lines().find(|line| line.contains(&guest.uuid)).context(table.clone())?;
        assert!(row.contains("mem.max") && row.contains("MiB"), "{row}");
    }

    let unreadable = site.sample_list(&["-q", "resource_id~x"])?;
    assert_ne!(unreadable.code, Some(0));
    assert!(unreadable.stderr.contains("resource_id~x"), "{}", unreadable.stderr);
    Ok(())
}

#[test]
fn a_plain_libvirt_domain_is_polled_under_the_configured_project_and_user() -> Result<()> {
    let plain = Guest::paused("build-vm", "00000000-6e65-4068-8f73-0000000000aa", 262_144);
    let site = Site::new()?;
    let uri = site.test_driver(&[plain.clone(), instance(1)])?;
    let pipeline = Pipeline {
        more: "instances: {project: plain-project, user: plain-user}".into(),
        ..Pipeline::mem_max(&uri, &[&site.file_sink()])
    };
    let (_, samples) = polled(&site, &pipeline)?;
    assert_eq!(samples.len(), 2);
    let of = |uuid: &str| samples.iter().find(|sample| sample["resource_id"] == uuid).context("no sample");
    let sample = of(&plain.uuid)?;
    assert_eq!((&sample["project_id"], &sample["user_id"]), (&json!("plain-project"), &json!("plain-user")));
    assert_eq!(sample["counter_volume"].as_f64(), Some(256.0));
    assert_eq!(sample["resource_metadata"]["display_name"], "build-vm");
    let nova = instance(1).nova.context("nova's metadata")?;
    assert_eq!(of(&instance(1).uuid)?["project_id"], nova.owner.project_id, "nova's own stays");
    Ok(())
}

#[test]
fn a_recorded_host_replays_to_the_same_samples() -> Result<()> {
    let mut guests = instances(7);
    guests[4].power = Power::ShutOff;
    guests.push(Guest::paused("plain", "00000000-6e65-4068-8f73-0000000000aa", 70_000));
    let site = Site::new()?;
    let uri = site.test_driver(&guests)?;
    let (_, live) = polled(&site, &Pipeline::mem_max(&uri, &[&site.file_sink()]))?;

    let elsewhere = Site::new()?;
    elsewhere.run(&["snapshot", "record", "host.json", "--connect", &uri])?.expect(0)?;
    let shown = elsewhere.run(&["snapshot", "show", "host.json"])?.expect(0)?.stdout;
    assert!(guests.iter().all(|guest| shown.contains(&guest.uuid)), "{shown}");
    let replay = Pipeline {
        host: "inspector: replay\nsnapshot: host.json".into(),
        ..Pipeline::mem_max("", &[&elsewhere.file_sink()])
    };
    let (_, replayed) = polled(&elsewhere, &replay)?;

    let readings = |samples: &[Value]| -> BTreeSet<String> {
        let keys = ["message_id", "message_signature", "timestamp", "monotonic_time"];
        samples
            .iter()
            .map(|sample| json!(nephoscope_tests::notification::without(sample, &keys)).to_string())
            .collect()
    };
    assert_eq!(replayed.len(), guests.len());
    assert_eq!(readings(&replayed), readings(&live));
    Ok(())
}

#[test]
fn ceilometers_own_polling_file_loads_as_the_sources() -> Result<()> {
    let genuine = lab::Ceilometer::get()?.folder().join("etc/ceilometer");
    let site = Site::new()?;
    let uri = site.test_driver(&instances(3))?;
    // The file of every meter has mem.max among what it selects; the default one names meters that no guest here has.
    std::fs::copy(genuine.join("polling_all.yaml"), site.path("polling.yaml"))?;
    let pipeline =
        Pipeline { sources: "polling.yaml".into(), ..Pipeline::mem_max(&uri, &[&site.file_sink()]) };
    let (_, samples) = polled(&site, &pipeline)?;
    assert_eq!(samples.len(), 3);

    std::fs::copy(genuine.join("polling.yaml"), site.path("polling.yaml"))?;
    let checked = site.run(&["check", "pipeline.yaml"])?.expect(2)?;
    assert!(checked.stdout.contains("polling.yaml:"), "{}", checked.stdout);
    assert!(
        checked.stdout.contains("memory.usage") && checked.stdout.contains("nothing to poll"),
        "{}",
        checked.stdout
    );
    Ok(())
}

#[test]
fn secrets_come_from_files_and_the_environment_and_show_nowhere() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    site.write("transport_url", format!("{}\n", vhost.url()))?;
    site.write("secret", "s3cr3t-word\n")?;
    let uri = site.test_driver(&instances(3))?;
    let amqp =
        |secret: &str| format!("{{amqp: {{url: {{file: transport_url}}, telemetry_secret: {secret}}}}}");
    let mut collector =
        site.collector_with("amqp: {url: {file: transport_url}}\ntelemetry_secret: {file: secret}")?;

    // What is signed with another secret is not stored.
    site.pipeline(&Pipeline::mem_max(&uri, &[&amqp("another-word")]))?;
    let forging = site.run_once()?.expect(0)?;
    site.pipeline(&Pipeline::mem_max(&uri, &[&amqp("{env: TELEMETRY_SECRET}")]))?;
    let signing = site
        .start_with(&["run", "pipeline.yaml", "--once"], &[("TELEMETRY_SECRET", "s3cr3t-word")])?
        .wait()?
        .expect(0)?;
    site.stored(&mut collector, 3)?;
    let collected = collector.stop()?.expect(0)?;
    assert_eq!(site.samples(&["-l", ALL])?.len(), 3);
    collected.line(&["3 samples stored", "3 refused (signature)"])?;
    for ended in [forging, signing, collected] {
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            !["s3cr3t-word", "another-word", "guest:guest"].iter().any(|word| all.contains(word)),
            "{all}"
        );
    }

    // A secret that is nowhere is a fault, with its place.
    let missing = site.run_once()?.expect(2)?;
    missing.line(&["pipeline.yaml:", "TELEMETRY_SECRET", "not set"])?;
    Ok(())
}

#[test]
fn standard_output_takes_samples_as_lines_of_json() -> Result<()> {
    let site = Site::new()?;
    let uri = site.test_driver(&instances(3))?;
    let pipeline = Pipeline::mem_max(&uri, &["\"stdout:\"", &site.file_sink()]);
    let (ended, samples) = polled(&site, &pipeline)?;
    let printed: Vec<Value> = ended.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(printed, samples);
    assert_eq!(printed.len(), 3);
    Ok(())
}

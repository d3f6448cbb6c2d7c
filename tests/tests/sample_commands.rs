//! What the collector has stored, at the command line: the same over a store of either kind and over the API in front of it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use lab::{Postgres, Vhost};
use nephoscope_tests::bus::NOTIFICATIONS;
use nephoscope_tests::notification::{body, signed};
use nephoscope_tests::{Bus, Running, Site, broker};
use serde_json::{Value, json};
use uuid::Uuid;

struct Scene {
    site: Site,
    collector: Running,
    /// The arguments that name the store, and those that name the API.
    ways: [Vec<String>; 2],
    samples: Vec<Value>,
}

impl Scene {
    /// A collector with an API, and some samples in its store.
    fn new(vhost: &Vhost, store: &str) -> Result<Scene> {
        let site = Site::new()?;
        let made = site.run(&["token", "operator"])?.expect(0)?;
        let token = site.write("token", made.stdout.trim())?;
        let entry = made.stderr.split_once("tokens:\n").context("no entry")?.1;
        let yaml = format!(
            "amqp: {{url: \"{}\"}}\nstore: {store}\napi:\n  listen: 127.0.0.1:0\n  tokens:\n{entry}",
            vhost.url()
        );
        site.write("collector.yaml", yaml)?;
        let mut collector = site.start(&["collect", "collector.yaml"])?;
        collector.until_logged(&["collecting", "notifications.sample"])?;
        let log = collector.log();
        let line =
            log.lines().find(|line| line.contains("api: listening")).context("the API does not listen")?;
        let address =
            line.split_once("address=").and_then(|(_, rest)| rest.split(' ').next()).context("no address")?;
        let api = format!("http://{address}");
        let ways = [
            vec!["--store".to_owned(), store.to_owned()],
            vec!["--api".to_owned(), api, "--token-file".to_owned(), token.display().to_string()],
        ];
        let samples = samples();
        Bus::connect(&vhost.url())?.publish(NOTIFICATIONS, &[body(&samples)])?;
        let mut scene = Scene { site, collector, ways, samples };
        let count = scene.samples.len();
        let Scene { site, collector, ways, .. } = &mut scene;
        collector.until("all samples in the store", || {
            let listed = run(site, &ways[0], &["sample", "list", "--output", "json"])?;
            Ok((listed.as_array().map(Vec::len) == Some(count)).then_some(()))
        })?;
        Ok(scene)
    }

    /// What a command says of the store and by way of the API: the same, but for metadata, which the API flattens.
    fn both(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [arguments, &["--output", "json"]].concat();
        let [mut local, mut remote] =
            [run(&self.site, &self.ways[0], &arguments)?, run(&self.site, &self.ways[1], &arguments)?];
        let whole = local.clone();
        for answer in [&mut local, &mut remote] {
            let records = match answer {
                Value::Array(records) => records.iter_mut().collect(),
                record => vec![record],
            };
            for record in records {
                assert!(record.as_object_mut().is_some_and(|record| {
                    record.remove("metadata").is_none_or(|metadata| metadata.is_object())
                }));
            }
        }
        assert_eq!(local, remote, "{arguments:?}");
        Ok(whole)
    }
}

fn run(site: &Site, way: &[String], arguments: &[&str]) -> Result<Value> {
    let way: Vec<&str> = way.iter().map(String::as_str).collect();
    let ended = site.run(&[arguments, &way].concat())?.expect(0)?;
    serde_json::from_str(&ended.stdout).with_context(|| ended.stdout.clone())
}

/// Three resources of two projects, `cpu` of each for five minutes, and `vcpus` once.
fn samples() -> Vec<Value> {
    let sample = |meter: &str, resource: &str, project: &str, minute: u64, volume: Value| {
        signed(json!({
            "source": "openstack", "counter_name": meter, "counter_type": if meter == "cpu" { "cumulative" } else { "gauge" },
            "counter_unit": if meter == "cpu" { "ns" } else { "vcpu" }, "counter_volume": volume, "user_id": "u", "user_name": null,
            "project_id": project, "project_name": null, "resource_id": resource,
            "timestamp": format!("2026-01-31T12:0{minute}:00.000001"),
            "resource_metadata": {"display_name": format!("{resource}-name"), "flavor": {"name": "m1.small"}},
            "message_id": Uuid::new_v4().to_string(), "monotonic_time": 1.5, "message_signature": "",
        }))
    };
    let mut samples = Vec::new();
    for (place, (resource, project)) in [("a", "p1"), ("b", "p1"), ("c", "p2")].into_iter().enumerate() {
        for minute in 0..5 {
            samples.push(sample("cpu", resource, project, minute, json!(100 * (minute + 1) + place as u64)));
        }
        samples.push(sample("vcpus", resource, project, 0, json!(2)));
    }
    samples.push(sample("cpu", "a", "p1", 5, json!(18_446_744_073_709_551_615_u64)));
    samples
}

fn each_command_agrees(scene: &Scene) -> Result<()> {
    let listed = scene.both(&["sample", "list", "-m", "cpu", "-q", "resource_id=a", "-l", "3"])?;
    let volumes: Vec<String> =
        listed.as_array().context("no list")?.iter().map(|sample| sample["volume"].to_string()).collect();
    assert_eq!(volumes, ["18446744073709551615", "500", "400"]);
    assert_eq!(listed[0]["metadata"]["flavor"]["name"], "m1.small");

    let id = scene.samples[0]["message_id"].as_str().context("no id")?;
    assert_eq!(scene.both(&["sample", "show", id])?["volume"], 100);
    let filter = r#"{"and": [{"=~": {"metadata.display_name": "^[bc]-"}}, {">": {"volume": 300}}]}"#;
    let queried =
        scene.both(&["sample", "query", "--filter", filter, "--orderby", r#"[{"volume": "asc"}]"#])?;
    let volumes: Vec<_> =
        queried.as_array().context("no list")?.iter().map(|sample| sample["volume"].clone()).collect();
    assert_eq!(json!(volumes), json!([301, 302, 401, 402, 501, 502]));

    assert_eq!(scene.both(&["meter", "list"])?.as_array().map(Vec::len), Some(6));
    assert_eq!(
        scene.both(&["meter", "list", "--unique"])?,
        json!([
            {"name": "cpu", "type": "cumulative", "unit": "ns"}, {"name": "vcpus", "type": "gauge", "unit": "vcpu"},
        ])
    );
    let resources = scene.both(&["resource", "list", "-q", "project_id=p1"])?;
    let ids: BTreeSet<&str> = resources
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|one| one["resource_id"].as_str())
        .collect();
    assert_eq!(ids, BTreeSet::from(["a", "b"]));
    let shown = scene.both(&["resource", "show", "c"])?;
    assert_eq!(
        (&shown["meters"], &shown["first_sample_timestamp"]),
        (&json!(["cpu", "vcpus"]), &json!("2026-01-31T12:00:00.000001"))
    );
    let statistics = scene.both(&["statistics", "-m", "cpu", "-q", "project_id=p2"])?;
    assert_eq!(
        (&statistics[0]["count"], &statistics[0]["avg"], &statistics[0]["duration"]),
        (&json!(5), &json!(302.0), &json!(240.0))
    );
    let periods = scene.both(&[
        "statistics",
        "-m",
        "cpu",
        "-p",
        "120",
        "-q",
        "resource_id=c;timestamp>=2026-01-31T12:00",
    ])?;
    assert_eq!(periods.as_array().map(Vec::len), Some(3));
    assert_eq!(periods[1]["period_start"], "2026-01-31T12:02:00");
    Ok(())
}

#[test]
fn over_sqlite_and_its_api() -> Result<()> {
    let vhost = broker().vhost()?;
    let scene = Scene::new(&vhost, "samples.db")?;
    each_command_agrees(&scene)?;

    let way: Vec<&str> = scene.ways[0].iter().map(String::as_str).collect();
    let table = scene
        .site
        .run(&[&["statistics", "-m", "vcpus", "-g", "project_id"], way.as_slice()].concat())?
        .expect(0)?;
    assert!(
        table.stdout.contains("| project_id=p1 |") && table.stdout.contains("| Duration End "),
        "{}",
        table.stdout
    );
    // What is wrong with a query is the command line's, and said before anything is asked.
    for (arguments, words) in [
        (&["meter", "list", "-q", "colour=red"][..], "\"colour\" is no field"),
        (&["statistics", "-m", "cpu", "-g", "colour"], "not grouped by \"colour\""),
        (&["statistics", "-m", "cpu", "-p", "0"], "the period 0 is not between"),
        (&["sample", "query", "--filter", "{}"], "an object of one operator"),
        (&["resource", "list", "-l", "0"], "the limit 0 is not between 1 and 10000"),
        (&["sample", "list", "--api", "http://127.0.0.1:1"], "--token-file FILE, or NEPHOSCOPE_TOKEN"),
        (&["sample", "list", "--store", "postgresql://user:secret@host"], "names no database"),
        (&["sample", "export", "--from", "tomorrow", "."], "\"tomorrow\" is no day such as 2026-01-31"),
    ] {
        let ended = scene.site.run(arguments)?.expect(2)?;
        assert!(
            ended.stderr.contains(words) && !ended.stderr.contains("secret"),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
    let absent = scene.site.run(&[&["resource", "show", "nobody"], way.as_slice()].concat())?.expect(1)?;
    assert!(absent.stderr.contains("there is no resource \"nobody\""), "{}", absent.stderr);
    let away = scene
        .site
        .start_with(&["sample", "list", "--api", "http://127.0.0.1:1"], &[("NEPHOSCOPE_TOKEN", "t")])?
        .wait()?
        .expect(1)?;
    assert!(away.stderr.contains("127.0.0.1:1"), "{}", away.stderr);
    scene.collector.stop()?.expect(0).map(drop)
}

#[test]
fn over_postgresql_and_its_api() -> Result<()> {
    let (server, vhost) = (Postgres::start()?, broker().vhost()?);
    let scene = Scene::new(&vhost, &server.url())?;
    each_command_agrees(&scene)?;
    // A day as a file, of this store as of the other.
    let way: Vec<&str> = scene.ways[0].iter().map(String::as_str).collect();
    let export = &["sample", "export", "--from", "2026-01-30", "--until", "2026-02-02", "."][..];
    let exported = scene.site.run(&[export, &way].concat())?.expect(0)?;
    let expected = format!("2026-01-31: {} samples", scene.samples.len());
    assert!(
        exported.stdout.contains("2026-01-30: no samples") && exported.stdout.contains(&expected),
        "{}",
        exported.stdout
    );
    let file = std::fs::read(scene.site.path("samples-2026-01-31.parquet"))?;
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
    scene.collector.stop()?.expect(0).map(drop)
}

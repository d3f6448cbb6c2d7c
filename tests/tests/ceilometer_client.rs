//! The genuine python-ceilometerclient 2.9.0 over the collector's API, unchanged: each of its commands, and what it says of faults.

use anyhow::{Context, Result};
use lab::{CeilometerClient, Ran};
use nephoscope_tests::bus::NOTIFICATIONS;
use nephoscope_tests::notification::{body, signed};
use nephoscope_tests::{Bus, Running, Site, broker};
use serde_json::{Value, json};
use uuid::Uuid;

/// Prints what the library gives for each of its calls, as JSON.
const LIBRARY: &str = r#"
import json, sys
from ceilometerclient import client
c = client.get_client(2, os_endpoint=sys.argv[1], token=sys.argv[2])
web = [{"field": "resource_id", "op": "eq", "value": "web"}]
out = {
    "meters": [m.to_dict() for m in c.meters.list(q=web)],
    "unique": [m.to_dict() for m in c.meters.list(unique=True)],
    "resources": [r.to_dict() for r in c.resources.list(links=True)],
    "resource": c.resources.get("web").to_dict(),
    "old": [s.to_dict() for s in c.samples.list(meter_name="mem.max", q=web, limit=2)],
    "new": [s.to_dict() for s in c.new_samples.list(q=web + [{"field": "timestamp", "op": "ge", "value": "2026-01-31T12:02:00"}])],
    "sample": c.new_samples.get(sys.argv[3]).to_dict(),
    "statistics": [s.to_dict() for s in c.statistics.list("mem.max")],
    "periods": [s.to_dict() for s in c.statistics.list("mem.max", q=web, period=120, groupby=["resource_id"])],
    "functions": [s.to_dict() for s in c.statistics.list("mem.max", aggregates=[{"func": "stddev"}, {"func": "cardinality", "param": "resource_id"}])],
    "query": [s.to_dict() for s in c.query_samples.query(
        filter='{"and": [{"=": {"meter": "mem.max"}}, {"or": [{"=": {"resource": "db"}}, {">": {"volume": 2002}}]}]}',
        orderby='[{"volume": "desc"}]', limit=2)],
    "capabilities": c.capabilities.get().to_dict(),
}
print(json.dumps(out))
"#;

struct Scene {
    site: Site,
    bus: Bus,
    collector: Running,
    endpoint: String,
    client: CeilometerClient,
    admin: String,
    tenant: String,
}

/// A token, and its entry in the collector's file.
fn token(site: &Site, arguments: &[&str]) -> Result<(String, String)> {
    let made = site.run(&[&["token"], arguments].concat())?.expect(0)?;
    let entry = made.stderr.split_once("tokens:\n").context("no entry")?.1.trim_end().to_owned();
    Ok((made.stdout.trim().to_owned(), entry))
}

impl Scene {
    fn new(api: &str) -> Result<Scene> {
        let client = CeilometerClient::install()?;
        let (site, vhost) = (Site::new()?, broker().vhost()?);
        let (admin, one) = token(&site, &["operator", "--write"])?;
        let (tenant, other) = token(&site, &["tenant", "--project", "p-db"])?;
        let yaml = format!(
            "amqp: {{url: \"{}\"}}\napi:\n  listen: 127.0.0.1:0\n{api}  tokens:\n{one}\n{other}",
            vhost.url()
        );
        let collector = site.collector_with(&yaml)?;
        // It listens before it collects.
        let log = collector.log();
        let line =
            log.lines().find(|line| line.contains("api: listening")).context("the API does not listen")?;
        let address =
            line.split_once("address=").and_then(|(_, rest)| rest.split(' ').next()).context("no address")?;
        let scheme = if api.contains("tls") { "https" } else { "http" };
        let endpoint = format!("{scheme}://{address}");
        let bus = Bus::connect(&vhost.url())?;
        Ok(Scene { site, bus, collector, endpoint, client, admin, tenant })
    }

    fn run(&self, arguments: &[&str]) -> Result<Ran> {
        self.client.run(&self.endpoint, &self.admin, arguments)
    }

    /// Runs a command that succeeds; the rows of its table, without its title.
    fn table(&self, arguments: &[&str]) -> Result<Vec<Vec<String>>> {
        rows(&self.run(arguments)?)
    }

    /// Creates a sample of a room's temperature.
    fn create(&self, token: &str, kind: &str, volume: &str, more: &[&str]) -> Result<Ran> {
        let sample = ["sample-create", "-r", "made", "-m", "room.temperature", "--meter-unit", "C"];
        let measured = ["--meter-type", kind, "--sample-volume", volume];
        self.client.run(&self.endpoint, token, &[&sample[..], &measured, more].concat())
    }

    /// Publishes samples and waits until they are stored.
    fn store(&mut self, samples: &[Value]) -> Result<()> {
        self.bus.publish(NOTIFICATIONS, &[body(samples)])?;
        self.site.stored(&mut self.collector, samples.len()).map(drop)
    }
}

fn rows(ran: &Ran) -> Result<Vec<Vec<String>>> {
    anyhow::ensure!(ran.code == 0, "{ran:?}");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    Ok(ran.stdout.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect())
}

/// `web` of project `p-web` and `db` of `p-db`: mem.max for four minutes, and vcpus once.
fn samples() -> Vec<Value> {
    let sample = |meter: &str, resource: &str, minute: u32, volume: Value| {
        signed(json!({
            "source": "openstack", "counter_name": meter, "counter_type": "gauge", "counter_unit": if meter == "vcpus" { "vcpu" } else { "MiB" },
            "counter_volume": volume, "user_id": format!("u-{resource}"), "user_name": null, "project_id": format!("p-{resource}"),
            "project_name": null, "resource_id": resource, "timestamp": format!("2026-01-31T12:0{minute}:00"),
            "resource_metadata": {"display_name": format!("{resource}-1"), "vcpus": 2, "image": null, "active": true,
                                  "flavor": {"name": "m1.small", "extra_specs": {"hw:cpu": "x"}}, "tags": ["a", 1]},
            "message_id": Uuid::new_v4().to_string(), "monotonic_time": 1.5, "message_signature": "",
        }))
    };
    let mut samples = Vec::new();
    for minute in 0..4 {
        samples.push(sample("mem.max", "web", minute, json!(f64::from(2000 + minute))));
        samples.push(sample("mem.max", "db", minute, json!(4000 + minute)));
    }
    samples.push(sample("vcpus", "web", 0, json!(2)));
    samples
}

#[test]
fn each_command_shows_what_is_stored() -> Result<()> {
    let mut scene = Scene::new("")?;
    let stored = samples();
    scene.store(&stored)?;

    let listed = scene.table(&["meter-list"])?;
    let expected = [
        ["mem.max", "gauge", "MiB", "db", "u-db", "p-db"],
        ["mem.max", "gauge", "MiB", "web", "u-web", "p-web"],
        ["vcpus", "gauge", "vcpu", "web", "u-web", "p-web"],
    ];
    let mut sorted = listed.clone();
    sorted.sort();
    assert_eq!(sorted, expected.map(|row| row.map(str::to_owned).to_vec()));
    assert_eq!(scene.table(&["meter-list", "--unique", "True"])?.len(), 2);
    assert_eq!(scene.table(&["meter-list", "-q", "project=p-db"])?.len(), 1);
    assert_eq!(scene.table(&["meter-list", "-l", "1"])?.len(), 1);

    let resources = scene.table(&["resource-list"])?;
    assert_eq!(resources.len(), 2);
    assert!(resources.iter().any(|row| row == &["db", "openstack", "u-db", "p-db"]), "{resources:?}");
    let found = scene.table(&["resource-list", "-q", "metadata.display_name=web-1"])?;
    assert_eq!(found.len(), 1);
    let shown = scene.table(&["resource-show", "web"])?;
    assert!(shown.iter().any(|row| row[0] == "project_id" && row[1] == "p-web"), "{shown:?}");

    let listed = scene.table(&[
        "sample-list",
        "-m",
        "mem.max",
        "-q",
        "resource_id=web;timestamp>2026-01-31T12:00:00",
        "-l",
        "2",
    ])?;
    assert_eq!(
        listed,
        [
            ["web", "mem.max", "gauge", "2003.0", "MiB", "2026-01-31T12:03:00"],
            ["web", "mem.max", "gauge", "2002.0", "MiB", "2026-01-31T12:02:00"]
        ]
    );
    let all = scene.table(&["sample-list"])?;
    assert_eq!(all.len(), stored.len());
    let id = stored[1]["message_id"].as_str().context("no id")?;
    let shown = scene.table(&["sample-show", id])?;
    assert!(shown.iter().any(|row| row[0] == "volume" && row[1] == "4000"), "{shown:?}");

    let statistics = scene.table(&["statistics", "-m", "mem.max", "-q", "project=p-web"])?;
    assert_eq!(statistics.len(), 1);
    for figure in ["2003.0", "2000.0", "2001.5", "8006.0", "4", "180.0", "2026-01-31T12:03:00"] {
        assert!(statistics[0].iter().any(|cell| cell == figure), "{figure} in {statistics:?}");
    }
    // Two groups of one period make the client itself fail on Python 3: it sorts rows that hold dicts.
    let periods = scene.table(&[
        "statistics",
        "-m",
        "mem.max",
        "-p",
        "120",
        "-g",
        "resource_id",
        "-q",
        "resource_id=web",
    ])?;
    assert_eq!(periods.len(), 2);
    let functions =
        scene.table(&["statistics", "-m", "mem.max", "-a", "max", "-a", "cardinality<-resource_id"])?;
    assert!(
        functions[0].contains(&"4003.0".to_owned()) && functions[0].contains(&"2.0".to_owned()),
        "{functions:?}"
    );

    let filter = r#"{"and": [{"=": {"meter": "mem.max"}}, {"not": {"=": {"resource": "web"}}}]}"#;
    let queried = scene.table(&[
        "query-samples",
        "--filter",
        filter,
        "--orderby",
        r#"[{"volume": "asc"}]"#,
        "--limit",
        "3",
    ])?;
    assert_eq!(queried.len(), 3);
    assert!(
        queried[0].contains(&"4000".to_owned()) && queried[2].contains(&"4002".to_owned()),
        "{queried:?}"
    );

    let capabilities = scene.run(&["capabilities"])?;
    assert!(
        capabilities.code == 0 && capabilities.stdout.contains("statistics:aggregation:selectable:stddev"),
        "{capabilities:?}"
    );

    // The same as a library, with every field.
    let ran = scene.client.python(LIBRARY, &[&scene.endpoint, &scene.admin, id])?;
    let given: Value = serde_json::from_str(&ran.stdout).with_context(|| format!("{ran:?}"))?;
    assert_eq!(given["unique"].as_array().map(Vec::len), Some(2));
    assert_eq!(given["meters"][0]["meter_id"].as_str().map(str::is_empty), Some(false));
    assert_eq!(given["resource"]["metadata"]["flavor.extra_specs:hw:cpu"], "x", "{}", given["resource"]);
    for (key, text) in [("vcpus", "2"), ("active", "True"), ("image", "None"), ("tags", "['a', 1]")] {
        assert_eq!(given["resource"]["metadata"][key], text, "{}", given["resource"]["metadata"]);
    }
    assert_eq!(given["resource"]["first_sample_timestamp"], "2026-01-31T12:00:00");
    assert!(given["resources"][0]["links"].as_array().is_some_and(|links| links.len() >= 2));
    assert_eq!(
        (&given["old"][0]["counter_name"], &given["old"][0]["counter_volume"]),
        (&json!("mem.max"), &json!(2003.0))
    );
    assert_eq!(given["new"].as_array().map(Vec::len), Some(2));
    assert_eq!((&given["sample"]["id"], &given["sample"]["meter"]), (&json!(id), &json!("mem.max")));
    assert_eq!(
        (&given["statistics"][0]["count"], &given["statistics"][0]["unit"]),
        (&json!(8), &json!("MiB"))
    );
    assert_eq!(
        (&given["periods"][0]["period"], &given["periods"][0]["groupby"]["resource_id"]),
        (&json!(120), &json!("web"))
    );
    assert_eq!(given["functions"][0]["aggregate"]["cardinality/resource_id"], 2.0);
    assert_eq!(given["query"].as_array().map(Vec::len), Some(2));
    assert_eq!(given["query"][0]["volume"], 4003);
    assert_eq!(given["capabilities"]["api"]["samples:query:complex"], true);
    scene.collector.stop()?.expect(0).map(drop)
}

#[test]
fn samples_can_be_created_with_a_token_that_may() -> Result<()> {
    let mut scene = Scene::new("")?;
    let resource =
        ["--project-id", "p-new", "--user-id", "u-new", "--resource-metadata", r#"{"rack.name": "r1"}"#];
    let at = ["--timestamp", "2026-01-31T12:00:00"];
    let created = scene.create(&scene.admin, "gauge", "21.5", &[&resource[..], &at].concat())?;
    assert!(created.code == 0 && created.stdout.contains("room.temperature"), "{created:?}");
    let direct = scene.create(&scene.admin, "gauge", "22", &["--project-id", "p-new", "--direct", "True"])?;
    assert_eq!(direct.code, 0, "{direct:?}");
    let stored = scene.site.stored(&mut scene.collector, 2)?;
    let first = stored.iter().find(|sample| sample["volume"] == json!(21.5)).context("not stored")?;
    assert_eq!(
        (&first["source"], &first["metadata"]["rack"]["name"]),
        (&json!("p-new:openstack"), &json!("r1")),
        "{first}"
    );
    let listed = scene.table(&["sample-list", "-m", "room.temperature"])?;
    assert_eq!(listed.len(), 2);

    let wrong = scene.create(&scene.admin, "counter", "1", &[])?;
    assert!(wrong.code == 1 && wrong.stderr.contains("gauge, delta or cumulative"), "{wrong:?}");
    let refused = scene.create(&scene.tenant, "gauge", "1", &[])?;
    assert!(refused.code == 1 && refused.stderr.contains("HTTP 403"), "{refused:?}");
    scene.collector.stop()?.expect(0).map(drop)
}

#[test]
fn faults_say_what_would_be_right_and_projects_stay_apart() -> Result<()> {
    let mut scene = Scene::new("")?;
    scene.store(&samples())?;
    for (arguments, words) in [
        (&["sample-list", "-q", "colour=red"][..], &["colour", "fields are resource_id", "HTTP 400"][..]),
        (
            &["sample-list", "-m", "mem.max", "-q", "message_id!=x"],
            &["message_id", "is not compared with", "HTTP 400"],
        ),
        (
            &["sample-list", "-m", "mem.max", "-q", "metadata.vcpus=integer::many"],
            &["many", "is no integer such as 4", "HTTP 400"],
        ),
        (
            &["sample-list", "-m", "mem.max", "-q", "timestamp>yesterday"],
            &["yesterday", "is no timestamp such as 2026-01-31", "HTTP 400"],
        ),
        (&["sample-list", "-l", "1000000"], &["the limit 1000000 is not between 1 and 10000", "HTTP 400"]),
        (&["statistics", "-m", "mem.max", "-g", "colour"], &["not grouped by", "colour", "HTTP 400"]),
        (&["statistics", "-m", "mem.max", "-a", "median"], &["median", "is no function", "HTTP 400"]),
        (&["query-samples", "--filter", "{\"=\": 5}"], &["a field with its value", "HTTP 400"]),
        (&["query-samples", "--filter", "{"], &["the filter is no JSON", "HTTP 400"]),
        (&["query-samples", "--orderby", "[{\"timestamp\": \"up\"}]"], &["the orderby has", "HTTP 400"]),
        (&["sample-show", "nobody"], &["Sample not found: nobody"]),
        (&["resource-show", "nobody"], &["Resource not found: nobody"]),
    ] {
        let ran = scene.run(arguments)?;
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        assert!(words.iter().all(|word| ran.stderr.contains(word)), "{arguments:?}: {}", ran.stderr);
    }
    let wrong = scene.client.run(&scene.endpoint, "wrong", &["meter-list"])?;
    assert!(wrong.code == 1 && wrong.stderr.contains("Authentication failed"), "{wrong:?}");

    let tenant = |arguments: &[&str]| scene.client.run(&scene.endpoint, &scene.tenant, arguments);
    assert_eq!(rows(&tenant(&["meter-list"])?)?.len(), 1);
    assert_eq!(rows(&tenant(&["resource-list"])?)?.len(), 1);
    assert_eq!(rows(&tenant(&["sample-list"])?)?.len(), 4);
    let statistics = rows(&tenant(&["statistics", "-m", "mem.max"])?)?;
    assert!(
        statistics[0].contains(&"4003.0".to_owned()) && !statistics[0].contains(&"2000.0".to_owned()),
        "{statistics:?}"
    );
    let either = r#"{"or": [{"=": {"resource": "web"}}, {"=": {"resource": "db"}}]}"#;
    assert_eq!(rows(&tenant(&["query-samples", "--filter", either])?)?.len(), 4);
    assert!(tenant(&["resource-show", "web"])?.stderr.contains("Resource not found: web"));
    let other = tenant(&["sample-list", "-q", "project_id=p-web"])?;
    assert!(
        other.code == 1 && other.stderr.contains("Not Authorized to access project \"p-web\" (HTTP 403)"),
        "{other:?}"
    );

    // Nothing of a token is in the log.
    let log = scene.collector.log();
    assert!(!log.contains(&scene.admin) && !log.contains(&scene.tenant));
    scene.collector.stop()?.expect(0).map(drop)
}

#[test]
fn the_client_speaks_tls_with_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = lab::tls::Authority::make(folder.path())?;
    let certificate = authority.server()?;
    let api = format!(
        "  tls: {{certificate: {}, key: {}}}\n",
        certificate.certificate.display(),
        certificate.key.display()
    );
    let mut scene = Scene::new(&api)?;
    scene.store(&samples())?;
    let ca = authority.certificate.display().to_string();
    assert_eq!(scene.table(&["--os-cacert", &ca, "sample-list", "-m", "vcpus"])?.len(), 1);
    let unknown = scene.run(&["sample-list"])?;
    assert!(unknown.code == 1 && unknown.stderr.contains("CERTIFICATE_VERIFY_FAILED"), "{unknown:?}");
    // And so does our own.
    let token = scene.site.write("token", &scene.admin)?;
    let own = scene.site.run(&[
        "sample",
        "list",
        "-m",
        "vcpus",
        "--api",
        &scene.endpoint,
        "--ca",
        &ca,
        "--token-file",
        &token.display().to_string(),
        "--output",
        "json",
    ])?;
    let own: Value = serde_json::from_str(&own.expect(0)?.stdout)?;
    assert_eq!(own[0]["meter"], "vcpus");
    scene.collector.stop()?.expect(0).map(drop)
}

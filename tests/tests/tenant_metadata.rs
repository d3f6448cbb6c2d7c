//! The section `nova`, from the command line: what `check` shows and a probe asks, and what the agent says of an odd listing.
//!
//! The cloud is the test's own, and knows two requests; `runtime/nova` tests against one that misbehaves in every way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use lab::instances;
use nephoscope_tests::program::lines;
use nephoscope_tests::{Pipeline, Site};
use serde_json::{Value, json};

/// Its password.
const PASSWORD: &str = "s3cr3t-word";

/// Keystone and Nova at one address. It goes with the test's process.
struct Cloud {
    url: String,
    /// What Nova lists.
    servers: Arc<Mutex<Value>>,
}

impl Cloud {
    fn start() -> Result<Cloud> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let servers = Arc::new(Mutex::new(json!([])));
        let listed = Arc::clone(&servers);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let servers = listed.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // Who hangs up in the middle gets no answer.
                let _ = answer(stream, servers);
            }
        });
        Ok(Cloud { url, servers })
    }

    fn lists(&self, servers: Value) {
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers;
    }

    /// The section for it.
    fn section(&self, password: &str) -> String {
        format!(
            "nova: {{auth_url: \"{0}/v3\", endpoint_override: \"{0}/v2.1\", user_id: telemetry, password: {password}, \
             project_id: service, refresh: 10s}}\n",
            self.url
        )
    }
}

fn answer(mut stream: TcpStream, servers: Value) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let begin = head.len();
        reader.read_line(&mut head)?;
        let line = head[begin..].trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut asked = vec![0; length];
    reader.read_exact(&mut asked)?;
    let (status, body) = if head.starts_with("GET /v2.1/servers/detail?") {
        ("200 OK", json!({ "servers": servers }))
    } else if String::from_utf8_lossy(&asked).contains(PASSWORD) {
        ("201 Created", json!({ "token": { "expires_at": "2999-12-31T00:00:00.000000Z", "catalog": [] } }))
    } else {
        ("401 Unauthorized", json!({ "error": { "code": 401 } }))
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nX-Subject-Token: t\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}

/// Adds the section to the pipeline of two instances of Nova's. Gives their ids.
fn site(cloud: &Cloud, password: &str) -> Result<(Site, Vec<String>)> {
    let site = Site::new()?;
    let guests = instances(2);
    let uri = site.test_driver(&guests)?;
    let pipeline = Pipeline::mem_max(&uri, &[&site.file_sink()]);
    site.write("pipeline.yaml", pipeline.yaml() + &cloud.section(password))?;
    Ok((site, guests.into_iter().map(|guest| guest.uuid).collect()))
}

#[test]
fn a_check_shows_who_is_asked_and_a_probe_what_nova_lists() -> Result<()> {
    let cloud = Cloud::start()?;
    let (site, ids) = site(&cloud, PASSWORD)?;
    let checked = site.run(&["check", "pipeline.yaml"])?.expect(0)?;
    let shown = lines(&checked.stdout, &[&cloud.url, "user telemetry in project service", "10s"]);
    assert_eq!(shown.len(), 1, "{}", checked.stdout);
    let json = site.run(&["check", "pipeline.yaml", "--output", "json"])?.expect(0)?;
    let report: Value = serde_json::from_str(&json.stdout)?;
    assert_eq!(report["plan"]["nova"]["login"], "user telemetry in project service");
    assert!(!format!("{checked:?}{json:?}").contains(PASSWORD), "a password was shown");

    // Both instances are Nova's, and Nova lists none.
    let probed = site.run(&["check", "pipeline.yaml", "--probe"])?.expect(3)?;
    assert!(probed.stdout.contains("is `host` what Nova calls it?"), "{}", probed.stdout);
    assert!(probed.stderr.contains("1 hosts' servers cannot be had from Nova"), "{}", probed.stderr);
    let probed = site.run(&["check", "pipeline.yaml", "--probe", "--output", "json"])?.expect(3)?;
    let nova = &serde_json::from_str::<Value>(&probed.stdout)?["probe"]["nova"][0];
    assert_eq!((&nova["ok"], &nova["servers"], &nova["instances"]), (&false.into(), &0.into(), &2.into()));

    cloud.lists(json!([{ "id": ids[0] }, { "id": ids[1] }]));
    let probed = site.run(&["check", "pipeline.yaml", "--probe", "--output", "json"])?.expect(0)?;
    let nova = &serde_json::from_str::<Value>(&probed.stdout)?["probe"]["nova"][0];
    assert_eq!((&nova["ok"], &nova["servers"]), (&true.into(), &2.into()));
    Ok(())
}

#[test]
fn the_agent_doubts_a_host_without_servers_and_servers_without_a_host() -> Result<()> {
    let cloud = Cloud::start()?;
    let (site, ids) = site(&cloud, PASSWORD)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until_logged(&["WARN", "is `host` what Nova calls it?"])?;
    assert!(!agent.log().contains("shows no server's host"), "nothing was listed yet");
    cloud.lists(json!([{ "id": ids[0], "metadata": { "metering.stack": "web" } }]));
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
    let cloud = Cloud::start()?;
    let (well, ids) = site(&cloud, PASSWORD)?;
    cloud.lists(json!([{ "id": ids[0], "metadata": { "metering.stack": "web" } }]));
    let ended = well.run_once()?.expect(0)?;
    ended.line(&["INFO", "waiting for Nova"])?;
    let samples = well.taken()?;
    let first = samples.iter().find(|sample| sample["resource_id"] == ids[0]).context("no sample")?;
    assert_eq!(first["resource_metadata"]["user_metadata"], json!({ "stack": "web" }));

    let (refused, _) = site(&cloud, "wrong")?;
    let ended = refused.run_once()?.expect(0)?;
    ended.line(&["WARN", "refuses the login", "unauthorized"])?;
    assert_eq!(refused.taken()?.len(), 2);
    Ok(())
}

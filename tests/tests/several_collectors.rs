//! Several collectors share one queue and one PostgreSQL database.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use lab::{Postgres, Vhost};
use nephoscope_tests::bus::NOTIFICATIONS;
use nephoscope_tests::notification::{body, ids, sample};
use nephoscope_tests::{Bus, Running, Site, broker};
use serde_json::Value;

/// Samples of a message, and messages of a burst.
const SAMPLES: usize = 50;
const MESSAGES: usize = 120;

struct Scene {
    server: Postgres,
    vhost: Vhost,
    bus: Bus,
    site: Site,
}

impl Scene {
    fn new() -> Result<Scene> {
        let (server, vhost) = (Postgres::start()?, broker().vhost()?);
        let bus = Bus::connect(&vhost.url())?;
        Ok(Scene { server, vhost, bus, site: Site::new()? })
    }

    /// The address stands in the environment, as a secret should.
    fn collector(&self, more: &str) -> Result<Running> {
        let yaml = format!(
            "amqp: {{url: \"{}\", rabbit_qos_prefetch_count: 10}}\nstore: {{env: DATABASE}}\n{more}",
            self.vhost.url()
        );
        self.site.write("collector.yaml", yaml)?;
        let mut collector =
            self.site.start_with(&["collect", "collector.yaml"], &[("DATABASE", &self.server.url())])?;
        collector.until_logged(&["collecting", "notifications.sample"])?;
        Ok(collector)
    }

    /// Publishes a burst; the message_ids of its samples.
    fn burst(&self) -> Result<BTreeSet<String>> {
        let samples: Vec<Value> =
            (0..MESSAGES * SAMPLES).map(|number| sample("mem.max", number as u64)).collect();
        let bodies: Vec<Vec<u8>> = samples.chunks(SAMPLES).map(body).collect();
        self.bus.publish(NOTIFICATIONS, &bodies)?;
        Ok(ids(&samples).into_iter().map(str::to_owned).collect())
    }

    fn count(&self) -> Result<usize> {
        Ok(self.server.psql(&self.server.url(), "SELECT count(*) FROM sample")?.parse()?)
    }

    /// All of these samples are stored, each once, and nothing else.
    fn holds(&self, expected: &BTreeSet<String>) -> Result<()> {
        // A UUID is kept as a tag and its bytes, the slow part of the time first; what matters is that there are as many.
        let counts = self
            .server
            .psql(&self.server.url(), "SELECT count(*), count(DISTINCT message_id) FROM sample")?;
        ensure!(
            counts == format!("{0}|{0}", expected.len()),
            "{counts}, and {} are expected",
            expected.len()
        );
        // And by way of a query, those of the first list.
        let listed = self
            .site
            .run(&["sample", "list", "--store", &self.server.url(), "-l", "10000", "--output", "json"])?
            .expect(0)?;
        let listed: Value = serde_json::from_str(&listed.stdout)?;
        let listed = listed.as_array().context("no list")?;
        ensure!(ids(listed).iter().all(|id| expected.contains(*id)), "a sample that nobody sent");
        ensure!(listed.len() == expected.len().min(10_000), "{} listed", listed.len());
        Ok(())
    }
}

#[test]
fn three_collectors_lose_and_double_nothing_when_one_is_killed() -> Result<()> {
    let scene = Scene::new()?;
    let mut collectors = Vec::new();
    // All at once, on a database that has nothing yet.
    for _ in 0..3 {
        let yaml = format!(
            "amqp: {{url: \"{}\", rabbit_qos_prefetch_count: 10}}\nstore: {{env: DATABASE}}\n",
            scene.vhost.url()
        );
        scene.site.write("collector.yaml", yaml)?;
        collectors.push(
            scene.site.start_with(&["collect", "collector.yaml"], &[("DATABASE", &scene.server.url())])?,
        );
    }
    for collector in &mut collectors {
        collector.until_logged(&["collecting", "notifications.sample"])?;
    }
    let mut expected = scene.burst()?;
    let mut victim = collectors.remove(0);
    victim.until("some samples, but not all", || Ok((scene.count()? > 0).then_some(())))?;
    victim.kill()?;
    expected.extend(scene.burst()?);
    let survivor = &mut collectors[0];
    survivor
        .until("every sample in the database", || Ok((scene.count()? >= expected.len()).then_some(())))?;
    for collector in collectors {
        let ended = collector.stop()?.expect(0)?;
        assert!(!ended.stderr.contains("lab@"), "the password is in the log");
        // Each of them had a share.
        assert!(!ended.stderr.contains("collected: 0 samples stored"), "{}", ended.stderr);
    }
    assert_eq!(scene.bus.count(NOTIFICATIONS)?, 0);
    scene.holds(&expected)
}

#[test]
fn a_database_that_goes_and_comes_back_is_waited_for() -> Result<()> {
    let mut scene = Scene::new()?;
    let mut collector = scene.collector("")?;
    let mut expected = scene.burst()?;
    collector
        .until("every sample in the database", || Ok((scene.count()? >= expected.len()).then_some(())))?;
    scene.server.kill()?;
    expected.extend(scene.burst()?);
    collector.until_logged(&["the store does not take samples", "unreachable"])?;
    scene.server.restart()?;
    collector.until_logged(&["the store takes samples again"])?;
    collector
        .until("every sample in the database", || Ok((scene.count()? >= expected.len()).then_some(())))?;
    collector.stop()?.expect(0)?;
    scene.holds(&expected)
}

#[test]
fn a_database_that_freezes_does_not_hold_up_the_end() -> Result<()> {
    let scene = Scene::new()?;
    let mut collector = scene.collector("")?;
    let expected = scene.burst()?;
    collector
        .until("every sample in the database", || Ok((scene.count()? >= expected.len()).then_some(())))?;
    scene.server.pause()?;
    scene.bus.publish(NOTIFICATIONS, &[body(&[sample("mem.max", 1)])])?;
    collector.until("the message in the collector's hands", || {
        Ok((scene.bus.count(NOTIFICATIONS)? == 0).then_some(()))
    })?;
    let ended = collector.stop()?.expect(0)?;
    scene.server.resume()?;
    ended.line(&["the store does not answer; ended without it"])?;
    // What was not acknowledged is the broker's again.
    assert_eq!(scene.bus.count(NOTIFICATIONS)?, 1);
    scene.holds(&expected)
}

#[test]
fn days_that_are_too_old_go() -> Result<()> {
    let scene = Scene::new()?;
    let mut collector = scene.collector("retention: {age: 7d}")?;
    // The samples of the burst are of January 2026, and one is of much later: what is older than a week before that goes.
    let old = scene.burst()?;
    collector.until("the old samples", || Ok((scene.count()? == old.len()).then_some(())))?;
    let now = {
        let mut now = sample("mem.max", 1);
        now["timestamp"] = Value::from(chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S").to_string());
        nephoscope_tests::notification::signed(now)
    };
    // The collector looks for what is too old with a batch, but not more often than each second.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    scene.bus.publish(NOTIFICATIONS, &[body(std::slice::from_ref(&now))])?;
    collector.until("the old samples' end", || Ok((scene.count()? == 1).then_some(())))?;
    collector.until_logged(&["deleted old samples", &format!("by_age={}", old.len())])?;
    collector.stop()?.expect(0)?;
    scene.holds(&ids(std::slice::from_ref(&now)).into_iter().map(str::to_owned).collect())
}

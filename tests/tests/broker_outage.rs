//! The broker goes away during a run: what was polled is in the store afterwards, each sample once.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use lab::process::{Signal, signal};
use lab::{Broker, instances};
use nephoscope_tests::notification::ids;
use nephoscope_tests::program::lines;
use nephoscope_tests::{Pipeline, Running, Site};
use serde_json::Value;

const INSTANCES: usize = 5;
/// Cycles that are polled while the broker is away.
const MISSED: usize = 3;
/// Warnings and errors of one outage: the connection is lost, refused, perhaps broken off in the handshake when the
/// broker comes back. It says each change once; with retries every fraction of a second there would be dozens.
const LINES: usize = 8;

/// Waits until this many more samples were polled.
fn poll_on(site: &Site, agent: &mut Running, more: usize) -> Result<()> {
    let before = site.taken()?.len();
    agent.until("polls", || Ok((site.taken()?.len() >= before + more).then_some(())))
}

/// Waits until everything that was polled by now is in the store.
fn all_stored(site: &Site, collector: &mut Running) -> Result<()> {
    let taken = site.taken()?;
    let taken: BTreeSet<&str> = ids(&taken).into_iter().collect();
    collector.until("every sample in the store", || {
        let stored = site.samples(&["-l", nephoscope_tests::ALL])?;
        let stored: BTreeSet<&str> = ids(&stored).into_iter().collect();
        Ok(taken.is_subset(&stored).then_some(()))
    })
}

fn complaints(log: &str) -> usize {
    lines(log, &[" WARN "]).len() + lines(log, &["ERROR "]).len()
}

#[test]
fn what_is_polled_while_the_broker_is_stopped_or_crashed_is_stored_once() -> Result<()> {
    let mut broker = Broker::start()?;
    let vhost = broker.vhost()?;
    let site = Site::new()?;
    let uri = site.test_driver(&instances(INSTANCES))?;
    // Durable, so that what the broker has confirmed outlives it.
    let amqp = format!("{{amqp: {{url: \"{}\", amqp_durable_queues: true}}}}", vhost.url());
    site.pipeline(&Pipeline::mem_max(&uri, &[&amqp, &site.file_sink()]))?;
    let mut collector =
        site.collector_with(&format!("amqp: {{url: \"{}\", amqp_durable_queues: true}}", vhost.url()))?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    poll_on(&site, &mut agent, MISSED * INSTANCES)?;
    all_stored(&site, &mut collector)?;

    for outage in ["stopped", "crashed"] {
        let said = [complaints(&agent.log()), complaints(&collector.log())];
        match outage {
            "stopped" => broker.stop()?,
            _ => broker.kill(),
        }
        poll_on(&site, &mut agent, MISSED * INSTANCES)?;
        agent.until_logged(&["WARN", "AMQP"])?;
        collector.check()?;
        broker.start_again()?;
        poll_on(&site, &mut agent, MISSED * INSTANCES)?;
        all_stored(&site, &mut collector)?;
        for ((name, log), before) in
            [("agent", agent.log()), ("collector", collector.log())].into_iter().zip(said)
        {
            let now = complaints(&log) - before;
            ensure!(
                (1..=LINES).contains(&now),
                "{now} complaints of the {name} about a {outage} broker:\n{log}"
            );
        }
    }

    // In order, so that nothing more comes; then the two lists are the same.
    let ended = agent.stop()?.expect(0)?;
    ensure!(lines(&ended.stderr, &["dropped"]).is_empty(), "the queue was full:\n{}", ended.stderr);
    all_stored(&site, &mut collector)?;
    collector.stop()?.expect(0)?;
    let (taken, stored): (Vec<Value>, Vec<Value>) =
        (site.taken()?, site.samples(&["-l", nephoscope_tests::ALL])?);
    assert_eq!(ids(&stored), ids(&taken));
    Ok(())
}

#[test]
fn a_run_without_a_broker_says_what_it_could_not_deliver() -> Result<()> {
    let site = Site::new()?;
    let uri = site.test_driver(&instances(INSTANCES))?;
    let nobody = format!("amqp://nova:s3cr3t-word@127.0.0.1:{}/", lab::free_port()?);
    site.pipeline(&Pipeline::mem_max(&uri, &[&nobody]))?;
    let ended = site.run_once()?.expect(3)?;
    ended.line(&["WARN", "AMQP", "unreachable"])?;
    ended.line(&[&format!("{INSTANCES} samples could not be delivered")])?;
    assert!(!ended.stderr.contains("s3cr3t-word"), "{}", ended.stderr);
    assert!(complaints(&ended.stderr) <= LINES, "{}", ended.stderr);
    Ok(())
}

#[test]
fn a_second_signal_does_not_wait_for_a_broker_that_is_away() -> Result<()> {
    let site = Site::new()?;
    let uri = site.test_driver(&instances(INSTANCES))?;
    site.pipeline(&Pipeline::mem_max(
        &uri,
        &[&format!("amqp://guest:guest@127.0.0.1:{}/", lab::free_port()?)],
    ))?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until_logged(&["WARN", "AMQP", "unreachable"])?;
    agent.until_logged(&["polled"])?;
    signal(agent.pid(), Signal::TERM);
    agent.until_logged(&["stopping"])?;
    agent.stop()?.expect(143)?;
    Ok(())
}

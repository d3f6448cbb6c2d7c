//! The private cluster: a quorum queue outlives the node that led it.

use std::time::Duration;

use anyhow::{Context, Result};
use lab::process::Mark;
use lab::{Cluster, until};

const SHORTLY: Duration = Duration::from_secs(30);

fn eval(cluster: &Cluster, node: usize, expression: &str) -> Result<String> {
    Ok(cluster.rabbitmqctl(node, &["eval", expression])?.trim().to_owned())
}

/// Declares a quorum queue as a client's queue.declare would.
fn declare(cluster: &Cluster, vhost: &str, queue: &str) -> Result<String> {
    let resource = format!("rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"{queue}\">>)");
    eval(
        cluster,
        0,
        &format!(
            "{{Is, _}} = rabbit_amqqueue:declare({resource}, true, false, \
             [{{<<\"x-queue-type\">>, longstr, <<\"quorum\">>}}], none, <<\"guest\">>), Is."
        ),
    )
}

/// Publishes one persistent message by way of a node.
fn publish(cluster: &Cluster, node: usize, vhost: &str, queue: &str) -> Result<String> {
    eval(
        cluster,
        node,
        &format!(
            "Default = rabbit_misc:r(<<\"{vhost}\">>, exchange, <<>>), \
             Message = rabbit_basic:message(Default, <<\"{queue}\">>, [{{delivery_mode, 2}}], <<\"x\">>), \
             rabbit_basic:publish(rabbit_basic:delivery(false, false, Message, undefined))."
        ),
    )
}

fn messages(cluster: &Cluster, node: usize, vhost: &str) -> Result<String> {
    let listed = ["list_queues", "-p", vhost, "name", "messages", "--no-table-headers"];
    Ok(cluster.rabbitmqctl(node, &listed)?.trim().to_owned())
}

#[test]
fn a_quorum_queue_outlives_the_node_that_led_it() -> Result<()> {
    let mut cluster = Cluster::start(3)?;
    assert_eq!(cluster.urls().len(), 3);
    let vhost = cluster.vhost()?;
    assert_eq!(cluster.urls_of(&vhost)[2], cluster.url(2, &vhost)?);
    assert!(cluster.url(2, &vhost)?.ends_with(&format!(":{}/{vhost}", cluster.port(2)?)));
    assert!(cluster.url(3, &vhost).is_err());

    assert_eq!(declare(&cluster, &vhost, "kept")?, "new");
    let members = cluster.rabbitmqctl(1, &["list_queues", "-p", &vhost, "members", "--no-table-headers"])?;
    for node in 0..3 {
        assert!(members.contains(&format!("lab{node}@localhost")), "members: {members}");
    }
    let first = cluster.leader(&vhost, "kept")?;
    assert_eq!(publish(&cluster, 0, &vhost, "kept")?, "ok");
    until("the first message", SHORTLY, || {
        Ok((messages(&cluster, first, &vhost)? == "kept\t1").then_some(()))
    })?;

    let mark = Mark::of(cluster.pid(first).context("no process")?).context("not running")?;
    cluster.kill(first)?;
    assert!(!mark.is_running());
    assert_eq!(cluster.pid(first), None);

    let second = cluster.leader(&vhost, "kept")?;
    assert_ne!(second, first);
    let other = 3 - first - second;
    assert_eq!(publish(&cluster, other, &vhost, "kept")?, "ok");
    until("the second message", SHORTLY, || {
        Ok((messages(&cluster, second, &vhost)? == "kept\t2").then_some(()))
    })?;

    cluster.start_again(first)?;
    until("the queue's member that came back", SHORTLY, || {
        let online =
            cluster.rabbitmqctl(second, &["list_queues", "-p", &vhost, "online", "--no-table-headers"])?;
        Ok(online.contains(&format!("lab{first}@localhost")).then_some(()))
    })?;
    // With the other one gone, the one that came back is needed for a majority.
    cluster.kill(other)?;
    cluster.leader(&vhost, "kept")?;
    assert_eq!(publish(&cluster, first, &vhost, "kept")?, "ok");
    until("the third message", SHORTLY, || {
        Ok((messages(&cluster, first, &vhost)? == "kept\t3").then_some(()))
    })?;

    // Power is lost, and comes back.
    for node in 0..3 {
        cluster.kill(node)?;
    }
    assert!(cluster.vhost().is_err());
    cluster.start_all_again()?;
    cluster.leader(&vhost, "kept")?;
    until("the messages", SHORTLY, || Ok((messages(&cluster, 0, &vhost)? == "kept\t3").then_some(())))?;
    Ok(())
}

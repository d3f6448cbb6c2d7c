//! What a good collector's file means.

use std::fs;
use std::time::Duration;

use nephoscope_config::load_collector;
use sample::signature::{Secret, sign, verify};
use serde_json::json;

#[test]
fn the_collectors_file_reaches_its_settings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.yaml");
    for file in ["cert.pem", "key.pem"] {
        fs::write(folder.path().join(file), b"").unwrap();
    }
    fs::write(
        &path,
        "amqp: {urls: ['amqp://u:hunter2@a/', 'amqp://b/v'], control_exchange: x, topics: t, metering_topic: '', \
         amqp_durable_queues: on, rabbit_qos_prefetch_count: 7, heartbeat: 0}\n\
         store: data.db\ntelemetry_secret: hunter2\nmax_message_bytes: 1MiB\ndecoders: 3\n\
         commit: {samples: 10, linger: 1s}\ndead_letter: {queue: q, exchange: x, max_messages: 5, max_bytes: 2MiB}\n\
         retention: {age: 30d, size: 2GiB}\n\
         api: {listen: '[::]:80', tls: {certificate: cert.pem, key: key.pem}, public_url: 'https://a/b',\n\
         \x20 tokens: [{name: one@here, sha256: BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD, projects: [p, q], write: yes}],\n\
         \x20 limits: {connections: 1, queries: 2, requests_per_second: 3, max_body: 4KiB, header_timeout: 5s, body_timeout: 6s}}\n",
    )
    .unwrap();
    let loaded = load_collector(&path).unwrap_or_else(|faults| panic!("{faults}"));
    let api = loaded.value.api.unwrap();
    assert_eq!(api.listen.to_string(), "[::]:80");
    assert_eq!(api.tls.unwrap().key, folder.path().join("key.pem"));
    assert_eq!(api.public_url.as_deref(), Some("https://a/b"));
    let [token] = &api.tokens[..] else { panic!("one token") };
    assert_eq!((token.name.as_str(), token.sha256, token.write), ("one@here", api::token::hash("abc"), true));
    assert_eq!(token.projects, Some(vec!["p".to_owned(), "q".to_owned()]));
    let limits = api.limits;
    assert_eq!((limits.connections, limits.queries, limits.requests_per_second), (1, 2, 3));
    let times = (limits.header_timeout.as_secs(), limits.body_timeout.as_secs());
    assert_eq!((limits.max_body, times), (4096, (5, 6)));
    let settings = loaded.value.collector;
    assert_eq!(settings.brokers.len(), 2);
    assert_eq!(settings.brokers[0].heartbeat, Duration::ZERO);
    assert_eq!((settings.exchange.as_str(), &settings.topics[..]), ("x", &["t".to_owned()][..]));
    assert_eq!(settings.metering_topic, None);
    assert!(settings.flags.durable && !settings.flags.quorum);
    assert_eq!((settings.prefetch, settings.max_message_bytes, settings.decoders), (7, 1 << 20, 3));
    assert_eq!(settings.store.to_string(), folder.path().join("data.db").display().to_string());
    assert_eq!((settings.commit_samples, settings.commit_linger), (10, Duration::from_secs(1)));
    assert_eq!(settings.retention.age, Some(Duration::from_secs(30 * 86_400)));
    assert_eq!(settings.retention.bytes, Some(2 << 30));
    assert_eq!(settings.dead_letter.exchange, "x");
    let dead = &settings.dead_letter;
    assert_eq!((dead.queue.as_str(), dead.max_messages, dead.max_bytes), ("q", 5, 2 << 20));
    // A signature tells the secret, which nothing shows.
    let mut sample = json!({"counter_name": "mem.max"}).as_object().unwrap().clone();
    sample.insert("message_signature".into(), sign(&sample, &Secret::new("hunter2")).into());
    assert!(verify(&sample, &settings.secret));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn a_databases_address_may_stand_elsewhere_and_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.yaml");
    let address = "postgresql://nephoscope:hunter2@db.example.com/samples?sslmode=verify-full";
    fs::write(folder.path().join("address"), format!("{address}\n")).unwrap();
    for store in [address, "{file: address}"] {
        fs::write(&path, format!("amqp: {{url: 'amqp://b/v'}}\nstore: {store}\n")).unwrap();
        let loaded = load_collector(&path).unwrap_or_else(|faults| panic!("{faults}"));
        let settings = loaded.value.collector;
        assert_eq!(settings.store.to_string(), "postgresql://db.example.com:5432/samples");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}

//! What good files mean.

use nephoscope_config as config;

use std::fs;
use std::path::Path;
use std::time::Duration;

use config::section::Section;
use config::{
    Grant, Inspector, Isolation, Loaded, Names, Pipeline, Stopped, load_collector, load_pipeline, reference,
};
use inspector::settings::StoppedDisks;
use nova::settings::Credential;
use nova::{Domain, Project, Scope, User};
use publisher::{Profile, Target};
use sample::era::Release;
use sample::signature::{Secret, verify};
use serde_json::{Map, Value, json};

fn load(path: impl AsRef<Path>) -> Loaded<Pipeline> {
    load_pipeline(&path).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A pipeline with what every one needs, and some text before it.
fn pipeline_with(folder: &Path, text: &str) -> std::path::PathBuf {
    fs::write(folder.join("m.wasm"), b"").unwrap();
    let rest = "guests: [{name: x, module: m.wasm, grants: []}]\nhost: h\n";
    let path = folder.join("pipeline.yaml");
    fs::write(&path, format!("{text}\n{rest}")).unwrap();
    path
}

#[test]
fn without_a_word_on_trust_modules_must_be_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = load(pipeline_with(folder.path(), &format!("{SOURCES}\n{SINKS}"))).value;
    assert_eq!(pipeline.trust.policy, trust::Policy::Pinned);
    assert!(pipeline.trust.pins.is_empty() && pipeline.trust.keys.is_empty());
}

const SOURCES: &str = "sources: [{name: a, interval: 60, meters: ['*']}]";
const SINKS: &str = "sinks: [{name: s, publishers: ['stdout:']}]";

/// A signed sample, to recognise a secret that nothing shows.
fn signed(secret: &str) -> Map<String, Value> {
    let Value::Object(mut sample) = json!({"counter_name": "mem.max", "counter_volume": 1}) else {
        unreachable!()
    };
    let signature = sample::signature::sign(&sample, &Secret::new(secret));
    sample.insert("message_signature".into(), signature.into());
    sample
}

#[test]
fn every_key_reaches_its_setting() {
    let Loaded { value: pipeline, warnings } = load("tests/settings/everything.yaml");
    // Who checked the files out decides whether others may read the secret; and every key is there, an idle one too.
    let expected = ["chmod", "no effect beside `endpoint_override`"];
    assert!(
        warnings.iter().all(|fault| expected.iter().any(|word| fault.message.contains(word))),
        "{warnings}"
    );
    let [hypervisor] = &pipeline.hypervisors[..] else { panic!("one hypervisor") };
    assert_eq!((hypervisor.name.as_str(), hypervisor.host.as_str()), ("local", "compute-8"));
    assert_eq!(pipeline.sample_source, "cloud");

    let Inspector::Libvirt(libvirt) = &hypervisor.inspector else { panic!("libvirt") };
    let seconds = Duration::from_secs;
    assert_eq!(libvirt.uri, "qemu+unix:///system?socket=/run/libvirt/libvirt-sock-ro");
    assert_eq!((libvirt.deadlines.open, libvirt.deadlines.sweep), (seconds(11), seconds(12)));
    assert_eq!(
        (libvirt.deadlines.call, libvirt.deadlines.snapshot),
        (Duration::from_millis(500), seconds(60))
    );
    assert_eq!(libvirt.xml_refresh, seconds(3600));
    assert_eq!(libvirt.stopped_disks, StoppedDisks::Read, "the pipeline reports stopped instances");
    assert_eq!((libvirt.reconnect.first, libvirt.reconnect.most), (Duration::from_millis(100), seconds(5)));
    assert_eq!((libvirt.keepalive.interval, libvirt.keepalive.count), (seconds(7), 3));
    assert_eq!(libvirt.default_project.as_deref(), Some("plain"));
    assert_eq!(libvirt.default_user.as_deref(), Some("nobody"));

    let pin = trust::Sha256::of(&fs::read("tests/settings/module.wasm").unwrap());
    assert_eq!((pipeline.trust.policy, pipeline.trust.pins.len()), (trust::Policy::Pinned, 1));
    assert!(pipeline.trust.pins.contains(&pin));
    let [networks, authors] = &pipeline.trust.keys[..] else { panic!("two keys") };
    assert_eq!((networks.name.as_str(), authors.name.as_str()), ("networks", "authors"));
    assert_ne!(networks.public, authors.public);
    assert!(networks.claims(["network.drops"], ["vnics", "state"]).is_ok());
    assert!(networks.claims(["cpu"], []).is_err() && networks.claims([], ["memory"]).is_err());
    assert!(authors.claims(["disk"], ["memory"]).is_ok() && authors.claims(["cpu"], []).is_err());

    let guest = &pipeline.guests[0];
    assert_eq!(guest.sha256.as_ref().map(|pinned| pinned.value), Some(pin));
    assert!(pipeline.guests[1].sha256.is_none());
    assert_eq!(*guest.module, Path::new("tests/settings/module.wasm"));
    assert_eq!(*guest.grants, Grant::all().collect::<Vec<_>>());
    assert_eq!(guest.isolation, Isolation::Cycle);
    assert_eq!(guest.limits.memory, Some(16 << 20));
    assert_eq!(guest.limits.table, Some(1000));
    assert_eq!(guest.limits.cpu, Some(Duration::from_millis(20)));
    assert_eq!((guest.limits.samples, guest.limits.sample_bytes), (Some(10), Some(2048)));
    assert_eq!((guest.limits.host_bytes, guest.limits.log_bytes), (Some(65_536), Some(1000)));
    assert_eq!((guest.limits.state_bytes, guest.limits.failures_per_cycle), (Some(1024), Some(3)));
    let settings: Vec<_> = guest.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(settings, [("empty", ""), ("factor", "1.5"), ("on", "yes"), ("unit", "MiB")]);
    assert_eq!(pipeline.guests[1].isolation, Isolation::Poll);
    assert_eq!(pipeline.guests[1].limits, config::LimitOverrides::default());
    assert_eq!((guest.place.line, guest.place.column), (14, 5));

    let folder = pipeline.guest_folder.as_ref().unwrap();
    assert_eq!((&folder.grants[..], folder.isolation), (&[Grant::Memory][..], Isolation::Cycle));
    assert_eq!(folder.limits.cpu, Some(Duration::from_millis(5)));
    assert_eq!(folder.name_of(&folder.path.join("disk-fill.wasm")).as_deref(), Some("disk-fill"));
    for none in ["disk-fill.wasm.sig", ".hidden.wasm", "two words.wasm", ".wasm", "sub/a.wasm"] {
        assert_eq!(folder.name_of(&folder.path.join(none)), None, "{none}");
    }
    let swap = config::Swap { debounce: seconds(1), probation: seconds(3600), failures: 1, keep: 9 };
    assert_eq!(pipeline.swap, swap);
    let aside = config::SetAside { cycles: 2, first: seconds(10), most: seconds(300) };
    assert_eq!(pipeline.set_aside, aside);
    assert_eq!(pipeline.state.as_deref(), Some(Path::new("tests/settings/var/state")));
    assert_eq!(pipeline.socket.as_deref(), Some(Path::new("tests/settings/var/agent.sock")));

    let [memory, rest] = &pipeline.sources[..] else { panic!("two sources") };
    assert!(memory.selects("mem.max") && memory.selects("memory.usage") && !memory.selects("cpu"));
    assert!(!rest.selects("mem.max") && rest.selects("cpu"));
    assert!(memory.polls("b9c03180", "instance-0000002b") && !memory.polls("b9c03180", "instance-0000002a"));
    assert_eq!((memory.interval, rest.interval), (seconds(60), seconds(300)));
    assert_eq!((&memory.sinks[..], &rest.sinks[..]), (&[1, 0][..], &[0, 1][..]));

    let publishers = &pipeline.sinks[0].publishers;
    let Target::Amqp(amqp) = &publishers[0].target else { panic!("amqp") };
    let brokers: Vec<_> = amqp.brokers.iter().map(|broker| broker.url.to_string()).collect();
    assert_eq!(brokers, ["amqps://mq1:5671/cloud", "amqps://mq2:5671/cloud"]);
    assert_eq!(
        (amqp.exchange.as_str(), &amqp.topics[..]),
        ("telemetry", &["notifications".into(), "copies".into()][..])
    );
    assert!(amqp.flags.durable && amqp.flags.quorum && !amqp.flags.auto_delete);
    let limits = amqp.flags.quorum_limits;
    assert_eq!((limits.deliveries, limits.memory_length, limits.memory_bytes), (7, 8, 9));
    assert_eq!((publishers[0].batch_size, publishers[0].queue, amqp.window), (10, 5, 6));
    let broker = &amqp.brokers[1];
    assert_eq!((broker.heartbeat, broker.deadline), (seconds(10), seconds(2)));
    assert_eq!(broker.tls.ca.as_deref(), Some(Path::new("tests/settings/module.wasm")));
    assert!(broker.tls.certificate.is_some() && broker.tls.key.is_some());
    assert!(verify(&signed("hunter2 of a file"), &publishers[0].secret), "its own secret");
    assert_eq!(publishers[1].batch_size, 20);
    assert!(verify(&signed("hunter2"), &publishers[1].secret), "the common secret");
    assert!(!verify(&signed("another"), &publishers[1].secret));
    assert!(matches!(pipeline.sinks[1].publishers[1].target, Target::Stdout));
    let polling = config::Polling {
        start_jitter: Duration::ZERO,
        workers: 4,
        stopped: Stopped::Sizes,
        names: Names::Both,
    };
    assert_eq!(pipeline.polling, polling);

    let nova = pipeline.nova.as_ref().unwrap();
    let nova::Login::Password { user, password, scope } = &nova.login else { panic!("a password") };
    assert_eq!(nova.auth_url.to_string(), "https://keystone:5000/v3");
    assert_eq!(*user, User::Name("ceilometer".into(), Domain::Name("Default".into())));
    assert_eq!(*password, nova::Secret::new("hunter2 of a file"));
    assert_eq!(*scope, Scope::Project(Project::Name("service".into(), Domain::Id("default".into()))));
    assert_eq!((nova.region_name.as_deref(), nova.interface), (Some("RegionOne"), nova::Interface::Internal));
    assert_eq!(nova.endpoint_override.as_ref().unwrap().to_string(), "http://nova:8774/v2.1");
    assert_eq!(nova.tls.cafile.as_deref(), Some(Path::new("tests/settings/module.wasm")));
    assert!(nova.tls.certfile.is_some() && nova.tls.keyfile.is_some());
    assert_eq!((nova.timeout, nova.refresh), (seconds(5), seconds(60)));
    let bounds = nova::Bounds { servers: 100, response_bytes: 1 << 20, pages: 7, metadata: 9 };
    assert_eq!(nova.bounds, bounds);
    assert_eq!(nova.reserved.namespace, ["metering.", "billing:"]);
    assert_eq!((&nova.reserved.keys[..], nova.reserved.length), (&["fqdn".to_owned()][..], 64));

    assert!(!format!("{pipeline:?}").contains("hunter2"), "Debug shows a secret");
}

#[test]
fn a_collectors_release_decides_on_the_secret_and_what_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let publishers = |amqp: &str, more: &str| {
        let sinks = format!("sinks: [{{name: s, publishers: [{{amqp: {{url: 'amqp://h/', {amqp}}}}}]}}]");
        let loaded = load(pipeline_with(folder.path(), &format!("{more}\n{SOURCES}\n{sinks}")));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        let settings = loaded.value.sinks[0].publishers[0].value.clone();
        let Target::Amqp(amqp) = settings.target else { panic!("amqp") };
        (amqp, settings.secret)
    };
    let notifier =
        |release, per_meter_topic| Profile::Notifier { release, host: "h".into(), per_meter_topic };
    let rpc = |target: &str, per_meter_topic| Profile::Rpc {
        release: Release::Icehouse,
        target: target.into(),
        per_meter_topic,
    };
    let common = "publisher: {telemetry_secret: hunter2}";
    let (of_all, of_juno) = ("change this for valid signing", "change this or be hacked");
    for (keys, common, profile, routing_key, secret) in [
        ("collector: ", "", Profile::Polling, "notifications.sample", of_all),
        ("collector: {release: juno}", "", notifier(Release::Juno, false), "metering.sample", of_juno),
        (
            "collector: {release: pike, publisher: notifier, metering_topic: m, per_meter_topic: true}",
            "",
            notifier(Release::Pike, true),
            "m.sample",
            of_all,
        ),
        // The common secret goes before the release's, the publisher's own before both.
        (
            "collector: {release: icehouse, publisher: rpc}",
            common,
            rpc("record_metering_data", false),
            "metering",
            "hunter2",
        ),
        (
            "collector: {release: icehouse, publisher: rpc, metering_topic: m, target: other, per_meter_topic: yes}, telemetry_secret: hunter3",
            common,
            rpc("other", true),
            "m",
            "hunter3",
        ),
    ] {
        let (amqp, with) = publishers(keys, common);
        assert_eq!(amqp.profile, profile, "{keys}");
        assert_eq!(amqp.routing_keys(), [routing_key], "{keys}");
        assert!(verify(&signed(secret), &with), "{keys}");
    }
}

#[test]
fn ceilometers_own_polling_yaml_loads_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    for (file, meters, interval) in [("polling.yaml", 15, 300), ("polling_all.yaml", 1, 300)] {
        fs::copy(Path::new("tests/vectors").join(file), folder.path().join(file)).unwrap();
        let loaded = load(pipeline_with(folder.path(), &format!("sources: {file}\n{SINKS}")));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        let [source] = &loaded.value.sources[..] else { panic!("one source") };
        assert_eq!(source.interval, Duration::from_secs(interval));
        assert_eq!(source.sinks, [0]);
        assert!(source.polls("any", "instance") && source.selects("memory.usage"));
        assert_eq!(source.selects("mem.max"), file == "polling_all.yaml");
        assert_eq!(source.unprovided(&[]).count(), meters);
    }
}

#[test]
fn several_connections_have_names_and_hosts_of_their_own() {
    let loaded = load(pipeline_with(
        tempfile::tempdir().unwrap().path(),
        &format!(
            "{SOURCES}\n{SINKS}\ninstances: {{project: p}}\nlibvirt:\n- {{uri: 'qemu:///system'}}\n\
             - {{uri: qemu+ssh://compute-2/system, deadlines: {{call: 1s}}}}\n\
             - {{uri: qemu+tls://10.0.0.3/system, name: third, host: compute-3}}"
        ),
    ));
    let found: Vec<_> = loaded
        .value
        .hypervisors
        .iter()
        .map(|hypervisor| {
            let Inspector::Libvirt(libvirt) = &hypervisor.inspector else { panic!("libvirt") };
            assert_eq!(libvirt.default_project.as_deref(), Some("p"));
            (hypervisor.name.as_str(), hypervisor.host.as_str(), libvirt.uri.as_str(), libvirt.deadlines.call)
        })
        .collect();
    let seconds = Duration::from_secs;
    assert_eq!(
        found,
        [
            ("qemu:///system", "h", "qemu:///system", seconds(3)),
            ("qemu+ssh://compute-2/system", "compute-2", "qemu+ssh://compute-2/system", seconds(1)),
            ("third", "compute-3", "qemu+tls://10.0.0.3/system", seconds(3)),
        ]
    );
}

#[test]
fn disks_of_stopped_instances_are_read_where_a_guest_may_ask_for_them() {
    let read = |polling: bool, own: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("m.wasm"), b"").unwrap();
        let guest = |name: &str, settings: &str| {
            format!("- {{name: {name}, module: m.wasm, grants: [], settings: {{{settings}}}}}")
        };
        let text = format!(
            "host: h\nguests:\n{}\n{}\n{SOURCES}\n{SINKS}\npolling: {{report_stopped_instance_metrics: {polling}}}\n\
             libvirt: [{{uri: 'qemu:///system'}}, {{uri: qemu+ssh://compute-2/system}}]",
            guest("one", "report_stopped_instance_metrics: 'false'"),
            guest("other", own),
        );
        let path = folder.path().join("pipeline.yaml");
        fs::write(&path, text).unwrap();
        let pipeline = load(path).value;
        let found = pipeline.hypervisors.iter().map(|hypervisor| {
            let Inspector::Libvirt(libvirt) = &hypervisor.inspector else { panic!("libvirt") };
            libvirt.stopped_disks
        });
        found.collect::<Vec<_>>()
    };
    assert_eq!(read(false, ""), [StoppedDisks::Skipped; 2]);
    assert_eq!(read(true, ""), [StoppedDisks::Read; 2]);
    assert_eq!(read(false, "report_stopped_instance_metrics: 'True'"), [StoppedDisks::Read; 2]);
    assert_eq!(read(true, "report_stopped_instance_metrics: 'false'"), [StoppedDisks::Skipped; 2]);
}

#[test]
fn meters_that_nothing_provides_are_known_by_their_place() {
    let loaded = load(pipeline_with(
        tempfile::tempdir().unwrap().path(),
        &format!(
            "sources:\n- name: a\n  interval: 60\n  meters: [mem.max, cpu, 'disk.*', 'network.*']\n{SINKS}"
        ),
    ));
    let missing: Vec<_> = loaded.value.sources[0]
        .unprovided(&["mem.max", "disk.root.size"])
        .map(|pattern| (pattern.value.as_str(), pattern.place.line, pattern.place.column))
        .collect();
    assert_eq!(missing, [("cpu", 4, 21), ("network.*", 4, 36)]);
}

/// A mapping with the documented defaults of a section, as text in YAML's flow style; nested mappings inside.
fn written_out(section: &Section, sections: &[&'static Section], fixed: &[(&str, &str)]) -> String {
    let mut parts = Vec::new();
    for key in section.keys {
        let path = if section.path.is_empty() {
            key.name.to_owned()
        } else {
            format!("{}.{}", section.path, key.name)
        };
        let nested = sections.iter().find(|section| section.path == path && key.kind.starts_with("mapping"));
        let value = match (fixed.iter().find(|(fixed, _)| *fixed == path), nested) {
            (Some((_, value)), _) => (*value).to_owned(),
            (None, Some(nested)) => written_out(nested, sections, fixed),
            (None, None) if key.default.is_empty() => continue,
            (None, None) => key.default.to_owned(),
        };
        parts.push(format!("{}: {value}", key.name));
    }
    format!("{{{}}}", parts.join(", "))
}

#[test]
fn the_documented_defaults_are_those_that_hold() {
    let folder = tempfile::tempdir().unwrap();
    let amqp = |text: &str| format!("[{{name: s, publishers: [{{amqp: {text}}}]}}]");
    let brief =
        load(pipeline_with(folder.path(), &format!("{SOURCES}\nsinks: {}", amqp("{url: 'amqp://h/'}"))));

    let sections = reference::pipeline_sections();
    let at = |path: &str| *sections.iter().find(|section| section.path == path).unwrap();
    let broker = written_out(
        at("sinks[].publishers[].amqp"),
        &sections,
        // Without a value it is as if it were absent; what is sent by default is for no collector.
        &[("sinks[].publishers[].amqp.url", "'amqp://h/'"), ("sinks[].publishers[].amqp.collector", "")],
    );
    let sinks = amqp(&broker);
    let fixed = [
        ("nova", "~"),
        ("host", "h"),
        ("guest_folder", "~"),
        ("guests", "[{name: x, module: m.wasm, grants: [], isolation: poll}]"),
        ("sources", "[{name: a, interval: 60, meters: ['*']}]"),
        ("sinks", sinks.as_str()),
    ];
    let path = folder.path().join("pipeline.yaml");
    fs::write(&path, written_out(at(""), &sections, &fixed)).unwrap();
    let long = load(&path);
    let plain = |pipeline: &Pipeline| {
        (
            format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                pipeline.hypervisors,
                pipeline.polling,
                pipeline.sample_source,
                pipeline.swap,
                pipeline.set_aside,
                pipeline.state,
                pipeline.socket
            ),
            format!("{:?}", pipeline.sinks[0].publishers[0].value),
        )
    };
    assert_eq!(plain(&brief.value), plain(&long.value));
    let secret = &long.value.sinks[0].publishers[0].secret;
    assert!(verify(&signed("change this for valid signing"), secret));
    assert!(verify(&signed("change this for valid signing"), &brief.value.sinks[0].publishers[0].secret));

    let login = [
        ("nova.auth_url", "'http://k:5000'"),
        ("nova.user_id", "u"),
        ("nova.password", "hunter2"),
        ("nova.project_id", "p"),
    ];
    let brief = login.map(|(key, value)| format!("{}: {value}", &key[5..])).join(", ");
    let [brief, long] = [format!("{{{brief}}}"), written_out(at("nova"), &sections, &login)].map(|nova| {
        let text = format!("{SOURCES}\n{SINKS}\nnova: {nova}");
        format!("{:?}", load(pipeline_with(folder.path(), &text)).value.nova.unwrap())
    });
    assert_eq!(brief, long);

    let sections = reference::collector_sections();
    let path = folder.path().join("collector.yaml");
    fs::write(&path, "{amqp: {url: 'amqp://h/'}, store: s.db}").unwrap();
    let brief = load_collector(&path).unwrap().value;
    let fixed = [("amqp.url", "'amqp://h/'"), ("store", "s.db"), ("api", "~")];
    fs::write(&path, written_out(sections[0], &sections, &fixed)).unwrap();
    let long = load_collector(&path).unwrap_or_else(|faults| panic!("{faults}")).value;
    assert_eq!(format!("{brief:?}"), format!("{long:?}"));
    assert!(verify(&signed("change this for valid signing"), &long.collector.secret));

    let token = format!("[{{name: t, sha256: {}}}]", "0".repeat(64));
    let at = |path: &str| *sections.iter().find(|section| section.path == path).unwrap();
    let brief = format!("{{tokens: {token}}}");
    let long = written_out(at("api"), &sections, &[("api.tokens", &token), ("api.tls", "~")]);
    let [brief, long] = [brief, long].map(|api| {
        fs::write(&path, format!("{{amqp: {{url: 'amqp://h/'}}, store: s.db, api: {api}}}")).unwrap();
        let loaded = load_collector(&path).unwrap_or_else(|faults| panic!("{faults}"));
        format!("{:?}", loaded.value.api.unwrap())
    });
    assert_eq!(brief, long);
    assert!(long.contains("127.0.0.1:8777"));
}

#[test]
fn secrets_come_from_a_file_or_the_environment() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cr3t \r\n").unwrap();
    let common = "publisher: {telemetry_secret: {file: secret}}";
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true)] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(pipeline_with(folder.path(), &format!("{SOURCES}\n{SINKS}\n{common}")));
        assert_eq!(!loaded.warnings.is_empty(), warned, "{mode:o}: {}", loaded.warnings);
        assert!(verify(&signed("s3cr3t "), &loaded.value.sinks[0].publishers[0].secret));
        assert!(!format!("{loaded:?}").contains("s3cr3t"));
    }
    // The one variable that is always there.
    let common = "publisher: {telemetry_secret: {env: PATH}}";
    let loaded = load(pipeline_with(folder.path(), &format!("{SOURCES}\n{SINKS}\n{common}")));
    assert!(verify(&signed(&std::env::var("PATH").unwrap()), &loaded.value.sinks[0].publishers[0].secret));
    let common = "publisher: {telemetry_secret: ''}";
    let loaded = load(pipeline_with(folder.path(), &format!("{SOURCES}\n{SINKS}\n{common}")));
    assert!(loaded.value.sinks[0].publishers[0].secret.is_empty());
}

#[test]
fn nova_takes_each_kind_of_login() {
    let folder = tempfile::tempdir().unwrap();
    let login = |text: &str| {
        let text = format!("{SOURCES}\n{SINKS}\nnova: {{auth_url: 'http://k', {text}}}");
        load(pipeline_with(folder.path(), &text)).value.nova.unwrap().login
    };
    let system = login("user_id: u, password: x, system_scope: all");
    assert!(matches!(system, nova::Login::Password { user: User::Id(_), scope: Scope::System, .. }));
    let project =
        login("username: u, user_domain_id: d, password: x, project_id: p, project_domain_id: ignored");
    assert!(matches!(project, nova::Login::Password { scope: Scope::Project(Project::Id(_)), .. }));
    let by_id = login("application_credential_id: a, application_credential_secret: x");
    assert!(matches!(by_id, nova::Login::ApplicationCredential { credential: Credential::Id(_), .. }));
    let by_name =
        login("application_credential_name: a, application_credential_secret: {env: PATH}, user_id: u");
    let nova::Login::ApplicationCredential { credential, secret } = by_name else { panic!("a credential") };
    assert_eq!(credential, Credential::Name("a".into(), User::Id("u".into())));
    assert_eq!(secret, nova::Secret::new(std::env::var("PATH").unwrap()));
}

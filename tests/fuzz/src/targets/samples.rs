//! A guest that returns whatever the bytes are: they are laid into its memory as the list of its samples. What the sandbox takes of them must have a
//! form on the wire, and come back from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use sample::signature::{Secret, verify};
use sample::wire::{Heading, SampleReader, decode, encode};
use sample::{Metadata, Sample, Timestamp};
use sandbox::{Capability, Guest, Isolation, Module, Outcome, Spec};
use serde_json::{Map, Value};
use uuid::Uuid;
use wat_guests::{Meter, Wat};

use super::{ENGINE, INSTANCE, UUID, limits};

/// Bytes that fit where the guest lays them.
const MOST: usize = 16 << 10;

/// Reads a setting of hexadecimal digits to 16,384, and returns as many samples there as the first byte says; a sample is 48 bytes.
static MODULE: LazyLock<Module> = LazyLock::new(|| {
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/settings@0.1.0" "get" (func $get (param i32 i32 i32)))"#,
        items: r#"(data (i32.const 2048) "bytes")
            (func $digit (param i32) (result i32)
              (local $c i32)
              (local.set $c (i32.load8_u (local.get 0)))
              (if (result i32) (i32.lt_u (local.get $c) (i32.const 58))
                (then (i32.sub (local.get $c) (i32.const 48)))
                (else (i32.sub (local.get $c) (i32.const 87)))))
            (global $at (mut i32) (i32.const 0))"#,
        poll: r#"(call $get (i32.const 2048) (i32.const 5) (i32.const 4096))
            (global.set $at (i32.const 0))
            (block $done (loop $next
              (br_if $done (i32.ge_u (i32.shl (global.get $at) (i32.const 1)) (i32.load (i32.const 4104))))
              (i32.store8 (i32.add (i32.const 16384) (global.get $at))
                (i32.or
                  (i32.shl (call $digit (i32.add (i32.load (i32.const 4100)) (i32.shl (global.get $at) (i32.const 1)))) (i32.const 4))
                  (call $digit (i32.add (i32.const 1) (i32.add (i32.load (i32.const 4100)) (i32.shl (global.get $at) (i32.const 1)))))))
              (global.set $at (i32.add (global.get $at) (i32.const 1)))
              (br $next)))
            (call $ok (i32.const 16392) (i32.load8_u (i32.const 16384)))"#,
        meter: Meter { name: "m", kind: wat_guests::Kind::Gauge, unit: "B" },
        ..Wat::default()
    };
    Module::compile(&ENGINE, &wat.component(), Path::new("samples.wasm")).expect("it is a component")
});

pub(crate) fn run(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(MOST)];
    let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    });
    let spec = Spec {
        name: "fuzzed".into(),
        module: "samples.wasm".into(),
        grants: BTreeSet::from([Capability::Settings]),
        limits: limits(),
        settings: BTreeMap::from([("bytes".to_owned(), digits)]),
        isolation: Isolation::Poll,
    };
    let guest = Guest::of(&ENGINE, &MODULE, spec).expect("the bytes come with the poll");
    let Outcome::Samples { samples, .. } = guest.session(&Arc::default()).poll(&INSTANCE) else { return };
    let metadata = Arc::new(Metadata::new(Map::from_iter([("host".to_owned(), Value::from("compute-1"))])));
    let samples: Vec<Sample> = samples
        .into_iter()
        .map(|taken| Sample {
            source: "openstack".into(),
            meter: guest.meters()[taken.meter].name.as_str().into(),
            kind: guest.meters()[taken.meter].kind,
            unit: guest.meters()[taken.meter].unit.as_str().into(),
            volume: taken.volume,
            user_id: None,
            project_id: Some("p".into()),
            user_name: None,
            project_name: None,
            resource_id: taken.resource_id.into(),
            timestamp: Timestamp::now(),
            metadata: Arc::clone(&metadata),
            extra: taken.metadata,
            message_id: Uuid::new_v4(),
            monotonic_time: None,
        })
        .collect();
    for sample in &samples {
        assert!(sample.resource_id.contains(UUID) || *sample.resource_id == *"nova-filter-1");
    }
    // The publisher looks once more, at sizes above all; what it lets pass has a form on the wire.
    let sound: Vec<Sample> =
        samples.into_iter().filter(|sample| sample::check::check(sample).is_ok()).collect();
    let secret = Secret::new("secret");
    let body = encode(Heading::Polling, &sound, &secret);
    let read = decode(&body).expect("what is sent can be read");
    assert_eq!(read.samples.len(), sound.len());
    let mut reader = SampleReader::new(secret.clone());
    for sample in read.samples {
        let value = sample.clone().into_value();
        let Value::Object(dict) = &value else { panic!("{value}") };
        assert!(verify(dict, &secret), "the signature of {value}");
        // Nor is there anything else that the collector would refuse.
        let received = reader.read(sample);
        assert!(received.is_ok(), "{received:?} of {value}");
    }
}

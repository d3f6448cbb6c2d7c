//! `nephoscope guest check | run | bench`, as an author uses them: no libvirt, no broker, no root.

use anyhow::{Context, Result};
use nephoscope_tests::{Ended, Site, guest};
use serde_json::Value;
use wat_guests::{GOOD, Kind, Meter, Sample, Samples, Volume, Wat, text_at_scratch};

/// A guest that gives one sample and imports memory.
fn mem() -> Wat<'static> {
    Wat {
        imports: r#"(import "nephoscope:meter/memory@0.1.0" "inspect" (func $inspect (param i32)))"#,
        meter: Meter { name: "mem.max", kind: Kind::Gauge, unit: "MiB" },
        ..Wat::default()
    }
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

fn json(ended: &Ended) -> Result<Value> {
    serde_json::from_str(&ended.stdout).with_context(|| ended.stdout.clone())
}

#[test]
fn check_tells_an_author_what_a_guest_is() -> Result<()> {
    let site = Site::new()?;
    site.write("my-mem.wasm", mem().component())?;
    let checked = site.run(&["guest", "check", "my-mem.wasm"])?.expect(0)?;
    has(
        &checked.stdout,
        &[
            "a component",
            "nephoscope:meter/pollster@0.1.0",
            "memory  Its memory:",
            "mem.max  gauge  MiB",
            "  - name: my-mem\n    module: my-mem.wasm\n    sha256: ",
            "\n    grants: [memory]\n",
            "warning: the meter mem.max: it has no description",
        ],
    );
    let report = json(&site.run(&["guest", "check", "my-mem.wasm", "--output", "json"])?.expect(0)?)?;
    assert_eq!(report["ok"], true);
    assert_eq!(report["grants"][0]["name"], "memory");
    assert_eq!(report["meters"][0]["unit"], "MiB");
    assert_eq!(report["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(report["findings"][0]["severity"], "warning");
    Ok(())
}

#[test]
fn check_names_what_is_wrong_and_how_to_mend_it() -> Result<()> {
    let site = Site::new()?;
    let whole = mem().component();
    for (file, bytes, words) in [
        ("empty.wasm", &b""[..], &["it is empty"][..]),
        ("notes.wasm", b"dear diary", &["it is no WebAssembly"]),
        (
            "core.wasm",
            b"\0asm\x01\0\0\0",
            &["it is a core module", "nephoscope guest componentize core.wasm"],
        ),
        ("my.wat", b"(module)", &["it is WebAssembly text", "nephoscope guest componentize my.wat"]),
        ("half.wasm", &whole[..whole.len() / 2], &["it cannot be compiled", "cut off"]),
    ] {
        site.write(file, bytes)?;
        let checked = site.run(&["guest", "check", file])?.expect(2)?;
        has(&checked.stdout, words);
        checked.line(&["cannot be used"])?;
        // What cannot be used is refused by the others as well, who name the check.
        for command in ["run", "bench"] {
            let refused = site.run(&["guest", command, file])?.expect(2)?;
            refused.line(&["nephoscope guest check", file])?;
        }
    }
    let missing = site.run(&["guest", "check", "none.wasm", "--output", "json"])?.expect(2)?;
    assert_eq!(json(&missing)?["ok"], false);

    site.write("my.wasm", &whole)?;
    let beyond = site.run(&["guest", "check", "my.wasm", "--grant", "cpu,disks"])?.expect(2)?;
    has(
        &beyond.stdout,
        &["error: it imports memory, which it is not granted", "granted cpu, disks", "mem.max"],
    );
    let refused = site.run(&["guest", "run", "my.wasm", "--grant", "cpu"])?.expect(2)?;
    refused.line(&["imports memory"])?;
    site.run(&["guest", "check", "my.wasm", "--grant", "everything"])?.expect(2)?.line(&["is no grant"])?;

    let hungry = Wat {
        meters: "(if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then unreachable))",
        ..mem()
    };
    site.write("hungry.wasm", hungry.component())?;
    let limited = site.run(&["guest", "check", "hungry.wasm", "--limit", "memory=1MiB"])?.expect(2)?;
    has(&limited.stdout, &["error: it cannot start", "set `limits.memory`", "4MiB would do"]);
    site.run(&["guest", "check", "hungry.wasm", "--limit", "memory=1parsec"])?
        .expect(2)?
        .line(&["--limit", "a size"])?;
    Ok(())
}

#[test]
fn run_polls_the_example_host_to_the_last_digit() -> Result<()> {
    let site = Site::new()?;
    // cpu.inspect's result: the discriminant, and from 8 on the error, or the record with the option `time` 8 further on.
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/cpu@0.1.0" "inspect" (func $inspect (param i32)))"#,
        poll: &format!(
            "(call $inspect (i32.const 8192))
             (if (i32.load8_u (i32.const 8192)) (then
               (i32.store8 (i32.const 512) (i32.const 1))
               (memory.copy (i32.const 516) (i32.const 8200) (i32.const 12))
               (return (i32.const 512))))
             (if (i32.eqz (i32.load8_u (i32.const 8208))) (then (return (call $ok (i32.const 0) (i32.const 0)))))
             (i64.store (i32.const 1040) (i64.load (i32.const 8216)))
             {GOOD}"
        ),
        meter: Meter { name: "cpu.time", kind: Kind::Cumulative, unit: "ns" },
        ..Wat::default()
    };
    site.write("time.wasm", wat.component())?;
    let run = site.run(&["guest", "run", "time.wasm"])?.expect(0)?;
    has(
        &run.stdout,
        &[
            "the example host, 5 minutes later",
            "cpu.time  40118204770000000  ns",
            "nothing          off-1",
            "handed on        stuck-1   its reading of cpu had failed: set aside",
            "16 polls in 2 rounds: 12 samples; 0 skipped, 2 handed on, 0 failed; 0 samples refused",
        ],
    );
    let one =
        site.run(&["guest", "run", "time.wasm", "--instance", "db-1", "--output", "json"])?.expect(0)?;
    let document = json(&one)?;
    let sample = &document["rounds"][1]["polls"][0]["samples"][0];
    assert_eq!(sample["volume"].to_string(), "40119322974000000");
    assert_eq!((sample["case"].as_str(), sample["unit"].as_str()), (Some("count"), Some("ns")));
    assert_eq!(document["summary"]["polls"], 2);
    assert_eq!(document["guest"]["grants"][0], "cpu");

    let unknown = site.run(&["guest", "run", "time.wasm", "--instance", "web-7"])?.expect(2)?;
    unknown.line(&["web-7", "batch-1, builder, café-1"])?;
    Ok(())
}

#[test]
fn run_shows_failures_refusals_and_the_log() -> Result<()> {
    let site = Site::new()?;
    site.write("trap.wasm", Wat { poll: "unreachable", ..Wat::default() }.component())?;
    let trapped = site.run(&["guest", "run", "trap.wasm", "--instance", "web-1"])?.expect(3)?;
    has(&trapped.stdout, &["failed           web-1     it trapped"]);
    trapped.line(&["2 polls failed"])?;

    let nan = Sample { meter: "m", volume: Volume::Real(f64::NAN), resource_id: None, metadata: &[] };
    let foreign = Sample { volume: Volume::Signed(-5), resource_id: Some("another"), ..nan };
    let samples = Samples::new(&[Sample { volume: Volume::Signed(5), ..nan }, nan, foreign]);
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
        items: &format!("{} {}", samples.items, text_at_scratch("mind the gap")),
        poll: &format!("(call $log (i32.const 3) (i32.const 2048) (i32.const 12)) {}", samples.poll),
        ..Wat::default()
    };
    site.write("odd.wasm", wat.component())?;
    let odd = site.run(&["guest", "run", "odd.wasm", "--instance", "web-1"])?.expect(3)?;
    has(
        &odd.stdout,
        &[
            "web-1     m      +5",
            "refused  web-1     the volume of \"m\" is not finite",
            "warn  web-1     mind the gap",
        ],
    );
    odd.line(&["4 samples refused"])?;
    let document = json(&site.run(&["guest", "run", "odd.wasm", "--output", "json"])?.expect(3)?)?;
    let poll = &document["rounds"][0]["polls"][0];
    assert_eq!(poll["refused"][1]["label"], "foreign_resource");
    assert_eq!(
        (poll["log"][0]["level"].as_str(), poll["log"][0]["text"].as_str()),
        (Some("warn"), Some("mind the gap"))
    );
    Ok(())
}

#[test]
fn run_takes_recordings_and_a_connection() -> Result<()> {
    let site = Site::new()?;
    let mem_max = guest("mem_max").display().to_string();
    site.run(&["snapshot", "record", "host.json", "--connect", "test:///default"])?.expect(0)?;
    let recorded = ["guest", "run", &mem_max, "--snapshot", "host.json", "--snapshot", "host.json"];
    let run = site.run(&recorded)?.expect(0)?;
    has(&run.stdout, &["host.json: 1 instance of", "2 polls in 2 rounds: 2 samples"]);
    let live = ["guest", "run", &mem_max, "--connect", "test:///default", "--polls", "2", "--every", "10ms"];
    has(
        &site.run(&live)?.expect(0)?.stdout,
        &["test:///default: 1 instance of", "mem.max  8192.0", "2 polls in 2 rounds"],
    );
    site.write("broken.json", "{")?;
    site.run(&["guest", "run", &mem_max, "--snapshot", "broken.json"])?
        .expect(2)?
        .line(&["broken.json:1:"])?;
    Ok(())
}

#[test]
fn bench_measures() -> Result<()> {
    let site = Site::new()?;
    site.write("my.wasm", mem().component())?;
    let text = site.run(&["guest", "bench", "my.wasm", "--seconds", "1"])?.expect(0)?;
    has(&text.stdout, &["size", "compiling", "a poll, isolation: poll", "1.0 on average, of 8 instances"]);
    let json =
        json(&site.run(&["guest", "bench", "my.wasm", "--seconds", "1", "--output", "json"])?.expect(0)?)?;
    for figure in ["compile_ms", "cached_load_ms", "start_ms"] {
        assert!(json[figure].as_f64().is_some_and(|figure| figure > 0.0), "{json:#}");
    }
    assert_eq!(json["memory_bytes"], 131_072);
    Ok(())
}

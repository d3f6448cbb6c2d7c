//! What a hostile guest does costs its own polls and nothing else: mem.max of every instance arrives in that same cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Result, ensure};
use lab::instances;
use nephoscope_tests::program::lines;
use nephoscope_tests::{Ended, Guest, Pipeline, Site, broker};
use serde_json::Value;
use wat_guests::corpus::{Attack, Expected, corpus};
use wat_guests::{GOOD, Meter, RESOURCE, SAMPLE, SCRATCH, VOLUME, Wat, text_at_scratch};

const INSTANCES: usize = 12;
/// Lines about one guest in one cycle: a few failures one by one, that it is set aside, and the sum.
const LINES: usize = 10;

const ALL_GRANTS: &str =
    "instance, memory, cpu, disks, vnics, perf, raw-stats, domain-xml, state, settings, log";

const LOOP: &str = "(loop $for_ever (br $for_ever)) unreachable";
const HOARD: &str =
    "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
/// A million samples of 48 bytes, in memory that it has.
const MILLION: &str = "(drop (memory.grow (i32.const 740))) (call $ok (i32.const 1024) (i32.const 1000000))";

/// One cycle of mem-max with a guest beside it that may import `grants`; the run, and the hostile guest's samples.
fn beside(component: &[u8], grants: &str, limits: &str) -> Result<(Ended, Vec<Value>)> {
    let site = Site::new()?;
    let module = site.write("hostile.wasm", component)?;
    let hostile = Guest { limits: limits.into(), ..Guest::new("hostile", module, grants) };
    let uri = site.test_driver(&instances(INSTANCES))?;
    let mut pipeline = Pipeline::mem_max(&uri, &[&site.file_sink()]).with(hostile);
    // Before mem-max: what it does, it does first.
    pipeline.guests.reverse();
    site.pipeline(&pipeline)?;
    let ended = site.run_once()?;
    let (mem_max, others): (Vec<Value>, Vec<Value>) =
        site.taken()?.into_iter().partition(|sample| sample["counter_name"] == "mem.max");
    whole(&mem_max)?;
    Ok((ended, others))
}

/// Every instance has one sample, all of the same cycle.
fn whole(mem_max: &[Value]) -> Result<()> {
    let expected: BTreeSet<String> = instances(INSTANCES).into_iter().map(|guest| guest.uuid).collect();
    let found: BTreeSet<String> =
        mem_max.iter().filter_map(|sample| Some(sample["resource_id"].as_str()?.to_owned())).collect();
    ensure!(mem_max.len() == INSTANCES && found == expected, "mem.max of {found:?}");
    let cycles: BTreeSet<&str> = mem_max.iter().filter_map(|sample| sample["timestamp"].as_str()).collect();
    ensure!(cycles.len() == 1, "samples of {} cycles", cycles.len());
    Ok(())
}

/// A guest whose polls fail: nothing of it arrives, the log names it and this reason, in few lines.
fn fails(poll: &str, items: &str, reason: &str) -> Result<()> {
    let (ended, samples) = beside(&Wat { poll, items, ..Wat::default() }.component(), "", "")?;
    let ended = ended.expect(3)?;
    assert_eq!(samples, Vec::<Value>::new());
    ended.line(&["ERROR", "hostile", reason])?;
    ended.line(&["set aside", "hostile"])?;
    let said = lines(&ended.stderr, &["hostile"]).len();
    assert!(said <= LINES, "{said} lines:\n{}", ended.stderr);
    Ok(())
}

/// A guest whose samples are refused, one by one, with this reason.
fn is_refused(poll: &str, items: &str, reason: &str) -> Result<()> {
    let (ended, samples) = beside(&Wat { poll, items, ..Wat::default() }.component(), "", "")?;
    let ended = ended.expect(3)?;
    assert_eq!(samples, Vec::<Value>::new());
    ended.line(&["refused", "hostile", reason])?;
    let said = lines(&ended.stderr, &["hostile"]).len();
    assert!(said <= LINES, "{said} lines:\n{}", ended.stderr);
    Ok(())
}

#[test]
fn a_guest_that_loops_for_ever() -> Result<()> {
    fails(LOOP, "", "limits.cpu")
}

#[test]
fn a_guest_that_takes_all_memory() -> Result<()> {
    fails(HOARD, "", "limits.memory")
}

#[test]
fn a_guest_that_recurses_without_end() -> Result<()> {
    let down = "(func $down (param i64) (result i64)
                  (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))";
    fails("(drop (call $down (i64.const 0))) unreachable", down, "stack overflowed")
}

#[test]
fn a_guest_that_returns_a_million_samples() -> Result<()> {
    fails(MILLION, "", "limits.host_bytes")
}

#[test]
fn a_guest_that_returns_more_samples_than_it_may() -> Result<()> {
    fails("(call $ok (i32.const 1024) (i32.const 1200))", "", "limits.samples")
}

#[test]
fn a_guest_that_returns_nan() -> Result<()> {
    let nan = format!(
        "(i32.store8 (i32.const {VOLUME}) (i32.const 2)) (f64.store (i32.const {}) (f64.const nan)) {GOOD}",
        VOLUME + 8
    );
    is_refused(&nan, "", "not finite")
}

#[test]
fn a_guest_that_reports_for_another_instance() -> Result<()> {
    // Of the same host even: for its own instance the sample is a good one, for the eleven others it is refused.
    let other = &instances(INSTANCES)[4].uuid;
    let poll = format!(
        "(i32.store8 (i32.const {RESOURCE}) (i32.const 1))
         (i32.store (i32.const {}) (i32.const {SCRATCH})) (i32.store (i32.const {}) (i32.const {})) {GOOD}",
        RESOURCE + 4,
        RESOURCE + 8,
        other.len()
    );
    let wat = Wat { items: &text_at_scratch(other), poll: &poll, ..Wat::default() };
    let (ended, samples) = beside(&wat.component(), "", "")?;
    let ended = ended.expect(3)?;
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0]["resource_id"], *other);
    ended.line(&["refused", "hostile", "not of the polled instance", other])?;
    assert!(lines(&ended.stderr, &["hostile"]).len() <= LINES, "{}", ended.stderr);
    Ok(())
}

#[test]
fn a_guest_that_returns_a_meter_which_it_did_not_declare() -> Result<()> {
    // That of another guest: it is refused all the same.
    let poll = format!(
        "(i32.store (i32.const {SAMPLE}) (i32.const {SCRATCH})) (i32.store (i32.const {}) (i32.const 7)) {GOOD}",
        SAMPLE + 4
    );
    is_refused(&poll, &text_at_scratch("mem.max"), "did not declare")
}

#[test]
fn a_guest_that_floods_the_log() -> Result<()> {
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
        // "spam" at level info, with a line break, a colour and a forged line after it.
        items: &format!(
            "{} (func $flood (local $n i32)
               (loop $again
                 (call $log (i32.const 2) (i32.const {SCRATCH}) (i32.const 20))
                 (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10000)))))",
            text_at_scratch("spam\n\u{1b}[31mERROR all\n")
        ),
        poll: &format!("(call $flood) {GOOD}"),
        ..Wat::default()
    };
    let (ended, samples) = beside(&wat.component(), "log", "log_bytes: 1KiB")?;
    // What it returned was good.
    let ended = ended.expect(0)?;
    assert_eq!(samples.len(), INSTANCES);
    let spam = lines(&ended.stderr, &["spam"]);
    // Each line counts for its text at least.
    assert!((INSTANCES..=INSTANCES * 1024 / 20).contains(&spam.len()), "{} lines", spam.len());
    assert!(spam.iter().all(|line| line.contains("hostile")), "a line without the guest's name");
    assert_eq!(lines(&ended.stderr, &["log cut off", "hostile", "limits.log_bytes"]).len(), INSTANCES);
    assert!(!ended.stderr.contains("\u{1b}[31m"), "a control character went through");
    assert!(!ended.stderr.lines().any(|line| line.trim_start().starts_with("ERROR all")), "a forged line");
    Ok(())
}

#[test]
fn a_guest_that_imports_what_it_was_not_granted() -> Result<()> {
    let site = Site::new()?;
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/domain-xml@0.1.0" "get" (func $xml (param i32)))"#,
        ..Wat::default()
    };
    let module = site.write("curious.wasm", wat.component())?;
    let uri = site.test_driver(&instances(1))?;
    let pipeline =
        Pipeline::mem_max(&uri, &[&site.file_sink()]).with(Guest::new("curious", module, "instance, memory"));
    site.pipeline(&pipeline)?;
    let yaml = pipeline.yaml();
    let (line, text) =
        yaml.lines().enumerate().filter(|(_, line)| line.contains("grants:")).nth(1).unwrap_or_default();
    let place = format!("pipeline.yaml:{}:{}:", line + 1, text.find('[').unwrap_or_default() + 1);

    let checked = site.run(&["check", "pipeline.yaml"])?.expect(2)?;
    let run = site.run_once()?.expect(2)?;
    for said in [&checked.stdout, &run.stderr] {
        let found = lines(said, &[&place, "error", "curious", "domain-xml"]);
        assert_eq!(found.len(), 1, "no line with {place} in:\n{said}");
    }
    assert!(!site.path("samples.json").exists(), "something was started");
    Ok(())
}

#[test]
fn all_of_them_at_once_leave_the_samples_of_the_good_ones_whole_in_the_store() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let uri = site.test_driver(&instances(INSTANCES))?;
    let mut pipeline = Pipeline::mem_max(&uri, &[&vhost.url()]);
    for (name, poll) in
        [("loops", LOOP), ("hoards", HOARD), ("million", MILLION), ("traps", "unreachable"), ("good", GOOD)]
    {
        let meter = Meter { name, ..Wat::default().meter };
        let module =
            site.write(&format!("{name}.wasm"), Wat { poll, meter, ..Wat::default() }.component())?;
        pipeline.guests.insert(0, Guest::new(name, module, ""));
    }
    site.pipeline(&pipeline)?;
    let mut collector = site.collector(&vhost.url())?;
    site.run_once()?.expect(3)?;
    let stored = site.stored(&mut collector, 2 * INSTANCES)?;
    let (mem_max, others): (Vec<Value>, Vec<Value>) =
        stored.into_iter().partition(|sample| sample["meter"] == "mem.max");
    whole(&mem_max)?;
    assert_eq!(others.len(), INSTANCES);
    assert!(others.iter().all(|sample| sample["meter"] == "good"));
    Ok(())
}

#[test]
fn the_whole_corpus_in_one_agent_beside_an_honest_guest() -> Result<()> {
    let site = Site::new()?;
    let folder = site.path("hostile");
    fs::create_dir(&folder)?;
    let attacks = corpus();
    // What loads stands in the pipeline, where it is not tried before it polls. What is refused must not keep the agent from starting, and
    // what keeps the compiler busy must not keep it waiting: they are put into the guest folder.
    let mut guests = vec![Guest::mem_max()];
    for Attack { name, module, expected, grants, .. } in &attacks {
        let file = format!("{name}.wasm");
        if matches!(expected, Expected::Refused(_)) || name.starts_with("compile-") {
            fs::write(folder.join(file), module)?;
        } else {
            let guest = Guest::new(name, site.write(&file, module)?, &grants.join(", "));
            guests.push(Guest { limits: "cpu: 2ms".into(), ..guest });
        }
    }
    let uri = site.test_driver(&instances(INSTANCES))?;
    let pipeline = Pipeline {
        more: format!(
            "guest_folder: {{path: hostile, grants: [{ALL_GRANTS}], limits: {{cpu: 2ms}}}}\nstate: state\nsocket: agent.sock\n\
             set_aside: {{cycles: 3, first: 1s, most: 2s}}"
        ),
        guests,
        sources: "\n  - {name: all, interval: 1s, meters: [\"*\"]}".into(),
        ..Pipeline::mem_max(&uri, &[&site.file_sink()])
    };
    site.pipeline(&pipeline)?;
    let mut running = site.start(&["run", "pipeline.yaml"])?;
    // Cycles enough for all to be polled, set aside and tried again.
    let mem_max = |sample: &Value| sample["counter_name"] == "mem.max";
    running.until("ten cycles", || {
        Ok((site.taken()?.iter().filter(|sample| mem_max(sample)).count() >= 10 * INSTANCES).then_some(()))
    })?;
    // Those of the folder come one after the other, while the others poll.
    let guests = running.until("every guest to be known", || {
        let listed = site.run(&["guest", "list", "--output", "json", "--socket", "agent.sock"])?.expect(0)?;
        let guests: Vec<Value> = serde_json::from_str(&listed.stdout)?;
        Ok((guests.len() > attacks.len()).then_some(guests))
    })?;
    let ended = running.stop()?.expect(0)?;

    // The honest guest's samples are all there, in every cycle, and no cycle was late.
    let mut cycles: BTreeMap<String, usize> = BTreeMap::new();
    for sample in site.taken()?.iter().filter(|sample| mem_max(sample)) {
        *cycles.entry(sample["timestamp"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    ensure!(cycles.values().all(|samples| *samples == INSTANCES), "{cycles:?}");
    ensure!(!ended.stderr.contains("longer than the interval"), "{}", ended.stderr);
    ensure!(!ended.stderr.contains("fault of this program"), "{}", ended.stderr);

    // Each comes to what its file says, and the reason is named.
    for Attack { name, expected, .. } in &attacks {
        let guest = guests.iter().find(|guest| guest["name"] == **name);
        match expected {
            Expected::Refused(_) => {
                // Grants that the folder has and the file does not have it do without are not what is tried here.
                let state = guest.map_or("", |guest| guest["state"].as_str().unwrap_or_default());
                let is_out = name == "reading-not-granted" || state == "refused";
                ensure!(is_out, "{name}: {guest:?}");
            }
            Expected::Fails { label, every: 1, from: 1, .. } => {
                let count = guest.and_then(|guest| guest["figures"]["failures"][label].as_u64());
                ensure!(count > Some(0), "{name}: {guest:?}");
            }
            Expected::Sample { label, .. } => {
                let count = guest.and_then(|guest| guest["figures"]["refused"][label].as_u64());
                ensure!(count > Some(0), "{name}: {guest:?}");
            }
            // A machine that is busy may not give them as many polls as they would want.
            Expected::Fails { .. } | Expected::Harmless(_) => ensure!(guest.is_some(), "{name} is not known"),
        }
    }
    Ok(())
}

//! Modules that pass the gate and then turn; guests that keep failing.

use anyhow::Result;

use super::agent::replace;
use super::{Agent, INSTANCES, Version};

/// Counts its polls of an instance in `state`, and traps from the fourth on: a trial has two.
const TURNS: &str = r#"(call $get (i32.const 0) (i32.const 1) (i32.const 8192))
    (if (i32.and (i32.load8_u (i32.const 8192)) (i32.ge_u (i32.load (i32.const 8200)) (i32.const 3))) (then unreachable))
    (drop (call $set (i32.const 0) (i32.const 1) (i32.const 4096)
      (i32.add (i32.const 1) (select (i32.load (i32.const 8200)) (i32.const 0) (i32.load8_u (i32.const 8192))))))"#;
const STATE: &str = r#"(import "nephoscope:meter/state@0.1.0" "get" (func $get (param i32 i32 i32)))
    (import "nephoscope:meter/state@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))"#;

#[test]
fn a_module_that_turns_falls_and_not_a_sample_is_missing() -> Result<()> {
    let mut agent = Agent::new(&[("meter", Version::new("m", 1))], "swap: {failures: 4}")?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    let turning = Version { first: TURNS, imports: STATE, ..Version::new("m", 2) };
    replace(&agent.site.path("meter.wasm"), &turning.component())?;
    agent.until_polled("m", 2)?;
    agent.running()?.until_logged(&["ERROR", "out again, so generation 1 is back", "it trapped"])?;
    agent.until_cycles("m", 3)?;
    let status = agent.status("meter")?;
    assert_eq!((status["generation"].as_u64(), status["state"].as_str()), (Some(1), Some("good")));
    assert!(
        status["reason"].as_str().is_some_and(|said| said.starts_with("generation 2 is out: 4 polls")),
        "{status}"
    );
    assert_eq!(status["generations"][1]["fate"], "fallen");
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("m", &ended.stderr)?;
    let volumes: Vec<Vec<u64>> = agent.cycles("m")?.into_values().collect();
    let new = volumes.iter().flatten().filter(|volume| **volume == 2).count();
    // Two were remembered of nothing, then three polls of each instance were good.
    assert_eq!(new, 3 * INSTANCES, "{volumes:?}");
    assert_eq!(volumes.last().map(Vec::as_slice), Some(&[1; INSTANCES][..]));

    // After a restart the module that lies there is known to be bad.
    agent.start()?;
    agent.until_cycles("m", 3)?;
    assert_eq!(agent.status("meter")?["generation"], 1);
    // The next one is judged by itself.
    replace(&agent.site.path("meter.wasm"), &Version::new("m", 3).component())?;
    agent.until_polled("m", 3)?;
    assert_eq!(agent.status("meter")?["generation"], 3);
    agent.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn a_meter_is_not_free_as_long_as_the_generation_that_had_it_may_come_back() -> Result<()> {
    let guests = [("meter", Version::new("m", 1)), ("other", Version::new("other", 7))];
    let mut agent = Agent::new(&guests, "swap: {probation: 4s}")?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    replace(&agent.site.path("meter.wasm"), &Version::new("new", 2).component())?;
    agent.until_polled("new", 2)?;
    replace(&agent.site.path("other.wasm"), &Version::new("m", 8).component())?;
    agent.running()?.until_logged(&["ERROR", "declares the meter m, which guest meter has already"])?;
    // When that is over, it is.
    agent.running()?.until_logged(&["meter", "passed its probation"])?;
    replace(&agent.site.path("other.wasm"), &Version::new("m", 9).component())?;
    agent.until_polled("m", 9)?;
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("m", &ended.stderr)
}

#[test]
fn a_module_passes_its_probation_by_time() -> Result<()> {
    let mut agent = Agent::new(&[("meter", Version::new("m", 1))], "swap: {probation: 1s}")?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    replace(&agent.site.path("meter.wasm"), &Version::new("m", 2).component())?;
    agent.running()?.until_logged(&["meter", "passed its probation"])?;
    let status = agent.until_state("meter", "good")?;
    assert_eq!(status["generations"][1]["fate"], "good");
    agent.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn a_guest_that_keeps_failing_is_set_aside_and_tried_again() -> Result<()> {
    // The first generation has none to fall back on.
    let failing = Version { first: "unreachable", ..Version::new("bad", 1) };
    let guests = [("meter", Version::new("m", 1)), ("bad", failing)];
    let mut agent = Agent::new(&guests, "set_aside: {cycles: 2, first: 1s, most: 1m}")?;
    agent.start()?;
    let status = agent.until_state("bad", "set aside")?;
    let reason = status["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("2 cycles in a row")
            && reason.contains("it trapped")
            && reason.contains("tried again in"),
        "{reason}"
    );
    assert!(status["figures"]["failures"]["trap"].as_u64() >= Some(2), "{status}");
    agent.running()?.until_logged(&[
        "ERROR",
        "bad",
        "set aside for",
        "failed again when it was tried for the 1. time",
    ])?;
    // A module that is sound is a new beginning.
    replace(&agent.site.path("bad.wasm"), &Version::new("bad", 2).component())?;
    agent.until_polled("bad", 2)?;
    let status = agent.status("bad")?;
    assert_eq!(
        (status["generation"].as_u64(), status["figures"]["failures"].as_object().map(|counts| counts.len())),
        (Some(2), Some(0))
    );
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("m", &ended.stderr)?;
    Ok(())
}

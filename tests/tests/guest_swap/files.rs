//! Modules that are replaced, half written, put into the guest folder and taken from it.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;

use super::agent::replace;
use super::{Agent, Version};

#[test]
fn a_new_module_takes_over_between_two_cycles_and_none_is_missed_or_doubled() -> Result<()> {
    let other = Version::new("other", 7);
    let mut agent = Agent::new(&[("meter", Version::new("m", 1)), ("other", other)], "")?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    for volume in 2..=5 {
        replace(&agent.site.path("meter.wasm"), &Version::new("m", volume).component())?;
        agent.until_polled("m", volume)?;
    }
    agent.until_cycles("m", 2)?;
    let status = agent.status("meter")?;
    assert_eq!((status["generation"].as_u64(), status["state"].as_str()), (Some(5), Some("probation")));
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("m", &ended.stderr)?;
    agent.is_whole("other", &ended.stderr)?;
    let mut last = 0;
    for (cycle, volumes) in agent.cycles("m")? {
        let volume = volumes[0];
        assert!(
            volumes.iter().all(|other| *other == volume),
            "two generations in the cycle of {cycle}: {volumes:?}"
        );
        assert!(volume >= last, "{volume} after {last}");
        last = volume;
    }
    assert_eq!(last, 5);
    // Both guests are of the same cycles.
    assert!(agent.cycles("m")?.keys().eq(agent.cycles("other")?.keys()));
    Ok(())
}

#[test]
fn a_module_that_is_still_being_written_is_waited_for() -> Result<()> {
    let mut agent = Agent::new(&[("meter", Version::new("m", 1))], "")?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    let module = Version::new("m", 2).component();
    let (head, tail) = module.split_at(module.len() / 2);
    // In place, as `cp` does; the pause is longer than the debounce.
    let mut file = fs::File::create(agent.site.path("meter.wasm"))?;
    file.write_all(head)?;
    agent.until_cycles("m", 3)?;
    std::thread::sleep(Duration::from_millis(500));
    file.write_all(tail)?;
    drop(file);
    agent.until_polled("m", 2)?;
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("m", &ended.stderr)?;
    assert!(!ended.stderr.contains("refused"), "{}", ended.stderr);
    Ok(())
}

#[test]
fn what_is_refused_leaves_the_old_generation_at_work_and_says_why() -> Result<()> {
    let guests = [("meter", Version::new("m", 1)), ("other", Version::new("other", 7))];
    let mut agent = Agent::new(&guests, "")?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    let memory = r#"(import "nephoscope:meter/memory@0.1.0" "inspect" (func $inspect (param i32)))"#;
    let refused = [
        (b"no module at all".to_vec(), "does not begin as WebAssembly does"),
        (Version::new("other", 2).component(), "declares the meter other, which guest other has already"),
        (
            Version { imports: memory, ..Version::new("m", 2) }.component(),
            "imports memory, but its grants are state",
        ),
        (Version { first: "unreachable", ..Version::new("m", 2) }.component(), "on trial with the instance"),
    ];
    for (module, reason) in refused {
        replace(&agent.site.path("meter.wasm"), &module)?;
        agent.running()?.until_logged(&["ERROR", "generation 1 goes on", reason])?;
        let status = agent.status("meter")?;
        assert!(status["reason"].as_str().is_some_and(|said| said.contains(reason)), "{status}");
        assert_eq!((status["state"].as_str(), status["generation"].as_u64()), (Some("good"), Some(1)));
    }
    agent.until_cycles("m", 2)?;
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("m", &ended.stderr)?;
    assert!(agent.cycles("m")?.values().flatten().all(|volume| *volume == 1));

    // After a restart too: what is refused then is refused in the same words.
    agent.start()?;
    agent.running()?.until_logged(&["ERROR", "generation 1 goes on", "on trial"])?;
    agent.until_cycles("m", 2)?;
    assert_eq!(agent.status("meter")?["generation"], 1);
    agent.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn what_is_put_into_the_guest_folder_polls_until_it_is_taken_away() -> Result<()> {
    let more = "guest_folder: {path: guests, grants: [state]}";
    let mut agent = Agent::new(&[("meter", Version::new("m", 1))], more)?;
    let folder = agent.site.path("guests");
    fs::create_dir(&folder)?;
    // One that is refused does not keep the agent from starting.
    fs::write(folder.join("broken.wasm"), "broken")?;
    agent.start()?;
    agent.running()?.until_logged(&["WARN", "broken", "left out"])?;
    agent.until_polled("m", 1)?;
    replace(&folder.join("added.wasm"), &Version::new("added", 3).component())?;
    agent.until_polled("added", 3)?;
    replace(&folder.join("added.wasm"), &Version::new("added", 4).component())?;
    agent.until_polled("added", 4)?;
    fs::remove_file(folder.join("added.wasm"))?;
    agent.running()?.until_logged(&["added", "polls no more"])?;
    let gone = agent.cycles("added")?.len();
    agent.until_cycles("m", 3)?;
    assert!(agent.cycles("added")?.len() <= gone + 1, "at most the cycle that had begun");
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("m", &ended.stderr)?;
    agent.is_whole("added", &ended.stderr)
}

#[test]
fn what_a_guest_remembers_survives_its_swap() -> Result<()> {
    // Remembers a byte more at each poll, and reports 1,000 times its version and how many there were.
    let count = |version: u64| {
        format!(
            "(call $get (i32.const 0) (i32.const 1) (i32.const 8192))
             (i64.store (i32.const 1040) (i64.const 0))
             (if (i32.load8_u (i32.const 8192))
               (then (i64.store (i32.const 1040) (i64.extend_i32_u (i32.load (i32.const 8200))))))
             (drop (call $set (i32.const 0) (i32.const 1) (i32.const 4096)
               (i32.add (i32.wrap_i64 (i64.load (i32.const 1040))) (i32.const 1))))
             (i64.store (i32.const 1040) (i64.add (i64.load (i32.const 1040)) (i64.const {})))
             {}",
            version * 1_000,
            wat_guests::GOOD
        )
    };
    let imports = r#"(import "nephoscope:meter/state@0.1.0" "get" (func $get (param i32 i32 i32)))
                     (import "nephoscope:meter/state@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))"#;
    let counting = |version| {
        let meter = wat_guests::Meter { name: "polls", kind: wat_guests::Kind::Gauge, unit: "" };
        wat_guests::Wat { imports, poll: &count(version), meter, ..Default::default() }.component()
    };
    let mut agent = Agent::new(&[("polls", Version::new("polls", 0))], "")?;
    fs::write(agent.site.path("polls.wasm"), counting(1))?;
    agent.start()?;
    agent.until_cycles("polls", 3)?;
    replace(&agent.site.path("polls.wasm"), &counting(2))?;
    agent.running()?.until_logged(&["generation 2 polls"])?;
    agent.until_cycles("polls", 3)?;
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("polls", &ended.stderr)?;
    let polls: Vec<u64> = agent.cycles("polls")?.into_values().map(|volumes| volumes[0]).collect();
    let counts: Vec<u64> = polls.iter().map(|polls| polls % 1_000).collect();
    assert!(counts.iter().copied().eq(0..counts.len() as u64), "{polls:?}");
    assert!(
        polls.first().is_some_and(|first| *first < 2_000) && polls.last().is_some_and(|last| *last >= 2_000)
    );
    Ok(())
}

//! What an operator asks for at the admin socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;

use super::agent::replace;
use super::{Agent, INSTANCES, Version};

#[test]
fn an_operator_installs_rolls_back_and_removes() -> Result<()> {
    let mut agent = Agent::new(&[("meter", Version::new("m", 1))], "")?;
    let new = agent.site.write("new.wasm", Version::new("m", 2).component())?;
    let new = new.to_str().unwrap_or_default().to_owned();
    agent.guest(&["list"])?.expect(1)?.line(&["no agent answers at agent.sock"])?;
    agent.start()?;
    agent.until_polled("m", 1)?;

    let done = agent.guest(&["install", "meter", &new])?.expect(0)?;
    assert_eq!(done.stdout, "generation 2 polls in place of 1, on probation\n");
    agent.until_polled("m", 2)?;
    let again = agent.guest(&["install", "meter", &new])?.expect(0)?;
    assert_eq!(again.stdout, "generation 2 polls already, and is this module\n");
    let listed = agent.guest(&["list", "meter"])?.expect(0)?.stdout;
    for words in [&["guest", "gen", "state", "p99"][..], &["meter", "2", "probation"], &["1", "good"]] {
        assert!(
            listed.lines().any(|line| words.iter().all(|word| line.contains(word))),
            "{words:?} in\n{listed}"
        );
    }

    // It holds after a restart: what lies in the file is older.
    agent.stop()?.expect(0)?;
    agent.start()?;
    agent.until_state("meter", "probation")?;
    let done = agent.guest(&["rollback", "meter"])?.expect(0)?;
    assert_eq!(done.stdout, "generation 1 polls in place of 2\n");
    agent.until_cycles("m", 2)?;
    agent.stop()?.expect(0)?;
    agent.start()?;
    let status = agent.until_state("meter", "good")?;
    assert_eq!(status["generation"], 1);
    assert_eq!(status["generations"][1]["fate"], "rolled-back");
    agent.guest(&["rollback", "meter"])?.expect(1)?.line(&["no good generation of meter before this one"])?;
    agent
        .guest(&["rollback", "meter", "--to", "9"])?
        .expect(1)?
        .line(&["generation 9 of meter is not kept; there are 1, 2"])?;
    let done = agent.guest(&["rollback", "meter", "--to", "2"])?.expect(0)?;
    assert_eq!(done.stdout, "generation 2 polls in place of 1\n");

    agent.guest(&["remove", "meter"])?.expect(0)?;
    agent.guest(&["remove", "meter"])?.expect(1)?.line(&["no guest \"meter\" polls"])?;
    agent
        .guest(&["remove", "nobody"])?
        .expect(1)?
        .line(&["has no guest \"nobody\"", "its guests are meter"])?;
    agent.stop()?.expect(0)?;
    let before = agent.cycles("m")?.len();
    agent.start()?;
    agent.until_state("meter", "removed")?;
    agent.running()?.until_logged(&["WARN", "removed by `guest remove`"])?;
    assert_eq!(agent.cycles("m")?.len(), before);
    replace(&agent.site.path("meter.wasm"), &Version::new("m", 3).component())?;
    agent.until_polled("m", 3)?;
    agent.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn an_operator_adds_a_guest_to_the_guest_folder() -> Result<()> {
    let more = "guest_folder: {path: guests, grants: [state]}";
    let mut agent = Agent::new(&[("meter", Version::new("m", 1))], more)?;
    fs::create_dir(agent.site.path("guests"))?;
    let module = agent.site.write("new.wasm", Version::new("added", 5).component())?;
    let module = module.to_str().unwrap_or_default().to_owned();
    agent.start()?;
    agent.until_polled("m", 1)?;
    agent.guest(&["install", "no name", &module])?.expect(1)?.line(&["is no name of a guest"])?;
    agent.guest(&["install", "../out", &module])?.expect(1)?.line(&["is no name of a guest"])?;
    // Of another module: the one that is installed would be refused for it later.
    agent.site.write("guests/added.wasm.sig", "a signature")?;
    agent.guest(&["install", "added", &module])?.expect(0)?;
    agent.until_polled("added", 5)?;
    assert!(agent.site.path("guests/added.wasm").exists());
    assert!(!agent.site.path("guests/added.wasm.sig").exists());
    agent.stop()?.expect(0)?;
    agent.start()?;
    agent.until_state("added", "good")?;
    agent.guest(&["remove", "added"])?.expect(0)?;
    assert_eq!(agent.status("added")?["state"], "removed");
    assert!(!agent.site.path("guests/added.wasm").exists());
    let refused = agent.site.write("bad.wasm", "bad")?;
    let refused = agent.guest(&["install", "added", refused.to_str().unwrap_or_default()])?.expect(1)?;
    refused.line(&["refused:", "does not begin as WebAssembly does"])?;
    let ended = agent.stop()?.expect(0)?;
    agent.is_whole("m", &ended.stderr)?;
    Ok(())
}

#[test]
fn the_socket_is_its_owners_and_one_agents() -> Result<()> {
    let mut agent = Agent::new(&[("meter", Version::new("m", 1))], "")?;
    agent.start()?;
    agent.until_polled("m", 1)?;
    let mode = fs::metadata(agent.site.path("agent.sock"))?.permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let figures = &agent.status("meter")?["figures"];
    assert!(figures["polls"].as_u64() >= Some(INSTANCES as u64), "{figures}");
    assert!(figures["p99_micros"].as_u64() >= figures["p50_micros"].as_u64(), "{figures}");
    assert!(figures["peak_memory"].as_u64() >= Some(65_536), "{figures}");

    let text = agent.pipeline.yaml();
    agent.site.write("second.yaml", text.replace("state: state", "state: other"))?;
    agent
        .site
        .run(&["run", "second.yaml"])?
        .expect(1)?
        .line(&["another agent answers at the socket", "agent.sock"])?;
    agent.site.write("second.yaml", text.replace("agent.sock", "other.sock"))?;
    agent.site.run(&["run", "second.yaml"])?.expect(1)?.line(&["another agent uses the state folder"])?;

    // One that was killed leaves its socket; the next one takes its place.
    agent.running.take().map(|running| running.kill()).transpose()?;
    assert!(agent.site.path("agent.sock").exists());
    agent.start()?;
    agent.until_state("meter", "good")?;
    agent.stop()?.expect(0)?;
    assert!(!agent.site.path("agent.sock").exists());
    Ok(())
}

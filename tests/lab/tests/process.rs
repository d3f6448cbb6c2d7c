//! What this process starts ends with it, and with nothing else.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use lab::process::{Kept, Mark};
use lab::until;

const SHORTLY: Duration = Duration::from_secs(10);

fn idle() -> Command {
    let mut idle = Command::new("sleep");
    idle.arg("600");
    idle
}

fn ended(mark: Mark) -> Result<()> {
    until(&format!("the end of {mark:?}"), SHORTLY, || Ok((!mark.is_running()).then_some(())))
}

/// Starts a process with a child by way of `wrapper`, drops it and expects both to end.
fn drop_a_parent(wrapper: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let child_file = folder.path().join("child");
    let words = [wrapper, &["sh", "-c", "sleep 600 & echo $! > \"$0\"; wait"]].concat();
    let mut parent = Command::new(words[0]);
    parent.args(&words[1..]).arg(&child_file);
    let kept = Kept::start(&parent, &folder.path().join("log"))?;
    let own = Mark::of(kept.pid()).context("the process does not run")?;
    let child = until("the child's id", SHORTLY, || {
        Ok(std::fs::read_to_string(&child_file).ok().and_then(|text| text.trim().parse().ok()))
    })?;
    let child = Mark::of(child).context("the child does not run")?;
    drop(kept);
    assert!(!own.is_running());
    ended(child)
}

#[test]
fn a_process_and_what_it_leaves_behind_end_when_the_owner_drops_it() -> Result<()> {
    drop_a_parent(&[])
}

#[test]
fn a_process_that_leads_a_session_of_its_own_ends_with_its_children() -> Result<()> {
    drop_a_parent(&["setsid"])
}

#[test]
fn a_process_ends_when_its_owner_is_killed() -> Result<()> {
    const OWNER: &str = "LAB_TEST_OWNER_FOLDER";
    // This test runs itself once more as the owner, which has no chance to clean up.
    if let Some(folder) = std::env::var_os(OWNER) {
        let folder = std::path::PathBuf::from(folder);
        let kept = Kept::start(&idle(), &folder.join("log"))?;
        std::fs::write(folder.join("pid"), kept.pid().to_string())?;
        std::thread::sleep(SHORTLY * 6);
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let mut owner = Command::new(std::env::current_exe()?)
        .args(["--exact", "a_process_ends_when_its_owner_is_killed"])
        .env(OWNER, folder.path())
        .spawn()?;
    let pid = until("the owned process", SHORTLY, || {
        Ok(std::fs::read_to_string(folder.path().join("pid")).ok().and_then(|text| text.parse().ok()))
    })?;
    let mark = Mark::of(pid).context("the process does not run")?;
    owner.kill()?;
    owner.wait()?;
    ended(mark)
}

#[test]
fn a_process_that_is_left_outlives_its_owner_until_its_mark_is_ended() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let kept = Kept::start(&idle(), &folder.path().join("log"))?;
    let child = Mark::of(kept.pid()).context("the process does not run")?;
    let left = kept.leave()?;
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.is_running());
    left.end(SHORTLY)?;
    ended(child)
}

#[test]
fn a_process_that_ends_by_itself_is_reported_with_its_last_words() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new("sh");
    command.args(["-c", "echo no such configuration >&2; exit 3"]);
    let mut kept = Kept::start(&command, &folder.path().join("log"))?;
    let waited = kept.until("an answer", SHORTLY, || Ok(None::<()>));
    let error = format!("{:#}", waited.err().context("it did not end")?);
    assert!(error.contains("no such configuration"), "{error}");
    Ok(())
}

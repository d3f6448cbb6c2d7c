//! Running tests and adding their results up.
//!
//! Whatever part is asked for, cargo is asked for the tests of the whole workspace, and the part's programs are then run
//! from here: another choice of packages would unite features otherwise and compile wasmtime once more.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cargo::cargo;
use crate::root::as_root;

/// A harness writes a line for each test, and no test takes a quarter of this. One that hangs would hold up all that
/// come after it.
const SILENCE: Duration = Duration::from_secs(15 * 60);
/// What an ended program gets to end what it has started.
const GRACE: Duration = Duration::from_secs(30);

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// As the result lines say.
    pub passed: u64,
    /// As the result lines say.
    pub failed: u64,
}

/// A compiled test program.
pub struct Program {
    name: String,
    file: PathBuf,
    /// Of its package, where cargo would run it.
    folder: PathBuf,
}

/// Compiles all tests of the workspace and gives the programs of the packages that are wanted.
pub fn compile(wanted: impl Fn(&str) -> bool) -> Result<Vec<Program>> {
    let done = cargo("test")
        .args(["--workspace", "--no-run", "--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start cargo")?;
    if !done.status.success() {
        bail!("the tests do not compile");
    }
    let mut programs = Vec::new();
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let (Some(file), Some(true)) = (message["executable"].as_str(), message["profile"]["test"].as_bool())
        else {
            continue;
        };
        let manifest = Path::new(message["manifest_path"].as_str().context("a program without a package")?);
        let package = package_name(manifest)?;
        if wanted(&package) {
            programs.push(Program {
                name: format!("{package}: {}", message["target"]["name"].as_str().unwrap_or_default()),
                file: PathBuf::from(file),
                folder: manifest.parent().unwrap_or(manifest).to_owned(),
            });
        }
    }
    Ok(programs)
}

fn package_name(manifest: &Path) -> Result<String> {
    let text = std::fs::read_to_string(manifest)?;
    let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    Ok(name.with_context(|| format!("{} names no package", manifest.display()))?.to_owned())
}

/// Runs test programs one after the other, by way of `wrapper` where it is not empty.
pub fn run(programs: &[Program], wrapper: &[&str], count: &mut Count) -> Result<()> {
    let mut failed = Vec::new();
    for program in programs {
        println!("\n     Running {}", program.name);
        let mut words = wrapper.iter().map(Path::new).chain([program.file.as_path()]);
        let mut command = Command::new(words.next().context("no program")?);
        command.args(words).current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder);
        if command.counted(count).is_err() {
            failed.push(program.name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join("; "));
    }
    Ok(())
}

/// What a line that a command writes says of its tests.
pub type Reader = fn(&str) -> Option<Count>;

/// A command that runs tests.
pub trait Counted {
    /// Runs it, passes its output on, and adds up its result lines.
    fn counted(&mut self, count: &mut Count) -> Result<()>;

    /// The same for another harness than Rust's.
    fn counted_by(&mut self, reader: Reader, count: &mut Count) -> Result<()>;
}

impl Counted for Command {
    fn counted(&mut self, count: &mut Count) -> Result<()> {
        self.counted_by(result_of, count)
    }

    fn counted_by(&mut self, reader: Reader, count: &mut Count) -> Result<()> {
        run_counted(self, reader, count, SILENCE)
    }
}

/// Runs the command; one that writes nothing for as long as `silence` is ended.
fn run_counted(command: &mut Command, reader: Reader, count: &mut Count, silence: Duration) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("failed to start {name}"))?;
    let output = child.stdout.take().context("the tests have no output")?;
    let pid = child.id();
    let (line_came, lines) = channel();
    let watch = std::thread::spawn(move || end_when_silent(pid, &lines, silence));
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let _ = line_came.send(());
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(result) = reader(&line) {
            count.passed += result.passed;
            count.failed += result.failed;
        }
    }
    // Before the process is waited for: until then its id is given to no other.
    drop(line_came);
    let was_silent = watch.join().unwrap_or(false);
    let status = child.wait()?;
    if was_silent {
        count.failed += 1;
        bail!("the tests were ended: they wrote nothing for {} s", silence.as_secs());
    }
    if !status.success() {
        bail!("the tests ended with {status}");
    }
    Ok(())
}

/// Ends the process when no line comes for as long as `silence`; tells whether it had to.
fn end_when_silent(pid: u32, lines: &Receiver<()>, silence: Duration) -> bool {
    loop {
        match lines.recv_timeout(silence) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    // By sudo's id, where the tests run through sudo, which passes a SIGTERM on; and sudo's own belong to root.
    for (signal, wait) in [("-TERM", GRACE), ("-KILL", Duration::ZERO)] {
        let _ = as_root("kill").args([signal, &pid.to_string()]).status();
        if lines.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
    true
}

/// Reads "test result: ok. 4 passed; 0 failed; …".
fn result_of(line: &str) -> Option<Count> {
    let numbers = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number =
        |ending: &str| numbers.split("; ").find_map(|part| part.strip_suffix(ending)?.trim().parse().ok());
    Some(Count { passed: number(" passed")?, failed: number(" failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_of_cargo_test_are_added_up() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.37s";
        assert_eq!(result_of(line), Some(Count { passed: 12, failed: 3 }));
        assert_eq!(result_of("test result_lines ... ok"), None);
    }

    #[test]
    fn a_program_that_falls_silent_is_ended_and_counts_as_failed() {
        let mut count = Count::default();
        let result = "test result: ok. 2 passed; 0 failed; 0 ignored";
        let mut silent = Command::new("sh");
        silent.args(["-c", &format!("echo '{result}'; exec sleep 600")]);
        let error = run_counted(&mut silent, result_of, &mut count, Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.to_string(), "the tests were ended: they wrote nothing for 0 s");
        assert_eq!(count, Count { passed: 2, failed: 1 });
    }

    #[test]
    fn a_program_that_writes_now_and_then_is_left_alone() {
        let mut count = Count::default();
        let mut slow = Command::new("sh");
        slow.args(["-c", "for i in 1 2 3 4; do sleep 0.5; echo line; done"]);
        run_counted(&mut slow, result_of, &mut count, Duration::from_secs(30)).unwrap();
        assert_eq!(count, Count::default());
    }
}

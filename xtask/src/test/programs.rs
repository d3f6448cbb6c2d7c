//! Running tests and adding their results up.
//!
//! Whatever part is asked for, cargo is asked for the tests of the whole workspace, and the part's programs are then run
//! from here: another choice of packages would unite features otherwise and compile wasmtime once more.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::process::Mark;
use serde_json::Value;

use crate::cargo::cargo;
use crate::root::as_root;

/// How long a program is waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// Without a line from it.
    silence: Duration,
    /// For it to end what it has started, once it is asked to end.
    grace: Duration,
}

/// A harness writes a line for each test, and no test takes a quarter of this. One that hangs would hold up all that
/// come after it.
const PATIENCE: Patience = Patience { silence: Duration::from_secs(15 * 60), grace: Duration::from_secs(30) };
/// For a line of a program that has ended.
const LAST_LINES: Duration = Duration::from_secs(2);
/// How often a program that writes nothing is looked at.
const LOOK: Duration = Duration::from_millis(20);

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
        run_counted(self, reader, count, PATIENCE)
    }
}

/// Runs the command; one that writes nothing for too long is ended.
fn run_counted(command: &mut Command, reader: Reader, count: &mut Count, patience: Patience) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("failed to start {name}"))?;
    let output = child.stdout.take().context("the tests have no output")?;
    let (line_came, lines) = channel();
    // It is not waited for: what a program leaves behind may hold its output open.
    std::thread::spawn(move || {
        let lines = BufReader::new(output).split(b'\n').map_while(Result::ok);
        lines.map(|line| line_came.send(line)).take_while(Result::is_ok).for_each(drop);
    });
    let mut show = |line: Vec<u8>| {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(result) = reader(&line) {
            count.passed += result.passed;
            count.failed += result.failed;
        }
    };
    let mut heard = Instant::now();
    let status = loop {
        let no_line = match lines.recv_timeout(LOOK) {
            Ok(line) => {
                heard = Instant::now();
                show(line);
                continue;
            }
            Err(no_line) => no_line,
        };
        let status = child.try_wait()?;
        if status.is_some() || heard.elapsed() >= patience.silence {
            break status;
        }
        // Its output has ended, and it may still do something.
        if no_line == RecvTimeoutError::Disconnected {
            std::thread::sleep(LOOK);
        }
    };
    if status.is_none() {
        end(child.id(), patience.grace, &lines, &mut show);
    }
    // The last lines, of a program that has ended. What it left behind may hold its output open.
    while let Ok(line) = lines.recv_timeout(LAST_LINES) {
        show(line);
    }
    match status {
        None => {
            count.failed += 1;
            bail!("the tests were ended: they wrote nothing for {} s", patience.silence.as_secs())
        }
        Some(status) if !status.success() => bail!("the tests ended with {status}"),
        Some(_) => Ok(()),
    }
}

/// Ends a process, and after a while what it has started, too.
fn end(pid: u32, grace: Duration, lines: &Receiver<Vec<u8>>, show: &mut impl FnMut(Vec<u8>)) {
    let family = family_of([pid]);
    // By sudo's id, where the tests run through sudo, which passes a SIGTERM on; and sudo's own belong to root.
    let signal = |name: &str, processes: &[Mark]| {
        let ids: Vec<String> = processes.iter().map(|mark| mark.pid.to_string()).collect();
        let _ = as_root("kill").arg(name).args(ids).status();
    };
    signal("-TERM", &family[..family.len().min(1)]);
    let started = Instant::now();
    while started.elapsed() < grace && family.iter().any(|mark| mark.is_running()) {
        match lines.recv_timeout(LOOK) {
            Ok(line) => show(line),
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    let left = family_of(family.into_iter().filter(|mark| mark.is_running()).map(|mark| mark.pid));
    if !left.is_empty() {
        signal("-KILL", &left);
    }
}

/// Processes, and all that they have started.
fn family_of(processes: impl IntoIterator<Item = u32>) -> Vec<Mark> {
    let mut family = Vec::new();
    let mut open: Vec<u32> = processes.into_iter().collect();
    while let Some(pid) = open.pop() {
        family.extend(Mark::of(pid).filter(|mark| !family.contains(mark)));
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            open.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        }
    }
    family
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

    const SHORT: Patience =
        Patience { silence: Duration::from_millis(300), grace: Duration::from_millis(300) };

    #[test]
    fn result_lines_of_cargo_test_are_added_up() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.37s";
        assert_eq!(result_of(line), Some(Count { passed: 12, failed: 3 }));
        assert_eq!(result_of("test result_lines ... ok"), None);
    }

    #[test]
    fn a_program_that_falls_silent_is_ended_with_its_children_and_counts_as_failed() {
        let mut count = Count::default();
        let result = "test result: ok. 2 passed; 0 failed; 0 ignored";
        let mut silent = Command::new("sh");
        // The child holds the output open, whatever becomes of the shell.
        silent.args(["-c", &format!("echo '{result}'; sleep 600; echo never")]);
        let started = Instant::now();
        let error = run_counted(&mut silent, result_of, &mut count, SHORT).unwrap_err();
        assert_eq!(error.to_string(), "the tests were ended: they wrote nothing for 0 s");
        assert_eq!(count, Count { passed: 2, failed: 1 });
        assert!(started.elapsed() < Duration::from_secs(300), "{:?}", started.elapsed());
    }

    #[test]
    fn a_program_that_closes_its_output_is_waited_for_and_may_fall_silent() {
        let run = |script: &str, patience| {
            let mut count = Count::default();
            run_counted(Command::new("sh").args(["-c", script]), result_of, &mut count, patience)
        };
        let error = run("exec >&-; sleep 1; exit 3", PATIENCE).unwrap_err().to_string();
        assert_eq!(error, "the tests ended with exit status: 3");
        let error = run("exec >&-; sleep 600", SHORT).unwrap_err().to_string();
        assert!(error.contains("wrote nothing"), "{error}");
    }

    #[test]
    fn a_program_that_writes_now_and_then_is_left_alone() {
        let mut count = Count::default();
        let mut slow = Command::new("sh");
        slow.args(["-c", "for i in 1 2 3 4; do sleep 0.5; echo line; done"]);
        run_counted(&mut slow, result_of, &mut count, PATIENCE).unwrap();
        assert_eq!(count, Count::default());
    }
}

//! What the other languages have for their SDKs and guests beside a build: their own tests, formatters and checkers, from the pinned
//! toolchains.

use std::path::PathBuf;

use anyhow::{Result, bail};
use lab::Toolchains;

use super::programs::{Count, Counted, Reader};
use crate::guests::project;
use crate::paths;
use crate::setup::toolchains;

/// Where a command is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Sdk,
    EachGuest,
}

/// A command of a language. One that passes has the exit status 0.
struct Check {
    language: &'static str,
    folder: Where,
    words: &'static [&'static str],
    reader: Reader,
}

const CHECKS: [Check; 8] = [
    // unittest speaks on standard error alone; it is passed on, and counted, as one stream.
    check(
        "python",
        Where::Sdk,
        &["sh", "-c", "exec python3 -m unittest discover --verbose -t . -s tests 2>&1"],
        unittest,
    ),
    check("python", Where::EachGuest, &["make", "--no-print-directory", "check"], nothing),
    // TypeScript's SDK is the same folder.
    check("javascript", Where::Sdk, &["node", "--test", "--test-reporter", "tap"], tap),
    // gofmt tells what it would change, and calls that a success.
    check(
        "go",
        Where::Sdk,
        &["sh", "-c", "found=$(gofmt -l .); echo \"$found\"; test -z \"$found\""],
        nothing,
    ),
    check(
        "go",
        Where::EachGuest,
        &["sh", "-c", "found=$(gofmt -l *.go); echo \"$found\"; test -z \"$found\""],
        nothing,
    ),
    check("go", Where::EachGuest, &["make", "--no-print-directory", "build/bindings/go.mod"], nothing),
    check(
        "go",
        Where::EachGuest,
        &["env", "GOOS=wasip1", "GOARCH=wasm", "go", "vet", ".", "nephoscope/..."],
        nothing,
    ),
    check("zig", Where::EachGuest, &["zig", "fmt", "--check", "build.zig", "src"], nothing),
];

const fn check(
    language: &'static str,
    folder: Where,
    words: &'static [&'static str],
    reader: Reader,
) -> Check {
    Check { language, folder, words, reader }
}

/// Runs all of them, also where one fails.
pub fn run(tools: &Toolchains, count: &mut Count) -> Result<()> {
    let nephoscope = paths::binary("nephoscope")?;
    let guests = paths::root().join("guests");
    let projects = project::find(&guests)?;
    let mut failed = Vec::new();
    for check in &CHECKS {
        let folders: Vec<PathBuf> = match check.folder {
            Where::Sdk => vec![guests.join(check.language).join("sdk")],
            Where::EachGuest => {
                let own = projects.iter().filter(|project| project.language == check.language);
                own.map(|project| project.folder.clone()).collect()
            }
        };
        if folders.is_empty() {
            bail!("there are no guests in {}", check.language);
        }
        for folder in folders {
            let shown = folder.strip_prefix(paths::root()).unwrap_or(&folder).display();
            let line = check.words.join(" ");
            println!("\n     Running {line} in {shown}");
            let mut command = toolchains::command(tools, check.words, &folder, &nephoscope)?;
            if let Err(error) = command.counted_by(check.reader, count) {
                failed.push(format!("{shown}: {line}: {error:#}"));
            }
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(())
}

/// Of a checker.
fn nothing(_: &str) -> Option<Count> {
    None
}

/// Reads "test_a (tests.test_sample.Sample.test_a) ... ok".
fn unittest(line: &str) -> Option<Count> {
    match line.rsplit_once(" ... ")?.1 {
        "ok" => Some(Count { passed: 1, failed: 0 }),
        "FAIL" | "ERROR" => Some(Count { passed: 0, failed: 1 }),
        _ => None,
    }
}

/// Reads "# pass 12" and "# fail 3", which stand at the end.
fn tap(line: &str) -> Option<Count> {
    let number = |beginning: &str| line.strip_prefix(beginning)?.parse().ok();
    let (passed, failed) = (number("# pass "), number("# fail "));
    passed.or(failed)?;
    Some(Count { passed: passed.unwrap_or(0), failed: failed.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(text: &str, reader: Reader) -> (u64, u64) {
        let counts = text.lines().filter_map(reader);
        counts.fold((0, 0), |(passed, failed), count| (passed + count.passed, failed + count.failed))
    }

    #[test]
    fn the_tests_of_unittest_are_counted_one_by_one() {
        let text = "test_a (tests.test_a.A.test_a) ... ok
test_b (tests.test_a.A.test_b) ... FAIL
test_c (tests.test_a.A.test_c)
A counter beyond 2^53. ... ok
test_d (tests.test_a.A.test_d) ... skipped 'why'
test_e (tests.test_a.A.test_e) ... ERROR
FAILED (failures=1, errors=1, skipped=1)
";
        assert_eq!(sum(text, unittest), (2, 2));
    }

    #[test]
    fn the_tests_of_node_are_counted_by_its_sums() {
        let text =
            "ok 1 - a counter\n1..2\n# tests 15\n# suites 0\n# pass 12\n# fail 3\n# cancelled 0\n# todo 0\n";
        assert_eq!(sum(text, tap), (12, 3));
    }

    #[test]
    fn every_folder_of_a_check_is_there() {
        let guests = paths::root().join("guests");
        let projects = project::find(&guests).unwrap();
        for check in &CHECKS {
            match check.folder {
                Where::Sdk => assert!(guests.join(check.language).join("sdk").is_dir(), "{}", check.language),
                Where::EachGuest => {
                    assert!(projects.iter().any(|project| project.language == check.language));
                }
            }
        }
    }
}

//! `docs/guests/tutorial.md`, followed to the letter: every command of it is run in one shell, in an empty folder, and what the page
//! shows of its output has to be in what came.
//!
//! In the page a block of `sh` is a step; a block of `text` right behind it is what the step shows, with `…` for what may differ: any
//! characters in a line, or, alone on one, any lines.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nephoscope_tests::{program, root};

/// A step of the page.
#[derive(Debug, Default)]
struct Step {
    line: usize,
    commands: String,
    shows: Option<String>,
}

#[test]
fn every_command_of_the_tutorial_works_and_shows_what_the_page_says() -> Result<()> {
    let page = fs::read_to_string(root().join("docs/guests/tutorial.md"))?;
    let steps = steps(&page);
    ensure!(steps.len() > 5, "the page has {} steps", steps.len());
    let folder = tempfile::tempdir()?;
    // The login shell of somebody who has installed the program and nothing else of it.
    let path = program::path().parent().context("no folder")?.to_owned();
    let search = format!("{}:{}", path.display(), std::env::var("PATH").unwrap_or_default());
    let mut script = String::from("set -euo pipefail\n");
    for (number, step) in steps.iter().enumerate() {
        script += &format!("{}\nprintf '\\n{}{number}\\n'\n", step.commands, MARK);
    }
    let ran = Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(folder.path())
        .env("PATH", search)
        .env_remove("VIRTUAL_ENV")
        .stdin(Stdio::null())
        .output()?;
    let output = String::from_utf8_lossy(&ran.stdout);
    let mut rest = &*output;
    for (number, step) in steps.iter().enumerate() {
        let mark = format!("\n{MARK}{number}\n");
        let (shown, after) = rest.split_once(&mark).with_context(|| {
            format!("line {}: the step failed:\n{}\nand showed:\n{rest}", step.line, step.commands)
        })?;
        rest = after;
        if let Some(expected) = &step.shows {
            ensure!(
                shows(shown, expected),
                "line {}: the page says that\n{}\nshows\n{expected}\nbut it was\n{shown}",
                step.line,
                step.commands
            );
        }
    }
    ensure!(ran.status.success(), "the shell ended with {}", ran.status);
    Ok(())
}

/// Printed between steps.
const MARK: &str = "### end of step ";

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = page.lines().enumerate();
    let mut follows = false;
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            // An output belongs to the step that it follows, with nothing but a short text between.
            follows &= !line.starts_with('#');
            continue;
        };
        let block: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        match kind {
            "sh" => {
                steps.push(Step { line: number + 1, commands: block.join("\n"), shows: None });
                follows = true;
            }
            "text" if follows => {
                if let Some(step) = steps.last_mut() {
                    step.shows = Some(block.join("\n"));
                }
                follows = false;
            }
            _ => {}
        }
    }
    steps
}

/// Whether the lines of `expected` stand in `shown`, in this order and next to each other but for lines that are `…` alone.
fn shows(shown: &str, expected: &str) -> bool {
    let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
    let mut from = 0;
    for part in expected.split("\n…\n") {
        let part: Vec<&str> = part.lines().filter(|line| *line != "…").map(str::trim_end).collect();
        let found = (from..=shown.len().saturating_sub(part.len()))
            .find(|start| part.iter().zip(&shown[*start..]).all(|(expected, line)| is_like(line, expected)));
        match found {
            Some(start) => from = start + part.len(),
            None => return false,
        }
    }
    true
}

/// Whether a line is the expected one, where `…` stands for anything.
fn is_like(line: &str, expected: &str) -> bool {
    let mut rest = line;
    let parts: Vec<&str> = expected.split('…').collect();
    for (number, part) in parts.iter().enumerate() {
        let last = number + 1 == parts.len();
        let found = match (number, last) {
            (0, true) => return rest == *part,
            (0, false) => rest.starts_with(part).then_some(0),
            (_, true) => return rest.ends_with(part),
            _ => rest.find(part),
        };
        match found {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[test]
fn an_output_may_differ_where_the_page_says_so_and_nowhere_else() {
    let shown = "first\nsecond 12 µs  end\nthird";
    for expected in [
        "first",
        "second … end",
        "first\nsecond …",
        "first\n…\nthird",
        "…\nthird",
        "second 12 µs  end\nthird",
    ] {
        assert!(shows(shown, expected), "{expected}");
    }
    for expected in ["firs", "first\nthird", "third\n…\nfirst", "second … ende", "fourth"] {
        assert!(!shows(shown, expected), "{expected}");
    }
}

#[test]
fn steps_are_what_a_reader_would_paste() {
    let page =
        "# A\n```sh\none\n```\nIt says\n```text\n1\n```\n```sh\ntwo\n```\n# B\n```text\nnot its\n```\n";
    let steps = steps(page);
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[0].line, &*steps[0].commands, steps[0].shows.as_deref()), (2, "one", Some("1")));
    assert_eq!((&*steps[1].commands, steps[1].shows.as_deref()), ("two", None));
}

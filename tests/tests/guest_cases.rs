//! `nephoscope guest test`: what an author sees of his cases, and the exit code that CI sees.

use anyhow::{Context, Result};
use nephoscope_tests::Site;
use nephoscope_tests::program::lines;
use serde_json::{Value, json};
use wat_guests::{GOOD, Wat};

/// A site with a guest whose every poll gives the count 42.
fn site() -> Result<Site> {
    let site = Site::new()?;
    site.write("guest.wasm", Wat { poll: GOOD, ..Wat::default() }.component())?;
    std::fs::create_dir(site.path("cases"))?;
    Ok(site)
}

const PASSES: &str = "guest: ../guest.wasm
cases:
  - name: it is forty-two
    polls:
      - {instance: web-1, expect: [{meter: m, volume: 42}]}
";

const FAILS: &str = "guest: ../guest.wasm
cases:
  - name: it is a double
    polls:
      - {instance: web-1, expect: [{meter: m, volume: 42.0}]}
  - name: it is skipped
    polls:
      - {instance: off-1, expect: {skipped: shut-off}}
  - name: it is not written yet
    polls:
      - instance: web-1
        snapshot: example-later
";

#[test]
fn cases_that_pass_are_a_line_each() -> Result<()> {
    let site = site()?;
    site.write("cases/a.yaml", PASSES)?;
    // The default is the folder `cases`.
    let tested = site.run(&["guest", "test"])?.expect(0)?;
    assert_eq!(tested.stdout, "cases/a.yaml\n  ok      it is forty-two\n1 case passed\n");
    assert_eq!(tested.stderr, "");
    Ok(())
}

#[test]
fn a_case_that_fails_shows_what_was_expected_what_came_and_what_to_paste() -> Result<()> {
    let site = site()?;
    site.write("cases/a.yaml", PASSES)?;
    site.write("cases/b.yaml", FAILS)?;
    let tested = site.run(&["guest", "test", "cases"])?.expect(1)?;
    let expected = "cases/a.yaml
  ok      it is forty-two
cases/b.yaml
  FAILED  it is a double
    line 5: web-1 of example
      - is expected, + came:
          - meter: m
        -   volume: 42.0
        +   volume: 42
      to be pasted, where what came is right:
        expect:
          - meter: m
            volume: 42
  FAILED  it is skipped
    line 8: off-1 of example
      - is expected, + came:
        - {skipped: shut-off}
        + - meter: m
        +   volume: 42
      to be pasted, where what came is right:
        expect:
          - meter: m
            volume: 42
  FAILED  it is not written yet
    line 11: web-1 of example-later
      nothing is expected yet; this came:
        expect:
          - meter: m
            volume: 42
";
    assert_eq!(tested.stdout, expected);
    tested.line(&["3 of 4 cases failed"])?;

    // What is printed can be pasted as it is.
    let paste = tested.stdout.rsplit_once("this came:\n").context("nothing came")?.1;
    site.write("cases/b.yaml", format!("{FAILS}{paste}"))?;
    site.run(&["guest", "test", "cases/b.yaml"])?.expect(1)?.line(&["2 of 3 cases failed"])?;
    Ok(())
}

#[test]
fn programs_get_one_document() -> Result<()> {
    let site = site()?;
    site.write("cases/b.yaml", FAILS)?;
    let tested = site.run(&["guest", "test", "--output", "json"])?.expect(1)?;
    let report: Value = serde_json::from_str(&tested.stdout)?;
    assert_eq!((&report["passed"], &report["failed"]), (&json!(0), &json!(3)));
    let poll = &report["files"][0]["cases"][0]["polls"][0];
    assert_eq!(poll["differences"], json!(["outcome"]));
    assert_eq!(poll["expected"]["samples"][0]["volume"], json!({"real": 42.0}));
    assert_eq!(poll["came"], json!({"samples": [{"meter": "m", "volume": {"count": 42}}]}));
    assert_eq!(report["files"][0]["cases"][2]["polls"][0]["differences"], json!(["unwritten"]));
    Ok(())
}

#[test]
fn every_fault_of_every_file_is_shown_and_nothing_is_run() -> Result<()> {
    let site = site()?;
    site.write("cases/a.yaml", PASSES)?;
    site.write(
        "cases/b.yaml",
        "guest: missing.wasm\ncases:\n  - name: x\n    polls: [{instance: nobody}]\n",
    )?;
    site.write("cases/c.yaml", "guest: ../guest.wasm\ncases:\n  - name: x\n    poll: []\n")?;
    site.write(
        "cases/d.yaml",
        "cases:\n  - name: x\n    polls: [{instance: web-1, change: {disks: {sdq: null}}}]\n",
    )?;
    site.write(
        "cases/e.yaml",
        "guest: e.wasm\ncases: [{name: x, polls: [{instance: web-1, snapshot: e.json}]}]\n",
    )?;
    site.write("cases/e.wasm", "(module)")?;
    let tested = site.run(&["guest", "test"])?.expect(2)?;
    assert_eq!(tested.stdout, "");
    for words in [
        &["b.yaml:1:8: error: ", "missing.wasm", "build it first"][..],
        &["b.yaml:4:24: error: there is no instance `nobody`; there are", "web-1"],
        &["c.yaml:4:5: error: unknown key `poll` in a case; did you mean `polls`?"],
        &["d.yaml: error: no guest", "--guest"],
        &["d.yaml:3:", "no disk `sdq`; it has vda, vdb"],
        &["e.yaml:1:8: error: ", "e.wasm is no WebAssembly component"],
        &["e.yaml:2:", "e.json"],
    ] {
        assert_eq!(lines(&tested.stderr, words).len(), 1, "{words:?} in:\n{}", tested.stderr);
    }
    let json = site.run(&["guest", "test", "--output", "json"])?.expect(2)?;
    let report: Value = serde_json::from_str(&json.stdout)?;
    assert!(report["faults"].as_array().is_some_and(|faults| faults.len() >= 7), "{report}");
    // Another guest for all of them.
    site.run(&["guest", "test", "cases/a.yaml", "--guest", "cases/e.wasm"])?.expect(2)?.line(&["e.wasm"])?;
    Ok(())
}

#[test]
fn a_folder_without_cases_is_no_success() -> Result<()> {
    let site = site()?;
    site.run(&["guest", "test"])?.expect(2)?.line(&["no case file", "cases"])?;
    site.run(&["guest", "test", "nowhere"])?.expect(2)?.line(&["nowhere", "cannot read"])?;
    Ok(())
}

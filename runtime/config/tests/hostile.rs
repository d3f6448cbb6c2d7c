//! Files that mean harm: each ends with a fault, soon, and none with a panic.

use nephoscope_config as config;

use std::fs;
use std::time::{Duration, Instant};

use config::{Faults, load_pipeline};

/// A load on two busy cores; what explodes would take minutes or all memory.
const SOON: Duration = Duration::from_secs(10);

fn load(content: impl AsRef<[u8]>) -> Faults {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.yaml");
    fs::write(&path, content).unwrap();
    let start = Instant::now();
    let faults = match load_pipeline(&path) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    };
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    faults
}

#[track_caller]
fn refused(content: impl AsRef<[u8]>, reason: &str) {
    let faults = load(content);
    assert!(faults.is_fatal());
    assert!(faults.to_string().contains(reason), "{faults}");
}

#[test]
fn aliases_do_not_multiply_without_bound() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    refused(bomb, "more than 20000 values");
}

#[test]
fn aliases_of_long_texts_do_not_fill_the_memory() {
    let aliases = ", *a".repeat(15_000);
    refused(
        format!("a: &a \"{}\"\nb: [x{aliases}]\n", "x".repeat(500_000)),
        "a text of 500000 bytes; at most 8192",
    );
    refused(format!("a: &a \"{}\"\nb: [x{aliases}]\n", "x".repeat(8_000)), "more than 20000 values");
    refused(format!("a: &a {{\"{}\": 1}}\nb: [x{aliases}]\n", "x".repeat(1_000)), "more than 20000 values");
    refused(format!("? \"{}\"\n: 1\n", "x".repeat(8_193)), "a text of 8193 bytes");
}

/// Reading it would wait for a writer for ever.
#[test]
fn a_pipe_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let faults = load_pipeline(&pipe).unwrap_err();
    assert!(faults.to_string().contains("cannot read the file: it is no regular file"), "{faults}");
    let file = folder.path().join("pipeline.yaml");
    fs::write(&file, "guests: [{name: x, module: pipe}]\npublisher: {telemetry_secret: {file: pipe}}\n")
        .unwrap();
    let faults = load_pipeline(&file).unwrap_err().to_string();
    assert_eq!(faults.matches("it is no regular file").count(), 2, "{faults}");
}

#[test]
fn merge_keys_do_not_multiply_without_bound() {
    let keys: String = (0..500).map(|key| format!("  k{key}: 1\n")).collect();
    let merges: String = (0..500).map(|number| format!("m{number}: {{<<: *a}}\n")).collect();
    refused(format!("a: &a\n{keys}{merges}"), "more than 20000 values");
}

#[test]
fn nesting_is_bounded_in_every_style() {
    refused(format!("a: {}{}", "[".repeat(200), "]".repeat(200)), "nested deeper than 32 levels");
    refused("[".repeat(500_000), "nested deeper than 32 levels");
    refused("{a: ".repeat(100_000), "nested deeper than 32 levels");
    refused("- ".repeat(100_000), "nested deeper than 32 levels");
    refused("? ".repeat(100_000), "nested deeper than 32 levels");
    let steps: String = (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    refused(steps, "nested deeper than 32 levels");
    let aliases: String = (1..60).map(|level| format!("a{level}: &a{level} [*a{}]\n", level - 1)).collect();
    refused(format!("a0: &a0 []\n{aliases}"), "nested deeper than 32 levels");
}

#[test]
fn size_and_number_of_values_are_bounded() {
    refused("#".repeat((1 << 20) + 1), "larger than 1048576 bytes");
    refused("- a\n".repeat(100_000), "more than 20000 values");
    refused("a: b, ".repeat(10_000), "this is no YAML");
    let many: String = (0..5_000).map(|key| format!("k{key}: 1\n")).collect();
    let faults = load(many);
    assert_eq!(faults.iter().count(), 200);
    assert!(faults.left_out() > 4_000);
}

#[test]
fn text_that_is_no_text_is_refused_at_its_place() {
    refused("host: a\nfoo: \0\nguests: []\n", "hostile.yaml:2:6: error: a control character");
    refused("host: a\n\u{1b}[2J", "hostile.yaml:2:1: error: a control character");
    refused(b"host: a\nname: \xff\xfe\n", "hostile.yaml:2:1: error: this line is not UTF-8");
    refused("\u{feff}[]", "hostile.yaml:1:1: error: expected a pipeline file");
    refused("%YAML 9.9\n---\na: b\n", "error");
    refused("a: \"\\uD800\"", "error");
}

#[test]
fn a_folder_and_a_missing_file_are_faults() {
    let folder = tempfile::tempdir().unwrap();
    let faults = load_pipeline(folder.path()).unwrap_err();
    assert!(faults.to_string().contains("cannot read the file"), "{faults}");
    let faults = load_pipeline(folder.path().join("missing.yaml")).unwrap_err();
    assert!(faults.to_string().contains("cannot read the file"), "{faults}");
}

/// A file of everything, with bytes changed, lost, doubled and moved: nothing panics, and every place lies in the file.
#[test]
fn mutations_of_a_good_file_never_panic() {
    let good = include_str!("settings/everything.yaml");
    let pieces: &[&str] = &[
        "*",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "!x ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "? ",
        "- ",
        "---\n",
        "...\n",
        "\n",
        "  ",
        "\t",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "#",
        "%",
        "@",
        "\\",
        "\u{85}",
        "é",
        "9999999999999999999999",
        "~",
        "\r",
        ",",
        "\u{2028}",
    ];
    // A fixed seed: a failure must come again.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for round in 0..500 {
        let mut characters: Vec<char> = good.chars().collect();
        for _ in 0..=next(6) {
            let at = next(characters.len());
            match next(4) {
                0 => drop(characters.remove(at)),
                1 => {
                    let end = (at + next(40)).min(characters.len());
                    let copy = characters[at..end].to_vec();
                    let to = next(characters.len());
                    characters.splice(to..to, copy);
                }
                2 => {
                    let end = (at + next(40)).min(characters.len());
                    characters.drain(at..end);
                }
                _ => drop(characters.splice(at..at, pieces[next(pieces.len())].chars())),
            }
        }
        let text: String = characters.into_iter().collect();
        let lines = text.split(['\n', '\r']).count() as u32 + 1;
        for fault in &load(&text) {
            assert!(fault.place.line <= lines, "round {round}: {fault}\n{text}");
        }
    }
}

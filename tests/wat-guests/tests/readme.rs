//! The corpus of hostile guests has a page that names each: made of the files, so it cannot lack one.

use std::path::Path;

use wat_guests::corpus::{Expected, corpus};

const HEAD: &str = "# Hostile guests

A file for each attack on the runtime that was thought of. `runtime/sandbox/tests/corpus.rs` loads each, polls it ten thousand times where it can be polled, and looks whether the process is as large
as before; `tests/tests/hostile_guests.rs` runs all of them in one agent beside an honest guest. Attacks in Rust are in `rust/`, and what comes of them in `tests/tests/hostile_rust.rs`; what WASI leaves to try, in `runtime/sandbox/tests/wasi.rs`.
A file's form is told in `tests/wat-guests/src/corpus.rs`; to add an attack, add a file, and
make this table with `NEPHOSCOPE_BLESS=1 cargo test -p nephoscope-wat-guests`.

| file | tries | stopped by | comes to |
|---|---|---|---|
";

#[test]
fn the_table_of_attacks_is_that_of_the_files() {
    let mut text = HEAD.to_owned();
    for attack in corpus() {
        let outcome = match attack.expected {
            Expected::Refused(_) => "not loaded".to_owned(),
            Expected::Fails { label, every: 1, from: 1, .. } => format!("each poll fails: `{label}`"),
            Expected::Fails { label, every: 1, from, .. } => {
                format!("polls fail from the {from}st on: `{label}`")
            }
            Expected::Fails { label, every, .. } => format!("one of {every} polls fails: `{label}`"),
            Expected::Sample { label, .. } => format!("its samples are refused: `{label}`"),
            Expected::Harmless(_) => "nothing".to_owned(),
        };
        text += &format!("| `{}` | {} | {} | {outcome} |\n", attack.name, attack.tries, attack.stopped_by);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hostile/README.md");
    if std::env::var_os("NEPHOSCOPE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{} is out of date: NEPHOSCOPE_BLESS=1 makes it anew", path.display());
}

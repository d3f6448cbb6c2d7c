//! The corpus of hostile guests, `tests/hostile/*.wat`: a file for each attack, with what must come of it.
//!
//! ```text
//! ;; tries: to compute for ever in `poll`
//! ;; stopped by: epochs, against `limits.cpu`
//! ;; fails: cpu_time it computed for longer than limits.cpu allows
//!
//! ;;; poll
//! (loop $for_ever (br $for_ever)) unreachable
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `tries`, `stopped by` | for people |
//! | `refused: WORDS` | it is not loaded, and these words say why |
//! | `fails: LABEL WORDS` | its polls fail under this label; `every: N` of them, or those `from: N` on |
//! | `sample: LABEL WORDS` | its samples are refused under this label |
//! | `harmless: N` | its polls give N samples |
//! | `grants`, `isolation`, `cpu` | on what terms |
//! | `polls` | how often it is polled, where 10,000 times take too long |
//! | `cut`, `pad`, `version` | what is done to the component: its first bytes alone, zeros up to a size, another version of the contract |
//!
//! Parts, below `;;; NAME`: `imports`, `items`, `meters` and `poll` of the [`Wat`] template, or a whole `module`, `component`, or `bytes`. `;;; items * 1000` repeats it, with its
//! number for `%`. A part of another name stands where `$NAME` does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{GOOD, Wat, encode};

/// A hostile guest.
#[derive(Clone, Debug)]
pub struct Attack {
    /// The file's name, without its ending.
    pub name: String,
    /// What it tries, in words.
    pub tries: String,
    /// What stops it, in words.
    pub stopped_by: String,
    /// What must come of it.
    pub expected: Expected,
    /// What it is granted, by the interfaces' names.
    pub grants: Vec<String>,
    /// Whether one instance of it polls for a whole cycle.
    pub is_kept: bool,
    /// Its limit of computing time, where the default would take too long.
    pub cpu: Option<Duration>,
    /// How often it is to be polled.
    pub polls: u32,
    /// The file that an agent would be given.
    pub module: Vec<u8>,
}

/// What must come of a hostile guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is not loaded, for a reason with these words.
    Refused(String),
    /// Polls fail.
    Fails {
        /// The label of the sandbox.
        label: String,
        /// Words of the reason.
        words: String,
        /// Every how manyth poll; 1: all.
        every: u32,
        /// From which poll on, the first being 1.
        from: u32,
    },
    /// Its samples are refused.
    Sample {
        /// The label of the sandbox.
        label: String,
        /// Words of the reason.
        words: String,
    },
    /// Polls give this many samples, and nothing else comes of it.
    Harmless(usize),
}

/// Reads the corpus.
///
/// # Panics
/// Where a file of it lacks something, or has too much: a fault of the corpus.
pub fn corpus() -> Vec<Attack> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hostile");
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> =
        files.map(|file| file.unwrap_or_else(|error| panic!("{error}")).path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "wat"));
    paths.sort();
    paths.iter().map(|path| attack(path)).collect()
}

fn attack(path: &Path) -> Attack {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut head: BTreeMap<&str, &str> = BTreeMap::new();
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    let mut part: Option<(String, u32, String)> = None;
    let mut finish = |part: &mut Option<(String, u32, String)>| {
        if let Some((name, times, text)) = part.take() {
            let repeated = match times {
                1 => text,
                times => (0..times).map(|number| text.replace('%', &number.to_string())).collect(),
            };
            parts.insert(name, repeated);
        }
    };
    for line in text.lines() {
        if let Some(title) = line.strip_prefix(";;; ") {
            finish(&mut part);
            let (title, times) = title.split_once(" * ").unwrap_or((title, "1"));
            let times = times.parse().unwrap_or_else(|_| panic!("{name}: {times} is no number"));
            part = Some((title.to_owned(), times, String::new()));
        } else if let Some((_, _, text)) = &mut part {
            text.push_str(line);
            text.push('\n');
        } else if let Some(line) = line.strip_prefix(";; ") {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: no key in {line:?}"));
            head.insert(key, value);
        }
    }
    finish(&mut part);
    let mut take = |key: &str| head.remove(key);
    let number = |text: &str| text.parse::<u32>().unwrap_or_else(|_| panic!("{name}: {text} is no number"));
    let of_label = |text: &str| {
        let (label, words) = text.split_once(' ').unwrap_or((text, ""));
        (label.to_owned(), words.to_owned())
    };
    let expected = match (take("refused"), take("fails"), take("sample"), take("harmless")) {
        (Some(words), None, None, None) => Expected::Refused(words.to_owned()),
        (None, Some(text), None, None) => {
            let (label, words) = of_label(text);
            let (every, from) = (take("every").map_or(1, number), take("from").map_or(1, number));
            Expected::Fails { label, words, every, from }
        }
        (None, None, Some(text), None) => {
            let (label, words) = of_label(text);
            Expected::Sample { label, words }
        }
        (None, None, None, Some(samples)) => Expected::Harmless(number(samples) as usize),
        _ => panic!("{name}: one of refused, fails, sample and harmless says what must come of it"),
    };
    let millis = |text: &str| number(text.strip_suffix("ms").unwrap_or_else(|| panic!("{name}: cpu in ms")));
    let attack = Attack {
        tries: take("tries").unwrap_or_else(|| panic!("{name}: what does it try?")).to_owned(),
        stopped_by: take("stopped by").unwrap_or_else(|| panic!("{name}: what stops it?")).to_owned(),
        expected,
        grants: take("grants").map(|text| text.split(", ").map(str::to_owned).collect()).unwrap_or_default(),
        is_kept: take("isolation") == Some("cycle"),
        cpu: take("cpu").map(|text| Duration::from_millis(millis(text).into())),
        polls: take("polls").map_or(10_000, number),
        module: {
            let (cut, pad, version) = (take("cut").map(number), take("pad").map(number), take("version"));
            altered(module(&name, parts), cut, pad, version)
        },
        name,
    };
    assert!(head.is_empty(), "{}: unknown: {head:?}", attack.name);
    attack
}

fn module(name: &str, mut parts: BTreeMap<String, String>) -> Vec<u8> {
    let own: Vec<String> =
        ["imports", "items", "meters", "poll", "module", "component", "bytes"].map(str::to_owned).to_vec();
    let others: Vec<String> = parts.keys().filter(|key| !own.contains(key)).cloned().collect();
    for other in others {
        let text = parts.remove(&other).unwrap_or_default();
        let place = format!("${other}");
        let used = parts.values().any(|part| part.contains(&place));
        assert!(used, "{name}: nothing has {place}");
        for part in parts.values_mut() {
            *part = part.replace(&place, &text);
        }
    }
    if let Some(bytes) = parts.remove("bytes") {
        return bytes.into_bytes();
    }
    if let Some(component) = parts.remove("component") {
        return wat::parse_str(component).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    if let Some(module) = parts.remove("module") {
        return encode(&module);
    }
    let part = |key: &str| parts.get(key).map(String::as_str).unwrap_or_default();
    let poll = parts.get("poll").map_or(GOOD, String::as_str);
    Wat { imports: part("imports"), items: part("items"), meters: part("meters"), poll, ..Wat::default() }
        .component()
}

fn altered(mut module: Vec<u8>, cut: Option<u32>, pad: Option<u32>, version: Option<&str>) -> Vec<u8> {
    if let Some(version) = version {
        let (old, new) = (b"@0.1.0", format!("@{version}"));
        assert_eq!(old.len(), new.len(), "a version as long as this one");
        for at in 0..=module.len() - old.len() {
            if module[at..].starts_with(old) {
                module[at..at + old.len()].copy_from_slice(new.as_bytes());
            }
        }
    }
    if let Some(length) = cut {
        module.truncate(length as usize);
    }
    if let Some(length) = pad {
        module.resize(length as usize, 0);
    }
    module
}

//! The guests of all languages are held to each other, and each to its own cases:
//!
//! ```text
//!  target/guests/<language>/mem-max ──┬─ the same recordings ─┬──▶ the same outcome, to the bit
//!  target/guests/mem_max (Rust)     ──┘                       └──  each language
//!  every guest ──▶ its cases ──▶ the example host: nothing refused, and nothing left over from one poll to the next
//! ```
//!
//! One test a language: compiling a component of an interpreter takes a debug build half a minute, so each is compiled once.
//! `cargo xtask guests` builds them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, bail, ensure};
use config::Faults;
use inspector::identity::Identity;
use inspector::snapshot::Memory;
use inspector::{Instance, Missing, Snapshot};
use nephoscope_tests::{Site, guest, root};
use sample::Volume;
use sandbox::{Engine, Failure, Isolation, Limits, Module, Outcome, Skip, as_reported};
use workbench::cases::{Recordings, prepare, to_yaml};
use workbench::example;
use workbench::play::{Player, Polled, Terms};

/// Every language, each with a test below.
const LANGUAGES: [&str; 9] = ["c", "cpp", "go", "javascript", "python", "rust", "typescript", "wat", "zig"];

/// The files that make a folder a guest's.
const MARKERS: [&str; 4] = ["Makefile", "package.json", "build.zig", "Cargo.toml"];

/// Guests in Rust whose every sample is compared with the genuine Ceilometer's elsewhere.
const CEILOMETERS: [&str; 4] = ["disk", "instance", "network", "perf"];

/// The least polls that share one instance of a component.
const MANY: usize = 300;

/// More instances than a host has.
const A_HOST: usize = 5_000;

/// A guest with its component.
struct Built {
    /// `go/mem-max`.
    name: String,
    folder: PathBuf,
    module: Module,
}

impl Built {
    fn player(&self, isolation: Isolation) -> Result<Player> {
        let terms = Terms { isolation, ..Terms::default() };
        Player::new(engine(), &self.module, &self.name, &terms).with_context(|| self.name.clone())
    }
}

/// The sandbox of all tests here.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().unwrap_or_else(|error| panic!("{error:#}")))
}

/// The guests' folders of a language, by name.
fn folders(language: &str) -> Result<BTreeMap<String, PathBuf>> {
    let parent = root().join("guests").join(language);
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&parent).with_context(|| parent.display().to_string())? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_guest = name != "sdk" && MARKERS.iter().any(|marker| folder.join(marker).is_file());
        if is_guest && !(language == "rust" && CEILOMETERS.contains(&name.as_str())) {
            found.insert(name, folder);
        }
    }
    Ok(found)
}

fn component(language: &str, name: &str) -> PathBuf {
    match language {
        "rust" => guest(&name.replace('-', "_")),
        _ => guest(&format!("{language}/{name}")),
    }
}

/// Compiles every guest of a language and holds it to all that is asked of it.
fn hold(language: &str) -> Result<()> {
    let mut faults = Vec::new();
    let folders = folders(language)?;
    ensure!(folders.contains_key("mem-max"), "{language} has no twin of mem-max");
    for (name, folder) in folders {
        let module = Module::read(engine(), &component(language, &name))?;
        let built = Built { name: format!("{language}/{name}"), folder, module };
        let twin = if name == "mem-max" { is_twin(&built) } else { Ok(()) };
        for held in [twin, passes_its_cases(&built), keeps_the_rules(&built)] {
            faults.extend(held.err().map(|fault| format!("{}: {fault:#}", built.name)));
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// What a poll came to, to the bit: this tells a real of 0.0 from one of -0.0, and writes every other double by digits that
/// no other has.
fn exact(polled: &Polled) -> String {
    format!("{:?}, logged {:?}", polled.outcome, polled.log)
}

// Twins.

/// What the guest in Rust declares, and makes of every instance.
struct Reference {
    meters: Vec<sample::Meter>,
    recordings: Vec<Snapshot>,
    outcomes: Vec<Vec<String>>,
}

fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| make_reference().unwrap_or_else(|error| panic!("{error:#}")))
}

fn make_reference() -> Result<Reference> {
    let recordings = vec![example::host()?, example::later()?, extremes()?];
    let module = Module::read(engine(), &component("rust", "mem-max"))?;
    let player = Player::new(engine(), &module, "rust/mem-max", &Terms::default())?;
    let mut outcomes = Vec::new();
    for recording in &recordings {
        let polls = player.play(recording, |_| true);
        // The others are worth no more than what they are compared with.
        polls.iter().try_for_each(|polled| is_right(polled, player.meters()))?;
        outcomes.push(polls.iter().map(exact).collect());
    }
    Ok(Reference { meters: player.meters().to_vec(), recordings, outcomes })
}

/// Whether one poll of mem-max came to what its reading says.
fn is_right(polled: &Polled, meters: &[sample::Meter]) -> Result<()> {
    let instance = &polled.instance;
    let right = match (&instance.memory, &polled.outcome) {
        (Ok(memory), Outcome::Samples { samples, refused }) => match samples.as_slice() {
            [sample] => {
                let mib = memory.maximum as f64 / 1_048_576.0;
                let is_exact = matches!(sample.volume, Volume::Real(real) if real.to_bits() == mib.to_bits());
                is_exact
                    && refused.is_empty()
                    && meters[sample.meter].name == "mem.max"
                    && sample.resource_id == instance.identity.uuid
                    && sample.metadata.is_none()
            }
            _ => false,
        },
        (Err(Missing::NotFound), outcome) => *outcome == Outcome::Skipped(Skip::NotFound),
        (Err(Missing::ShutOff), outcome) => *outcome == Outcome::Skipped(Skip::ShutOff),
        (Err(Missing::Unsupported), outcome) => *outcome == Outcome::Skipped(Skip::Unsupported),
        (Err(Missing::NoData), outcome) => *outcome == Outcome::Skipped(Skip::NoData),
        (Err(Missing::Failed(why)), outcome) => {
            *outcome == Outcome::Failed(Failure::Failed(as_reported(why)))
        }
        _ => false,
    };
    ensure!(right, "of {:?} came {:?}", instance.memory, polled.outcome);
    Ok(())
}

/// A recording, written and read again, of what seldom happens: sizes at which a double, a float or a signed integer would give another
/// number, and every reason for which a reading may be missing.
fn extremes() -> Result<Snapshot> {
    let largest = [1 << 53, 1 << 63, u64::MAX];
    let sizes = [0, 1, 1_048_577, (1 << 53) + 1, (1 << 53) - 1, (1 << 63) - 1, (1 << 63) + 1025];
    let sizes = sizes.into_iter().chain(largest);
    let long = "ü".repeat(5_000);
    let texts = ["", "no \"answer\" in 'time':\n\tlibvirtd – träge, 猫 🐈\\ \0\u{7f}", &long];
    let missing = [Missing::NotFound, Missing::ShutOff, Missing::Unsupported, Missing::NoData];
    let missing = missing.into_iter().chain(texts.map(|text| Missing::Failed(text.to_owned())));
    let readings = sizes.map(|maximum| Ok(Memory { maximum, ..Memory::default() })).chain(missing.map(Err));

    let host = example::host()?;
    let model = host.instances.first().context("nobody is on the example host")?;
    let instances = readings.enumerate().map(|(number, memory)| {
        let uuid = format!("00000000-0000-4000-8000-{number:012x}");
        let name = format!("extreme-{number}");
        let identity = Arc::new(Identity { uuid, name, ..Identity::clone(&model.identity) });
        Arc::new(Instance { identity, memory, ..Instance::clone(model) })
    });
    let site = Site::new()?;
    let file = site.path("extremes.json");
    inspector::record(&Snapshot { instances: instances.collect(), ..host }, &file)?;
    Ok(inspector::load(&file)?)
}

/// Whether a mem-max does what that in Rust does.
fn is_twin(built: &Built) -> Result<()> {
    let reference = reference();
    let player = built.player(Isolation::Poll)?;
    ensure!(player.meters() == reference.meters, "{:?} instead of {:?}", player.meters(), reference.meters);
    for (recording, outcomes) in reference.recordings.iter().zip(&reference.outcomes) {
        let polls = player.play(recording, |_| true);
        ensure!(polls.len() == outcomes.len(), "{} polls instead of {}", polls.len(), outcomes.len());
        for (polled, expected) in polls.iter().zip(outcomes) {
            let came = exact(polled);
            ensure!(came == *expected, "{}: {came} instead of {expected}", polled.instance.identity.name);
        }
    }
    Ok(())
}

// Cases.

/// Runs a guest's cases as `nephoscope guest test` does.
fn passes_its_cases(built: &Built) -> Result<()> {
    let folder = built.folder.join("cases");
    let entries = fs::read_dir(&folder).context("it has no cases")?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    ensure!(!files.is_empty(), "it has no cases");
    let mut recordings = Recordings::default();
    for path in files {
        let file = config::load_cases(&path)?.value;
        names_its_guest(built, &path, file.guest.as_ref().map(|guest| guest.value.as_path()))?;
        let limits = agent::plan::limits(&file.limits);
        let mut faults = Faults::default();
        let Some(prepared) = prepare(file, &mut recordings, &mut faults) else { bail!("{faults}") };
        for ran in prepared.run(engine(), &built.module, &built.name, &limits) {
            let case = &ran.case.name.value;
            for poll in ran.polls.with_context(|| case.clone())? {
                let came = to_yaml(&poll.came.outcome);
                ensure!(
                    poll.differences.is_empty(),
                    "{case}, line {}: {:?}; this came: {came}",
                    poll.poll.place.line,
                    poll.differences
                );
            }
        }
    }
    Ok(())
}

/// Whether an author who types `nephoscope guest test cases` tests what he has built.
fn names_its_guest(built: &Built, file: &Path, guest: Option<&Path>) -> Result<()> {
    let guest = guest.with_context(|| format!("{} names no guest", file.display()))?;
    let (language, name) = built.name.split_once('/').context("a guest of no language")?;
    let component = match language {
        "rust" => format!("../../target/wasm32-unknown-unknown/release/{}.wasm", name.replace('-', "_")),
        _ => format!("../build/{name}.wasm"),
    };
    let own = built.folder.join("cases").join(component);
    ensure!(guest == own, "{} tests {}", file.display(), guest.display());
    Ok(())
}

// Rules.

/// Whether all that a guest reports on the example host is accepted, in a fresh instance for each poll as well as in one for many, where
/// it does the same.
fn keeps_the_rules(built: &Built) -> Result<()> {
    let many = many()?;
    let fresh = built.player(Isolation::Poll)?;
    let polls = fresh.play(&many, |_| true);
    let mut count = 0;
    for polled in &polls {
        match &polled.outcome {
            Outcome::Samples { samples, refused } if refused.is_empty() => count += samples.len(),
            Outcome::Skipped(_) => {}
            _ if fresh.handed_on(polled).is_some() => {}
            other => bail!("{}: {other:?}", polled.instance.identity.name),
        }
    }
    ensure!(count > 0, "no sample of the example host");

    let one_after_another = built.player(Isolation::Cycle)?.play(&many, |_| true);
    ensure!(polls.len() >= MANY && polls.len() == one_after_another.len(), "not every instance was polled");
    for (number, (alone, after)) in polls.iter().zip(&one_after_another).enumerate() {
        let (alone, name) = (exact(alone), &after.instance.identity.name);
        let after = exact(after);
        ensure!(alone == after, "poll {number}, {name}: {after} after others, but {alone} alone");
    }
    is_bounded(&one_after_another)
}

/// The example host's two moments again and again.
fn many() -> Result<Snapshot> {
    let (host, later) = (example::host()?, example::later()?);
    let both: Vec<_> = host.instances.iter().chain(&later.instances).cloned().collect();
    let rounds = MANY.div_ceil(both.len());
    let instances = both.iter().cycle().take(rounds * both.len()).cloned().collect();
    Ok(Snapshot { instances, ..host })
}

/// Whether a cycle over a whole host would stay within the memory that a guest has by default, growing it all the time as it did here. A
/// collector may take nothing back in so few polls.
fn is_bounded(polls: &[Polled]) -> Result<()> {
    let (Some(first), Some(last)) = (polls.first(), polls.last()) else { bail!("no poll") };
    let each = last.memory.saturating_sub(first.memory).div_ceil(polls.len());
    let cycle = first.memory + each * A_HOST;
    let most = Limits::default().memory;
    ensure!(cycle <= most, "{each} bytes more with each poll: {cycle} after {A_HOST}, of {most}");
    Ok(())
}

#[test]
fn no_language_is_left_out() -> Result<()> {
    let names: BTreeSet<String> = fs::read_dir(root().join("guests"))?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), LANGUAGES);
    Ok(())
}

#[test]
fn guests_in_c_are_held_to_the_others() -> Result<()> {
    hold("c")
}

#[test]
fn guests_in_cpp_are_held_to_the_others() -> Result<()> {
    hold("cpp")
}

#[test]
fn guests_in_go_are_held_to_the_others() -> Result<()> {
    hold("go")
}

#[test]
fn guests_in_javascript_are_held_to_the_others() -> Result<()> {
    hold("javascript")
}

#[test]
fn guests_in_python_are_held_to_the_others() -> Result<()> {
    hold("python")
}

#[test]
fn guests_in_rust_are_held_to_the_others() -> Result<()> {
    hold("rust")
}

#[test]
fn guests_in_typescript_are_held_to_the_others() -> Result<()> {
    hold("typescript")
}

#[test]
fn guests_in_webassembly_text_are_held_to_the_others() -> Result<()> {
    hold("wat")
}

#[test]
fn guests_in_zig_are_held_to_the_others() -> Result<()> {
    hold("zig")
}

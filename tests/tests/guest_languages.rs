//! The guests of every language, on the same recorded readings: `mem.max` of each is to the bit that of Rust, each guest's own cases pass,
//! and none behaves otherwise where its instance is kept for a whole cycle.
//!
//! Components of interpreters are slow to compile, so each is compiled once: one test does all that is asked of a language.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use config::Faults;
use inspector::snapshot::Memory;
use inspector::{Instance, Missing, Snapshot};
use nephoscope_tests::root;
use sample::Volume;
use sandbox::{Engine, GuestSample, Isolation, Module, Outcome};
use workbench::cases::{Recordings, prepare};
use workbench::example;
use workbench::play::{Player, Terms};

/// All but Rust, whose guests are what the others are compared with.
const LANGUAGES: [&str; 8] = ["c", "cpp", "go", "javascript", "python", "typescript", "wat", "zig"];

/// The twin of `guests/rust/mem-max`.
const TWIN: &str = "mem-max";

/// Polls of one instance of a component that is kept: what it loses at each of them would show.
const KEPT_POLLS: usize = 150;

#[test]
fn c() -> Result<()> {
    language("c")
}

#[test]
fn cpp() -> Result<()> {
    language("cpp")
}

#[test]
fn go() -> Result<()> {
    language("go")
}

#[test]
fn javascript() -> Result<()> {
    language("javascript")
}

#[test]
fn python() -> Result<()> {
    language("python")
}

#[test]
fn typescript() -> Result<()> {
    language("typescript")
}

#[test]
fn wat() -> Result<()> {
    language("wat")
}

#[test]
fn zig() -> Result<()> {
    language("zig")
}

#[test]
fn rust() -> Result<()> {
    let guest = Guest {
        name: "rust/mem-max".into(),
        project: root().join("guests/rust").join(TWIN),
        component: root().join("target/guests/mem_max.wasm"),
    };
    let engine = engine()?;
    let module = guest.module(&engine)?;
    guest.passes_its_cases(&engine, &module)?;
    guest.is_the_same_when_it_is_kept(&engine, &module)
}

#[test]
fn no_language_is_forgotten() -> Result<()> {
    let folders = fs::read_dir(root().join("guests"))?.filter_map(Result::ok).map(|entry| entry.path());
    let there: BTreeSet<String> = folders.filter(|path| path.is_dir()).map(|path| name(&path)).collect();
    let tested: BTreeSet<String> =
        LANGUAGES.iter().chain(["rust"].iter()).map(|name| (*name).into()).collect();
    assert_eq!(there, tested);
    Ok(())
}

/// A guest's project, and what was built of it.
struct Guest {
    name: String,
    project: PathBuf,
    component: PathBuf,
}

fn engine() -> Result<Engine> {
    Engine::new().map_err(|error| anyhow!("{error:#}"))
}

/// Holds all guests of a language to what is asked of them.
fn language(language: &str) -> Result<()> {
    let engine = engine()?;
    let guests = guests(language)?;
    ensure!(
        guests.iter().any(|guest| guest.name == format!("{language}/{TWIN}")),
        "{language} has no {TWIN}"
    );
    ensure!(guests.len() >= 2, "{language} has no richer guest");
    for guest in guests {
        let module = guest.module(&engine)?;
        if guest.name.ends_with(TWIN) {
            guest.agrees_with_rust(&engine, &module)?;
        }
        guest.passes_its_cases(&engine, &module)?;
        guest.is_the_same_when_it_is_kept(&engine, &module)?;
    }
    Ok(())
}

fn guests(language: &str) -> Result<Vec<Guest>> {
    let folder = root().join("guests").join(language);
    let projects = fs::read_dir(&folder)?.filter_map(Result::ok).map(|entry| entry.path());
    // An SDK has no world.
    let mut projects: Vec<PathBuf> = projects.filter(|path| path.join("wit").is_dir()).collect();
    projects.sort();
    let guest = |project: PathBuf| {
        let name = format!("{language}/{}", name(&project));
        let component = root().join("target/guests").join(&name).with_extension("wasm");
        Guest { name, project, component }
    };
    Ok(projects.into_iter().map(guest).collect())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Guest {
    fn module(&self, engine: &Engine) -> Result<Module> {
        ensure!(self.component.exists(), "{} was not built: `cargo xtask guests` does it", self.name);
        Ok(Module::read(engine, &self.component)?)
    }

    fn player(&self, engine: &Engine, module: &Module, isolation: Isolation) -> Result<Player> {
        Ok(Player::new(engine, module, &self.name, &Terms { isolation, ..Terms::default() })?)
    }

    fn agrees_with_rust(&self, engine: &Engine, module: &Module) -> Result<()> {
        let rust = Module::read(engine, &root().join("target/guests/mem_max.wasm"))?;
        let rust = self.player(engine, &rust, Isolation::Poll)?;
        let own = self.player(engine, module, Isolation::Poll)?;
        assert_eq!(own.meters(), rust.meters(), "{}", self.name);
        for snapshot in [example::host()?, example::later()?, extremes()?] {
            for instance in &snapshot.instances {
                let (own, rust) = (own.poll(instance).outcome, rust.poll(instance).outcome);
                let same = own == rust && bits(&own) == bits(&rust);
                ensure!(same, "{} says {own:?}, Rust {rust:?}, of {:?}", self.name, instance.memory);
            }
        }
        Ok(())
    }

    /// As `nephoscope guest test cases` would.
    fn passes_its_cases(&self, engine: &Engine, module: &Module) -> Result<()> {
        let folder = self.project.join("cases");
        let entries = fs::read_dir(&folder).with_context(|| format!("{} has no cases", self.name))?;
        let mut ran = 0;
        for entry in entries {
            let path = entry?.path();
            let file = config::load_cases(&path).map_err(|faults| anyhow!("{faults}"))?.value;
            let mut faults = Faults::default();
            let limits = agent::plan::limits(&file.limits);
            let prepared = prepare(file, &mut Recordings::default(), &mut faults);
            let Some(prepared) = prepared.filter(|_| !faults.is_fatal()) else { bail!("{faults}") };
            let cases = prepared.run(engine, module, &self.name, &limits);
            for case in &cases {
                ensure!(case.passed(), "{}: the case {:?} fails", path.display(), case.case.name.value);
            }
            ran += cases.len();
        }
        ensure!(ran >= 3, "{} has {ran} cases", self.name);
        Ok(())
    }

    /// An instance that is kept must not carry anything from one poll to the next, nor lose memory at each.
    fn is_the_same_when_it_is_kept(&self, engine: &Engine, module: &Module) -> Result<()> {
        let fresh = self.player(engine, module, Isolation::Poll)?;
        let kept = self.player(engine, module, Isolation::Cycle)?;
        let mut sampled = Vec::new();
        for snapshot in [example::host()?, example::later()?] {
            let polls = fresh.play(&snapshot, |_| true);
            for (one, other) in polls.iter().zip(kept.play(&snapshot, |_| true)) {
                let same = one.outcome == other.outcome && bits(&one.outcome) == bits(&other.outcome);
                ensure!(same, "{}: fresh {:?}, kept {:?}", self.name, one.outcome, other.outcome);
                match &one.outcome {
                    Outcome::Samples { samples, refused } => {
                        ensure!(refused.is_empty(), "{}: refused {refused:?}", self.name);
                        sampled.push((samples.len(), Arc::clone(&one.instance)));
                    }
                    Outcome::Skipped(_) => {}
                    Outcome::Failed(_) if fresh.handed_on(one).is_some() => {}
                    bad => bail!("{}: {bad:?} of {}", self.name, one.instance.identity.name),
                }
            }
        }
        let richest = sampled.iter().max_by_key(|(samples, _)| *samples).filter(|(samples, _)| *samples > 0);
        let (_, richest) =
            richest.with_context(|| format!("{} has no sample of the example host", self.name))?;
        let many = Snapshot { instances: vec![Arc::clone(richest); KEPT_POLLS], ..example::later()? };
        let polls = kept.play(&many, |_| true);
        ensure!(polls.len() == KEPT_POLLS);
        let (early, last) = (&polls[KEPT_POLLS / 3], &polls[KEPT_POLLS - 1]);
        for polled in &polls {
            let taken = matches!(&polled.outcome, Outcome::Samples { samples, .. } if !samples.is_empty());
            ensure!(taken, "{}: {:?}", self.name, polled.outcome);
        }
        // Go collects nothing and may take a few pages more; what leaks takes more at each poll.
        let more = last.memory.saturating_sub(early.memory);
        ensure!(
            more <= early.memory / 2,
            "{}: {} bytes at first, {more} more later",
            self.name,
            early.memory
        );
        Ok(())
    }
}

/// What `==` on doubles does not tell: 0 from −0.
fn bits(outcome: &Outcome) -> Vec<Option<u64>> {
    let real = |sample: &GuestSample| match sample.volume {
        Volume::Real(number) => Some(number.to_bits()),
        _ => None,
    };
    match outcome {
        Outcome::Samples { samples, .. } => samples.iter().map(real).collect(),
        _ => Vec::new(),
    }
}

/// Maxima at which conversions go wrong, and each way in which a reading can be missing.
fn extremes() -> Result<Snapshot> {
    const EXACT: u64 = 1 << 53;
    let maxima = [
        0,
        1,
        1023,
        EXACT - 1,
        EXACT,
        EXACT + 1,
        EXACT + 3,
        1 << 63,
        (1 << 63) + 1,
        u64::MAX - 1024,
        u64::MAX,
    ];
    let missing = [
        Missing::NotFound,
        Missing::ShutOff,
        Missing::Unsupported,
        Missing::NoData,
        Missing::Failed(String::new()),
        Missing::Failed("\"quoted\", 'ünïcödé' \u{1F600}, a\ttab\nand a line".into()),
        Missing::Failed("long ".repeat(5_000)),
    ];
    let memory = maxima.into_iter().map(|maximum| Ok(Memory { maximum, ..Memory::default() }));
    let host = example::host()?;
    let any = host.instances.first().context("no instance")?;
    let instance = |memory| Arc::new(Instance { memory, ..Instance::clone(any) });
    let instances = memory.chain(missing.into_iter().map(Err)).map(instance).collect();
    Ok(Snapshot { instances, ..host })
}

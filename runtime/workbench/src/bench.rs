//! What a component costs: its size, compiling and loading it, and its polls, each in a fresh instance of it or all in one.
//!
//! All figures come from one process on one machine: between machines, and on a busy one, compare the ratios.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use inspector::{Instance, Snapshot};
use sandbox::cached::{self, CachedLoad};
use sandbox::{Engine, Guest, Isolation, LoadError, Module, Outcome, module};

use crate::play::{Player, Terms};

/// Polls that are timed at most: what is more says no more.
const MOST_POLLS: usize = 1_000_000;

/// Polls of one session, as of a cycle on a large host: a component may leave memory behind at each poll until its cycle ends.
const CYCLE: usize = 1_000;

/// The first polls of a session, which are not timed: they start the component, and bring it into the processor's caches.
const WARM_UP: usize = 10;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The component's size in bytes.
    pub bytes: usize,
    /// Compiling it.
    pub compile: Duration,
    /// Loading its compiled form.
    pub cached: CachedLoad,
    /// Starting it and asking it for its meters.
    pub start: Duration,
    /// Polls, each in a fresh instance of the component (`isolation: poll`, the default).
    pub fresh: Times,
    /// Polls, all in one instance of it (`isolation: cycle`).
    pub warm: Times,
    /// Samples of one poll, on average.
    pub samples: f64,
    /// The linear memory that it had in use after a poll at most, in bytes: the larger of both isolations.
    pub memory: usize,
    /// How many instances were polled in turn.
    pub instances: usize,
}

/// The times of some polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How many.
    pub polls: usize,
    /// Half of them took less.
    pub median: Duration,
    /// One in a hundred took longer.
    pub p99: Duration,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The sandbox refuses the component.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its compiled form cannot be loaded.
    #[error("the compiled form cannot be loaded: {0}")]
    Cached(String),
    /// The snapshot has no instance.
    #[error("there is no instance to poll")]
    Empty,
    /// A poll failed.
    #[error("a poll of {instance} failed, so that there is nothing to measure: {outcome}")]
    Failed {
        /// The instance's name.
        instance: String,
        /// What came of it.
        outcome: String,
    },
}

/// Measures a component for about this long, on the instances of which it gives samples, or on all where it gives none.
///
/// # Errors
/// It cannot be loaded, or its polls fail.
pub fn measure(
    engine: &Engine,
    path: &Path,
    snapshot: &Snapshot,
    terms: &Terms,
    time: Duration,
) -> Result<Figures, BenchError> {
    let bytes = module::bytes(path)?;
    let started = Clock::now();
    let module = Module::compile(engine, &bytes, path)?;
    let compile = started.elapsed();
    let cached =
        cached::measure(engine, &module).map_err(|error| BenchError::Cached(format!("{error:#}")))?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let with = |isolation| terms_of(terms, isolation).spec(&name, &module);
    let started = Clock::now();
    let fresh = Guest::of(engine, &module, with(Isolation::Poll))?;
    let start = started.elapsed();
    let warm = Guest::of(engine, &module, with(Isolation::Cycle))?;

    let instances = worthwhile(&Player::new(engine, &module, &name, terms)?, snapshot)?;
    let (fresh, few) = poll(&fresh, &instances, time / 2)?;
    let (warm, more) = poll(&warm, &instances, time / 2)?;
    Ok(Figures {
        bytes: bytes.len(),
        compile,
        cached,
        start,
        fresh,
        warm,
        samples: few.samples,
        memory: few.memory.max(more.memory),
        instances: instances.len(),
    })
}

fn terms_of(terms: &Terms, isolation: Isolation) -> Terms {
    Terms { isolation, ..terms.clone() }
}

/// The instances of which the component gives samples, else all: an error is quicker than an answer.
fn worthwhile(player: &Player, snapshot: &Snapshot) -> Result<Vec<Arc<Instance>>, BenchError> {
    if snapshot.instances.is_empty() {
        return Err(BenchError::Empty);
    }
    // A second time: a delta has no sample the first time.
    let gives =
        |outcome: &Outcome| matches!(outcome, Outcome::Samples { samples, .. } if !samples.is_empty());
    let first = player.play(snapshot, |_| true);
    let good: Vec<_> = player
        .play(snapshot, |_| true)
        .into_iter()
        .filter(|polled| gives(&polled.outcome))
        .map(|polled| polled.instance)
        .collect();
    if !good.is_empty() {
        return Ok(good);
    }
    // What a guest refuses, a wrong setting say, is no poll that anybody wants to know the cost of.
    for polled in &first {
        let outcome = match &polled.outcome {
            Outcome::Permanent(why) => why.clone(),
            Outcome::Failed(failure) if player.handed_on(polled).is_none() => failure.to_string(),
            _ => continue,
        };
        let instance = crate::play::name(&polled.instance).to_owned();
        return Err(BenchError::Failed { instance, outcome });
    }
    Ok(snapshot.instances.clone())
}

/// What a row of polls shows beside their times.
struct Seen {
    samples: f64,
    memory: usize,
}

fn poll(guest: &Guest, instances: &[Arc<Instance>], time: Duration) -> Result<(Times, Seen), BenchError> {
    let state = Arc::default();
    let mut session = guest.session(&state);
    let mut times = Vec::new();
    let (mut samples, mut memory, mut polls) = (0, 0, 0);
    let started = Clock::now();
    for instance in instances.iter().cycle() {
        if polls % CYCLE == 0 {
            session = guest.session(&state);
        }
        let before = Clock::now();
        let outcome = session.poll(instance);
        let took = before.elapsed();
        let is_timed = polls % CYCLE >= WARM_UP;
        polls += 1;
        match &outcome {
            Outcome::Samples { samples: some, .. } => samples += some.len(),
            Outcome::Failed(failure) if failure.is_misconduct() => {
                let instance = crate::play::name(instance).to_owned();
                return Err(BenchError::Failed { instance, outcome: failure.to_string() });
            }
            _ => {}
        }
        memory = memory.max(session.memory());
        if is_timed {
            times.push(took);
        }
        if times.len() >= MOST_POLLS || (!times.is_empty() && started.elapsed() >= time) {
            break;
        }
    }
    let seen = Seen { samples: samples as f64 / polls as f64, memory };
    Ok((Times::of(times), seen))
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at =
            |share: usize| times.get(times.len() * share / 100).or(times.last()).copied().unwrap_or_default();
        Self { polls: times.len(), median: at(50), p99: at(99) }
    }
}

#[cfg(test)]
mod tests {
    use wat_guests::Wat;

    use super::*;
    use crate::example;

    #[test]
    fn the_times_are_of_the_polls_in_their_order() {
        let micros = |micros: &[u64]| micros.iter().copied().map(Duration::from_micros).collect::<Vec<_>>();
        let times = Times::of(micros(&(1..=200).rev().collect::<Vec<_>>()));
        assert_eq!((times.polls, times.median.as_micros(), times.p99.as_micros()), (200, 101, 199));
        assert_eq!(Times::of(micros(&[7])).p99.as_micros(), 7);
    }

    fn measured(wat: &Wat<'_>) -> Result<Figures, BenchError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.wasm");
        std::fs::write(&path, wat.component()).unwrap();
        let time = Duration::from_millis(40);
        measure(&Engine::new().unwrap(), &path, &example::host().unwrap(), &Terms::default(), time)
    }

    #[test]
    fn every_figure_is_there() {
        let figures = measured(&Wat::default()).unwrap();
        assert!(figures.bytes > 0 && figures.cached.bytes > figures.bytes);
        assert!(!figures.compile.is_zero() && !figures.cached.time.is_zero() && !figures.start.is_zero());
        assert!(figures.fresh.polls > 0 && figures.warm.polls > 0 && !figures.fresh.median.is_zero());
        assert_eq!((figures.samples, figures.memory, figures.instances), (1.0, 2 * 65_536, 8));
    }

    #[test]
    fn polls_that_fail_are_not_measured() {
        let error = measured(&Wat { poll: "unreachable", ..Wat::default() }).unwrap_err();
        assert!(matches!(&error, BenchError::Failed { .. }), "{error}");
    }

    #[test]
    fn a_component_is_measured_where_it_has_something_to_say() {
        // It gives a sample of a paused instance only.
        let figures = measured(&Wat {
            imports: r#"(import "nephoscope:meter/instance@0.1.0" "power" (func $power (result i32)))"#,
            poll: "(call $ok (i32.const 1024) (i32.eq (call $power) (i32.const 3)))",
            ..Wat::default()
        })
        .unwrap();
        assert_eq!((figures.instances, figures.samples), (1, 1.0));
    }
}

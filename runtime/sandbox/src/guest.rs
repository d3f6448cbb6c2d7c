//! Loading: from a file to a guest that is checked, linked and has been asked for its meters.
//!
//! Each step refuses by name. Nothing of a refused module runs, but for `meters()`, which runs under the limits as the last step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use inspector::Groups;
use sample::Meter;
use wasmtime::component::{HasSelf, Linker};

use crate::capability::{self, Capability};
use crate::contract::nephoscope::meter as interfaces;
use crate::contract::{FullPre, PACKAGE, VERSION};
use crate::declaration::{self, Declared};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::limits::{self, Limits};
use crate::module::Module;
use crate::poll::Poll;
use crate::session::{self, Session};
use crate::state::State;
use crate::wasi;

/// How much one poll shares with the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// A fresh instance of the component for every poll: nothing is carried from one tenant's instance to the next.
    #[default]
    Poll,
    /// One instance of the component for a cycle: faster, for guests that the operator trusts.
    Cycle,
}

/// What to load, and what it may do.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The guest's name in the pipeline file.
    pub name: String,
    /// The component's file.
    pub module: PathBuf,
    /// What it may import.
    pub grants: BTreeSet<Capability>,
    /// What it may use.
    pub limits: Limits,
    /// What `settings.get` answers.
    pub settings: BTreeMap<String, String>,
    /// How much one poll shares with the next.
    pub isolation: Isolation,
}

/// A loaded guest: ready to poll from any thread.
pub struct Guest {
    pub(crate) engine: Engine,
    pub(crate) profile: Arc<Profile>,
    pub(crate) component: FullPre<Poll>,
    module: PathBuf,
    grants: BTreeSet<Capability>,
    capabilities: BTreeSet<Capability>,
    start_memory: usize,
}

/// What a guest's stores share.
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) isolation: Isolation,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) meters: Vec<Meter>,
    pub(crate) wasi: bool,
    /// Log lines that were cut off, all polls together.
    pub(crate) log_cut: AtomicU64,
}

/// Why a guest is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("failed to read the module {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than [`limits::MODULE_BYTES`].
    #[error("the module {} is larger than {} MiB", path.display(), limits::MODULE_BYTES / 1024 / 1024)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// No WebAssembly component: a core module, a text, a truncated file.
    #[error("{} is no WebAssembly component{hint}", path.display())]
    NotAComponent {
        /// The file.
        path: PathBuf,
        /// What it looks like instead.
        hint: &'static str,
        /// What wasmtime says.
        #[source]
        source: wasmtime::Error,
    },
    /// It is a guest of a contract that this runtime does not have.
    #[error(
        "{} is built for {PACKAGE}@{}, and this runtime has {VERSION}: use a nephoscope that has it, or a module built for 0.1",
        path.display(),
        versions.join(" and ")
    )]
    AnotherVersion {
        /// The file.
        path: PathBuf,
        /// The versions that it names, without this runtime's.
        versions: Vec<String>,
    },
    /// A component of another world.
    #[error("{} is a component, but no guest: it does not export {PACKAGE}/pollster@{VERSION}", path.display())]
    NotAPollster {
        /// The file.
        path: PathBuf,
    },
    /// It imports what no Nephoscope offers, or another version of the contract.
    #[error(
        "guest {guest} imports {}, which this runtime does not offer: it has {PACKAGE}@{VERSION} and WASI 0.2",
        imports.join(", ")
    )]
    UnknownImports {
        /// The guest.
        guest: String,
        /// The imports.
        imports: Vec<String>,
    },
    /// It imports what it was not granted.
    #[error(
        "guest {guest} imports {}, but its grants are {}: add to `grants` what it may read, or use another module",
        capability::join(missing.iter().copied()),
        if granted.is_empty() { "none".to_owned() } else { capability::join(granted.iter().copied()) }
    )]
    NotGranted {
        /// The guest.
        guest: String,
        /// What it wants beyond its grants.
        missing: BTreeSet<Capability>,
        /// What it was granted.
        granted: BTreeSet<Capability>,
    },
    /// It does not fit the contract: no `pollster`, or functions of other types.
    #[error("guest {guest} does not fit the contract {PACKAGE}@{VERSION}")]
    Contract {
        /// The guest.
        guest: String,
        /// What wasmtime says.
        #[source]
        source: wasmtime::Error,
    },
    /// `meters()` or the start-up of the component failed.
    #[error("guest {guest} failed while it was asked for its meters: {failure}")]
    Meters {
        /// The guest.
        guest: String,
        /// How.
        failure: Failure,
    },
    /// A declared meter cannot be used.
    #[error("guest {guest} declares {}", faults.join("; and "))]
    Declaration {
        /// The guest.
        guest: String,
        /// Each: which meter, and what is wrong with it.
        faults: Vec<String>,
        /// Those that could be used.
        sound: Vec<Meter>,
    },
}

impl Guest {
    /// Reads, compiles, checks and links a component, and asks it for its meters.
    ///
    /// # Errors
    /// [`LoadError`] names the guest or the file and what would be right.
    pub fn load(engine: &Engine, spec: Spec) -> Result<Self, LoadError> {
        Self::of(engine, &Module::read(engine, &spec.module)?, spec)
    }

    /// Checks and links a module that is compiled already, and asks it for its meters. One module can serve several guests.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of(engine: &Engine, module: &Module, spec: Spec) -> Result<Self, LoadError> {
        let demand = &module.demand;
        let guest = || spec.name.clone();
        if !demand.unknown.is_empty() {
            return Err(LoadError::UnknownImports { guest: guest(), imports: demand.unknown.clone() });
        }
        let missing: BTreeSet<_> = demand.capabilities.difference(&spec.grants).copied().collect();
        if !missing.is_empty() {
            return Err(LoadError::NotGranted { guest: guest(), missing, granted: spec.grants });
        }
        let linker = link(engine, &spec.grants, !demand.wasi.is_empty())
            .map_err(|source| LoadError::Contract { guest: guest(), source })?;
        let component = linker
            .instantiate_pre(&module.component)
            .and_then(FullPre::new)
            .map_err(|source| LoadError::Contract { guest: guest(), source })?;

        let mut profile = Profile {
            name: spec.name,
            limits: spec.limits,
            isolation: spec.isolation,
            settings: spec.settings,
            meters: Vec::new(),
            wasi: !demand.wasi.is_empty(),
            log_cut: AtomicU64::new(0),
        };
        // The asking store has a profile of its own, without meters.
        let asking = Arc::new(profile.asking());
        let (meters, start_memory) = session::ask_meters(engine, &component, &asking)
            .map_err(|failure| LoadError::Meters { guest: profile.name.clone(), failure })?;
        let Declared { sound, faults } = declaration::check(meters);
        if !faults.is_empty() {
            return Err(LoadError::Declaration { guest: profile.name, faults, sound });
        }
        profile.meters = sound;
        Ok(Self {
            engine: engine.clone(),
            profile: Arc::new(profile),
            component,
            module: spec.module,
            grants: spec.grants,
            capabilities: demand.capabilities.clone(),
            start_memory,
        })
    }

    /// The guest's name in the pipeline file.
    pub fn name(&self) -> &str {
        &self.profile.name
    }

    /// The meters that it declared; at least one, each name once.
    pub fn meters(&self) -> &[Meter] {
        &self.profile.meters
    }

    /// The file that it was described with.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// What it was granted.
    pub fn grants(&self) -> &BTreeSet<Capability> {
        &self.grants
    }

    /// How much one poll shares with the next.
    pub fn isolation(&self) -> Isolation {
        self.profile.isolation
    }

    /// What it imports, all of it granted.
    pub fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }

    /// The groups of readings that it imports.
    pub fn groups(&self) -> Groups {
        self.capabilities.iter().filter_map(|capability| capability.group()).collect()
    }

    /// Its limits.
    pub fn limits(&self) -> &Limits {
        &self.profile.limits
    }

    /// The linear memory that it had in use when it had started and declared its meters, in bytes.
    pub fn start_memory(&self) -> usize {
        self.start_memory
    }

    /// Log lines that were cut off since it was loaded.
    pub fn log_lines_cut(&self) -> u64 {
        self.profile.log_cut.load(Ordering::Relaxed)
    }

    /// Starts polling, for one cycle and on one thread, with what the guest remembers in the source that polls.
    pub fn session(&self, state: &Arc<State>) -> Session<'_> {
        Session::new(self, Arc::clone(state))
    }
}

impl Profile {
    fn asking(&self) -> Self {
        Self {
            name: self.name.clone(),
            limits: self.limits.clone(),
            isolation: self.isolation,
            settings: self.settings.clone(),
            meters: Vec::new(),
            wasi: self.wasi,
            log_cut: AtomicU64::new(0),
        }
    }

    /// Time for start-up and `meters()`.
    pub(crate) fn load_cpu(&self) -> Duration {
        self.limits.cpu * limits::LOAD_FACTOR
    }
}

/// Links what was granted, and WASI where it is wanted; nothing else is there to call.
fn link(engine: &Engine, grants: &BTreeSet<Capability>, wants_wasi: bool) -> wasmtime::Result<Linker<Poll>> {
    let mut linker = Linker::<Poll>::new(engine.wasmtime());
    interfaces::types::add_to_linker::<_, HasSelf<Poll>>(&mut linker, |poll| poll)?;
    macro_rules! link {
        ($interface:ident) => {
            interfaces::$interface::add_to_linker::<_, HasSelf<Poll>>(&mut linker, |poll| poll)?
        };
    }
    for capability in grants {
        match capability {
            Capability::Instance => link!(instance),
            Capability::Memory => link!(memory),
            Capability::Cpu => link!(cpu),
            Capability::Disks => link!(disks),
            Capability::Vnics => link!(vnics),
            Capability::Perf => link!(perf),
            Capability::RawStats => link!(raw_stats),
            Capability::DomainXml => link!(domain_xml),
            Capability::State => link!(state),
            Capability::Settings => link!(settings),
            Capability::Log => link!(log),
        }
    }
    if wants_wasi {
        wasi::link(&mut linker)?;
    }
    Ok(linker)
}
